"""``prune``: executions that have ended leave the store."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from powertools_durable.cli.options import DEFAULT_STORE, JsonFlag, Store, open_store
from powertools_durable.cli.output import print_json
from powertools_durable.cli.usage import UsageError
from powertools_durable.local.housekeeping import prune as prune_store

__all__ = ["prune"]

_AGE = re.compile(r"(\d{1,6})(s|min|h|d|w)")
_SECONDS = {"s": 1, "min": 60, "h": 3_600, "d": 86_400, "w": 604_800}


def prune(
    older_than: Annotated[
        str | None, typer.Option("--older-than", metavar="AGE", help="That ended longer ago: 90s, 30min, 12h, 30d, 4w.")
    ] = None,
    name: Annotated[
        str | None,
        typer.Option("--name", metavar="PATTERN", help="Whose name matches; * is any text, ? any character."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count them and remove nothing.")] = False,
    store: Store = DEFAULT_STORE,
    as_json: JsonFlag = False,
) -> None:
    """Remove executions that have ended, by age, by name, or by both.

    Those that run or wait are kept, and so is what one of them has invoked and not yet got the answer of.
    """
    if older_than is None and name is None:
        raise UsageError("say which: --older-than 30d, --name 'order-*', or both")
    before = datetime.now(UTC) - _age(older_than) if older_than is not None else None
    done = prune_store(open_store(store), ended_before=before, name=name, only_count=dry_run)
    if as_json:
        print_json({"executions": done.executions, "bytes": done.bytes, "dryRun": dry_run})
        return
    what = f"{done.executions:,} execution{'s' * (done.executions != 1)}"
    print(f"would remove {what}" if dry_run else f"removed {what}; the store is {done.bytes / 1e6:,.1f} MB smaller")


def _age(text: str) -> timedelta:
    found = _AGE.fullmatch(text)
    if found is None:
        raise UsageError(f"--older-than {text!r} is no age; say a number and s, min, h, d or w: 30d")
    return timedelta(seconds=int(found[1]) * _SECONDS[found[2]])
