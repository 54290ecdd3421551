"""Each handler that docs/operations/callback.md quotes."""

from __future__ import annotations

from datetime import timedelta

import pytest

from examples.operations import callback as example
from powertools_durable.testing import Simulator


@pytest.mark.parametrize(("approved", "word"), [(True, "approved"), (False, "declined")])
def test_approve_waits_for_the_decision_and_tells_it(approved, word):
    run = Simulator(example.approve).start("42")
    assert run.status == "RUNNING"
    run.callback("approval").succeed({"approved": approved, "by": "ada"})
    run.finish()
    assert (run.status, run.result) == ("SUCCEEDED", f"42 {word} by ada")


# --8<-- [start:answer]
def test_approve_in_time_takes_an_answer():
    run = Simulator(example.approve_in_time).start("42")
    run.callback("approval").succeed({"approved": True, "by": "ada"})
    run.finish()
    assert (run.status, run.result) == ("SUCCEEDED", "approved")


# --8<-- [end:answer]


# --8<-- [start:timeout]
def test_approve_in_time_gives_up_after_two_days():
    run = Simulator(example.approve_in_time).start("42")
    run.advance(timedelta(days=2))
    assert (run.status, run.result) == ("SUCCEEDED", "nobody answered")
    approval = run.operation("approval")
    assert approval.end_timestamp - approval.start_timestamp == timedelta(days=2)


# --8<-- [end:timeout]
def test_approve_in_time_tells_why_it_could_not_be_decided():
    run = Simulator(example.approve_in_time).start("42")
    run.callback("approval").fail(PermissionError("ada has left"))
    run.finish()
    assert (run.status, run.result) == ("SUCCEEDED", "could not be decided: ada has left")


def test_render_goes_on_for_as_long_as_heartbeats_come():
    run = Simulator(example.render).start("metropolis")
    for _ in range(3):
        run.advance(timedelta(minutes=4))
        run.callback("rendered").heartbeat()
    run.callback("rendered").succeed("metropolis.mp4")
    run.finish()
    assert (run.status, run.result) == ("SUCCEEDED", "metropolis.mp4")


def test_render_fails_after_five_minutes_of_silence():
    run = Simulator(example.render).start("metropolis")
    run.advance(timedelta(hours=1))
    assert run.status == "FAILED"
    rendered = run.operation("rendered")
    assert rendered.end_timestamp - rendered.start_timestamp == timedelta(minutes=5)
