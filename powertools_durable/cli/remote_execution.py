"""An execution of an AWS account, with the attributes of `LocalExecution`."""

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
    """An execution without its payloads, as a list contains it."""

    arn: str
    name: str
    status: str
    started: datetime
    ended: datetime | None
    item: Mapping[str, Any] = field(repr=False)

    @property
    def id(self) -> str:
        """The last part of the ARN."""
        return self.arn.rpartition("/")[2]

    @property
    def version(self) -> str:
        """The version of the function that runs it."""
        return self.arn.partition("/")[0].rpartition(":")[2]


class RemoteExecution(ExecutionView):
    """An execution of an account, loaded at the first access.

    Parameters
    ----------
    account : Account
        The account.
    arn : str
        Its ARN.
    data : bool
        Load payloads too.
    item : Mapping[str, Any] | None
        Its item in a list, which saves a call if payloads are not needed.
    """

    def __init__(self, account: Account, arn: str, *, data: bool, item: Mapping[str, Any] | None = None) -> None:
        self._account = account
        self._item = item
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
    def _response(self) -> Mapping[str, Any]:
        if self._item is not None and not self._data:
            return self._item
        return self._account.execution(self._arn, data=self._data)

    @cached_property
    def _events(self) -> list[dict[str, Any]]:
        return self._account.history(self._arn, data=self._data)

    @cached_property
    def _execution(self) -> ExecutionRecords:
        response = self._response
        try:
            rebuilt = rebuild_execution(self._events, require_payloads=False)
        except UnreadableHistory as problem:
            raise AwsError(f"the history of {self.id} can't be read: {problem}") from None
        header = Header(
            arn=self._arn,
            name=response["DurableExecutionName"],
            started=response["StartTimestamp"],
            status=response["Status"],
            result=response.get("Result"),
            error=_error_of(response.get("Error")),
            ended=response.get("EndTimestamp"),
            invocations=sum(event["EventType"] == "InvocationCompleted" for event in self._events),
        )
        return ExecutionRecords(header, {rebuilt.execution.id: rebuilt.execution, **rebuilt.operations}, self._events)

    @property
    def name(self) -> str:
        """The execution's name."""
        return str(self._response["DurableExecutionName"])

    @property
    def status(self) -> str:
        """Its status as GetDurableExecution returns it."""
        return str(self._response["Status"])

    @property
    def started(self) -> datetime:
        """When it started."""
        return self._execution.header.started

    @property
    def ended(self) -> datetime | None:
        """When it ended."""
        return self._execution.header.ended

    @property
    def invocations(self) -> int:
        """The number of invocations of its handler that have ended."""
        return self._execution.header.invocations

    @property
    def input(self) -> Any:
        """The event, read from JSON."""
        text = self._response.get("InputPayload")
        return json.loads(text) if text else None

    @property
    def is_running(self) -> bool:
        """True until it has ended."""
        return self.status not in ENDED

    @property
    def is_invoked(self) -> bool:
        """True if it has not ended and waits for nothing."""
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
