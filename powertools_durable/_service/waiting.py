"""What an execution waits for: time, and answers from outside. Pure: the time comes in as an argument.

A record changes here as the tables `TIMERS` and `EXTERNAL` say. Nothing changes any more when the execution has ended.
Source: docs/contributing/protocol.md#statuses-and-transitions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from powertools_durable._protocol.lifecycle import EXTERNAL, TIMERS, due_at, fire
from powertools_durable._protocol.operation import (
    ChainedInvokeDetails,
    ErrorObject,
    Operation,
    OperationStatus,
    OperationType,
)
from powertools_durable._protocol.update import OperationUpdate
from powertools_durable._service.execution_records import CallbackTimers, Header, Ledger
from powertools_durable._service.history import HistoryEvent
from powertools_durable._service.timers import Timers
from powertools_durable._service.update_validation import ServiceRefusal

__all__ = ["Waiting", "callback_timers"]

_WAITS = (OperationType.WAIT, OperationType.CALLBACK, OperationType.CHAINED_INVOKE)


class Waiting(Ledger):
    """An execution that time and the world outside move."""

    def __init__(
        self, header: Header, operations: Mapping[str, Operation], history: Sequence[HistoryEvent] = ()
    ) -> None:
        super().__init__(header, operations, history)
        self._timers = Timers()
        self._deadlines = Timers()
        self._pending: set[str] = set()  # records that will move by themselves
        self._callback_ids: dict[str, str] = {}
        for record in self.operations.values():
            self._attend(record)
        for key, timers in header.callbacks.items():
            self._deadlines.set(key, timers.next())

    def _replace(self, record: Operation) -> None:
        super()._replace(record)
        self._attend(record)

    def _attend(self, record: Operation) -> None:
        self._timers.set(record.id, due_at(record))
        if _is_pending(record):
            self._pending.add(record.id)
        else:
            self._pending.discard(record.id)
        if record.callback_details is not None and record.callback_details.callback_id is not None:
            self._callback_ids[record.callback_details.callback_id] = record.id

    def _time_callback(self, key: str, timers: CallbackTimers | None) -> None:
        """Let a callback be answered until its timers end; None when nobody waits for it any more."""
        if timers is None:
            self.header.callbacks.pop(key, None)
        else:
            self.header.callbacks[key] = timers
        self._deadlines.set(key, timers.next() if timers is not None else None)
        self.retimed.add(key)

    # -- time ----------------------------------------------------------------------------------------------

    def next_moment(self, *, callbacks: bool = True) -> datetime | None:
        """Return when something will happen by itself, a callback's timeout included; None when nothing will."""
        if self.is_terminal:
            return None
        moments = [self._timers.next(), self.header.retry_at, self._deadlines.next() if callbacks else None]
        return min((moment for moment in moments if moment is not None), default=None)

    def advance(self, now: datetime) -> None:
        """Fire every timer that is due, the earliest first."""
        if self.is_terminal:
            return
        for moment, key in sorted([*self._timers.take_due(now), *self._deadlines.take_due(now)]):
            record = self.operations[key]
            if (record.type, record.status) in TIMERS:
                self._keep(fire(record, moment), moment, moved=True)
            else:
                self._time_out(record, moment)

    def _time_out(self, record: Operation, moment: datetime) -> None:
        if self.header.callbacks[record.id].heartbeat_ends == moment:
            error = ErrorObject(error_type="Callback.Heartbeat", error_message="Callback timed out on heartbeat")
        else:
            error = ErrorObject(error_type="Callback.Timeout", error_message="Callback timed out")
        self._answer(record, OperationStatus.TIMED_OUT, moment, error=error)

    # -- answers -------------------------------------------------------------------------------------------

    def callback(self, callback_id: str) -> Operation:
        """Return the record of a callback.

        Raises
        ------
        ServiceRefusal
            There is none of that id.
        """
        key = self._callback_ids.get(callback_id)
        if key is not None:
            return self.operations[key]
        message = "Callback not found"
        raise ServiceRefusal(message, code="ResourceNotFoundException", status=404)

    def complete_callback(
        self, callback_id: str, now: datetime, *, result: str | None = None, error: ErrorObject | None = None
    ) -> None:
        """Take an answer from outside; once, and not after the execution's end.

        Raises
        ------
        ServiceRefusal
            Nobody waits for it any more.
        """
        record = self._open_callback(callback_id, now)
        status = OperationStatus.FAILED if error is not None else OperationStatus.SUCCEEDED
        self._answer(record, status, now, result=result, error=error)

    def heartbeat(self, callback_id: str, now: datetime) -> None:
        """Take a sign of life: the heartbeat's timer begins anew.

        Raises
        ------
        ServiceRefusal
            Nobody waits for it any more.
        """
        key = self._open_callback(callback_id, now).id
        timers = self.header.callbacks[key]
        if timers.heartbeat_seconds:
            self._time_callback(key, replace(timers, heartbeat_ends=now + timedelta(seconds=timers.heartbeat_seconds)))

    def _open_callback(self, callback_id: str, now: datetime) -> Operation:
        record = self.callback(callback_id)
        timers = self.header.callbacks.get(record.id)
        due = timers.next() if timers is not None else None
        # A timer that is due counts, whether or not `advance` was called: nobody answers too late.
        if self.is_terminal or timers is None or (due is not None and due <= now):
            message = "The callback has been completed, has timed out, or its execution has ended."
            raise ServiceRefusal(message, code="CallbackTimeoutException")
        return record

    def complete_invoke(
        self,
        operation_id: str,
        status: OperationStatus,
        now: datetime,
        *,
        result: str | None,
        error: ErrorObject | None,
    ) -> None:
        """Take what an invoked function answered.

        Raises
        ------
        ServiceRefusal
            Nobody waits for it any more, or it can't end so.
        """
        record = self.operations.get(operation_id)
        if self.is_terminal or record is None or record.type is not OperationType.CHAINED_INVOKE:
            message = "The invoke is unknown, or its execution has ended."
            raise ServiceRefusal(message)
        self._answer(record, status, now, result=result, error=error)

    def _answer(
        self,
        record: Operation,
        status: OperationStatus,
        now: datetime,
        *,
        result: str | None = None,
        error: ErrorObject | None = None,
    ) -> None:
        if status not in EXTERNAL.get((record.type, record.status), ()):
            message = f"{record.type.value} is {record.status.value} and can't become {status.value}"
            raise ServiceRefusal(message)
        changed = replace(record, status=status, end_timestamp=now)
        if record.callback_details is not None:
            details = replace(record.callback_details, result=result, error=error)
            changed = replace(changed, callback_details=details)
            self._time_callback(record.id, None)
        else:
            changed = replace(changed, chained_invoke_details=ChainedInvokeDetails(result=result, error=error))
        self._keep(changed, now, moved=True)

    # -- the end from outside ------------------------------------------------------------------------------

    def stop(self, now: datetime, error: ErrorObject | None = None) -> None:
        """End the execution from outside."""
        default = ErrorObject(error_type="Execution.Stopped", error_message="Execution was stopped")
        self._end(OperationStatus.STOPPED, now, error or default)

    def time_out(self, now: datetime) -> None:
        """End the execution because its time is over."""
        error = ErrorObject(error_type="Execution.TimedOut", error_message="Execution timed out")
        self._end(OperationStatus.TIMED_OUT, now, error)

    def _end(self, status: OperationStatus, now: datetime, error: ErrorObject) -> None:
        if not self.is_terminal:
            self._finish(status, now, error=error)


def _is_pending(record: Operation) -> bool:
    """Return whether *record* will change without its handler (docs/contributing/protocol.md#invocation-output)."""
    if record.type is OperationType.STEP:
        return record.status is OperationStatus.PENDING
    return record.type in _WAITS and record.status is OperationStatus.STARTED


def callback_timers(update: OperationUpdate, now: datetime) -> CallbackTimers:
    """Return the timers that the START of a callback sets; 0 seconds is none."""
    options = update.callback_options
    timeout = options.timeout_seconds if options else 0
    heartbeat = options.heartbeat_timeout_seconds if options else 0
    return CallbackTimers(
        ends=now + timedelta(seconds=timeout) if timeout else None,
        heartbeat_seconds=heartbeat,
        heartbeat_ends=now + timedelta(seconds=heartbeat) if heartbeat else None,
    )
