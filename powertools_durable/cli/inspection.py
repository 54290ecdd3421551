"""``list``, ``show``, ``callback`` and ``stop``: commands that need no handler."""

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

from powertools_durable._report import render_report
from powertools_durable.cli.describe import (
    display_status,
    error_fields,
)
from powertools_durable.cli.inputs import read_json
from powertools_durable.cli.moments import format_duration
from powertools_durable.cli.options import (
    DEFAULT_STORE,
    AllFlag,
    ExecutionId,
    JsonFlag,
    OptionalId,
    Store,
    absolute_path,
    store_option,
)
from powertools_durable.cli.output import console, one_line, print_json, write_report
from powertools_durable.cli.remote import RemoteExecutions
from powertools_durable.cli.remote_execution import Summary
from powertools_durable.cli.showing import Shown, common_fields, follow_execution
from powertools_durable.cli.sources import AwsFlag, AwsFunction, ExecutionSource
from powertools_durable.cli.usage import UsageError, command_line
from powertools_durable.local import LocalExecution, LocalExecutions
from powertools_durable.local.executions import LocalSummary

__all__ = ["callback", "list_", "show", "stop"]

_PAGE_WIDTH = 100
_STATUSES = frozenset({"SUCCEEDED", "FAILED", "TIMED_OUT", "STOPPED", "RUNNING"})
_STATUSES_HERE = frozenset({"SUSPENDED", "KILLED"})  # RUNNING, but no process of this machine runs them
_ROWS = 100  # of the table; a store may have a hundred thousand executions


class Answer(StrEnum):
    """How to answer a callback."""

    SUCCEED = "succeed"
    FAIL = "fail"
    HEARTBEAT = "heartbeat"


