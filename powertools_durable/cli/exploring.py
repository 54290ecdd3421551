"""``explore``: kills a handler at every moment, and reports what comes out differently."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.text import Text

from powertools_durable.cli.options import JsonFlag, Target, absolute_path
from powertools_durable.cli.output import console, own_output, print_json
from powertools_durable.cli.running import Answers, Functions, parse_targets, read_inputs
from powertools_durable.cli.targets import load_targets, resolve_targets
from powertools_durable.cli.usage import UsageError, shorten_paths
from powertools_durable.testing import Exploration, Ledger, Simulator
from powertools_durable.testing import explore as explore_handler

__all__ = ["explore"]


def explore(
    target: Target,
    event: Annotated[
        str, typer.Option("--event", metavar="JSON|@FILE|-", help="The input; - is standard input.")
    ] = "null",
    crashes: Annotated[
        int, typer.Option(metavar="N", help="How often the process is killed in one run.", min=1, max=3)
    ] = 1,
    ledger: Annotated[
        str | None, typer.Option(metavar="NAME", help="The Ledger in TARGET's module that its fakes write to.")
    ] = None,
    most: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="At most this many runs with crashes; a random sample if there are more.", min=1
        ),
    ] = None,
    answer: Answers = None,
    function: Functions = None,
    html: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write the first failure to this HTML file, the run with the crash beside the one without; others "
            "to FILE-2 and so on.",
            callback=absolute_path,
        ),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Kill TARGET at every moment, and report what differs.

    Each run kills the simulated process at another moment, and a new one continues the execution. Steps really run,
    many times: use fakes. The exit code is 0 if nothing differs, else 1.
    """
    payload, answers = read_inputs(event, answer)
    targets = resolve_targets(parse_targets(target, function))
    page = console(sys.stdout)
    bar = _bar(page) if page.is_interactive and not as_json else None
    with own_output(), bar or nullcontext():
        loaded = load_targets(targets, side_by_side=False)
        handler = loaded.pop("")
        exploration = explore_handler(
            Simulator(handler, functions=loaded),
            payload,
            ledger=_ledger(handler, ledger),
            crashes=crashes,
            callbacks=answers,
            most=most,
            progress=_updater(bar) if bar is not None else None,
        )
    if as_json:
        _print_json(exploration)
    else:
        _print(exploration, page)
    if html is not None:
        _save(exploration, html, page, quiet=as_json)
    raise typer.Exit(1 if exploration.failures else 0)


def _bar(page: Console) -> Bar:
    columns = (TextColumn("exploring"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    is_watched = sys.stderr.isatty()  # then output is printed above the bar; otherwise it stays redirected
    return Bar(*columns, console=page, transient=True, redirect_stdout=is_watched, redirect_stderr=is_watched)


def _updater(bar: Bar) -> Callable[[int, int], None]:
    """Return a function that sets the bar to the runs done of the runs planned."""
    task = bar.add_task("exploring", total=None)
    return lambda done, planned: bar.update(task, completed=done, total=planned)


def _ledger(handler: Callable[..., Any], name: str | None) -> Ledger | None:
    """Return the `Ledger` with that name in the handler's module."""
    if name is None:
        return None
    module = sys.modules[inspect.unwrap(handler).__module__]
    ledger = getattr(module, name, None)
    if isinstance(ledger, Ledger):
        return ledger
    others = [key for key, value in vars(module).items() if isinstance(value, Ledger)]
    hint = f"its ledgers: {', '.join(others)}" if others else "it has none"
    raise UsageError(f"--ledger: {module.__name__} has no Ledger {name!r}; {hint}")


def _print(exploration: Exploration, page: Console) -> None:
    """Print the report: the verdict in colour, paths relative to the current folder."""
    first, *lines = shorten_paths(exploration.report()).splitlines()
    page.print(Text(first, style="red bold" if exploration.failures else "green bold"))
    for line in lines:
        style = "yellow" if line.startswith("warning: ") else "bold" if line[:1].isdigit() else ""
        page.print(Text(line, style=style))


def _save(exploration: Exploration, html: Path, page: Console, *, quiet: bool) -> None:
    """Write a report of each failure."""
    for number, _ in enumerate(exploration.failures, 1):
        path = html if number == 1 else html.with_stem(f"{html.stem}-{number}")
        try:
            exploration.save_report(path, number)
        except OSError as problem:
            raise UsageError(f"{path} can't be written: {problem.strerror or problem}") from None
        if not quiet:
            page.print(Text(f"report of failure {number}: {shorten_paths(str(path))}", style="dim"), soft_wrap=True)


def _print_json(exploration: Exploration) -> None:
    """Print one JSON object per line, the verdict last."""
    for failure in exploration.failures:
        print_json({"event": "Failure"} | {key: shorten_paths(text) for key, text in failure._asdict().items()})
    for warning in exploration.warnings:
        print_json({"event": "Warning", "message": shorten_paths(warning)})
    counts = {
        "runs": exploration.runs,
        "crash_points": len(exploration.crash_points),
        "left_out": exploration.left_out,
    }
    print_json({"event": "Explored", "survives": not exploration.failures} | counts)
