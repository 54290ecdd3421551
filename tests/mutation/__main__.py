"""Makes each fault in a copy of the project, runs the tests there, and writes down which test noticed.

The same tests run without any fault first, and must pass: a test that fails anyhow notices nothing.

python -m tests.mutation                     # all, two at a time; writes tests/mutation/REPORT.md
python -m tests.mutation --only token        # those whose name has the word; writes nothing
python -m tests.mutation --by tests/properties   # what these tests notice alone; writes nothing
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

from tests.mutation.mutants import MUTANTS, Mutant

ROOT = Path(__file__).parents[2]
REPORT = Path(__file__).with_name("REPORT.md")
COPIED = ("powertools_durable", "tests", "examples", "docs", "pyproject.toml", "README.md")
# The kit first: it should find a fault without knowing where it is. Then the tables that say where.
KIT = ("tests/properties", "tests/reliability", "tests/testing")
TABLES = (
    "tests/operations",
    "tests/replay",
    "tests/runtime",
    "tests/serdes",
    "tests/values",
    "tests/contexts",
    "tests/protocol",
    "tests/integrations",
    "tests/security/test_keys_are_data.py",
    "tests/cli/test_wrong_decorations.py",
)
PATIENCE = 3  # times as long as without a fault: one that makes everything hang is noticed too
WANTED = 0.95


class Verdict(NamedTuple):
    """What became of one fault."""

    mutant: Mutant
    by: str
    suite: str

    @property
    def caught(self) -> bool:
        return bool(self.by)


Suites = Sequence[tuple[str, Sequence[str]]]
SUITES: Suites = (("kit", KIT), ("tables", TABLES))


@contextmanager
def copied() -> Iterator[str]:
    """Copy the project."""
    with tempfile.TemporaryDirectory() as folder:
        for name in COPIED:
            source = ROOT / name
            copy = shutil.copytree if source.is_dir() else shutil.copy
            copy(source, Path(folder, name))
        yield folder


def soundness(suites: Suites) -> float:
    """Run the tests without a fault; how many seconds the longest suite takes.

    Raises
    ------
    SystemExit
        A test fails.
    """
    longest = 0.0
    with copied() as folder:
        for _, paths in suites:
            began = time.monotonic()
            if by := _noticed(folder, paths, None):
                raise SystemExit(f"{by} fails without any fault, so it would notice each: mend that first")
            longest = max(longest, time.monotonic() - began)
    return longest


def judged(mutant: Mutant, suites: Suites, patience: float) -> Verdict:
    """Make the fault and see which test notices, or that the tests do not end in *patience* seconds."""
    with copied() as folder:
        file = Path(folder, "powertools_durable", mutant.file)
        file.write_text(mutant.applied(file.read_text()))
        for suite, paths in suites:
            if by := _noticed(folder, paths, patience):
                return Verdict(mutant, by, suite)
    return Verdict(mutant, "", "")


def _noticed(folder: str, paths: Sequence[str], patience: float | None) -> str:
    options = ["-x", "-q", "--no-header", "--tb=no", "-p", "no:randomly", "-p", "no:cacheprovider", "-m", "not slow"]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | {
        "PYTHONDONTWRITEBYTECODE": "1"
    }
    command = [sys.executable, "-m", "pytest", *options, *paths]
    try:
        done = subprocess.run(  # noqa: PLW1510 - a failing run is what it looks for
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=patience
        )
    except subprocess.TimeoutExpired:
        return "(the tests no longer end)"
    if done.returncode == 0:
        return ""
    found = re.search(r"^(?:FAILED|ERROR) (\S+)", done.stdout, re.MULTILINE)
    if found is None:
        raise SystemExit(f"{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return found[1].removeprefix("tests/").partition("[")[0]


def report(verdicts: list[Verdict]) -> str:
    caught = sum(verdict.caught for verdict in verdicts)
    by_kit = sum(verdict.suite == "kit" for verdict in verdicts)
    lines = [
        "# Faults of the engine, and the test that notices",
        "",
        f"{caught} of {len(verdicts)} faults are noticed, {by_kit} of them by the test kit itself.",
        "Made by `python -m tests.mutation`.",
        "",
        "| Fault | What it breaks | Noticed by |",
        "|---|---|---|",
    ]
    for mutant, by, _ in verdicts:
        lines.append(f"| {mutant.name} | {mutant.breaks} | {f'`{by}`' if by else '**nobody**'} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Judge the faults; 1 when fewer than 95 % are noticed."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation")
    parser.add_argument("--only", default="", help="faults whose name has this word")
    parser.add_argument("--by", action="append", help="tests that are asked, in place of all")
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    chosen = [mutant for mutant in MUTANTS if given.only in mutant.name]
    suites = [("these", given.by)] if given.by else SUITES
    patience = PATIENCE * soundness(suites)
    verdicts: list[Verdict] = []
    with ThreadPoolExecutor(given.jobs) as pool:
        for verdict in pool.map(partial(judged, suites=suites, patience=patience), chosen):
            verdicts.append(verdict)
            print(f"{'noticed ' if verdict.caught else 'SURVIVED'}  {verdict.mutant.name}  {verdict.by}", flush=True)
    if not given.only and not given.by:
        REPORT.write_text(report(verdicts))
    caught = sum(verdict.caught for verdict in verdicts)
    print(f"{caught} of {len(verdicts)} faults noticed")
    return 0 if caught >= WANTED * len(verdicts) else 1


if __name__ == "__main__":
    raise SystemExit(main())
