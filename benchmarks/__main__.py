"""Measure ours beside its peers, row by row, and print the table: ``make bench``.

The scenarios, the fake service and the peers' adapters are a harness of their own (``--harness``). Where it is
missing, ours and a floor of its own run on the scenarios of ``alone.py``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks import alone, table
from benchmarks.environments import python_of, set_up
from benchmarks.rows import ASYNC_ROWS, ROWS, Row, Run

HERE = Path(__file__).parent
KEPT, PAGE = HERE / "history", HERE.parent / "docs" / "how-fast.md"
KINDS = {"def": ROWS, "async": ASYNC_ROWS}
ENVIRONMENTS = {"official": "official", "async": "async", "floor": "official"}  # the rest: ours
MODULES = {"async": "async_sdk"}  # adapters whose name is not the peer's


def measured(run: Run, peer: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Run one scenario once in a process of its own; return its figures, or why there are none."""
    environment = ENVIRONMENTS.get(peer, "ours")
    case = {key: value.format(peer=peer) if isinstance(value, str) else value for key, value in run.case.items()}
    command = [str(python_of(arguments.environments, environment)), str(HERE / "process.py")]
    command += ["--peer", MODULES.get(peer, peer), "--scenario", run.scenario, "--case", json.dumps(case)]
    command += ["--transport", "http" if run.http else "stub"]
    variables = {**os.environ, "BENCH_HARNESS": str(arguments.harness.resolve())}
    if environment == "ours" and arguments.source:
        variables["PYTHONPATH"] = str(HERE.parent)
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=arguments.limit, env=variables, check=False
        )
    except subprocess.TimeoutExpired:
        return {"failed": f"over {arguments.limit} s"}
    if done.returncode:
        return {"failed": (done.stderr.strip().splitlines() or ["no output"])[-1][:300]}
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


def medians(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the median of each figure, and why there is none if a round failed."""
    failed = next((figures for figures in rounds if "failed" in figures), None)
    return failed or {name: statistics.median(figures[name] for figures in rounds) for name in rounds[0]}


def compared(run: Run, arguments: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Let everybody who runs *run* take turns; those that are no yardstick have one turn."""
    others = [peer for peer in run.others if peer == "ours" or peer in arguments.peers]
    peers = [*others[:1], run.peer, *others[1:]]
    rounds: dict[str, list[dict[str, Any]]] = {peer: [] for peer in peers}
    for number in range(arguments.rounds):
        for peer in peers if number == 0 else peers[:2]:
            if not (rounds[peer] and "failed" in rounds[peer][-1]):
                rounds[peer].append(measured(run, peer, arguments))
    shown = {"ours": "def", run.peer: "ours"}
    return {shown.get(peer, peer): medians(found) for peer, found in rounds.items()}


def key_of(run: Run) -> str:
    """Return what tells a run apart."""
    return json.dumps([run.scenario, dict(run.case), run.http, run.peer, run.others])


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.partition("\n")[0])
    parser.add_argument("--harness", type=Path, help="where scenarios.py, service.py and peers/ are")
    parser.add_argument("--environments", type=Path, default=HERE.parent / ".venv-bench")
    parser.add_argument("--peer", dest="peers", action="append", choices=list(ENVIRONMENTS), help="default: all")
    parser.add_argument("--only", default="", help="rows whose title holds this text")
    parser.add_argument("--kind", dest="kinds", action="append", choices=list(KINDS), help="of handlers; default: all")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--limit", type=int, default=240, help="seconds a process may take")
    parser.add_argument("--source", action="store_true", help="measure this folder's code, not what is installed")
    parser.add_argument("--history", type=Path, default=KEPT, help="where a full run is kept")
    parser.add_argument("--page", type=Path, help="only write this page, from the last run that was kept")
    arguments = parser.parse_args()
    if arguments.page:
        arguments.page.write_text(table.page(arguments.history))
        return
    if arguments.harness is None or not arguments.harness.is_dir():
        print("Without the harness: ours and a floor of its own, no peers.\n")
        alone.main()
        return
    arguments.peers = arguments.peers or list(ENVIRONMENTS)
    set_up(arguments.environments, arguments.harness, sys.executable, install_ours=not arguments.source)

    results: dict[str, dict[str, dict[str, Any]]] = {}
    for kind in arguments.kinds or KINDS:
        report: list[dict[str, Any]] = []
        for row in KINDS[kind]:
            if arguments.only in row.title:
                report += _measured(row, results, arguments)
        print(f"\n{kind}: {table.verdict(report)}")
        if not arguments.only:
            table.keep(table.kept_in(arguments.history, kind), _head(arguments), report)
    if not arguments.only and arguments.history == KEPT:
        PAGE.write_text(table.page(KEPT))
        print(f"and written down in {PAGE.relative_to(HERE.parent)}")


def _measured(
    row: Row, results: dict[str, dict[str, dict[str, Any]]], arguments: argparse.Namespace
) -> list[dict[str, Any]]:
    for run in _runs(row):
        if key_of(run) not in results:
            results[key_of(run)] = compared(run, arguments)
    lines = table.lines(row, results, key_of)
    for line in lines:
        print(table.as_text(line), flush=True)
    return lines


def _runs(row: Row) -> list[Run]:
    return [figure.of for figure in row.figures if figure.of is not None] + [row.run]


def _head(arguments: argparse.Namespace) -> dict[str, Any]:
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=HERE, check=False
    ).stdout.strip()
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "commit": commit,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "rounds": arguments.rounds,
    }


if __name__ == "__main__":
    main()
