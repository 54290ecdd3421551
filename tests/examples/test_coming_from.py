"""examples/coming_from: what docs/coming-from shows of handlers that were written for something else."""

from __future__ import annotations

import inspect
import json
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import aws_durable_execution_sdk_python as official
import pytest
from aws_durable_execution_sdk_python import config as official_config

from examples.coming_from import async_after, official_after, official_compat, states_after
from powertools_durable.compat.rewriting import rewrite
from powertools_durable.testing import Simulator, explore, replay

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "coming-from"
ORDER = {"id": "42", "items": ["lamp", "piano"]}
RECEIPT = {
    "status": "approved",
    "by": '"ada"',  # the callback's text as it was sent
    "payment": "payment-42",
    "items": ["lamp reserved", "piano reserved"],
}


# ------------------------------------------------------------------------------------------- the official SDK


def test_the_moved_handler_comes_to_the_same_result():
    run = Simulator(official_after.handler).start(ORDER).finish()
    run.callback("approval").succeed("ada")
    assert run.finish().result == RECEIPT


def test_the_kept_handler_is_the_official_one_with_other_imports_and_comes_to_the_same_result():
    source = (ROOT / "examples" / "coming_from" / "official_before.py").read_text()
    changed = rewrite(source)
    assert changed.problems == ()
    assert changed.source == (ROOT / "examples" / "coming_from" / "official_compat.py").read_text()
    run = Simulator(official_compat.handler).start(ORDER).finish()
    run.callback("approval").succeed("ada")
    assert run.finish().result == RECEIPT


# In a process of its own: the runner leaves event loops and sockets open.
OFFICIAL = """
import json, sys
from aws_durable_execution_sdk_python_testing import DurableFunctionTestRunner
from examples.coming_from.official_before import handler

with DurableFunctionTestRunner(handler, poll_interval=0.02) as runner:
    arn = runner.run_async(input=sys.argv[1])
    callback = runner.wait_for_callback(arn, name="approval create callback id")
    runner.send_callback_success(callback, b'"ada"')
    result = runner.wait_for_result(arn).result
    history = runner.get_execution_history(arn, include_execution_data=True)
print(json.dumps({"result": json.loads(result), "history": history.to_dict()}, default=str))
"""


@pytest.mark.slow
def test_the_official_handler_comes_to_that_result_too_and_its_history_is_safe_with_the_moved_one():
    command = [sys.executable, "-c", OFFICIAL, json.dumps(ORDER)]
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    ended = json.loads(process.stdout.splitlines()[-1])
    assert ended["result"] == RECEIPT
    verdict = replay(official_after.handler, ended["history"])
    assert verdict, verdict


PAGE = (PAGES / "official-sdk.md").read_text()
LEFT_OUT = {"T", "P", "R", "Enum", "StrEnum", "Generic", "Numeric", "TYPE_CHECKING", "TypeVar"}


def test_every_public_name_of_the_official_sdk_has_a_line():
    of_config = {name for name in vars(official_config) if name[0].isupper()} - LEFT_OUT
    names = {name for name in official.__all__ if name[0].isalpha()} | of_config
    assert sorted(name for name in names if not re.search(rf"`[^`]*\b{name}\b[^`]*`", PAGE)) == []


def test_every_operation_of_the_official_context_has_a_line():
    operations = [name for name, _ in inspect.getmembers(official.DurableContext, inspect.isfunction) if name[0] != "_"]
    assert [name for name in operations if f"context.{name}(" not in PAGE] == []


def test_the_page_is_about_the_version_that_is_installed():
    assert f"{official.__version__.rpartition('.')[0]} of" in PAGE


# ---------------------------------------------------------------------------------------------- Step Functions


def ship(event):
    return f"parcel-{event['id']}"


@pytest.fixture
def execution():
    return Simulator(states_after.handler, functions={"ship:live": ship}).start(ORDER)


def test_an_approved_order_is_shipped(execution):
    execution.callback("Approve").succeed({"approved": True})
    assert execution.finish().result == {"status": "shipped", "payment": "payment-42", "parcel": "parcel-42"}


def test_a_refused_order_fails(execution):
    execution.callback("Approve").succeed({"approved": False})
    assert execution.finish().error.error_message == "the order was not approved"


def test_nobody_decides_for_three_days(execution):
    execution.advance(timedelta(days=3))
    assert execution.error.error_type == "CallbackTimeoutError"


def test_a_charge_that_fails_is_caught(monkeypatch):
    def broken(order):
        raise ValueError("no such card")

    monkeypatch.setattr(states_after, "charge", broken)
    assert Simulator(states_after.handler).start(ORDER).finish().result == {"status": "unpaid"}


def test_each_state_that_does_something_is_an_operation_of_its_name(execution):
    execution.callback("Approve").succeed({"approved": True})
    names = {operation.name for operation in execution.finish().operations}
    machine = json.loads((ROOT / "examples" / "coming_from" / "states.json").read_text())
    states = {**machine["States"], **machine["States"]["Reserve"]["ItemProcessor"]["States"]}
    assert {name for name, state in states.items() if state["Type"] in {"Task", "Map", "Wait"}} <= names


# --------------------------------------------------------------------------------------- async-durable-execution


def test_the_async_handler_comes_to_its_result():
    run = Simulator(async_after.handler).start(ORDER).finish()
    run.callback("approval").succeed("ada")
    assert run.finish().result == {"payment": "payment-42", "total": 9, "by": "ada"}


@pytest.mark.slow
@pytest.mark.parametrize("handler", [official_after.handler, async_after.handler])
def test_the_moved_handlers_survive_a_crash_anywhere(handler):
    explore(handler, ORDER, callbacks={"approval": "ada"}).assert_survives()
