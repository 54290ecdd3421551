"""examples/documents.py: five hundred documents side by side, one of them damaged."""

from __future__ import annotations

import pytest

from examples import documents as example
from powertools_durable.testing import Simulator

EVENT = {"folder": "letters"}


def records_of(run, sub_type, status):
    return [record for record in run.operations if (record.sub_type, record.status) == (sub_type, status)]


def test_all_documents_but_the_damaged_one_are_read_and_that_one_is_put_aside():
    run = Simulator(example.handler).start(EVENT).finish()
    assert run.status == "SUCCEEDED"
    assert run.result == {"read": 499, "words": 499 * 112, "put_aside": ["letters/0250"]}
    assert run.operation("letters/0250").status == "FAILED"
    assert run.operation("letters/0499").status == "SUCCEEDED"


def test_never_more_than_twenty_are_in_hand(monkeypatch):
    def process(child, document: str) -> example.Document:
        child.wait(60)
        return original(child, document)

    original = example.process
    monkeypatch.setattr(example, "process", process)
    run = Simulator(example.handler).start(EVENT | {"documents": 50})
    in_hand = [len(records_of(run, "MapIteration", "STARTED"))]
    while run.status == "RUNNING":
        run.step()
        in_hand.append(len(records_of(run, "MapIteration", "STARTED")))
    assert in_hand == [20, 20, 10, 0]
    assert run.result["read"] == 50


def test_a_damaged_document_is_not_looked_at_again():
    run = Simulator(example.handler).start(EVENT).finish()
    damaged = run.operation("letters/0250")
    (look,) = [record for record in run.operations if record.parent_id == damaged.id]
    assert look.attempts == 1


def test_a_second_damaged_document_fails_the_job_and_the_rest_is_not_started(monkeypatch):
    def read(document: str) -> example.Document:
        if document.endswith("/0010"):
            raise example.UnreadableError(f"{document} is damaged")
        return original(document)

    original = example.read
    monkeypatch.setattr(example, "read", read)
    run = Simulator(example.handler).start(EVENT).finish()
    assert (run.status, run.error.error_message) == ("FAILED", "letters/0010 is damaged")
    assert "letters/0499" not in [record.name for record in run.operations]


@pytest.mark.slow
def test_after_a_crash_only_the_documents_that_were_not_read_are_read(monkeypatch):
    reads = []

    def read(document: str) -> example.Document:
        reads.append(document)
        if document.endswith("/0400") and reads.count(document) == 1:
            raise MemoryError
        return original(document)

    original = example.read
    monkeypatch.setattr(example, "read", read)
    run = Simulator(example.handler).start(EVENT).finish()
    assert (run.status, len(run.invocations)) == ("SUCCEEDED", 2)
    assert reads.count("letters/0000") == reads.count("letters/0300") == 1
    assert len(reads) < 500 + 2 * 20
