"""The executions of an AWS account, with the methods of `LocalExecutions`."""

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

__all__ = ["OPEN_STATUSES", "RemoteCallback", "RemoteExecutions", "region_of"]

OPEN_STATUSES = ["RUNNING", "PAUSING", "PAUSED"]
"""The statuses of executions that have not ended."""

_MOST_SEARCHED = 100  # executions that are searched for a callback's name
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")


class RemoteExecutions:
    """The executions of a function.

    Parameters
    ----------
    function : str | None
        ``NAME`` or ``NAME:QUALIFIER``; None if only ARNs and callback ids will be used.
    """

    def __init__(self, function: str | None) -> None:
        self._function = None if function is None else FunctionName.parse(function)
        self._account = Account(region_of(function))

    def summaries(self, **filters: Any) -> Iterator[Summary]:
        """Yield summaries of the function's executions, newest first."""
        if self._function is None:
            raise UsageError("--aws needs the function whose executions to list: --function NAME")
        for item in self._account.executions(self._function, **filters):
            yield Summary(
                arn=item["DurableExecutionArn"],
                name=item["DurableExecutionName"],
                status=item["Status"],
                started=_time(item["StartTimestamp"]),
                ended=item.get("EndTimestamp"),
                item=item,
            )

    def find(self, text: str, *, data: bool = True) -> RemoteExecution:
        """Return the execution with that ARN, name, id or prefix of an id.

        Parameters
        ----------
        text : str
            An ARN needs no function.
        data : bool
            Load its payloads too.

        Raises
        ------
        LookupError
            There is none, or there are several.
        """
        if text.startswith("arn:"):
            return RemoteExecution(Account(region_of(text)), text, data=data)
        if self._function is None:
            raise UsageError("--aws needs --function NAME to find an execution, or use its full ARN")
        matches: list[Summary] = []
        if _NAME.fullmatch(text):
            matches = [one for one in self.summaries(DurableExecutionName=text) if one.name == text]
        newest: list[str] = []
        if not matches:
            for one in self.summaries():
                newest[:] = [*newest, one.name][:5]
                if text and one.id.startswith(text):
                    matches.append(one)
        if len(matches) == 1:
            return RemoteExecution(self._account, matches[0].arn, data=data, item=matches[0].item)
        if matches:
            arns = ", ".join(one.arn for one in matches[:5])
            message = f"{text!r} matches {len(matches)} executions; use the ARN: {arns}"
            raise LookupError(message)
        message = f"no execution of {self._function.name} has the id or name {text!r}; the last ones are: "
        raise LookupError(f"{message}{', '.join(newest) or 'none'}")

    def callback(self, text: str, *, execution: str | None = None) -> RemoteCallback:
        """Return the open callback with that name or id; without a function or an execution *text* is an id.

        Raises
        ------
        LookupError
            No such callback is open, or several are.
        """
        if execution is None and self._function is None:
            return RemoteCallback(self._account, text)
        searched = [self.find(execution, data=False)] if execution else self._running()
        open_ones = [(one, record) for one in searched for record in one.open_callbacks]
        matches = [(one, record) for one in searched for record in one.open_callbacks_called(text)]
        if len(matches) == 1:
            one, record = matches[0]
            details = record.callback_details
            return RemoteCallback(self._account, (details.callback_id if details else None) or "", one, record)
        if matches:
            raise LookupError(ambiguous(text, matches))
        # An id is a secret, and *text* may be a mistyped one, so the message does not repeat it.
        names = ", ".join(f"{one.label(record)!r} of {one.name}" for one, record in open_ones[:5]) or "none"
        message = f"no open callback has that name or id; open: {names}"
        raise LookupError(message)

    def _running(self) -> list[RemoteExecution]:
        running = list(islice(self.summaries(Statuses=OPEN_STATUSES), _MOST_SEARCHED + 1))
        if len(running) > _MOST_SEARCHED:
            raise UsageError(f"more than {_MOST_SEARCHED} executions are running; name one: --execution ID")
        return [RemoteExecution(self._account, one.arn, data=False, item=one.item) for one in running]

    def stop(self, text: str) -> RemoteExecution:
        """End an execution; its handler does not run again.

        Raises
        ------
        LookupError
            There is none with that id or name.
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
    """An open callback of an AWS account."""

    _account: Account
    _id: str
    execution: RemoteExecution | None = None
    record: Operation | None = None

    def succeed(self, value: Any = None) -> None:
        """Answer with *value* as JSON; None sends no payload."""
        self._account.succeed(self._id, None if value is None else json.dumps(value))

    def fail(self, error: Exception | ErrorObject | str = "") -> None:
        """Answer with a failure."""
        self._account.fail(self._id, answer_error(error))

    def heartbeat(self) -> None:
        """Restart the heartbeat timer."""
        self._account.heartbeat(self._id)


def region_of(text: str | None) -> str | None:
    """Return the region of an ARN; None for the configured one."""
    parts = (text or "").split(":")
    return parts[3] if parts[0] == "arn" and len(parts) > 3 and parts[3] else None


def _time(value: object) -> datetime:
    time = parse_timestamp(value)
    assert time is not None  # noqa: S101 - [M] always there
    return time
