"""examples/approval.py: a person, daily reminders, and a deadline."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from examples.approval import handler
from powertools_durable.testing import Simulator

EVENT = json.loads((Path(__file__).parents[2] / "examples" / "approval.json").read_text())


def reminders(run):
    return [record.name for record in run.operations if (record.name or "").startswith("reminder-")]


@pytest.mark.parametrize(("approved", "carried_out"), [(True, 1), (False, 0)])
def test_an_answer_of_the_same_day_decides_without_a_reminder(approved, carried_out):
    run = Simulator(handler).start(EVENT)
    run.callback("approval").succeed({"approved": approved, "by": "ada"})
    assert (run.status, run.result) == ("SUCCEEDED", {"approved": approved, "by": "ada"})
    assert reminders(run) == []
    assert [record.name for record in run.operations].count("carry_out") == carried_out


def test_whoever_does_not_answer_is_reminded_each_day_and_may_still_answer():
    run = Simulator(handler).start(EVENT)
    run.advance(timedelta(days=2, hours=1))
    assert reminders(run) == ["reminder-1", "reminder-2"]
    run.callback("approval").succeed({"approved": True, "by": "ada"})
    assert (run.status, run.result["by"]) == ("SUCCEEDED", "ada")


def test_nobody_answers_so_the_deadline_decides_after_three_days():
    run = Simulator(handler).start(EVENT)
    started = run.now
    run.finish()
    assert (run.status, run.result) == ("SUCCEEDED", {"approved": False, "by": "the deadline"})
    assert run.now - started == timedelta(days=3)
    assert run.operation("approval submitter").attempts == 1


def test_an_answer_that_is_a_failure_ends_it_at_once():
    run = Simulator(handler).start(EVENT)
    run.callback("approval").fail("ada has left")
    assert (run.status, run.error.error_message) == ("FAILED", "ada has left")
    assert reminders(run) == []
