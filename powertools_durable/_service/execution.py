"""One durable execution as the service keeps it. Pure: time and randomness come in as arguments.

It holds the records, the token chain and the timers, applies what a handler sends, judges what a handler
answers, and says when it wants to be invoked again. The lifecycle table decides how a record changes; this
file decides *whether* anything may change now. Sources: protocol.md 3, 5, 9.

What a call changed is left in `changed` and `events`, so that a store writes that and no more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Protocol

from powertools_durable._protocol.lifecycle import EXTERNAL, TIMERS, apply, due_at, fire
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
from powertools_durable._protocol.wire import to_wire
from powertools_durable._service.history import HistoryEvent, invocation_event, record_event
from powertools_durable._service.validation import ServiceRefusal, refusal

__all__ = ["CallbackTimers", "Header", "Ids", "ServiceExecution"]

S = OperationStatus
_STALE = "Invalid checkpoint token"
_MAX_ILLEGAL_PENDING = 3  # an answer of PENDING with nothing pending is asked again so often (protocol.md 3)
_MAX_FAILED_INVOCATIONS = 5  # [E]
_RETRY_AFTER = timedelta(seconds=5)  # [E]
_PAGE_BYTES = 5 * 1024 * 1024  # [E]


class Ids(Protocol):
    """Where tokens and callback ids come from: a seed in the simulator, the system's randomness elsewhere."""

    def token(self) -> str: ...

    def callback_id(self) -> str: ...


@dataclass(slots=True)
class CallbackTimers:
    """When nobody waits for an answer any longer; the record itself does not hold it."""

    ends: datetime | None = None
    heartbeat_seconds: int = 0
    heartbeat_ends: datetime | None = None

    def next(self) -> datetime | None:
        """Return the earlier of the two."""
        return min((moment for moment in (self.ends, self.heartbeat_ends) if moment), default=None)


@dataclass(slots=True, kw_only=True)
class Header:
    """What there is to keep of an execution besides its records and its history."""

    arn: str
    name: str
    started: datetime
    status: str = "RUNNING"
    result: str | None = None
    error: ErrorObject | None = None
    ended: datetime | None = None
    invocations: int = 0
    token: str = ""
    invoking_since: datetime | None = None
    failed_invocations: int = 0
    illegal_pendings: int = 0
    retry_at: datetime | None = None
    events: int = 0
    unseen: set[str] = field(default_factory=set)  # changed since the handler last looked
    moved: set[str] = field(default_factory=set)  # of these, what the service changed
    callbacks: dict[str, CallbackTimers] = field(default_factory=dict)


