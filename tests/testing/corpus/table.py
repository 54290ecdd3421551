"""The corpus as a table: ``python -m tests.testing.corpus.table`` writes docs/testing/bugs-it-finds.md anew."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from powertools_durable.testing import explore

CORPUS = Path(__file__).parent
PAGE = CORPUS.parents[2] / "docs" / "testing" / "bugs-it-finds.md"
BUGS = sorted(path.stem for path in CORPUS.glob("*.py") if path.stem != "table")
BEGIN, END = "<!-- table: begin -->\n", "<!-- table: end -->\n"


def explored(bug):
    """Explore a handler of the corpus."""
    module = import_module(f"tests.testing.corpus.{bug}")
    return module, explore(module.handler, module.EVENT, ledger=getattr(module, "ledger", None))


def table():
    """Return a row for each bug: what it is, whether it is found, what is said."""
    lines = ["| Bug | Found | What `explore` says |", "|---|---|---|"]
    for bug in BUGS:
        module, found = explored(bug)
        says = next((failure for failure in found.failures if module.SAYS in failure.differed), None)
        found_at = f"`{bug}.py:{says.location.rpartition(':')[2]}`" if says else "no"
        words = f"{says.operation}: {says.differed} (crash: {says.crash_point})" if says else ""
        words = words.replace(f"{CORPUS}/", "")
        lines.append(f"| {' '.join(module.__doc__.split())} | {found_at} | {words} |")
    return "\n".join(lines) + "\n"


def page():
    """Return the page as it should be."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    return before + BEGIN + "\n" + table() + "\n" + END + rest.partition(END)[2]


if __name__ == "__main__":
    PAGE.write_text(page())
