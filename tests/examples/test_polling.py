"""examples/polling.py: a job elsewhere, looked at now and then."""

from __future__ import annotations

from datetime import timedelta

from examples import polling as example
from powertools_durable.testing import Simulator


def test_a_film_is_published_when_its_job_is_done():
    run = Simulator(example.handler).start({"film": "metropolis"}).finish()
    assert (run.status, run.result) == ("SUCCEEDED", "render-metropolis.mp4")
    assert run.operation("look").attempts == 4


def test_between_two_looks_nothing_runs():
    run = Simulator(example.handler).start({"film": "metropolis"}).finish()
    assert len(run.invocations) == 4
    look = run.operation("look")
    assert look.end_timestamp - look.start_timestamp >= timedelta(seconds=3)


def test_each_look_gets_what_the_one_before_returned(monkeypatch):
    seen = []

    def look(job: example.Job) -> example.Job:
        seen.append(job.percent)
        return original(job)

    original = example.look
    monkeypatch.setattr(example, "look", look)
    Simulator(example.handler).start({"film": "metropolis"}).finish()
    assert seen == [0, 25, 50, 75]


def test_a_job_that_fails_fails_the_execution():
    run = Simulator(example.handler).start({"film": "dracula"}).finish()
    assert (run.status, run.error.error_message) == ("FAILED", "render-dracula failed at 50 percent")
