"""``list``, ``show``, ``callback`` and ``stop``: everything that needs no handler."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from powertools_durable._protocol.wire import to_wire
from powertools_durable.cli.describe import Shown, failure, moment_of, span, standing, told
from powertools_durable.cli.inputs import read_json
from powertools_durable.cli.options import (
    DEFAULT_STORE,
    ExecutionId,
    JsonFlag,
    Store,
    absolute_path,
    answer_command,
)
from powertools_durable.cli.output import console, one_line, print_json
from powertools_durable.cli.remote import RemoteExecutions
from powertools_durable.cli.remote_execution import Summary
from powertools_durable.cli.sources import AwsFlag, AwsFunction, ExecutionSource
from powertools_durable.cli.timeline import Lines, outcome
from powertools_durable.cli.usage import UsageError, our_command
from powertools_durable.local import LocalExecution
from powertools_durable.local.executions import LocalSummary

__all__ = ["callback", "list_", "show", "stop"]

_PAGE_WIDTH = 100
_ROWS = 100  # of a table; there may be a hundred thousand executions


def _drawing(kind: str) -> Any:
    return typer.Option(metavar="FILE", help=f"Draw it into {kind} file.", callback=absolute_path)


class Answer(StrEnum):
    """How to answer a callback."""

    SUCCEED = "succeed"
    FAIL = "fail"
    HEARTBEAT = "heartbeat"


def list_(
    store: Store = DEFAULT_STORE, aws: AwsFlag = False, function: AwsFunction = None, as_json: JsonFlag = False
) -> None:
    """List the newest 100 executions, the newest last; with --json all of them."""
    there = ExecutionSource(store, aws, function).executions()
    if as_json:
        for one in there.summaries():
            print_json(_listed(one) if isinstance(one, LocalSummary) else _summary_of(one))
        return
    if isinstance(there, RemoteExecutions):
        summaries = there.summaries()
        newest = sorted(islice(summaries, _ROWS), key=lambda one: one.started)
        columns, rows = ("took", "version"), map(_row_of, newest)
        is_cut, total = next(summaries, None) is not None, ""
    else:
        count = there.count()
        columns, rows = ("invocations", "waits for"), map(_row, there.summaries(newest=_ROWS))
        is_cut, total = count > _ROWS, f" of {count:,}"
    _print_table(("id", "name", "status", "started", *columns), rows)
    if is_cut:
        print(f"only the newest {_ROWS}{total} are shown; --json lists all of them", file=sys.stderr)


def show(
    execution: ExecutionId,
    store: Store = DEFAULT_STORE,
    aws: AwsFlag = False,
    function: AwsFunction = None,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw it into an HTML file.", callback=absolute_path)
    ] = None,
    svg: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw it into an SVG file.", callback=absolute_path)
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Show what an execution did: each step, attempt, wait and answer."""
    place = ExecutionSource(store, aws, function)
    one = place.executions().find(execution)
    if as_json:
        print_json(_summary(one) | {"input": one.input, "operations": to_wire(one.operations)})
        return
    if html is None and svg is None:
        _draw(console(), one, place)
        return
    page = Console(record=True, file=io.StringIO(), width=_PAGE_WIDTH, force_terminal=True, highlight=False)
    _draw(page, one, place)
    if html is not None:
        page.save_html(str(html), clear=False)
    if svg is not None:
        page.save_svg(str(svg), title=f"{one.name} ({one.status})", clear=False)


def callback(
    which: Annotated[str, typer.Argument(help="The callback's name or id.", metavar="NAME|ID")],
    answer: Annotated[Answer, typer.Argument(metavar="succeed|fail|heartbeat", help="What to answer.")],
    value: Annotated[
        str | None, typer.Argument(help="The result, or the error's message; @FILE and - too.", metavar="JSON")
    ] = None,
    execution: Annotated[str | None, typer.Option(help="In this execution only; its id, name or ARN.")] = None,
    store: Store = DEFAULT_STORE,
    aws: AwsFlag = False,
    function: AwsFunction = None,
) -> None:
    """Answer a callback, as somebody outside would.

    With --aws a name is looked for in the running executions of --function, or in --execution; an id needs neither.
    """
    waiting = ExecutionSource(store, aws, function).executions().callback(which, execution=execution)
    given = read_json(value, "the answer") if value is not None else None
    match answer:
        case Answer.SUCCEED:
            waiting.succeed(given)
        case Answer.FAIL:
            waiting.fail(given if isinstance(given, str) else json.dumps(given) if given is not None else "")
        case Answer.HEARTBEAT if value is not None:
            raise UsageError("a heartbeat takes no JSON")
        case Answer.HEARTBEAT:
            waiting.heartbeat()
    one = waiting.execution
    whose = f"{one.label(waiting.record)} of {one.name}" if one and waiting.record else "callback"
    console().print(Text(f"{whose}: {answer.value} sent"))
    if answer is not Answer.HEARTBEAT and isinstance(one, LocalExecution) and not one.is_running:
        console().print(Text(f"go on with: {our_command(f'resume {one.id[:8]}')}"), style="dim")


def stop(
    execution: ExecutionId, store: Store = DEFAULT_STORE, aws: AwsFlag = False, function: AwsFunction = None
) -> None:
    """End an execution; its handler is not asked."""
    one = ExecutionSource(store, aws, function).executions().stop(execution)
    console().print(Text(f"{one.name} is stopped"))


def _draw(page: Console, one: Shown, place: ExecutionSource) -> None:
    lines = Lines(page)
    page.print(Text.assemble((one.name, "bold"), (f"  {one.id}", "dim")))
    for event in one.history():
        lines.add(moment_of(event))
    page.print(outcome(one))
    for record in one.open_callbacks:
        page.print(Text(f"  answer with: {answer_command(one.label(record), place.options(one))}"), soft_wrap=True)


def _print_table(columns: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> None:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in columns:
        table.add_column(column, no_wrap=column in {"id", "status", "started"}, overflow="fold")
    for row in rows:
        table.add_row(*(Text(one_line(cell)) for cell in row))
    console().print(table)


def _row(one: LocalSummary) -> tuple[str, ...]:
    waits = ", ".join(one.waiting_for)
    return one.id[:8], one.name, standing(one), _clock(one.started), str(one.invocations), waits


def _listed(one: LocalSummary) -> dict[str, Any]:
    """Return what there is to say of an execution without its payloads."""
    said = _summary_of(one) | {"invocations": one.invocations, "target": one.target}
    if one.status == "SUCCEEDED":
        return said
    return said | ({"error": failure(one.error)} if one.error is not None else {"waitingFor": list(one.waiting_for)})


def _row_of(one: Summary) -> tuple[str, ...]:
    took = span((one.ended - one.started).total_seconds()) if one.ended else ""
    return one.id[:8], one.name, one.status, _clock(one.started), took, one.version


def _clock(moment: datetime) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S}"


def _summary(one: Shown) -> dict[str, Any]:
    counted = {"invocations": one.invocations}
    target = {"target": one.target} if isinstance(one, LocalExecution) else {}
    return _summary_of(one) | counted | target | told(one)


def _summary_of(one: Shown | Summary | LocalSummary) -> dict[str, Any]:
    return {
        "id": one.id,
        "name": one.name,
        "arn": one.arn,
        "status": one.status,
        "started": one.started.isoformat(timespec="milliseconds"),
        "ended": one.ended.isoformat(timespec="milliseconds") if one.ended else None,
    }