def list_(
    store: Store = DEFAULT_STORE,
    aws: AwsFlag = False,
    function: AwsFunction = None,
    status: Annotated[
        list[str] | None,
        typer.Option(
            metavar="STATUS",
            help="Only those with this status: SUCCEEDED, FAILED, TIMED_OUT, STOPPED, RUNNING; here also SUSPENDED, "
            "KILLED. Can be repeated.",
        ),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """List the newest 100 executions; with --json all.

    The newest is the last one.
    """
    executions = ExecutionSource(store, aws, function).executions()
    statuses = {each.upper() for each in status or ()}
    if unknown := statuses - (_STATUSES if aws else _STATUSES | _STATUSES_HERE):
        raise UsageError(f"--status {', '.join(sorted(unknown))}: there is no such status")
    if statuses:
        _list_some(executions, statuses, as_json=as_json)
        return
    if as_json:
        for one in executions.summaries():
            print_json(_local_fields(one) if isinstance(one, LocalSummary) else common_fields(one))
        return
    if isinstance(executions, RemoteExecutions):
        summaries = executions.summaries()
        newest = sorted(islice(summaries, _ROWS), key=lambda one: one.started)
        columns, rows = ("took", "version"), map(_remote_row, newest)
        is_cut, total = next(summaries, None) is not None, ""
    else:
        count = executions.count()
        columns, rows = ("invocations", "waits for"), map(_local_row, executions.summaries(newest=_ROWS))
        is_cut, total = count > _ROWS, f" of {count:,}"
    _print_table(("id", "name", "status", "started", *columns), rows)
    if is_cut:
        print(f"only the newest {_ROWS}{total} executions are listed; --json lists all of them", file=sys.stderr)


def _list_some(executions: LocalExecutions | RemoteExecutions, statuses: set[str], *, as_json: bool) -> None:
    if isinstance(executions, RemoteExecutions):
        found: Iterator[Summary | LocalSummary] = executions.summaries(Statuses=sorted(statuses))
        columns = ("took", "version")
    else:
        found = (one for one in executions.summaries() if display_status(one) in statuses)
        columns = ("invocations", "waits for")
    if as_json:
        for one in found:
            print_json(_local_fields(one) if isinstance(one, LocalSummary) else common_fields(one))
        return
    newest = sorted(found, key=lambda one: one.started)
    rows = (_local_row(one) if isinstance(one, LocalSummary) else _remote_row(one) for one in newest[-_ROWS:])
    _print_table(("id", "name", "status", "started", *columns), rows)
    if len(newest) > _ROWS:
        print(f"only the newest {_ROWS} of {len(newest):,} executions are listed; --json lists all", file=sys.stderr)


def show(
    execution: OptionalId = None,
    store: Store = DEFAULT_STORE,
    aws: AwsFlag = False,
    function: AwsFunction = None,
    history: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Show this history, written by `export` or the AWS CLI.", callback=absolute_path
        ),
    ] = None,
    everything: AllFlag = False,
    follow: Annotated[bool, typer.Option("--follow", help="Show it again at each change until it has ended.")] = False,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a report to this HTML file.", callback=absolute_path)
    ] = None,
    values: Annotated[bool, typer.Option("--values", help="With --html: include inputs and results.")] = False,
    svg: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write it to this SVG file.", callback=absolute_path)
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Show what an execution did: its operations as a tree, what failed and why, what it waits for.

    What succeeded is folded; --all unfolds it, and shows every attempt.
    """
    if values and html is None:
        raise UsageError("--values is for the report: add --html FILE")
    files = [option for option, file in (("--html", html), ("--svg", svg)) if file is not None]
    if as_json and files:
        raise UsageError(f"--json prints, and {files[0]} writes a file: run the command twice, once with each")
    if follow and (others := [*files, *(["--json"] if as_json else [])]):
        raise UsageError(f"--follow shows it again and again; leave it out, or leave out {' and '.join(others)}")
    source = ExecutionSource(store, aws, function)
    with_values = values or html is None  # a report has none that were not asked for
    if history is not None:
        if execution is not None or aws or follow:
            raise UsageError("--history shows a file: leave out the ID, --aws and --follow")
        shown = Shown.of_history(history, values=with_values)
    elif execution is None:
        raise UsageError("name an execution by its ID, or a file by --history FILE")
    else:
        shown = Shown.of_execution(source.executions().find(execution), source, values=with_values)
    if as_json:
        print_json(shown.fields())
    elif html is not None or svg is not None:
        _write_pictures(shown, html, svg, values=values, unfolds=everything)
    elif follow and shown.one is not None:
        follow_execution(shown.one, source, unfolds=everything)
    else:
        shown.print_to(console(), unfolds=everything)


def _write_pictures(shown: Shown, html: Path | None, svg: Path | None, *, values: bool, unfolds: bool) -> None:
    if html is not None:
        write_report(html, render_report(shown.timeline, values=values))
    if svg is not None:
        page = Console(record=True, file=io.StringIO(), width=_PAGE_WIDTH, force_terminal=True, highlight=False)
        shown.print_to(page, unfolds=unfolds)
        write_report(svg, page.export_svg(title=f"{shown.timeline.name} ({shown.status})"))


def callback(
    which: Annotated[str, typer.Argument(help="The callback's name or id.", metavar="NAME|ID")],
    answer: Annotated[Answer, typer.Argument(metavar="succeed|fail|heartbeat", help="What to answer.")],
    value: Annotated[
        str | None,
        typer.Argument(
            help="The result, or the error's message; JSON, @FILE, or - for standard input.", metavar="JSON"
        ),
    ] = None,
    execution: Annotated[str | None, typer.Option(help="Only look in this execution: its id, name or ARN.")] = None,
    store: Store = DEFAULT_STORE,
    aws: AwsFlag = False,
    function: AwsFunction = None,
) -> None:
    """Answer an open callback.

    With --aws, a name is looked up in the running executions of --function, or in --execution; an id needs neither.
    """
    answered = ExecutionSource(store, aws, function).executions().callback(which, execution=execution)
    payload = read_json(value, "the answer") if value is not None else None
    match answer:
        case Answer.SUCCEED:
            answered.succeed(payload)
        case Answer.FAIL:
            answered.fail(payload if isinstance(payload, str) else json.dumps(payload) if payload is not None else "")
        case Answer.HEARTBEAT if value is not None:
            raise UsageError("a heartbeat takes no JSON")
        case Answer.HEARTBEAT:
            answered.heartbeat()
    one = answered.execution
    label = f"{one.label(answered.record)} of {one.name}" if one and answered.record else "callback"
    console().print(Text(f"{label}: {answer.value} sent"))
    if answer is not Answer.HEARTBEAT and isinstance(one, LocalExecution) and not one.is_running:
        command = command_line(f"resume {one.id[:8]}{store_option(store)}")
        console().print(Text(f"continue with: {command}"), style="dim")


def stop(
    execution: ExecutionId, store: Store = DEFAULT_STORE, aws: AwsFlag = False, function: AwsFunction = None
) -> None:
    """End an execution; its handler does not run again."""
    one = ExecutionSource(store, aws, function).executions().stop(execution)
    console().print(Text(f"{one.name} is stopped"))


def _print_table(columns: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> None:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in columns:
        table.add_column(column, no_wrap=column in {"id", "status", "started"}, overflow="fold")
    for row in rows:
        table.add_row(*(Text(one_line(cell)) for cell in row))
    console().print(table)


def _local_row(one: LocalSummary) -> tuple[str, ...]:
    waits = ", ".join(one.waiting_for)
    return one.id[:8], one.name, display_status(one), _local_time(one.started), str(one.invocations), waits


def _local_fields(one: LocalSummary) -> dict[str, Any]:
    """Return what ``list --json`` prints of an execution: no payloads."""
    fields = common_fields(one) | {"invocations": one.invocations, "target": one.target}
    if one.status == "SUCCEEDED":
        return fields
    if one.error is not None:
        return fields | {"error": error_fields(one.error)}
    return fields | {"waitingFor": list(one.waiting_for)}


def _remote_row(one: Summary) -> tuple[str, ...]:
    took = format_duration((one.ended - one.started).total_seconds()) if one.ended else ""
    return one.id[:8], one.name, one.status, _local_time(one.started), took, one.version


def _local_time(time: datetime) -> str:
    return f"{time.astimezone():%Y-%m-%d %H:%M:%S}"
