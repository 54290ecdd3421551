"""Options and arguments that several commands take."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from powertools_durable.cli.usage import UsageError, absolute, command_line
from powertools_durable.local import SqliteStore

if TYPE_CHECKING:
    from powertools_durable._protocol.operation import Operation
    from powertools_durable.cli.describe import AnyExecution

__all__ = [
    "DEFAULT_STORE",
    "AllFlag",
    "ExecutionId",
    "JsonFlag",
    "OptionalId",
    "Store",
    "Target",
    "absolute_path",
    "answer_command",
    "answer_commands",
    "open_store",
    "store_option",
]

DEFAULT_STORE = Path(".powertools-durable") / "executions.sqlite"


def absolute_path(path: Path | None) -> Path | None:
    """Return an option's path made absolute; a callback for `typer.Option`."""
    try:
        return None if path is None else absolute(path)
    except UsageError as error:
        raise typer.BadParameter(str(error)) from None


Store = Annotated[
    Path,
    typer.Option(
        "--store",
        metavar="FILE",
        help="The file that stores the executions.",
        envvar="POWERTOOLS_DURABLE_STORE",
        callback=absolute_path,
    ),
]
_MOST_COMMANDS = 5
OptionalId = Annotated[
    str | None, typer.Argument(metavar="[ID]", help="Its id, a prefix of the id, its name, or its ARN.")
]
AllFlag = Annotated[bool, typer.Option("--all", help="Unfold what succeeded, and show every attempt.")]
ExecutionId = Annotated[str, typer.Argument(metavar="ID", help="Its id, a prefix of the id, its name, or its ARN.")]
Target = Annotated[
    str, typer.Argument(metavar="TARGET", help="The handler: package.module:handler or path.py:handler.")
]
JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON, one object per line.")]


def open_store(path: Path) -> SqliteStore:
    """Open an existing store."""
    return SqliteStore(path, must_exist=True)


def store_option(path: Path) -> str:
    """Return the option that a command to be pasted needs to find the store; empty for the default one."""
    return "" if path == absolute(DEFAULT_STORE) else f" --store {shlex.quote(str(path))}"


def answer_commands(one: AnyExecution, options: str) -> list[str]:
    """Return the commands that answer the open callbacks of *one*, at most 5; *options* say where it is."""
    return [answer_command(one, record, options) for record in one.open_callbacks[:_MOST_COMMANDS]]


def answer_command(one: AnyExecution, record: Operation, options: str, sample: str = "{}") -> str:
    """Return the command that answers a callback of *one*.

    Parameters
    ----------
    one : AnyExecution
        The execution.
    record : Operation
        The callback.
    options : str
        The options that say where the execution is.
    sample : str
        What to answer, as JSON; by default an empty object, for it is not known what fits.
    """
    callback = shlex.quote(one.reference(record))
    if "--execution" not in options:  # others may wait for a callback of the same name
        options += f" --execution {one.id[:8]}"
    answer = shlex.quote(sample)
    if callback.startswith("-"):
        return command_line(f"callback{options} -- {callback} succeed {answer}")
    return command_line(f"callback {callback} succeed {answer}{options}")
