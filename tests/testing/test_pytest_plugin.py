"""The plug-in, in a pytest of its own: what it gives to tests, and that it costs nothing where nobody asks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLUGIN = "powertools_durable.testing.pytest_plugin"

HANDLER = """
from powertools_durable import durable

def charge(order):
    return order["total"]

@durable
def handler(order, ctx):
    paid = ctx.step(charge, order)
    ctx.wait(60, name="cooling-off")
    return paid
"""


@pytest.fixture
def inner(pytester, monkeypatch):
    """Runs tests in a process of their own, which knows this package and nothing of this suite."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    # The entry point may not be installed, or be another checkout's; so it is named.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTEST_ADDOPTS", f"-p {PLUGIN} -W error")

    def run(source):
        pytester.makepyfile(test_it=source, shop=HANDLER)
        return pytester.runpytest_subprocess()

    return run


def test_the_entry_point_names_the_plug_in():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["pytest11"] == {PLUGIN: PLUGIN}
    assert import_module(PLUGIN).__all__ == ["captured_logs", "durable_simulator", "xray_segments"]


def test_nothing_is_imported_until_a_test_asks():
    heavy = {"boto3", "pydantic", "aws_lambda_powertools", "aws_xray_sdk"}
    ours = "{name for name in sys.modules if name.startswith('powertools_durable.')}"
    code = f"import {PLUGIN}, sys, json; print(json.dumps([sorted({heavy} & set(sys.modules)), sorted({ours})]))"
    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(told.stdout) == [[], ["powertools_durable._lazy", "powertools_durable.testing", PLUGIN]]


@pytest.mark.slow
def test_the_fixtures_are_listed_with_what_they_are_for(inner, pytester):
    inner("def test_nothing(): pass")
    listed = pytester.runpytest_subprocess("--fixtures")
    listed.stdout.fnmatch_lines(
        [
            "durable_simulator*",
            "*Make simulators*",
            "captured_logs*",
            "*Collect the lines*",
            "xray_segments*",
            "*Be in Lambda as far as tracing goes*",
        ]
    )


def test_a_simulator_runs_a_handler(inner):
    ran = inner(
        """
        from shop import handler

        def test_an_order(durable_simulator):
            run = durable_simulator(handler, seed=3).start({"total": 7}).finish()
            assert run.result == 7
            assert len(run.invocations) == 2
        """
    )
    ran.assert_outcomes(passed=1)
    assert "Durable executions" not in ran.stdout.str()


def test_a_failing_test_shows_what_its_executions_did_and_no_payload(inner):
    ran = inner(
        """
        from shop import handler

        def test_an_order(durable_simulator):
            run = durable_simulator(handler).start({"total": "canary"})
            assert run.status == "SUCCEEDED"
        """
    )
    ran.assert_outcomes(failed=1)
    ran.stdout.fnmatch_lines(
        [
            "*- Durable executions -*",
            "<SimulatedRun RUNNING, 1 invocations, waits for wait 'cooling-off'>",
            "  SUCCEEDED Step 'charge'",
            "  STARTED   Wait 'cooling-off'",
        ]
    )
    assert "canary" not in ran.stdout.str().partition("- Durable executions -")[2]


def test_lines_are_captured_once_with_the_stamps_of_their_execution(inner):
    ran = inner(
        """
        import logging
        import sys
        from aws_lambda_powertools import Logger
        from powertools_durable import durable
        from powertools_durable.testing import Simulator

        def test_lines(captured_logs):
            logger = Logger(service="orders")
            plain = logging.getLogger("plain")

            @durable
            def handler(event, ctx):
                logger.info("first", extra={"order": 7})
                plain.warning("beside %s", "it")
                ctx.wait(5, name="pause")
                logger.info("second")

            Simulator(handler).start(None, name="order-7").finish()
            assert captured_logs.messages == ["first", "beside it", "second"]
            assert captured_logs[0]["order"] == 7
            assert captured_logs[0]["service"] == "orders"
            assert captured_logs[1]["logger"] == "plain"
            assert {line["executionName"] for line in captured_logs} == {"order-7"}
            assert [line["message"] for line in captured_logs.of("orders")] == ["first", "second"]
            assert len(captured_logs.records) == len(captured_logs) == 3
            assert captured_logs[1:] == [captured_logs[1], captured_logs[2]]

        def test_nothing_is_captured_afterwards(captured_logs):
            assert list(captured_logs) == []
            logging.getLogger("orders").handlers[0].setStream(sys.stderr)
            logging.getLogger("orders").warning("heard")
            assert captured_logs.messages == ["heard"]
        """
    )
    ran.assert_outcomes(passed=2)


