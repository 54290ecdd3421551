"""Where executions are: in a store of this machine, or in an AWS account."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from powertools_durable.cli.describe import Shown
from powertools_durable.cli.options import open_store, store_option
from powertools_durable.cli.remote import RemoteExecutions
from powertools_durable.cli.usage import UsageError
from powertools_durable.local import LocalExecution, LocalExecutions

__all__ = ["AwsFlag", "AwsFunction", "ExecutionSource"]

AwsFlag = Annotated[
    bool, typer.Option("--aws", help="In an AWS account: that of AWS_PROFILE and AWS_REGION, as boto3 finds it.")
]
AwsFunction = Annotated[
    str | None,
    typer.Option(
        "--function", metavar="NAME[:QUALIFIER]", help="With --aws: the Lambda function, and a version or alias."
    ),
]


@dataclass(frozen=True)
class ExecutionSource:
    """What ``--store``, ``--aws`` and ``--function`` say together.

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
            raise UsageError("--function names a function of an AWS account: say --aws too")

    def executions(self) -> LocalExecutions | RemoteExecutions:
        """Return those that are there."""
        return RemoteExecutions(self.function) if self.aws else LocalExecutions(open_store(self.store))

    def options(self, one: Shown) -> str:
        """Return what a command needs to find an execution's callbacks again."""
        return (
            store_option(self.store)
            if isinstance(one, LocalExecution)
            else f" --aws --execution {shlex.quote(one.arn)}"
        )
