"""Each handler that docs/operations/wait-for-callback.md quotes."""

from __future__ import annotations

from datetime import timedelta

import pytest

from examples.operations import wait_for_callback as example
from examples.operations.complete import wait_for_callback as complete
from powertools_durable.testing import Simulator


@pytest.mark.parametrize(("clean", "word"), [(True, "clean"), (False, "infected")])
def test_receive_waits_for_the_scanner(clean, word):
    run = Simulator(example.receive).start("a.pdf")
    run.callback("scan").succeed({"clean": clean, "engine": "clam"})
    assert (run.status, run.result) == ("SUCCEEDED", f"a.pdf is {word}, says clam")


def test_receive_gives_the_callback_id_to_the_submitter(monkeypatch):
    given = []
    monkeypatch.setattr(example, "start_scan", lambda callback_id, file: given.append((callback_id, file)))
    run = Simulator(example.receive).start("a.pdf")
    assert given == [(run.callback("scan").callback_id, "a.pdf")]


def test_receive_has_a_callback_and_a_step_below_one_name():
    run = Simulator(example.receive).start("a.pdf")
    parent = run.operation("scan").id
    inside = [(record.type, record.name) for record in run.operations if record.parent_id == parent]
    assert inside == [("CALLBACK", "scan create callback id"), ("STEP", "scan submitter")]


def test_a_submitter_that_fails_is_retried_once():
    run = Simulator(complete.receive).start("a.zip").finish()
    assert (run.status, run.result) == ("SUCCEEDED", "not queued: the queue accepts no archives")
    assert run.operation("scan submitter").attempts == 2


@pytest.mark.parametrize(("clean", "word"), [(True, "clean"), (False, "infected")])
def test_the_complete_example_takes_an_answer(clean, word):
    run = Simulator(complete.receive).start("a.pdf")
    run.callback("scan").succeed({"clean": clean})
    assert run.result == word


def test_the_complete_example_gives_up_after_ten_minutes_of_silence():
    run = Simulator(complete.receive).start("a.pdf")
    run.advance(timedelta(minutes=9))
    run.callback("scan").heartbeat()
    run.advance(timedelta(minutes=9))
    assert run.status == "RUNNING"
    run.advance(timedelta(minutes=1))
    assert (run.status, run.result) == ("SUCCEEDED", "no answer, or no heartbeat")
