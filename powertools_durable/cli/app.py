"""The commands, and what becomes of their errors: one line that says what to do, and the exit code."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import typer
from rich.console import Console
from rich.text import Text

from powertools_durable.cli import doctor, executions, exploring, histories, run
from powertools_durable.cli.options import harmless
from powertools_durable.cli.targets import UsageError
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


def _told(command: Callable[P, R]) -> Callable[P, R]:
    """Say what is wrong with a call in one line, in place of a traceback."""

    @functools.wraps(command)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except (DurableError, LookupError, UsageError) as error:
            Console(stderr=True, soft_wrap=True).print(Text(harmless(f"error: {error}")), style="red")
            raise typer.Exit(code=2) from None

    return call


app.command()(_told(run.run))
app.command()(_told(run.resume))
app.command("list")(_told(executions.list_))
for _command in (executions.show, executions.callback, executions.stop, histories.export, histories.replay):
    app.command()(_told(_command))
app.command()(_told(exploring.explore))
app.command()(_told(doctor.doctor))
