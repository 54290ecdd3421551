"""``gate``: may this code be deployed, now that executions run?"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from powertools_durable.cli.gating.history_sources import HistorySource, files_in, read_ahead, running_executions
from powertools_durable.cli.gating.report import (
    PAGE,
    RULES,
    github_annotations,
    judgement_fields,
    print_tally,
    sarif_results,
    tally_fields,
)
from powertools_durable.cli.gating.verdicts import GateVerdict, Tally, judge
from powertools_durable.cli.options import JsonFlag, Target, absolute_path
from powertools_durable.cli.output import console, own_output, print_json, silenced
from powertools_durable.cli.sarif import write_sarif
from powertools_durable.cli.sources import AwsFlag, AwsFunction
from powertools_durable.cli.targets import load_target, resolve_target
from powertools_durable.cli.usage import UsageError, shorten_paths

__all__ = ["gate"]

_BROKEN, _UNKNOWN = 1, 2


def gate(
    target: Target,
    folder: Annotated[
        str | None, typer.Argument(metavar="[FOLDER]", help="Instead of --aws: a folder of exported histories.")
    ] = None,
    aws: AwsFlag = False,
    function: AwsFunction = None,
    parallel: Annotated[
        int, typer.Option(metavar="N", help="Histories that are read at the same time.", min=1, max=16)
    ] = 4,
    github: Annotated[bool, typer.Option("--github", help="Also print annotations for GitHub Actions.")] = False,
    sarif: Annotated[
        Path | None,
        typer.Option("--sarif", metavar="FILE", help="Also write a SARIF log.", callback=absolute_path),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Check whether the executions that run now can continue with TARGET.

    Reads their histories and replays each. No step runs, nothing is sent, nothing of the histories is stored, and what
    TARGET prints meanwhile is dropped. The exit code is 0 if all are safe, 1 if one breaks, 2 if one can't be judged.

    Example: powertools-durable gate src/orders.py:handler --aws --function orders
    """
    if github and as_json:
        raise UsageError("--github and --json print to the same output: use one of them")
    resolved = resolve_target(target)
    page = console(sys.stdout)
    bar = _bar(page) if page.is_interactive and not as_json else None
    tally = Tally()
    with own_output() as output:
        handler = load_target(resolved)
        sources, counted = _sources(folder, function, aws=aws)
        with bar or nullcontext(), silenced():
            task = bar.add_task("replaying", total=len(sources)) if bar is not None else None
            for source, history in read_ahead(sources, parallel):
                judgement = judge(handler, source, history, shorten=shorten_paths)
                tally.add(judgement)
                if as_json:
                    print_json(judgement_fields(judgement), output)
                if bar is not None and task is not None:
                    bar.advance(task)
        lines = list(github_annotations(tally)) if github else []
    if sarif is not None:
        write_sarif(sarif, sarif_results(tally), RULES, PAGE)
    for line in lines:
        print(line)
    if as_json:
        print_json(tally_fields(tally))
    else:
        print_tally(tally, counted, page)
    raise typer.Exit(
        _BROKEN if tally.counts[GateVerdict.BROKEN] else _UNKNOWN if tally.counts[GateVerdict.UNKNOWN] else 0
    )


def _sources(
    folder: str | None, function: str | None, *, aws: bool
) -> tuple[list[HistorySource], Callable[[int], str]]:
    """Return the histories, and the words for a number of them."""
    if folder is not None:
        if aws or function is not None:
            raise UsageError("gate takes a FOLDER of histories, or --aws --function NAME, not both")
        return files_in(folder), lambda count: f"{count} {'history' if count == 1 else 'histories'} in {folder}"
    if function is not None and not aws:
        raise UsageError("--function names a function of an AWS account: add --aws")
    if not aws or function is None:
        raise UsageError(
            "gate needs the histories to check: --aws --function NAME for the executions that run now, or a FOLDER of "
            "exported histories"
        )
    return running_executions(function), lambda count: f"{count} running execution{'s' * (count != 1)} of {function}"


def _bar(page: Console) -> Progress:
    columns = (TextColumn("replaying"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=page, transient=True, redirect_stdout=False, redirect_stderr=False)
