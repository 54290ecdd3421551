"""``explore``: kill a handler's process wherever it can die, and tell what comes out differently."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from contextlib import nullcontext
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.text import Text

from powertools_durable.cli.options import JsonFlag, Target
from powertools_durable.cli.output import console, own_output, print_json
from powertools_durable.cli.running import Answers, Functions, inputs_of, targets_of
from powertools_durable.cli.targets import load_targets, resolve_targets
from powertools_durable.cli.usage import UsageError, here
from powertools_durable.testing import Exploration, Ledger, Simulator
from powertools_durable.testing import explore as explore_handler

__all__ = ["explore"]


def explore(
    target: Target,
    event: Annotated[
        str, typer.Option("--event", metavar="JSON|@FILE|-", help="The input; - is standard input.")
    ] = "null",
    crashes: Annotated[int, typer.Option(metavar="N", help="How many processes die in one run.", min=1, max=3)] = 1,
    ledger: Annotated[
        str | None, typer.Option(metavar="NAME", help="The Ledger in TARGET's module in which its fakes write.")
    ] = None,
    most: Annotated[
        int | None,
        typer.Option(metavar="N", help="How many runs with crashes at most; of more, some are drawn.", min=1),
    ] = None,
    answer: Answers = None,
    function: Functions = None,
    as_json: JsonFlag = False,
) -> None:
    """Kill TARGET wherever it can die, and tell what differs.

    Each time its process is killed at another moment, and the execution goes on in a new one. Its steps really run,
    again and again: use fakes. Ends with 0 when it survives everything, else with 1.
    """
    payload, answers = inputs_of(event, answer)
    targets = resolve_targets(targets_of(target, function))
    page = console(sys.stdout)
    bar = _bar(page) if page.is_interactive and not as_json else None
    with own_output(), bar or nullcontext():
        loaded = load_targets(targets, side_by_side=False)
        handler = loaded.pop("")
        found = explore_handler(
            Simulator(handler, functions=loaded),
            payload,
            ledger=_ledger(handler, ledger),
            crashes=crashes,
            callbacks=answers,
            most=most,
            progress=_moving(bar) if bar is not None else None,
        )
    if as_json:
        _print_json(found)
    else:
        _print(found, page)
    raise typer.Exit(1 if found.failures else 0)


def _bar(page: Console) -> Bar:
    columns = (TextColumn("exploring"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    is_watched = sys.stderr.isatty()  # then what is printed appears above the bar; else it goes where it was sent
    return Bar(*columns, console=page, transient=True, redirect_stdout=is_watched, redirect_stderr=is_watched)


def _moving(bar: Bar) -> Callable[[int, int], None]:
    """Return what moves *bar*."""
    task = bar.add_task("exploring", total=None)
    return lambda made, planned: bar.update(task, completed=made, total=planned)


def _ledger(handler: Callable[..., Any], name: str | None) -> Ledger | None:
    """Return the ledger that is called *name* beside the handler."""
    if name is None:
        return None
    module = sys.modules[inspect.unwrap(handler).__module__]
    ledger = getattr(module, name, None)
    if isinstance(ledger, Ledger):
        return ledger
    others = [key for key, value in vars(module).items() if isinstance(value, Ledger)]
    hint = f"there is {', '.join(others)}" if others else "there is none"
    raise UsageError(f"--ledger: {module.__name__} has no Ledger {name!r}; {hint}")


def _print(found: Exploration, page: Console) -> None:
    """Print the report: the verdict in colour, places relative to the current folder."""
    first, *lines = here(found.report()).splitlines()
    page.print(Text(first, style="red bold" if found.failures else "green bold"))
    for line in lines:
        style = "yellow" if line.startswith("warning: ") else "bold" if line[:1].isdigit() else ""
        page.print(Text(line, style=style))


def _print_json(found: Exploration) -> None:
    """Print one JSON object a line, the verdict last."""
    for failure in found.failures:
        told = {key: here(text) for key, text in failure._asdict().items()}
        print_json({"event": "Failure"} | told)
    for warning in found.warnings:
        print_json({"event": "Warning", "words": here(warning)})
    counts = {"runs": found.runs, "crash_points": len(found.crash_points), "left_out": found.left_out}
    print_json({"event": "Explored", "survives": not found.failures} | counts)
