"""``export`` and ``replay``: prints the history of an execution, and checks whether changed code can continue it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from powertools_durable._protocol.wire import parse_timestamp
from powertools_durable.cli.inputs import STANDARD_INPUT, read_standard_input, refuse_second_standard_input
from powertools_durable.cli.options import DEFAULT_STORE, JsonFlag, Store, Target, open_store
from powertools_durable.cli.output import console, one_line, own_output, print_json
from powertools_durable.cli.sources import AwsFlag, AwsFunction, ExecutionSource
from powertools_durable.cli.targets import load_target, resolve_target
from powertools_durable.cli.usage import UsageError, absolute, shorten_paths
from powertools_durable.errors import ValidationError
from powertools_durable.local.housekeeping import copy_store
from powertools_durable.testing import ReplayVerdict
from powertools_durable.testing import replay as replay_history

__all__ = ["export", "replay"]

_BREAKS, _UNREADABLE = 1, 2
_ADVICE = "Guard the change with ctx.patched(...), or deploy it as a new version: running executions stay with theirs."


def export(
    execution: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="Its id, a prefix of the id, its name, or its ARN.")
    ] = None,
    store: Store = DEFAULT_STORE,
    to: Annotated[
        Path | None, typer.Option("--to", metavar="FILE", help="Without ID: copy the whole store to this new file.")
    ] = None,
    aws: AwsFlag = False,
    function: AwsFunction = None,
) -> None:
    """Print a history as JSON, or copy the whole store.

    `replay` reads such a history; it has the form of GetDurableExecutionHistory. Histories and copies contain payloads
    and callback ids: protect them. A copy is one complete file. The store's own file is not: part of the data may be in
    its -wal file.
    """
    if execution is None:
        if to is None or aws:
            raise UsageError("export needs an execution's ID; or, to copy the whole store of this machine, --to FILE")
        copy_store(open_store(store), to)
        print(f"copied the whole store to {absolute(to)}")
        return
    if to is not None:
        raise UsageError("--to copies the whole store: leave out the ID, or leave out --to and redirect the output")
    one = ExecutionSource(store, aws, function).executions().find(execution)
    print(json.dumps({"DurableExecutionArn": one.arn, "Events": _readable(one.history())}, indent=2))


def replay(
    target: Target,
    histories: Annotated[
        list[str],
        typer.Argument(metavar="HISTORY", help="Files written by `export` or the AWS CLI; - is standard input."),
    ],
    as_json: JsonFlag = False,
) -> None:
    """Check whether TARGET can continue recorded histories.

    Prints a line for each HISTORY: SAFE, or BREAKS and where. No step runs and nothing is sent. The exit code is 0 if
    all are SAFE, 1 if one BREAKS, 2 if one can't be read.
    """
    refuse_second_standard_input(*histories)
    resolved = resolve_target(target)
    sources = [(name, None if name == STANDARD_INPUT else absolute(name)) for name in histories]
    output = sys.stdout
    page = console(output)
    broken = unreadable = 0
    with own_output():
        handler = load_target(resolved)
        for history, path in sources:
            name, verdict = _replay(handler, history, path)
            if as_json:
                print_json(_fields(name, verdict), output)
            else:
                _print(name, verdict, page)
            broken += isinstance(verdict, ReplayVerdict) and not verdict
            unreadable += isinstance(verdict, ValidationError)
    if broken and not as_json:
        page.print(Text(_ADVICE, style="dim"))
    raise typer.Exit(_UNREADABLE if unreadable else _BREAKS if broken else 0)


def _replay(
    handler: Callable[..., Any], history: str, path: Path | None
) -> tuple[str, ReplayVerdict | ValidationError]:
    """Return a history's name, and its verdict or why it can't be read."""
    name, source = (history, path) if path is not None else ("standard input", read_standard_input("HISTORY"))
    try:
        return name, replay_history(handler, source)
    except ValidationError as error:
        return name, error


def _print(name: str, verdict: ReplayVerdict | ValidationError, page: Console) -> None:
    if isinstance(verdict, ValidationError):
        console(sys.stderr).print(Text(one_line(f"error: {_with_name(name, verdict)}")), style="red")
        return
    style = "green bold" if verdict else "red bold" if verdict.breaks else "yellow bold"
    page.print(Text.assemble((f"{verdict.status:<6}", style), one_line(f"  {name}: {shorten_paths(verdict.summary)}")))


def _with_name(name: str, error: ValidationError) -> str:
    """Return an error's message, with the history's name if it does not contain it."""
    message = shorten_paths(str(error))
    return message if name in message else f"{name}: {message}"


def _fields(name: str, verdict: ReplayVerdict | ValidationError) -> dict[str, Any]:
    if isinstance(verdict, ValidationError):
        return {"history": name, "status": "UNREADABLE", "reason": shorten_paths(str(verdict))}
    fields = {
        "operation": verdict.operation,
        "location": shorten_paths(verdict.location),
        "recorded": dict(verdict.recorded),
        "asked": dict(verdict.asked),
        "reason": shorten_paths(verdict.reason),
        "replayed": verdict.replayed,
        "stoppedAt": shorten_paths(verdict.stopped_at),
    }
    return {"history": name, "status": verdict.status} | {key: value for key, value in fields.items() if value != ""}


def _readable(part: Any) -> Any:
    """Return the events with timestamps as the AWS CLI writes them."""
    match part:
        case dict():
            return {
                key: _timestamp(value) if key.endswith("Timestamp") else _readable(value) for key, value in part.items()
            }
        case list():
            return [_readable(item) for item in part]
        case _:
            return part


def _timestamp(value: object) -> str | None:
    time = parse_timestamp(value)
    return time.isoformat(timespec="milliseconds") if time else None