class ServiceExecution:
    """One execution: its records, its token, its timers.

    Parameters
    ----------
    header : Header
        As `start` made it, or as a store kept it.
    operations : Mapping[str, Operation]
        Records by id, in the order they started.
    ids : Ids
        Makes tokens and callback ids.
    history : Sequence[HistoryEvent]
        What was told so far.
    page_items, max_payload_bytes
        Limits that tests lower.
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
        self.header = header
        self.operations = dict(operations)
        self.changed: dict[str, Operation] = {}
        self.events: list[HistoryEvent] = []
        self.history: list[HistoryEvent] = list(history)
        self._ids = ids
        self._page_items = page_items
        self._max_payload_bytes = max_payload_bytes
        self._answered: tuple[str, str, CheckpointResponse] | None = None

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
        """Begin an execution; nothing is invoked yet."""
        record = Operation(
            id=arn.rpartition("/")[2],
            type=OperationType.EXECUTION,
            status=S.STARTED,
            name=name,
            start_timestamp=now,
            execution_details=ExecutionDetails(input_payload=payload),
        )
        header = Header(arn=arn, name=name, started=now)
        execution = cls(header, {}, ids, page_items=page_items, max_payload_bytes=max_payload_bytes)
        execution._keep(record, now)
        return execution

    # -- invocations ---------------------------------------------------------------------------------------

    @property
    def is_terminal(self) -> bool:
        """True when the execution has ended."""
        return self.header.status != "RUNNING"

    def wants_invocation(self, now: datetime) -> bool:
        """True when the handler should run now: it never did, it failed, or something changed it can go on with."""
        header = self.header
        if self.is_terminal or header.invoking_since is not None:
            return False
        if header.retry_at is not None:
            return now >= header.retry_at
        return header.invocations == 0 or bool(header.moved) or header.illegal_pendings > 0

    def begin_invocation(self, now: datetime) -> dict[str, Any]:
        """Mint a token and build the event that Lambda hands to the handler (protocol.md 2.1)."""
        header = self.header
        header.invocations += 1
        header.invoking_since = now
        header.retry_at = None
        header.token = self._ids.token()
        self._answered = None
        updated = sorted(header.moved)
        header.unseen.clear()
        header.moved.clear()
        page = self._page(0)
        return {
            "DurableExecutionArn": header.arn,
            "CheckpointToken": header.token,
            "InitialExecutionState": {
                "Operations": to_wire(page.operations),
                "NextMarker": page.next_marker or "",
            },
            "UpdatedOperationIds": updated,
        }

    def end_invocation(self, answer: object, now: datetime, *, request_id: str = "") -> None:
        """Judge what the handler answered; an exception stands for an invocation that failed."""
        header = self.header
        error = answer if isinstance(answer, ErrorObject) else None
        self._tell(invocation_event(header.invoking_since or now, now, request_id, error))
        header.invoking_since = None
        header.token = ""
        if self.is_terminal:  # stopped, timed out or finished by a checkpoint: the answer changes nothing
            return
        if error is not None:
            self._failed_invocation(error, now)
            return
        header.failed_invocations = 0
        match answer:
            case {"Status": "SUCCEEDED", "Result": str() as result, **rest} if "Error" not in rest:
                self._finish(S.SUCCEEDED, now, result=result)
            case {"Status": "FAILED", **rest} if "Result" not in rest:
                self._finish(S.FAILED, now, error=_error_of(rest.get("Error")))
            case {"Status": "PENDING"}:
                self._suspended(now)
            case _:
                words = "Invalid Status in invocation output."
                self._finish(S.FAILED, now, error=_fault("InvalidParameterValueException", words))

    def abandon_invocation(self, now: datetime) -> None:
        """End an invocation whose process is gone, and let the next begin at once; it does not count as a failure."""
        if self.header.invoking_since is not None:
            failures = self.header.failed_invocations
            self.header.failed_invocations = 0
            self.end_invocation(_fault("Runtime.ExitError", "the process ended during the invocation"), now)
            self.header.failed_invocations = failures
            self.header.retry_at = now if not self.is_terminal else None

    def _failed_invocation(self, error: ErrorObject, now: datetime) -> None:
        header = self.header
        header.failed_invocations += 1
        if header.failed_invocations >= _MAX_FAILED_INVOCATIONS:
            self._finish(S.FAILED, now, error=error)
        else:
            header.retry_at = now + _RETRY_AFTER

    def _suspended(self, now: datetime) -> None:
        header = self.header
        if header.moved or any(map(_is_pending, self.operations.values())):
            header.illegal_pendings = 0
            return
        header.illegal_pendings += 1
        if header.illegal_pendings >= _MAX_ILLEGAL_PENDING:
            words = "Cannot return PENDING status with no pending operations."
            self._finish(S.FAILED, now, error=_fault("InvalidParameterValueException", words))

    # -- the two API calls ---------------------------------------------------------------------------------

    def checkpoint(
        self, token: str, updates: Sequence[OperationUpdate], client_token: str, now: datetime
    ) -> CheckpointResponse:
        """Apply *updates* together, or refuse them together (protocol.md 9).

        Raises
        ------
        ServiceRefusal
            The token is not the newest of the running invocation, or an update is not allowed.
        """
        if self._answered is not None and self._answered[:2] == (token, client_token):
            return self._answered[2]  # the same call again: the same answer
        self._check_token(token)
        refused = refusal(updates, self.operations, self._max_payload_bytes)
        if refused is not None:
            raise refused
        for update in updates:
            self._apply(update, now)
        self.advance(now)
        changed = tuple(self.operations[key] for key in self.operations if key in self.header.unseen)
        self.header.unseen.clear()
        self.header.moved.clear()
        self.header.token = "" if self.is_terminal else self._ids.token()
        response = CheckpointResponse(
            checkpoint_token=self.header.token or None, new_execution_state=StatePage(operations=changed)
        )
        self._answered = (token, client_token, response)
        return response

    def state_page(self, token: str, marker: str, max_items: int) -> StatePage:
        """Return the records from *marker* on.

        Raises
        ------
        ServiceRefusal
            The token is stale, or the marker none that was given out for it.
        """
        self._check_token(token)
        bound, _, position = marker.partition(":")
        if bound != self.header.token[:8] or not position.isdigit():
            message = "Invalid marker"
            raise ServiceRefusal(message)
        return self._page(int(position), max_items or 100)

    def _check_token(self, token: str) -> None:
        if not token or token != self.header.token or self.is_terminal:
            raise ServiceRefusal(_STALE)

    def _page(self, position: int, max_items: int = MAX_PAGE_ITEMS) -> StatePage:
        visible = [record for record in self.operations.values() if self._is_visible(record)]
        taken, size = 0, 0
        for record in visible[position : position + min(max_items, self._page_items)]:
            size += len(record.result or "") + 512
            if taken and size > _PAGE_BYTES:
                break
            taken += 1
        end = position + taken
        marker = f"{self.header.token[:8]}:{end}" if end < len(visible) else None
        return StatePage(operations=tuple(visible[position:end]), next_marker=marker)

    def _is_visible(self, record: Operation) -> bool:
        """Children of a finished context are not sent, unless its result is rebuilt from them."""
        parent = self.operations.get(record.parent_id or "")
        while parent is not None:
            details = parent.context_details
            if parent.status.is_terminal and not (details and details.replay_children):
                return False
            parent = self.operations.get(parent.parent_id or "")
        return True

    def _apply(self, update: OperationUpdate, now: datetime) -> None:
        if update.type is OperationType.EXECUTION:
            succeeded = update.action is OperationAction.SUCCEED
            self._finish(S.SUCCEEDED if succeeded else S.FAILED, now, result=update.payload, error=update.error)
            return
        record = apply(self.operations.get(update.id), update, now)
        if update.type is OperationType.CALLBACK:
            record = replace(record, callback_details=CallbackDetails(callback_id=self._ids.callback_id()))
            self.header.callbacks[record.id] = _timers(update, now)
        self._keep(record, now, update)

    # -- time ----------------------------------------------------------------------------------------------

    def next_moment(self, *, callbacks: bool = True) -> datetime | None:
        """Return when something will happen by itself, a callback's timeout included; None when nothing will."""
        if self.is_terminal:
            return None
        moments = [due_at(record) for record in self.operations.values()]
        if callbacks:
            moments += [timers.next() for timers in self.header.callbacks.values()]
        moments.append(self.header.retry_at if self.header.invoking_since is None else None)
        return min((moment for moment in moments if moment is not None), default=None)

    def advance(self, now: datetime) -> None:
        """Fire every timer that is due, the earliest first."""
        due = [
            (moment, record.id)
            for record in self.operations.values()
            if (moment := due_at(record)) is not None and moment <= now
        ]
        due += [
            (moment, key)
            for key, timers in self.header.callbacks.items()
            if (moment := timers.next()) is not None and moment <= now
        ]
        for moment, key in sorted(due):
            record = self.operations[key]
            if self.is_terminal:
                return
            if (record.type, record.status) in TIMERS:
                self._keep(fire(record, moment), moment, moved=True)
            elif key in self.header.callbacks:
                self._time_out(record, moment)

    def _time_out(self, record: Operation, moment: datetime) -> None:
        timers = self.header.callbacks[record.id]
        is_heartbeat = timers.heartbeat_ends is not None and timers.heartbeat_ends == timers.next()
        error = (
            _fault("Callback.Heartbeat", "Callback timed out on heartbeat")
            if is_heartbeat
            else _fault("Callback.Timeout", "Callback timed out")
        )
        self._answer(record, S.TIMED_OUT, moment, error=error)

    # -- the world outside ---------------------------------------------------------------------------------

    def callback(self, callback_id: str) -> Operation:
        """Find the callback of that id.

        Raises
        ------
        ServiceRefusal
            There is none.
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
        record = self._open_callback(callback_id)
        self._answer(record, S.FAILED if error is not None else S.SUCCEEDED, now, result=result, error=error)

    def heartbeat(self, callback_id: str, now: datetime) -> None:
        """Take a sign of life: the heartbeat's timer begins anew."""
        timers = self.header.callbacks[self._open_callback(callback_id).id]
        if timers.heartbeat_seconds:
            timers.heartbeat_ends = now + timedelta(seconds=timers.heartbeat_seconds)

    def _open_callback(self, callback_id: str) -> Operation:
        record = self.callback(callback_id)
        if self.is_terminal or record.status is not S.STARTED:
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
        """Take what an invoked function answered."""
        self._answer(self.operations[operation_id], status, now, result=result, error=error)

    def stop(self, now: datetime, error: ErrorObject | None = None) -> None:
        """End the execution from outside."""
        if not self.is_terminal:
            self._finish(S.STOPPED, now, error=error or _fault("Execution.Stopped", "Execution was stopped"))

    def time_out(self, now: datetime) -> None:
        """End the execution because its time is over."""
        self._finish(S.TIMED_OUT, now, error=_fault("Execution.TimedOut", "Execution timed out"))

    def _answer(
        self,
        record: Operation,
        status: OperationStatus,
        now: datetime,
        *,
        result: str | None = None,
        error: ErrorObject | None = None,
    ) -> None:
        if status not in EXTERNAL[record.type, record.status]:
            message = f"{record.type.value} can't become {status.value}"
            raise ServiceRefusal(message)
        changed = replace(record, status=status, end_timestamp=now)
        if record.callback_details is not None:
            details = replace(record.callback_details, result=result, error=error)
            changed = replace(changed, callback_details=details)
            self.header.callbacks.pop(record.id, None)
        else:
            changed = replace(changed, chained_invoke_details=ChainedInvokeDetails(result=result, error=error))
        self._keep(changed, now, moved=True)

    def saved(self) -> None:
        """Forget what `changed` and `events` say: a store has it."""
        self.changed.clear()
        self.events.clear()

    # -- keeping -------------------------------------------------------------------------------------------

    def _keep(
        self, record: Operation, now: datetime, update: OperationUpdate | None = None, *, moved: bool = False
    ) -> None:
        self.operations[record.id] = self.changed[record.id] = record
        if record.type is not OperationType.EXECUTION:
            self.header.unseen.add(record.id)
        if moved:
            self.header.moved.add(record.id)
        self._tell(record_event(record, update, now))

    def _tell(self, event: HistoryEvent | None) -> None:
        if event is not None:
            self.header.events += 1
            told = {"EventId": self.header.events, **event}
            self.events.append(told)
            self.history.append(told)

    def _finish(
        self, status: OperationStatus, now: datetime, *, result: str | None = None, error: ErrorObject | None = None
    ) -> None:
        header = self.header
        header.status, header.result, header.error, header.ended = status.value, result, error, now
        record = next(r for r in self.operations.values() if r.type is OperationType.EXECUTION)
        record = replace(record, status=status, end_timestamp=now)
        self.operations[record.id] = self.changed[record.id] = record
        self._tell(record_event(record, None, now, result=result, error=error))


def _is_pending(record: Operation) -> bool:
    if record.type is OperationType.STEP:
        return record.status is S.PENDING
    waits = (OperationType.WAIT, OperationType.CALLBACK, OperationType.CHAINED_INVOKE)
    return record.type in waits and record.status is S.STARTED


def _timers(update: OperationUpdate, now: datetime) -> CallbackTimers:
    options = update.callback_options
    timeout = options.timeout_seconds if options else 0
    heartbeat = options.heartbeat_timeout_seconds if options else 0
    return CallbackTimers(
        ends=now + timedelta(seconds=timeout) if timeout else None,
        heartbeat_seconds=heartbeat,
        heartbeat_ends=now + timedelta(seconds=heartbeat) if heartbeat else None,
    )


def _fault(error_type: str, message: str) -> ErrorObject:
    return ErrorObject(error_type=error_type, error_message=message)


def _error_of(wire: object) -> ErrorObject:
    if not isinstance(wire, Mapping):
        return ErrorObject()
    stack = wire.get("StackTrace")
    return ErrorObject(
        error_message=wire.get("ErrorMessage"),
        error_type=wire.get("ErrorType"),
        error_data=wire.get("ErrorData"),
        stack_trace=tuple(stack) if stack else None,
    )
