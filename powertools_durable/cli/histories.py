"""``export`` and ``replay``: the history of an execution, and whether the code of today can go on with it."""

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
from powertools_durable.cli.usage import UsageError, absolute, here
from powertools_durable.errors import ValidationError
from powertools_durable.local.housekeeping import copy_store
from powertools_durable.testing import ReplayVerdict
from powertools_durable.testing import replay as replay_history

__all__ = ["export", "replay"]

_BREAKS, _UNREADABLE = 1, 2
_ADVICE = "Guard the change with ctx.patched(...), or deploy it as a new version: running executions stay with theirs."


def export(
    execution: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="Its id, the beginning of it, its name, or its ARN.")
    ] = None,
    store: Store = DEFAULT_STORE,
    to: Annotated[
        Path | None, typer.Option("--to", metavar="FILE", help="Without ID: copy the whole store into this new file.")
    ] = None,
    aws: AwsFlag = False,
    function: AwsFunction = None,
) -> None:
    """Print an execution's history as JSON, for `replay`; or copy the whole store.

    A history is what GetDurableExecutionHistory answers, and holds payloads and callback ids as they are: treat it as
    data. So does a copy, which is one file; of a store in use, part may lie in the file -wal beside it.
    """
    if execution is None:
        if to is None or aws:
            raise UsageError("say which execution; or copy the whole store of this machine: export --to FILE")
        copy_store(open_store(store), to)
        print(f"{absolute(to)} is the whole store")
        return
    if to is not None:
        raise UsageError("--to takes the whole store, so it goes without an ID")
    one = ExecutionSource(store, aws, function).executions().find(execution)
    print(json.dumps({"DurableExecutionArn": one.arn, "Events": _readable(one.history())}, indent=2))


def replay(
    target: Target,
    histories: Annotated[
        list[str],
        typer.Argument(metavar="HISTORY", help="Files that `export` or the AWS CLI wrote; - is standard input."),
    ],
    as_json: JsonFlag = False,
) -> None:
    """Tell whether TARGET can go on with recorded histories.

    Prints a line for each HISTORY: SAFE, or BREAKS and where. No step runs and nothing is sent. Ends with 0 when all
    are SAFE, with 1 when one BREAKS, with 2 when one can't be read.
    """
    refuse_second_standard_input(*histories)
    found = resolve_target(target)
    sources = [(name, None if name == STANDARD_INPUT else absolute(name)) for name in histories]
    output = sys.stdout
    page = console(output)
    broken = unreadable = 0
    with own_output():
        handler = load_target(found)
        for history, path in sources:
            name, verdict = _verdict(handler, history, path)
            if as_json:
                print_json(_told(name, verdict), output)
            else:
                _print(name, verdict, page)
            broken += isinstance(verdict, ReplayVerdict) and not verdict
            unreadable += isinstance(verdict, ValidationError)
    if broken and not as_json:
        page.print(Text(_ADVICE, style="dim"))
    raise typer.Exit(_UNREADABLE if unreadable else _BREAKS if broken else 0)


def _verdict(
    handler: Callable[..., Any], history: str, path: Path | None
) -> tuple[str, ReplayVerdict | ValidationError]:
    """Return what a history is called, and its verdict or what is wrong with it."""
    name, source = (history, path) if path is not None else ("standard input", read_standard_input("HISTORY"))
    try:
        return name, replay_history(handler, source)
    except ValidationError as error:
        return name, error


def _print(name: str, verdict: ReplayVerdict | ValidationError, page: Console) -> None:
    if isinstance(verdict, ValidationError):
        console(sys.stderr).print(Text(one_line(f"error: {_words(name, verdict)}")), style="red")
        return
    style = "green bold" if verdict else "red bold" if verdict.breaks else "yellow bold"
    page.print(Text.assemble((f"{verdict.status:<6}", style), one_line(f"  {name}: {here(verdict.summary)}")))


def _words(name: str, error: ValidationError) -> str:
    """Say which of the histories it is, where the message does not."""
    words = here(str(error))
    return words if name in words else f"{name}: {words}"


def _told(name: str, verdict: ReplayVerdict | ValidationError) -> dict[str, Any]:
    if isinstance(verdict, ValidationError):
        return {"history": name, "status": "UNREADABLE", "reason": here(str(verdict))}
    told = {
        "operation": verdict.operation,
        "location": here(verdict.location),
        "recorded": dict(verdict.recorded),
        "asked": dict(verdict.asked),
        "reason": here(verdict.reason),
        "replayed": verdict.replayed,
        "stoppedAt": here(verdict.stopped_at),
    }
    return {"history": name, "status": verdict.status} | {key: value for key, value in told.items() if value != ""}


def _readable(part: Any) -> Any:
    """Write moments as the AWS CLI does; payloads are text, so nothing of theirs is looked at."""
    match part:
        case dict():
            return {
                key: _moment(value) if key.endswith("Timestamp") else _readable(value) for key, value in part.items()
            }
        case list():
            return [_readable(item) for item in part]
        case _:
            return part


def _moment(value: object) -> str | None:
    moment = parse_timestamp(value)
    return moment.isoformat(timespec="milliseconds") if moment else None
