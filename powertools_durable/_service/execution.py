"""One durable execution as the service keeps it. Pure: time and randomness come in as arguments.

It issues the tokens, applies the handler's updates and answer, decides when to invoke the handler again, and changes
records when a timer fires or an answer comes from outside. The lifecycle tables define how a record changes; this
module decides *whether* it may change now: never after the execution's end.

Sources: docs/contributing/protocol.md#invocation-output, #statuses-and-transitions, #checkpointing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Protocol

from powertools_durable._protocol.lifecycle import EXTERNAL, TIMERS, apply, fire
from powertools_durable._protocol.limits import MAX_PAGE_ITEMS
from powertools_durable._protocol.operation import (
    CallbackDetails,
    ChainedInvokeDetails,
    ErrorObject,
    ExecutionDetails,
    Operation,
    OperationStatus,
    OperationType,
)
from powertools_durable._protocol.result import CheckpointResponse, StatePage
from powertools_durable._protocol.update import OperationAction, OperationUpdate
from powertools_durable._service.answers import judge
from powertools_durable._service.execution_records import CallbackTimers, ExecutionRecords, Header
from powertools_durable._service.history import HistoryEvent, invocation_event
from powertools_durable._service.invocation_input import InvocationInput
from powertools_durable._service.state_pages import page
from powertools_durable._service.timers import Timetable
from powertools_durable._service.update_validation import ServiceRefusal, refusal
from powertools_durable._service.wire_cache import WireCache

__all__ = ["CallbackTimers", "Header", "Ids", "ServiceExecution"]

_STALE = "Invalid checkpoint token"
_MAX_ILLEGAL_PENDING = 3  # invocations after an illegal PENDING: docs/contributing/protocol.md#invocation-output
_MAX_FAILED_INVOCATIONS = 5  # [E]
_RETRY_AFTER = timedelta(seconds=5)  # [E]
_DEFAULT_PAGE_ITEMS = 100  # records of a page, if the request does not say: docs/contributing/protocol.md#service-api


class Ids(Protocol):
    """Where tokens and callback ids come from: a seed in the simulator, the system's randomness elsewhere."""

    def token(self) -> str: ...

    def callback_id(self) -> str: ...


