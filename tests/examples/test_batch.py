"""Each handler that docs/operations/batch.md quotes."""

from __future__ import annotations

import pytest

from examples.operations import batch as example
from powertools_durable.testing import Simulator

LINES = [str(number) for number in range(100)]


@pytest.mark.parametrize("handler", [example.total, example.total_in_pieces])
def test_a_hundred_lines_are_read_and_each_has_a_record(handler):
    run = Simulator(handler).start(LINES).finish()
    assert (run.status, run.result) == ("SUCCEEDED", sum(range(100)))
    assert sum(record.type == "STEP" and record.status == "SUCCEEDED" for record in run.operations) == 100


def test_what_was_not_sent_runs_again_after_a_crash(monkeypatch):
    read = []

    def parse(line: str) -> int:
        read.append(line)
        if len(read) == 50:
            raise MemoryError
        return int(line)

    monkeypatch.setattr(example, "parse", parse)
    run = Simulator(example.total_in_pieces).start(LINES).finish()
    assert (run.status, run.result) == ("SUCCEEDED", sum(range(100)))
    assert read.count("0") == read.count("39") == 1  # sent with the first and the second twenty
    assert read.count("49") == 2
