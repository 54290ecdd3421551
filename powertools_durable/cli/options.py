"""What several commands take, and the commands that it names to people."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from powertools_durable.cli.usage import UsageError, absolute, our_command
from powertools_durable.local import SqliteStore

__all__ = [
    "DEFAULT_STORE",
    "ExecutionId",
    "JsonFlag",
    "Store",
    "Target",
    "absolute_path",
    "answer_command",
    "open_store",
    "store_option",
]

DEFAULT_STORE = Path(".powertools-durable") / "executions.sqlite"


def absolute_path(path: Path | None) -> Path | None:
    """Make a path of the command line absolute, as a callback of its option."""
    try:
        return None if path is None else absolute(path)
    except UsageError as error:
        raise typer.BadParameter(str(error)) from None


Store = Annotated[
    Path,
    typer.Option(
        "--store",
        metavar="FILE",
        help="The file that keeps the executions.",
        envvar="POWERTOOLS_DURABLE_STORE",
        callback=absolute_path,
    ),
]
ExecutionId = Annotated[str, typer.Argument(metavar="ID", help="Its id, the beginning of it, its name, or its ARN.")]
Target = Annotated[
    str, typer.Argument(metavar="TARGET", help="The handler: package.module:handler or path.py:handler.")
]
JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")]


def open_store(path: Path) -> SqliteStore:
    """Open a store for looking at it."""
    return SqliteStore(path, must_exist=True)


def store_option(path: Path) -> str:
    """Return what a command needs to find the store again."""
    return "" if path == absolute(DEFAULT_STORE) else f" --store {shlex.quote(str(path))}"


def answer_command(callback: str, where: str) -> str:
    """Return the command that answers a callback of that name; *where* are the options that find it again."""
    return our_command(f"callback {shlex.quote(callback)} succeed JSON{where}")
