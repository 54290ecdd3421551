"""The page "How fast" says what the last ``make bench`` printed, and nothing else."""

from __future__ import annotations

from pathlib import Path

from benchmarks import table

ROOT = Path(__file__).parents[2]


def test_the_page_is_made_of_the_last_run():
    run = table.last(ROOT / "benchmarks" / "history")
    wanted = table.page(run)
    assert (ROOT / "docs" / "how-fast.md").read_text() == wanted, "python -m benchmarks --page docs/how-fast.md"


def test_each_line_of_the_run_is_in_it():
    head, *lines = table.last(ROOT / "benchmarks" / "history")
    text, _, _ = (ROOT / "docs" / "how-fast.md").read_text().partition("## How costs grow")
    assert head["commit"] in text
    assert sum(line.startswith("| ") for line in text.splitlines()) == len(lines) + 1
