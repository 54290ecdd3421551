"""examples/tutorial: what docs/tutorial shows, page after page."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from examples.tutorial.approve import refund as approve
from examples.tutorial.deployed import refund as deployed
from examples.tutorial.first_step import refund as first_step
from examples.tutorial.retry import refund as retry
from powertools_durable.testing import Simulator

ROOT = Path(__file__).parents[2]
TUTORIAL = ROOT / "examples" / "tutorial"
SMALL = {"order_id": "17", "amount": 20}
LARGE = {"order_id": "18", "amount": 500}
WITH_APPROVAL = [approve.handler, retry.handler, deployed.handler]


def test_first_step_pays_and_sends_a_mail(capsys):
    run = Simulator(first_step.handler).start(SMALL).finish()
    assert (run.result, len(run.invocations)) == ("payment-17", 1)
    assert [operation.name for operation in run.operations] == ["pay_back", "send_mail"]


def test_an_event_without_an_amount_is_refused():
    run = Simulator(first_step.handler).start({"order_id": "17"}).finish()
    assert run.error.error_message == "1 validation error for Refund: amount (missing)"


@pytest.mark.parametrize("handler", WITH_APPROVAL)
def test_a_large_refund_waits_for_a_manager(handler):
    run = Simulator(handler).start(LARGE)
    run.callback("approval").succeed({"approved": True, "by": "Ada"})
    assert run.finish().result == "payment-18"
    assert run.operation("a-week").status == "SUCCEEDED"


@pytest.mark.parametrize("handler", WITH_APPROVAL)
def test_a_manager_can_refuse(handler):
    run = Simulator(handler).start(LARGE)
    run.callback("approval").succeed({"approved": False, "by": "Ada"})
    assert run.finish().result == "refused by Ada"


@pytest.mark.parametrize("handler", WITH_APPROVAL)
def test_a_manager_has_three_days(handler):
    run = Simulator(handler).start(LARGE)
    run.advance(timedelta(days=3))
    assert run.error.error_type == "CallbackTimeoutError"


@pytest.mark.parametrize("handler", [retry.handler, deployed.handler])
def test_a_busy_bank_is_asked_again_and_a_closed_card_is_not(handler):
    assert Simulator(handler).start(SMALL).finish().operation("pay_back").attempts == 3
    closed = Simulator(handler).start({"order_id": "closed-card", "amount": 20}).finish()
    assert closed.result == "waiting for another card"
    assert closed.operation("pay_back").attempts == 1


def test_the_file_of_the_page_on_tests_is_that_of_the_page_before():
    assert (TUTORIAL / "tested" / "refund.py").read_text() == (TUTORIAL / "retry" / "refund.py").read_text()


@pytest.fixture
def pytest_in(tmp_path):
    """Run a reader's tests in a folder of their own, as the page says."""

    def run(folder):
        for file in (TUTORIAL / folder).glob("*.py"):
            shutil.copy(file, tmp_path)
        command = [sys.executable, "-m", "pytest", "-q", "--show-capture=no", "-p", "no:randomly", "-p", "no:xdist"]
        environment = {**os.environ, "COLUMNS": "88"}
        environment.pop("PYTEST_ADDOPTS", None)
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        ).stdout

    return run


@pytest.mark.slow
def test_the_mail_that_is_sent_twice_is_reported_as_the_page_shows(pytest_in):
    page = (ROOT / "docs" / "tutorial" / "test-and-crash.md").read_text()
    printed = pytest_in("tested")
    assert "1 failed, 3 passed" in printed
    report = [line.rstrip() for line in printed.splitlines() if line.startswith("E")]
    shown = [line for line in page.splitlines() if re.match(r"E( |$)", line)]
    assert [re.sub(r" /\S+/refund.py", " refund.py", line) for line in report] == [
        line.replace(" /home/you/refunds/refund.py", " refund.py") for line in shown
    ]


@pytest.mark.slow
def test_with_a_message_id_all_tests_pass(pytest_in):
    assert "5 passed" in pytest_in("deployed")
