"""``prune``: removes executions that have ended."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from powertools_durable.cli.options import DEFAULT_STORE, JsonFlag, Store, open_store
from powertools_durable.cli.output import print_json
from powertools_durable.cli.usage import UsageError, command_line
from powertools_durable.local.housekeeping import prune as prune_store

__all__ = ["prune"]

_AGE = re.compile(r"(\d{1,6})(s|min|h|d|w)")
_WORTH_A_LINE = 1_000_000  # free bytes
_SECONDS = {"s": 1, "min": 60, "h": 3_600, "d": 86_400, "w": 604_800}


def prune(
    older_than: Annotated[
        str | None,
        typer.Option(
            "--older-than", metavar="AGE", help="Remove those that ended longer ago than AGE: 90s, 30min, 12h, 30d, 4w."
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(
            "--name", metavar="PATTERN", help="Remove those whose name matches; * is any text, ? any character."
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count them and remove nothing.")] = False,
    store: Store = DEFAULT_STORE,
    as_json: JsonFlag = False,
) -> None:
    """Remove executions that have ended, by age, by name, or by both.

    Those that run or wait are kept, and so are those that they invoked and whose result they have not received. Other
    processes can use the store meanwhile.
    """
    if older_than is None and name is None:
        raise UsageError("prune needs --older-than 30d, --name 'order-*', or both")
    before = datetime.now(UTC) - _age(older_than) if older_than is not None else None
    done = prune_store(open_store(store), ended_before=before, name=name, only_count=dry_run)
    if as_json:
        sizes = {"bytes": done.bytes, "freeBytes": done.free_bytes}
        print_json({"executions": done.executions, **sizes, "dryRun": dry_run})
        return
    what = f"{done.executions:,} execution{'s' * (done.executions != 1)}"
    if dry_run:
        print(f"would remove {what}")
        return
    print(f"removed {what}; the store is {done.bytes / 1e6:,.1f} MB smaller")
    if done.free_bytes > _WORTH_A_LINE:
        print(
            f"{done.free_bytes / 1e6:,.1f} MB of it are free and will be used again; "
            f"{command_line('export --to FILE')} makes a copy without them"
        )


def _age(text: str) -> timedelta:
    match = _AGE.fullmatch(text)
    if match is None:
        raise UsageError(f"--older-than {text!r} is not an age; write a number and s, min, h, d or w: 30d")
    return timedelta(seconds=int(match[1]) * _SECONDS[match[2]])
