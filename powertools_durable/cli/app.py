"""The commands, and what becomes of their errors: one line that says what to do, and the exit code."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import IO, ParamSpec, TypeVar, cast

import typer
from rich.text import Text

from powertools_durable.cli import doctor, exploring, histories, inspection, pruning, running
from powertools_durable.cli.main import INTERRUPTED
from powertools_durable.cli.output import LossyStream, console, harmless, safe_streams
from powertools_durable.cli.usage import UsageError, begun_here, here
from powertools_durable.errors import DurableError

__all__ = ["app"]

P = ParamSpec("P")
R = TypeVar("R")

app = typer.Typer(
    name="powertools-durable",
    help="Run durable functions on this machine, and look after those of an AWS account.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _command(command: Callable[P, R]) -> Callable[P, R]:
    """Make a command of a function: errors are one line that says what to do, and its output can't hurt it."""

    @functools.wraps(command)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        with begun_here(), safe_streams() as (output, errors):
            try:
                result = command(*args, **kwargs)
                output.flush()
            except typer.Exit:  # its code tells how the execution ended, whether or not it is read
                _is_lost(output, errors)
                raise
            except (DurableError, LookupError, UsageError) as error:
                _say(errors, here(f"error: {error}"))
                raise typer.Exit(code=2) from None
            except KeyboardInterrupt:
                _say(errors, "interrupted")
                raise typer.Exit(code=INTERRUPTED) from None
            if _is_lost(output, errors):
                raise typer.Exit(code=2)
            return result

    return call


def _is_lost(output: LossyStream, errors: LossyStream) -> bool:
    """Say that the output could not be written, unless its reader wanted no more of it."""
    output.flush()
    if output.error is None or isinstance(output.error, BrokenPipeError):
        return False
    _say(errors, f"error: standard output can't be written: {output.error}")
    return True


def _say(errors: LossyStream, words: str) -> None:
    console(cast("IO[str]", errors)).print(Text(harmless(words)), style="red")


app.command()(_command(running.run))
app.command()(_command(running.resume))
app.command("list")(_command(inspection.list_))
for _function in (
    inspection.show,
    inspection.callback,
    inspection.stop,
    pruning.prune,
    histories.export,
    histories.replay,
):
    app.command()(_command(_function))
app.command()(_command(exploring.explore))
app.command()(_command(doctor.doctor))
