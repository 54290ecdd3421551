"""What an execution waits for: time, and answers from outside. Pure: the time comes in as an argument.

A record changes here as the tables `TIMERS` and `EXTERNAL` say (protocol.md 5). Nothing changes any more when the
execution has ended.
"""

from __future__ import annotations

from collections.abc import Iterator
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
from powertools_durable._service.ledger import CallbackTimers, Ledger
from powertools_durable._service.validation import ServiceRefusal

__all__ = ["Waiting", "callback_timers", "is_pending"]

_WAITS = (OperationType.WAIT, OperationType.CALLBACK, OperationType.CHAINED_INVOKE)


class Waiting(Ledger):
    """An execution that time and the world outside move."""

    # -- time ----------------------------------------------------------------------------------------------

    def next_moment(self, *, callbacks: bool = True) -> datetime | None:
        """Return when something will happen by itself, a callback's timeout included; None when nothing will."""
        if self.is_terminal:
            return None
        moments = [moment for moment, _ in self._timers(callbacks=callbacks)]
        if self.header.retry_at is not None:
            moments.append(self.header.retry_at)
        return min(moments, default=None)

    def _timers(self, *, callbacks: bool = True) -> Iterator[tuple[datetime, str]]:
        for record in self.operations.values():
            if (moment := due_at(record)) is not None:
                yield moment, record.id
        if callbacks:
            for key, timers in self.header.callbacks.items():
                if (moment := timers.next()) is not None:
                    yield moment, key

    def advance(self, now: datetime) -> None:
        """Fire every timer that is due, the earliest first."""
        if self.is_terminal:
            return
        for moment, key in sorted(timer for timer in self._timers() if timer[0] <= now):
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
        for record in self.operations.values():
            details = record.callback_details
            if details is not None and details.callback_id == callback_id:
                return record
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
        timers = self.header.callbacks[self._open_callback(callback_id, now).id]
        if timers.heartbeat_seconds:
            timers.heartbeat_ends = now + timedelta(seconds=timers.heartbeat_seconds)

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
            self.header.callbacks.pop(record.id, None)
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


def is_pending(record: Operation) -> bool:
    """Tell whether *record* will move by itself, so that its handler may suspend (protocol.md 3)."""
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
