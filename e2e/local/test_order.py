"""examples/order.py behind Lambda's own runtime, over HTTP to the official emulator, in real time."""

from __future__ import annotations

import json
from pathlib import Path

from e2e.order_story import APPROVAL, ORDER, RECEIPT, STORY

FRAGILE = Path(__file__).with_name("fragile.py")


def test_an_order_suspends_is_invoked_again_and_ends_with_a_receipt(emulator, deploy):
    function = deploy("order.handler")
    arn = emulator.start(function, ORDER)
    callback_id = emulator.executions.answer(arn, APPROVAL)
    execution = emulator.executions.end(arn)

    assert execution["Status"] == "SUCCEEDED"
    assert json.loads(execution["Result"]) == RECEIPT
    assert emulator.executions.story(arn) == STORY
    statuses = [json.loads(answer.payload)["Status"] for answer in function.answers]
    assert statuses == ["PENDING", "PENDING", "PENDING", "PENDING", "SUCCEEDED"]  # retry, retry, wait, callback
    assert len(function.sandboxes) == 1  # warm for all of them
    assert callback_id not in function.log


def test_a_runtime_killed_inside_a_step_loses_that_step_only(emulator, deploy, tmp_path):
    traces = tmp_path / "traces"
    function = deploy("fragile.handler", FRAGILE, TRACES=str(traces), FATAL="label cup")
    arn = emulator.start(function, ORDER)
    emulator.executions.answer(arn, APPROVAL)
    execution = emulator.executions.end(arn)

    assert execution["Status"] == "SUCCEEDED"
    assert json.loads(execution["Result"]) == RECEIPT
    assert emulator.executions.story(arn) == STORY
    assert [answer.error for answer in function.answers] == [None, None, None, None, "Unhandled", None]
    assert len(function.sandboxes) == 2
    assert traces.read_text(encoding="utf-8").splitlines() == [
        "reserve",
        *["charge"] * 3,
        "ask_for_approval",
        "label teapot",
        *["label cup"] * 2,
    ]


def test_a_handler_that_cannot_be_durable_ends_in_an_init_error(deploy, tmp_path):
    broken = tmp_path / "src" / "broken.py"
    broken.parent.mkdir()
    broken.write_text("from powertools_durable import durable\n\n@durable\ndef handler(event): ...\n", encoding="utf-8")
    answer = deploy("broken.handler", broken).invoke(b"{}")

    assert answer.error == "Unhandled"
    error = json.loads(answer.payload)
    assert error["errorType"] == "DurableConfigError"
    assert "two positional parameters" in error["errorMessage"]
