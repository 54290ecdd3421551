"""``debug``: opens a debugger at an operation of a recorded execution, or where it failed."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Annotated

import typer

from powertools_durable.cli.inputs import STANDARD_INPUT
from powertools_durable.cli.options import Target
from powertools_durable.cli.output import LossyStream
from powertools_durable.cli.targets import load_target, resolve_target
from powertools_durable.cli.usage import UsageError, absolute
from powertools_durable.testing.replays.debugger import post_mortem
from powertools_durable.testing.replays.replayer import replay_until

__all__ = ["debug"]


def debug(
    target: Target,
    history: Annotated[str, typer.Argument(metavar="HISTORY", help="A file written by `export` or the AWS CLI.")],
    at: Annotated[
        str | None,
        typer.Option(
            metavar="PATH#N", help="The operation to stop at: its names from the outside in, as in 'etl > load#2'."
        ),
    ] = None,
    crash: Annotated[bool, typer.Option("--crash", help="Stop where the code fails.")] = False,
) -> None:
    """Replay HISTORY up to an operation, and open a debugger there.

    Opens what `breakpoint()` opens, pdb by default, at the line of TARGET that calls the operation, with its variables.
    No step runs and nothing is sent. The exit code is 2 if TARGET does not come to that place.

    Example: powertools-durable debug src/orders.py:handler order-42.json --at 'charge#2'
    """
    if (at is None) == (not crash):
        raise UsageError("debug needs a place: --at OPERATION, or --crash for where the code fails")
    if history == STANDARD_INPUT:
        raise UsageError("debug takes commands from standard input: write the history to a file and name that")
    if os.environ.get("PYTHONBREAKPOINT") == "0":
        raise UsageError("PYTHONBREAKPOINT=0 turns breakpoints off: unset it")
    resolved, path = resolve_target(target), absolute(history)
    with _real_output():
        handler = load_target(resolved)
        if at is not None:
            replay_until(handler, path, stop_at=at)
            return
        failures: list[bool] = []
        verdict = replay_until(handler, path, on_failure=lambda error: failures.append(_open(error)))
    if not failures:
        raise UsageError(
            f"{target} does not fail with {history}: {verdict.status}, {verdict.summary}. To look at an operation, use "
            "--at OPERATION"
        )
    if not any(failures):
        raise UsageError(f"no line of {target}'s own code raised the error, so there is none to stop at")


def _open(error: BaseException) -> bool:
    print(f"failed with {type(error).__name__}: {error}", flush=True)
    return post_mortem(error)


@contextmanager
def _real_output() -> Iterator[None]:
    """Give the debugger the process's own standard output: it edits the command line there."""
    is_replaced = isinstance(sys.stdout, LossyStream) and sys.stdout.isatty() and sys.__stdout__ is not None
    if not is_replaced or sys.__stdout__ is None:
        yield
        return
    with redirect_stdout(sys.__stdout__):
        yield
