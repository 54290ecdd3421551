"""Each handler that docs/operations/wait-for-callback.md quotes."""

from __future__ import annotations

from datetime import timedelta

import pytest

from examples.operations import wait_for_callback as example
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


def test_receive_in_time_tells_that_submitting_failed_and_was_tried_twice():
    run = Simulator(example.receive_in_time).start("a.zip").finish()
    assert (run.status, run.result) == ("SUCCEEDED", "not even queued: the queue takes no archives")
    assert run.operation("scan submitter").attempts == 2


@pytest.mark.parametrize(("clean", "word"), [(True, "clean"), (False, "infected")])
def test_receive_in_time_takes_an_answer(clean, word):
    run = Simulator(example.receive_in_time).start("a.pdf")
    run.callback("scan").succeed({"clean": clean, "engine": "clam"})
    assert run.result == word


def test_receive_in_time_gives_up_after_ten_minutes_of_silence():
    run = Simulator(example.receive_in_time).start("a.pdf")
    run.advance(timedelta(minutes=9))
    run.callback("scan").heartbeat()
    run.advance(timedelta(minutes=9))
    assert run.status == "RUNNING"
    run.advance(timedelta(minutes=1))
    assert (run.status, run.result) == ("SUCCEEDED", "no answer, or no sign of life")


def test_receive_in_time_tells_why_the_scanner_gave_up():
    run = Simulator(example.receive_in_time).start("a.pdf")
    run.callback("scan").fail("out of memory")
    assert run.result == "the scanner gave up: out of memory"
