"""``payload``: prints what an operation recorded, read through the serdes of the handler."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any

import typer

from powertools_durable._hosting import program_of
from powertools_durable._protocol.operation import Operation, OperationType
from powertools_durable.cli.chains import chains_of
from powertools_durable.cli.describe import AnyExecution
from powertools_durable.cli.options import DEFAULT_STORE, ExecutionId, Store
from powertools_durable.cli.output import own_output
from powertools_durable.cli.sources import AwsFlag, AwsFunction, ExecutionSource
from powertools_durable.cli.targets import load_target, resolve_target
from powertools_durable.cli.usage import UsageError
from powertools_durable.errors import SerDesError
from powertools_durable.local import LocalExecution
from powertools_durable.serdes.base import SerDesContext
from powertools_durable.serdes.choosing import RESULT
from powertools_durable.serdes.plain_view import plain_view
from powertools_durable.serdes.wrapping import WrappingSerDes

__all__ = ["payload"]

_OURS = frozenset({OperationType.STEP, OperationType.CONTEXT})  # others' payloads are not written by a serdes of ours


def payload(
    execution: ExecutionId,
    operation: Annotated[
        str | None,
        typer.Argument(
            metavar="[OPERATION]",
            help="The operation's name, id, or a prefix of its id. Default: the handler's result.",
        ),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            "--target",
            metavar="TARGET",
            help="The handler whose serdes= to read it with: package.module:handler or path.py:handler. Default: the "
            "one that ran the execution on this machine.",
        ),
    ] = None,
    store: Store = DEFAULT_STORE,
    aws: AwsFlag = False,
    function: AwsFunction = None,
) -> None:
    """Print what an operation recorded, decrypted, decompressed and fetched from where it is stored.

    The serdes are those of the handler: of @durable, or with a name in its module. With --aws, say which handler:
    --target. This machine needs the permissions that the function has: `doctor` prints them.
    """
    one = ExecutionSource(store, aws, function).executions().find(execution)
    text, place, is_ours = _recorded(one, operation)
    if is_ours:
        text = _read(text, _chains(one, target), place)
    try:
        value = json.loads(text)
        is_tagged = isinstance(value, dict) and value.keys() == {"t", "v"}
        print(json.dumps(plain_view(value) if is_tagged else value, indent=2, ensure_ascii=False))
    except (ValueError, RecursionError):  # of a serdes that writes no JSON
        sys.stdout.write(f"{text}\n")


def _recorded(one: AnyExecution, operation: str | None) -> tuple[str, SerDesContext, bool]:
    """Return a recorded text, whose it is, and whether a serdes of the handler has written it."""
    if operation is None:
        text, place, what = one.result_text, SerDesContext(RESULT, one.arn), f"execution {one.name}"
        is_ours = True
    else:
        record = _find(one, operation)
        text, place, what = record.result, SerDesContext(record.id, one.arn), f"operation {operation!r}"
        is_ours = record.type in _OURS
    if text is None:
        raise UsageError(f"{what} has recorded no result")
    return text, place, is_ours


def _find(one: AnyExecution, text: str) -> Operation:
    records = one.operations
    matches = [record for record in records if text == record.id or one.is_called(record, text)]
    if exact := [record for record in matches if text == one.path(record)]:
        matches = exact
    matches = matches or [record for record in records if text and record.id.startswith(text)]
    if len(matches) == 1:
        return matches[0]
    if matches:
        paths = ", ".join(repr(one.path(record)) for record in matches[:20])
        message = f"{len(matches)} operations are named {text!r}; use one of: {paths}"
    else:
        message = f"no operation has the name or id {text!r}; there are: {', '.join(map(one.label, records)) or 'none'}"
    raise LookupError(message)


def _chains(one: AnyExecution, target: str | None) -> list[WrappingSerDes] | None:
    """Return the serdes of the handler; None if it is not known."""
    if target is None:
        target = one.targets.get("") if isinstance(one, LocalExecution) else None
    if target is None:
        return None
    resolved = resolve_target(target)
    with own_output():
        program = program_of(load_target(resolved))
    return [] if program is None else [chain for chain in chains_of(program) if not chain.portable]


def _read(text: str, chains: list[WrappingSerDes] | None, place: SerDesContext) -> str:
    """Return what the first of *chains* that can read *text* makes of it; the text itself if none wrote it."""
    problems: list[SerDesError] = []
    if place.operation_id == RESULT:
        text = _unquoted(text)
    for chain in chains or ():
        try:
            return chain.text_in(text, place)
        except SerDesError as error:
            problems.append(error)
    if not _is_wrapped(text):
        return text
    if problems:
        raise UsageError(f"{problems[0]}. A serdes of a call is found if it has a name in the handler's module")
    if chains is None:
        raise UsageError("what is recorded was compressed, encrypted or stored: name the handler, --target TARGET")
    return text


def _unquoted(text: str) -> str:
    """Return the text in a JSON text: what a handler's result is if a serdes compressed, encrypted or stored it."""
    value: Any = json.loads(text)
    return value if isinstance(value, str) else text


def _is_wrapped(text: str) -> bool:
    """Tell whether *text* looks like what a serdes compressed, encrypted or stored."""
    try:
        record = json.loads(text)
    except ValueError:
        return True
    if not isinstance(record, dict):
        return False
    return record.keys() == {"data"} or bool(record.keys() & {"s3", "file", "gzip", "zstd"})
