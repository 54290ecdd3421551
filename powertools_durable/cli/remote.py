"""Executions of an AWS account, to be looked at, answered and stopped as those of this machine are."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from powertools_durable._protocol.operation import ErrorObject, Operation
from powertools_durable._protocol.wire import parse_timestamp
from powertools_durable.cli.aws import Account, FunctionName
from powertools_durable.cli.remote_execution import RemoteExecution, Summary
from powertools_durable.cli.usage import UsageError
from powertools_durable.errors import ValidationError
from powertools_durable.errors.recording import answer_error
from powertools_durable.local.executions import ambiguous

__all__ = ["RemoteCallback", "RemoteExecutions"]

_OPEN = ["RUNNING", "PAUSING", "PAUSED"]
_SEARCHED = 100  # executions whose callbacks are looked at for a name
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")


class RemoteExecutions:
    """The executions of a function.

    Parameters
    ----------
    function : str | None
        ``NAME`` or ``NAME:QUALIFIER``; None when only ARNs and callback ids are asked for.
    """

    def __init__(self, function: str | None) -> None:
        self._function = None if function is None else FunctionName.parse(function)
        self._account = Account(_region(function))

    def summaries(self, **filters: Any) -> Iterator[Summary]:
        """Yield the function's executions, the newest first."""
        if self._function is None:
            raise UsageError("--aws needs --function NAME: whose executions?")
        for told in self._account.executions(self._function, **filters):
            yield Summary(
                arn=told["DurableExecutionArn"],
                name=told["DurableExecutionName"],
                status=told["Status"],
                started=_moment(told["StartTimestamp"]),
                ended=told.get("EndTimestamp"),
                told=told,
            )

    def find(self, text: str, *, data: bool = True) -> RemoteExecution:
        """Return the execution of that ARN, name, id or beginning of an id.

        Parameters
        ----------
        text : str
            An ARN needs no function.
        data : bool
            Get its payloads too, when it is looked at.

        Raises
        ------
        LookupError
            There is none, or more than one.
        """
        if text.startswith("arn:"):
            return RemoteExecution(Account(_region(text)), text, data=data)
        if self._function is None:
            raise UsageError("--aws needs --function NAME to find an execution; its whole ARN needs none")
        found: list[Summary] = []
        if _NAME.fullmatch(text):
            found = [one for one in self.summaries(DurableExecutionName=text) if one.name == text]
        newest: list[str] = []
        if not found:
            for one in self.summaries():
                newest[:] = [*newest, one.name][:5]
                if text and one.id.startswith(text):
                    found.append(one)
        if len(found) == 1:
            return RemoteExecution(self._account, found[0].arn, data=data, told=found[0].told)
        if found:
            message = (
                f"{text!r} matches {len(found)} executions; use the ARN: {', '.join(one.arn for one in found[:5])}"
            )
            raise LookupError(message)
        message = f"no execution of {self._function.name} has the id or name {text!r}; the last ones are: "
        raise LookupError(f"{message}{', '.join(newest) or 'none'}")

    def callback(self, text: str, *, execution: str | None = None) -> RemoteCallback:
        """Return the open callback of that name or id; without a function or an execution it is an id.

        Raises
        ------
        LookupError
            No such callback waits for an answer, or more than one does.
        """
        if execution is None and self._function is None:
            return RemoteCallback(self._account, text)
        where = [self.find(execution, data=False)] if execution else self._open()
        open_ones = [(one, record) for one in where for record in one.open_callbacks]
        found = [(one, record) for one in where for record in one.open_callbacks_called(text)]
        if len(found) == 1:
            one, record = found[0]
            details = record.callback_details
            return RemoteCallback(self._account, (details.callback_id if details else None) or "", one, record)
        if found:
            raise LookupError(ambiguous(text, [one.name for one, _ in found]))
        # An id is a secret, and what was not found may be one with a typing error: it is not repeated.
        names = ", ".join(f"{one.label(record)!r} of {one.name}" for one, record in open_ones[:5]) or "none"
        message = f"no open callback has that name or id; open: {names}"
        raise LookupError(message)

    def _open(self) -> list[RemoteExecution]:
        found = list(islice(self.summaries(Statuses=_OPEN), _SEARCHED + 1))
        if len(found) > _SEARCHED:
            raise UsageError(f"more than {_SEARCHED} executions are running; say which one: --execution ID")
        return [RemoteExecution(self._account, one.arn, data=False, told=one.told) for one in found]

    def stop(self, text: str) -> RemoteExecution:
        """End an execution; its handler is not asked.

        Raises
        ------
        LookupError
            There is none of that id or name.
        ValidationError
            It has already ended.
        """
        one = self.find(text, data=False)
        if not one.is_running:
            message = f"{one.name} has already ended: {one.status}"
            raise ValidationError(message)
        self._account.stop(one.arn)
        return one


@dataclass(frozen=True)
class RemoteCallback:
    """A callback, to be answered as somebody outside would."""

    _account: Account
    _id: str
    execution: RemoteExecution | None = None
    record: Operation | None = None

    def succeed(self, value: Any = None) -> None:
        """Answer with *value*, sent as JSON text; None answers without a payload."""
        self._account.succeed(self._id, None if value is None else json.dumps(value))

    def fail(self, error: Exception | ErrorObject | str = "") -> None:
        """Answer with a failure."""
        self._account.fail(self._id, answer_error(error))

    def heartbeat(self) -> None:
        """Give a sign of life: the heartbeat's timer begins anew."""
        self._account.heartbeat(self._id)


def _region(text: str | None) -> str | None:
    """Return the region of an ARN; None for the configured one."""
    parts = (text or "").split(":")
    return parts[3] if parts[0] == "arn" and len(parts) > 3 and parts[3] else None


def _moment(value: object) -> datetime:
    moment = parse_timestamp(value)
    assert moment is not None  # noqa: S101 - [M] always there
    return moment
