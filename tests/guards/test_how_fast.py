"""The page "How fast" says what the last ``make bench`` printed, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import table

ROOT = Path(__file__).parents[2]


def test_the_page_is_made_of_the_last_run():
    wanted = table.page(ROOT / "benchmarks" / "history")
    assert (ROOT / "docs" / "how-fast.md").read_text() == wanted, "python -m benchmarks --page docs/how-fast.md"


@pytest.mark.parametrize(("kind", "end"), [("def", "## `async def` handlers"), ("async", "## How costs grow")])
def test_each_line_of_the_run_is_in_it(kind, end):
    head, *lines = table.last(table.kept_in(ROOT / "benchmarks" / "history", kind))
    text, _, _ = (ROOT / "docs" / "how-fast.md").read_text().partition(end)
    section = text.rpartition("\n## ")[2] if kind == "async" else text
    assert head["commit"] in section
    assert sum(line.startswith("| ") for line in section.splitlines()) == len(lines) + 1
