"""The commands, and how their errors are reported: one line that says what to do, and an exit code."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import IO, Annotated, ParamSpec, TypeVar, cast

import typer
from rich.text import Text

from powertools_durable._version import __version__
from powertools_durable.cli import (
    debugging,
    doctor,
    exploring,
    fork,
    gate,
    histories,
    inspection,
    payloads,
    pruning,
    running,
)
from powertools_durable.cli.help_examples import EXAMPLES
from powertools_durable.cli.main import INTERRUPTED
from powertools_durable.cli.output import LossyStream, console, harmless, safe_streams
from powertools_durable.cli.usage import UsageError, remember_folder, shorten_paths
from powertools_durable.errors import DurableError

__all__ = ["app"]

P = ParamSpec("P")
R = TypeVar("R")

app = typer.Typer(
    name="powertools-durable",
    help="Run durable functions on this machine; list, show, answer and stop executions here or in an AWS account.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"powertools-durable {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    pass


def _command(command: Callable[P, R]) -> Callable[P, R]:
    """Make a function a command: its errors become one line, and an output that can't be written does not fail it."""

    @functools.wraps(command)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        with remember_folder(), safe_streams() as (output, errors):
            try:
                result = command(*args, **kwargs)
                output.flush()
            except typer.Exit:  # its code says how the execution ended, even if the output was lost
                _report_lost_output(output, errors)
                raise
            except (DurableError, LookupError, UsageError) as error:
                _print_error(errors, shorten_paths(f"error: {error}"))
                raise typer.Exit(code=2) from None
            except KeyboardInterrupt:
                _print_error(errors, "interrupted")
                raise typer.Exit(code=INTERRUPTED) from None
            if _report_lost_output(output, errors):
                raise typer.Exit(code=2)
            return result

    return call


def _report_lost_output(output: LossyStream, errors: LossyStream) -> bool:
    """Return True and print an error if output could not be written; not if its reader closed the pipe."""
    output.flush()
    if output.error is None or isinstance(output.error, BrokenPipeError):
        return False
    _print_error(errors, f"error: standard output can't be written: {output.error}")
    return True


def _print_error(errors: LossyStream, message: str) -> None:
    console(cast("IO[str]", errors)).print(Text(harmless(message)), style="red")


def _add(command: Callable[..., object]) -> None:
    name = command.__name__.rstrip("_")
    lines = (f"  powertools-durable {example}" for example in EXAMPLES.get(name, ()))
    epilog = "\n".join(["\b", "Examples:", *lines]) if name in EXAMPLES else None
    app.command(name, epilog=epilog)(_command(command))


_COMMANDS: tuple[Callable[..., object], ...] = (
    running.run,
    running.resume,
    inspection.list_,
    inspection.show,
    inspection.callback,
    inspection.stop,
    payloads.payload,
    pruning.prune,
    histories.export,
    histories.replay,
    exploring.explore,
    debugging.debug,
    fork.fork,
    gate.gate,
    doctor.doctor,
)
for _function in _COMMANDS:
    _add(_function)
