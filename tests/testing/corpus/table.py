"""The corpus as a table: ``python -m tests.testing.corpus.table`` writes docs/testing/bugs-it-finds.md anew."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from powertools_durable._hosting import program_of
from powertools_durable.cli.diagnosis.source import Source
from powertools_durable.testing import explore

CORPUS = Path(__file__).parent
PAGE = CORPUS.parents[2] / "docs" / "testing" / "bugs-it-finds.md"
BUGS = sorted(path.stem for path in CORPUS.glob("*.py") if path.stem != "table")
BEGIN, END = "<!-- table: begin -->\n", "<!-- table: end -->\n"


def module_of(bug):
    """Return the module of a handler of the corpus."""
    return import_module(f"tests.testing.corpus.{bug}")


def explored(bug):
    """Explore a handler of the corpus."""
    module = module_of(bug)
    return module, explore(module.handler, module.EVENT, ledger=getattr(module, "ledger", None))


def diagnosed(bug):
    """Return what `doctor` finds in the code of a handler of the corpus."""
    findings = Source(program_of(module_of(bug).handler).handler).findings()
    return [finding for finding in findings if finding.level != "ok"]


def of_doctor(bug):
    """Return the finding of the bug; None if there is none."""
    return next((finding for finding in diagnosed(bug) if finding.rule == module_of(bug).DOCTOR), None)


def table():
    """Return a row for each bug: what it is, and what `doctor` and `explore` say."""
    lines = ["| Bug | What `doctor` says | What `explore` says |", "|---|---|---|"]
    for bug in BUGS:
        module = module_of(bug)
        finding = of_doctor(bug)
        static = f"`{finding.rule}`: {finding.message}" if finding is not None else ""
        words = ""
        if module.SAYS is not None:
            _, found = explored(bug)
            says = next(failure for failure in found.failures if module.SAYS in failure.differed)
            at = f"`{Path(says.location.rpartition(':')[0]).name}:{says.location.rpartition(':')[2]}`"
            words = f"{at} {says.operation}: {says.differed} (crash: {says.crash_point})".replace(
                f"{CORPUS}/services/", ""
            ).replace(f"{CORPUS}/", "")
        lines.append(f"| {' '.join(module.__doc__.split())} | {static} | {words} |")
    return "\n".join(lines).replace("powertools-durable-corpus", "shop") + "\n"


def page():
    """Return the page as it should be."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    return before + BEGIN + "\n" + table() + "\n" + END + rest.partition(END)[2]


if __name__ == "__main__":
    PAGE.write_text(page())
