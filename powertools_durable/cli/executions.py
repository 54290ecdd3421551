"""``list``, ``show``, ``callback`` and ``stop``: everything that needs no handler."""

from __future__ import annotations

import io
import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from powertools_durable._protocol.wire import to_wire
from powertools_durable.cli.options import DEFAULT_STORE, JsonFlag, Store, answer_command, open_store, read_json
from powertools_durable.cli.targets import UsageError
from powertools_durable.cli.timeline import Lines, outcome
from powertools_durable.cli.words import ending, moment_of, told
from powertools_durable.local import LocalExecution, LocalExecutions

__all__ = ["callback", "list_", "show", "stop"]

_PAGE_WIDTH = 100


class Answer(StrEnum):
    """How to answer a callback."""

    SUCCEED = "succeed"
    FAIL = "fail"
    HEARTBEAT = "heartbeat"


def list_(store: Store = DEFAULT_STORE, as_json: JsonFlag = False) -> None:
    """List the executions, the newest last."""
    everything = list(LocalExecutions(open_store(store)))
    if as_json:
        for one in everything:
            print(json.dumps({key: value for key, value in _summary(one).items() if key != "result"}))
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("id", "name", "status", "started", "invocations", "waits for"):
        table.add_column(column)
    for one in everything:
        waits = ", ".join(record.name or record.id[:8] for record in one.waiting_for)
        started = f"{one.started.astimezone():%Y-%m-%d %H:%M:%S}"
        table.add_row(one.id[:8], one.name, ending(one)[0], started, str(one.invocations), waits)
    Console(highlight=False).print(table)


def show(
    execution: Annotated[str, typer.Argument(help="Its id, the beginning of it, or its name.", metavar="ID")],
    store: Store = DEFAULT_STORE,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw it into an HTML file.")] = None,
    svg: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw it into an SVG file.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Show what an execution did: each step, attempt, wait and answer."""
    one = LocalExecutions(open_store(store)).find(execution)
    if as_json:
        print(json.dumps(_summary(one) | {"input": one.input, "operations": to_wire(one.operations)}))
        return
    if html is None and svg is None:
        _draw(Console(highlight=False), one, store)
        return
    page = Console(record=True, file=io.StringIO(), width=_PAGE_WIDTH, force_terminal=True, highlight=False)
    _draw(page, one, store)
    if html is not None:
        page.save_html(str(html), clear=False)
    if svg is not None:
        page.save_svg(str(svg), title=f"{one.name} ({one.status})", clear=False)


def callback(
    which: Annotated[str, typer.Argument(help="The callback's name or id.", metavar="NAME|ID")],
    answer: Annotated[Answer, typer.Argument(help="What to answer.")],
    value: Annotated[
        str | None, typer.Argument(help="The result, or the error's message; @FILE and - too.", metavar="[JSON]")
    ] = None,
    execution: Annotated[str | None, typer.Option(help="In this execution only; its id or name.")] = None,
    store: Store = DEFAULT_STORE,
) -> None:
    """Answer a callback, as somebody outside would."""
    waiting = LocalExecutions(open_store(store)).callback(which, execution=execution)
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
    Console(highlight=False).print(Text(f"{waiting.record.name or 'callback'} of {one.name}: {answer.value} sent"))
    if answer is not Answer.HEARTBEAT and not one.is_running:
        Console(highlight=False).print(Text(f"go on with: powertools-durable resume {one.id[:8]}"), style="dim")


def stop(
    execution: Annotated[str, typer.Argument(help="Its id, the beginning of it, or its name.", metavar="ID")],
    store: Store = DEFAULT_STORE,
) -> None:
    """End an execution; its handler is not asked."""
    one = LocalExecutions(open_store(store)).stop(execution)
    Console(highlight=False).print(Text(f"{one.name} is stopped"))


def _draw(console: Console, one: LocalExecution, store: Path) -> None:
    lines = Lines(console)
    console.print(Text.assemble((one.name, "bold"), (f"  {one.id}", "dim")))
    for event in one.history():
        lines.add(moment_of(event))
    console.print(outcome(one))
    for record in one.open_callbacks:
        console.print(Text(f"  answer with: {answer_command(record, store)}"), soft_wrap=True)


def _summary(one: LocalExecution) -> dict[str, Any]:
    return {
        "id": one.id,
        "name": one.name,
        "arn": one.arn,
        "status": one.status,
        "started": one.started.isoformat(timespec="milliseconds"),
        "ended": one.ended.isoformat(timespec="milliseconds") if one.ended else None,
        "invocations": one.invocations,
        "target": one.target,
    } | told(one)
