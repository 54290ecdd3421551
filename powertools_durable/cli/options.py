"""What several commands take, and how JSON is read from the command line."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from powertools_durable.cli.targets import UsageError
from powertools_durable.local import SqliteStore

__all__ = [
    "DEFAULT_STORE",
    "ExecutionId",
    "JsonFlag",
    "Store",
    "Target",
    "answer_command",
    "harmless",
    "here",
    "open_store",
    "read_json",
    "store_option",
]

DEFAULT_STORE = Path(".powertools-durable") / "executions.sqlite"

Store = Annotated[
    Path,
    typer.Option(
        "--store", metavar="FILE", help="The file that keeps the executions.", envvar="POWERTOOLS_DURABLE_STORE"
    ),
]
ExecutionId = Annotated[str, typer.Argument(metavar="ID", help="Its id, the beginning of it, its name, or its ARN.")]
Target = Annotated[
    str, typer.Argument(metavar="TARGET", help="The handler: package.module:handler or path.py:handler.")
]
JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")]


# What would move the cursor, colour the terminal or turn the text round, and has no place in XML either.
_CONTROLS = {*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)} - {ord("\n"), ord("\t")}
_HARMLESS = {number: f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}" for number in _CONTROLS}


def harmless(text: str) -> str:
    """Return *text* of an execution with its control characters written out: it may come from anywhere."""
    return text.translate(_HARMLESS)


def here(text: str) -> str:
    """Return *text* with paths as they are seen from the current folder."""
    return text.replace(f"{Path.cwd()}/", "")


def open_store(path: Path) -> SqliteStore:
    """Open a store for looking at it."""
    return SqliteStore(path, must_exist=True)


def store_option(path: Path) -> str:
    """Return what a command needs to find the store again."""
    return "" if path == DEFAULT_STORE else f" --store {shlex.quote(str(path))}"


def answer_command(callback: str, where: str) -> str:
    """Return the command that answers a callback of that name; *where* are the options that find it again."""
    return f"powertools-durable callback {shlex.quote(callback)} succeed JSON{where}"


def read_json(text: str, option: str) -> Any:
    """Read ``JSON``, ``@FILE`` or ``-`` for standard input.

    Raises
    ------
    UsageError
        The file can't be read, or there is no JSON in it. The text itself is not shown.
    """
    source = text
    where = option
    try:
        if text == "-":
            source, where = sys.stdin.read(), f"{option} -"
        elif text.startswith("@"):
            source, where = Path(text[1:]).read_text(encoding="utf-8"), f"{option} {text}"
    except OSError as error:
        raise UsageError(f"{option}: {text[1:]} can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{option}: {text[1:]} is not UTF-8 text") from None
    try:
        return json.loads(source)
    except json.JSONDecodeError as error:
        hint = "" if text[:1] in "@-" else "; text needs quotes of its own: '\"text\"'"
        raise UsageError(
            f"{where} is no JSON: {error.msg} at line {error.lineno}, column {error.colno}{hint}"
        ) from None
    except RecursionError:
        raise UsageError(f"{where} is nested too deeply") from None