class ServiceExecution:
    """One execution: its records, its token, its timers.

    Parameters
    ----------
    header : Header
        From `start`, or from a store.
    operations : Mapping[str, Operation]
        Records by id, in the order they started.
    ids : Ids
        Makes tokens and callback ids.
    history : Sequence[HistoryEvent]
        The events so far.
    page_items, max_payload_bytes
        Limits, which tests lower.
    """

    def __init__(
        self,
        header: Header,
        operations: Mapping[str, Operation],
        ids: Ids,
        *,
        history: Sequence[HistoryEvent] = (),
        page_items: int = MAX_PAGE_ITEMS,
        max_payload_bytes: int = 1024 * 1024,
    ) -> None:
        self.records = records = ExecutionRecords(header, operations, history)
        self.header, self.operations, self.log = header, records.operations, records.log
        self.changed, self.retimed = records.changed, records.retimed
        self.events, self.history, self.saved = records.events, records.history, records.saved
        self.place = records.place
        self._timetable = Timetable(self.operations.values(), header.callbacks)
        self._ids = ids
        self._page_items = page_items
        self._max_payload_bytes = max_payload_bytes
        self._answered: tuple[str, str, CheckpointResponse] | None = None
        self._wire_cache = WireCache()
        self._updated: tuple[str, ...] = ()

    @classmethod
    def start(
        cls,
        arn: str,
        name: str,
        payload: str | None,
        now: datetime,
        ids: Ids,
        *,
        page_items: int = MAX_PAGE_ITEMS,
        max_payload_bytes: int = 1024 * 1024,
    ) -> ServiceExecution:
        """Start an execution; nothing is invoked yet."""
        record = Operation(
            id=arn.rpartition("/")[2],
            type=OperationType.EXECUTION,
            status=OperationStatus.STARTED,
            name=name,
            start_timestamp=now,
            execution_details=ExecutionDetails(input_payload=payload),
        )
        header = Header(arn=arn, name=name, started=now)
        execution = cls(header, {}, ids, page_items=page_items, max_payload_bytes=max_payload_bytes)
        execution._keep(record, now)
        return execution

    @property
    def is_terminal(self) -> bool:
        """True when the execution has ended."""
        return self.records.is_terminal

    # -- invocations ---------------------------------------------------------------------------------------

    def wants_invocation(self, now: datetime) -> bool:
        """Return whether to run the handler now: it has not run yet, it failed, or something it waited for changed."""
        header = self.header
        if self.is_terminal or header.invoking_since is not None:
            return False
        if header.retry_at is not None:
            return now >= header.retry_at
        return header.invocations == 0 or bool(header.moved) or header.illegal_pendings > 0

    def begin_invocation(self, now: datetime) -> dict[str, Any]:
        """Issue a token and return the event for the handler (docs/contributing/protocol.md#invocation-input)."""
        header = self.header
        header.invocations += 1
        header.invoking_since = now
        header.retry_at = None
        header.token = self._ids.token()
        self._answered = None
        self._updated = tuple(sorted(header.moved))
        self.records.take_unseen()
        return self.invocation_input().event(self._wire_cache)

    def invocation_input(self) -> InvocationInput:
        """Return the input of the invocation that has just begun; it takes no memory of its own."""
        header = self.header
        return InvocationInput(header.arn, header.token, self.log, len(self.log), self._updated, self._page_items)

    def end_invocation(self, answer: object, now: datetime, *, request_id: str = "") -> None:
        """Apply the handler's answer; an `ErrorObject` stands for an invocation that failed."""
        header = self.header
        error = answer if isinstance(answer, ErrorObject) else None
        self.records.append_event(invocation_event(header.invoking_since or now, now, request_id, error))
        header.invoking_since = None
        header.token = ""
        if self.is_terminal:  # stopped, timed out or finished by a checkpoint: the answer changes nothing
            return
        if error is not None:
            self._failed_invocation(error, now)
            return
        header.failed_invocations = 0
        ended = judge(answer)
        if ended is None:
            self._suspended(now)
        else:
            self.records.finish(ended.status, now, result=ended.result, error=ended.error)

    def abandon_invocation(self, now: datetime) -> None:
        """End an invocation whose process is gone. It is not a failure, and the next one may begin at once."""
        if self.header.invoking_since is not None:
            failures = self.header.failed_invocations
            self.header.failed_invocations = 0
            gone = ErrorObject(error_type="Runtime.ExitError", error_message="the process ended during the invocation")
            self.end_invocation(gone, now)
            self.header.failed_invocations = failures
            self.header.retry_at = now if not self.is_terminal else None

    def _failed_invocation(self, error: ErrorObject, now: datetime) -> None:
        header = self.header
        header.failed_invocations += 1
        if header.failed_invocations >= _MAX_FAILED_INVOCATIONS:
            self.records.finish(OperationStatus.FAILED, now, error=error)
        else:
            header.retry_at = now + _RETRY_AFTER

    def _suspended(self, now: datetime) -> None:
        header = self.header
        if header.moved or self._timetable.pending:
            header.illegal_pendings = 0
            return
        header.illegal_pendings += 1
        if header.illegal_pendings >= _MAX_ILLEGAL_PENDING:
            message = "Cannot return PENDING status with no pending operations."
            error = ErrorObject(error_type="InvalidParameterValueException", error_message=message)
            self.records.finish(OperationStatus.FAILED, now, error=error)

    # -- the two API calls ---------------------------------------------------------------------------------

    def checkpoint(
        self, token: str, updates: Sequence[OperationUpdate], client_token: str, now: datetime
    ) -> CheckpointResponse:
        """Apply *updates* together, or refuse them together (docs/contributing/protocol.md#checkpointing).

        Raises
        ------
        ServiceRefusal
            The token is not the newest of the running invocation, or an update is not allowed.
        """
        if client_token and self._answered is not None and self._answered[:2] == (token, client_token):
            return self._answered[2]  # the same call again: the same answer
        self._check_token(token)
        refused = refusal(updates, self.operations, self._max_payload_bytes)
        if refused is not None:
            raise refused
        for update in updates:
            self._apply(update, now)
        self.advance(now)
        changed = self.records.take_unseen()
        self.header.token = "" if self.is_terminal else self._ids.token()
        response = CheckpointResponse(
            checkpoint_token=self.header.token or None, new_execution_state=StatePage(operations=changed)
        )
        self._answered = (token, client_token, response)
        return response

    def state_page(self, token: str, marker: str, max_items: int) -> StatePage:
        """Return the records from *marker* on; without a marker, from the first.

        Raises
        ------
        ServiceRefusal
            The token is stale, or the marker was not issued for it.
        """
        self._check_token(token)
        return page(self.operations, token, marker, min(max_items or _DEFAULT_PAGE_ITEMS, self._page_items))

    def _check_token(self, token: str) -> None:
        if not token or token != self.header.token or self.is_terminal:
            raise ServiceRefusal(_STALE)

    def _apply(self, update: OperationUpdate, now: datetime) -> None:
        if update.type is OperationType.EXECUTION:
            succeeded = update.action is OperationAction.SUCCEED
            status = OperationStatus.SUCCEEDED if succeeded else OperationStatus.FAILED
            self.records.finish(status, now, result=update.payload, error=update.error)
            return
        record = apply(self.operations.get(update.id), update, now)
        if update.type is OperationType.CALLBACK:
            record = replace(record, callback_details=CallbackDetails(callback_id=self._ids.callback_id()))
            self._time_callback(record.id, CallbackTimers.of(update, now))
        self._keep(record, now, update)

    def _keep(
        self, record: Operation, now: datetime, update: OperationUpdate | None = None, *, moved: bool = False
    ) -> None:
        self.records.keep(record, now, update, moved=moved)
        self._timetable.attend(record)

    def _time_callback(self, key: str, timers: CallbackTimers | None) -> None:
        """Set a callback's timers; None removes them, and the callback can no longer be answered."""
        if timers is None:
            self.header.callbacks.pop(key, None)
        else:
            self.header.callbacks[key] = timers
        self._timetable.time_callback(key, timers)
        self.retimed.add(key)

    # -- time ----------------------------------------------------------------------------------------------

    def next_moment(self, *, callbacks: bool = True) -> datetime | None:
        """Return when the next timer fires, callback timeouts included; None if there is none."""
        if self.is_terminal:
            return None
        moments = [self._timetable.next(callbacks=callbacks), self.header.retry_at]
        return min((moment for moment in moments if moment is not None), default=None)

    def advance(self, now: datetime) -> None:
        """Fire every timer that is due, the earliest first."""
        if self.is_terminal:
            return
        for moment, key in self._timetable.take_due(now):
            record = self.operations[key]
            if (record.type, record.status) in TIMERS:
                self._keep(fire(record, moment), moment, moved=True)
            else:
                self._time_out(record, moment)

    def _time_out(self, record: Operation, moment: datetime) -> None:
        is_heartbeat = self.header.callbacks[record.id].heartbeat_ends == moment
        kind, message = (
            ("Heartbeat", "Callback timed out on heartbeat") if is_heartbeat else ("Timeout", "Callback timed out")
        )
        error = ErrorObject(error_type=f"Callback.{kind}", error_message=message)
        self._answer(record, OperationStatus.TIMED_OUT, moment, error=error)

    # -- answers -------------------------------------------------------------------------------------------

    def callback(self, callback_id: str) -> Operation:
        """Return the record of a callback.

        Raises
        ------
        ServiceRefusal
            No callback has that id.
        """
        key = self._timetable.callback_ids.get(callback_id)
        if key is not None:
            return self.operations[key]
        message = "Callback not found"
        raise ServiceRefusal(message, code="ResourceNotFoundException", status=404)

    def complete_callback(
        self, callback_id: str, now: datetime, *, result: str | None = None, error: ErrorObject | None = None
    ) -> None:
        """Answer a callback; once, and not after the execution's end.

        Raises
        ------
        ServiceRefusal
            It is no longer open.
        """
        record = self._open_callback(callback_id, now)
        status = OperationStatus.FAILED if error is not None else OperationStatus.SUCCEEDED
        self._answer(record, status, now, result=result, error=error)

    def heartbeat(self, callback_id: str, now: datetime) -> None:
        """Start the heartbeat's timer anew; raise `ServiceRefusal` where nobody waits for the answer any more."""
        key = self._open_callback(callback_id, now).id
        timers = self.header.callbacks[key]
        if timers.heartbeat_seconds:
            self._time_callback(key, replace(timers, heartbeat_ends=now + timedelta(seconds=timers.heartbeat_seconds)))

    def _open_callback(self, callback_id: str, now: datetime) -> Operation:
        record = self.callback(callback_id)
        timers = self.header.callbacks.get(record.id)
        due = timers.next() if timers is not None else None
        # A due timer counts even if `advance` was not called yet: an answer must not come too late.
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
        """Take the answer of an invoked function; raise `ServiceRefusal` where nobody waits for it any more."""
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
            changed = replace(changed, callback_details=replace(record.callback_details, result=result, error=error))
            self._time_callback(record.id, None)
        else:
            changed = replace(changed, chained_invoke_details=ChainedInvokeDetails(result=result, error=error))
        self._keep(changed, now, moved=True)

    # -- the end from outside ------------------------------------------------------------------------------

    def stop(self, now: datetime, error: ErrorObject | None = None) -> None:
        """End the execution from outside."""
        if not self.is_terminal:
            default = ErrorObject(error_type="Execution.Stopped", error_message="Execution was stopped")
            self.records.finish(OperationStatus.STOPPED, now, error=error or default)

    def time_out(self, now: datetime) -> None:
        """End the execution because its timeout has passed."""
        if not self.is_terminal:
            error = ErrorObject(error_type="Execution.TimedOut", error_message="Execution timed out")
            self.records.finish(OperationStatus.TIMED_OUT, now, error=error)
