"""Where the executions are: in a store on this machine, or in an AWS account."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from powertools_durable.cli.describe import AnyExecution
from powertools_durable.cli.options import open_store, store_option
from powertools_durable.cli.remote import RemoteExecutions
from powertools_durable.cli.usage import UsageError
from powertools_durable.local import LocalExecution, LocalExecutions

__all__ = ["AwsFlag", "AwsFunction", "ExecutionSource"]

AwsFlag = Annotated[
    bool, typer.Option("--aws", help="Executions of an AWS account; boto3 finds it by AWS_PROFILE and AWS_REGION.")
]
AwsFunction = Annotated[
    str | None,
    typer.Option(
        "--function",
        metavar="NAME[:QUALIFIER]",
        help="With --aws: the Lambda function, and optionally a version or alias.",
    ),
]


@dataclass(frozen=True)
class ExecutionSource:
    """The executions that ``--store``, ``--aws`` and ``--function`` select.

    Raises
    ------
    UsageError
        They contradict each other.
    """

    store: Path
    aws: bool
    function: str | None

    def __post_init__(self) -> None:
        if self.function is not None and not self.aws:
            raise UsageError("--function names a function of an AWS account: add --aws")

    def executions(self) -> LocalExecutions | RemoteExecutions:
        """Return them; a store is opened."""
        return RemoteExecutions(self.function) if self.aws else LocalExecutions(open_store(self.store))

    def options(self, one: AnyExecution) -> str:
        """Return the options that a command to be pasted needs to find the callbacks of *one*."""
        return (
            store_option(self.store)
            if isinstance(one, LocalExecution)
            else f" --aws --execution {shlex.quote(one.arn)}"
        )
