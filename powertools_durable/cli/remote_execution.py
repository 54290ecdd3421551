"""An execution of an AWS account, seen as one of this machine is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from powertools_durable._protocol.operation import ErrorObject
from powertools_durable._service.execution_records import ENDED, ExecutionRecords, Header
from powertools_durable._service.history_reader import UnreadableHistory, rebuild_execution
from powertools_durable._service.view import ExecutionView
from powertools_durable.cli.aws import Account, AwsError

__all__ = ["RemoteExecution", "Summary"]


@dataclass(frozen=True, slots=True)
class Summary:
    """An execution as a list tells of it."""

    arn: str
    name: str
    status: str
    started: datetime
    ended: datetime | None
    told: Mapping[str, Any] = field(repr=False)

    @property
    def id(self) -> str:
        """The last part of the ARN."""
        return self.arn.rpartition("/")[2]

    @property
    def version(self) -> str:
        """The version of the function that it stays with."""
        return self.arn.partition("/")[0].rpartition(":")[2]


class RemoteExecution(ExecutionView):
    """An execution of the account, read when it is first looked at.

    Parameters
    ----------
    account : Account
        Whose.
    arn : str
        Its ARN.
    data : bool
        Get payloads too.
    told : Mapping[str, Any] | None
        What is known of it from a list.
    """

    def __init__(self, account: Account, arn: str, *, data: bool, told: Mapping[str, Any] | None = None) -> None:
        self._account = account
        self._told = told
        self._arn = arn
        self._data = data

    @property
    def arn(self) -> str:
        """The execution's ARN."""
        return self._arn

    @property
    def id(self) -> str:
        """The last part of the ARN."""
        return self._arn.rpartition("/")[2]

    @cached_property
    def _answer(self) -> Mapping[str, Any]:
        if self._told is not None and not self._data:
            return self._told
        return self._account.execution(self._arn, data=self._data)

    @cached_property
    def _events(self) -> list[dict[str, Any]]:
        return self._account.history(self._arn, data=self._data)

    @cached_property
    def _execution(self) -> ExecutionRecords:
        answer = self._answer
        try:
            found = rebuild_execution(self._events, require_payloads=False)
        except UnreadableHistory as problem:
            raise AwsError(f"the history of {self.id} can't be read: {problem}") from None
        header = Header(
            arn=self._arn,
            name=answer["DurableExecutionName"],
            started=answer["StartTimestamp"],
            status=answer["Status"],
            result=answer.get("Result"),
            error=_error_of(answer.get("Error")),
            ended=answer.get("EndTimestamp"),
            invocations=sum(event["EventType"] == "InvocationCompleted" for event in self._events),
        )
        return ExecutionRecords(header, {found.execution.id: found.execution, **found.operations}, self._events)

    @property
    def name(self) -> str:
        """The execution's name."""
        return str(self._answer["DurableExecutionName"])

    @property
    def status(self) -> str:
        """As GetDurableExecution says."""
        return str(self._answer["Status"])

    @property
    def started(self) -> datetime:
        """When it began."""
        return self._execution.header.started

    @property
    def ended(self) -> datetime | None:
        """When it ended."""
        return self._execution.header.ended

    @property
    def invocations(self) -> int:
        """How often its handler answered."""
        return self._execution.header.invocations

    @property
    def input(self) -> Any:
        """The event, as JSON reads it."""
        text = self._answer.get("InputPayload")
        return json.loads(text) if text else None

    @property
    def is_running(self) -> bool:
        """True while Lambda goes on with it."""
        return self.status not in ENDED

    @property
    def is_invoked(self) -> bool:
        """True when there is nothing that it waits for."""
        return self.is_running and not self.waiting_for


def _error_of(wire: Mapping[str, Any] | None) -> ErrorObject | None:
    if not wire:
        return None
    return ErrorObject(
        error_message=wire.get("ErrorMessage"),
        error_type=wire.get("ErrorType"),
        error_data=wire.get("ErrorData"),
        stack_trace=tuple(wire.get("StackTrace") or ()) or None,
    )