def test_without_the_extra_a_test_of_traces_is_told_what_to_install(inner):
    ran = inner(
        """
        import sys

        sys.modules["aws_xray_sdk"] = None  # as if it were not installed

        def test_documents(xray_segments):
            pass
        """
    )
    ran.assert_outcomes(errors=1)
    ran.stdout.fnmatch_lines(["xray_segments needs aws_xray_sdk: pip install 'powertools-durable[[]tracer]'"])


@pytest.mark.slow
@pytest.mark.xray
def test_documents_reach_the_daemon_of_the_test(inner):
    ran = inner(
        """
        import os
        from aws_lambda_powertools import Tracer

        def trace():
            tracer = Tracer(service="orders", auto_patch=False)

            @tracer.capture_method
            def charge():
                tracer.put_annotation("order", "7")

            @tracer.capture_lambda_handler(capture_response=False)
            def handler(event, context):
                charge()

            handler({}, None)

        def test_documents(xray_segments):
            parent = xray_segments.next_invocation()
            trace()
            (charge,) = xray_segments.named("## test_it.trace.locals.charge")
            (handler,) = xray_segments.named("## handler")
            assert charge["annotations"] == {"order": "7"}
            assert handler["parent_id"] == parent
            assert charge["parent_id"] == handler["id"]
            assert charge["trace_id"] == handler["trace_id"] == xray_segments.trace_id
            xray_segments.clear()
            assert len(xray_segments) == 0

        def test_an_unsampled_trace_sends_nothing(xray_segments):
            xray_segments.next_invocation(new_trace=True, sampled=False)
            trace()
            assert list(xray_segments) == []

        def test_outside_nothing_is_left():
            from aws_xray_sdk.core import xray_recorder
            assert "AWS_XRAY_DAEMON_ADDRESS" not in os.environ
            assert "LAMBDA_TASK_ROOT" not in os.environ
            assert "_X_AMZN_TRACE_ID" not in os.environ
            assert type(xray_recorder.context).__name__ == "Context"
            assert Tracer(service="outside").disabled

        def test_a_disabled_tracer_before_disables_none_here(xray_segments):
            trace()
            assert len(xray_segments) > 0
        """
    )
    ran.assert_outcomes(passed=4)


def test_many_documents_arrive_in_order_and_whole(xray_segments):
    from aws_xray_sdk.core import xray_recorder

    for number in range(300):
        with xray_recorder.in_subsegment(str(number)) as subsegment:
            subsegment.put_metadata("text", "x" * 2000)
        if number % 50 == 0:
            assert len(xray_segments) == number + 1
    assert [int(document["name"]) for document in xray_segments] == list(range(300))


def test_no_variable_of_the_environment_brings_the_test_kit_into_a_handler():
    """Law of the kit: who wants it imports it. Its files read no variable, and nothing below imports them."""
    reads = ("os.environ.get", "os.getenv", "environ[")
    for file in sorted((ROOT / "powertools_durable" / "testing").glob("*.py")):
        lines = [line for line in file.read_text().splitlines() if any(read in line for read in reads)]
        assert all(" = " in line.partition("environ[")[2] for line in lines), file
    code = """
import json, os, sys
from powertools_durable import durable
@durable
def handler(event, ctx): ...
try:
    handler({}, None)
except Exception: pass
kit = ("powertools_durable.testing", "pytest", "_pytest")
print(json.dumps([name for name in sys.modules if name.startswith(kit)]))
"""
    switched = {f"POWERTOOLS_DURABLE_{name}": "1" for name in ("TESTING", "SIMULATOR", "BACKEND", "LOCAL", "TEST")}
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=os.environ | switched, capture_output=True, text=True, check=True
    )
    assert json.loads(told.stdout.splitlines()[-1]) == []
