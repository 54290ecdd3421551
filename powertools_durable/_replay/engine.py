"""The state machine of one invocation. Updates go in, batches come out, responses go in.

The engine owns the checkpoint token, the outbox and the local view of the records. It has no thread, lock or clock. A
caller with several threads holds a lock around each call (only reading `state` needs none) and passes the current time.

How updates travel:

1. `queue` adds an update to the outbox. Updates are sent in this order: one that does not fit a batch stays first.
2. `next_batch` takes the updates from the front that may share one request (docs/contributing/protocol.md#batching).
3. `receive` merges the response, and applies the lifecycle table to updates whose records the response leaves out.

Afterwards the engine is *open*, *finished* (the EXECUTION update was accepted), *revoked* (the response had no token:
the invocation answers PENDING, even if the handler returns or raises) or *interrupted* by an error that decides how the
invocation ends.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, Protocol

from powertools_durable._frozen import frozen
from powertools_durable._protocol.lifecycle import IllegalTransition, apply
from powertools_durable._protocol.limits import MAX_BATCH_BYTES, MAX_BATCH_UPDATES
from powertools_durable._protocol.operation import Operation, OperationType
from powertools_durable._protocol.result import CheckpointResponse
from powertools_durable._protocol.update import OperationAction, OperationUpdate
from powertools_durable._protocol.wire import to_wire
from powertools_durable._replay.state import ExecutionState

__all__ = ["CALLABLE_TYPES", "Batch", "Queued", "RandomSource", "ReplayEngine", "Rules"]

CALLABLE_TYPES = frozenset(OperationType) - {OperationType.EXECUTION}
"""The types of operations that code can call; not those that this version does not know."""


class RandomSource(Protocol):
    """The methods of `random.Random` that the engine and its policies use."""

    def random(self) -> float: ...

    def getrandbits(self, k: int, /) -> int: ...


@frozen(kw_only=True)
class Rules:
    """The settings of the deployment that concern operations; see `DurableConfig`."""

    max_payload_bytes: int = 1024 * 1024
    stack_traces: bool = False
    include_validation_input: bool = False
    on_unconsumed: Literal["warn", "fail", "ignore"] = "warn"


@frozen(eq=False)
class Queued:
    """An update in the outbox, with its waiter. An *update* of None polls for changed records."""

    update: OperationUpdate | None
    waiter: object | None = None
    deferred: bool = False


@frozen(eq=False)
class Batch:
    """The content of one request."""

    token: str
    items: Sequence[Queued]
    updates: Sequence[OperationUpdate]  # empty for a poll


class ReplayEngine:
    """The records of an execution and the unsent updates, as one invocation sees them.

    Attributes
    ----------
    state : ExecutionState
        All records.
    token : str
        The newest checkpoint token; each response brings the next one.
    rules : Rules
        Settings that concern operations.
    random : RandomSource
        Source of jitter.
    revoked, finished : bool
        No more checkpoints are possible: the service withdrew the token, or has the execution's result.
    interruption : BaseException | None
        The error that decides how this invocation ends, even if the handler returns.
    updated : frozenset[str]
        Ids of the records that changed since the previous invocation, if the service names them. For telemetry only.
    called_ids : list[str]
        Ids of the operations that the code has called, in that order, some more than once.
    note_call : Callable
        Notes that the code has called the operation with this id.
    has_no_history : bool
        Nothing was recorded before this invocation, and it has suspended no context yet, so no record can follow.
    """

    def __init__(
        self,
        state: ExecutionState,
        token: str,
        random: RandomSource,
        rules: Rules | None = None,
        *,
        updated: Iterable[str] = (),
    ) -> None:
        self.state = state
        self.has_no_history = not self.is_replaying
        self.token = token
        self.random = random
        self.rules = rules or Rules()
        self.revoked = False
        self.finished = False
        self.interruption: BaseException | None = None
        self.answers: dict[str, Any] = {}  # the formats of answers, by callback: for hosts that check them
        self.called_ids: list[str] = []  # a set would take four times the memory, and is rarely needed
        self.note_call: Callable[[str], None] = self.called_ids.append
        self.updated = frozenset(updated)
        self._outbox: deque[Queued] = deque()
        self._waiting = 0
        self._deferred = 0

    # -- the records ---------------------------------------------------------------------------------------

    @property
    def operations(self) -> Mapping[str, Operation]:
        """Every record by id, the EXECUTION record included."""
        return self.state.operations

    @property
    def is_replaying(self) -> bool:
        """True when the execution has records besides the EXECUTION record, made by an earlier invocation."""
        return any(record.type is not OperationType.EXECUTION for record in self.state.operations.values())

    @property
    def called(self) -> frozenset[str]:
        """Ids of the operations that the code has called so far."""
        return frozenset(self.called_ids)

    def get(self, operation_id: str) -> Operation | None:
        """Return the record of an operation; None if there is none."""
        return self.state.operations.get(operation_id)

    def check_result(self, operation_id: str) -> Operation | None:
        """Return the record of an operation that has ended; None while it has not."""
        record = self.get(operation_id)
        return record if record is not None and record.status.is_terminal else None

    def uncalled(self) -> list[Operation]:
        """Return the records whose operations the code has not called, the oldest first; to be used when it has ended.

        Records below a finished context are left out, because its code does not run again. So are records of a type
        that this version does not know, because its code can't call them (docs/reliability.md#fault-rows, row 42).
        """
        called = self.called
        return [
            record
            for record in self.state.operations.values()
            if record.id not in called
            and record.type in CALLABLE_TYPES
            and not self._is_below_ended_context(record, called)
        ]

    def _is_below_ended_context(self, record: Operation, called: frozenset[str]) -> bool:
        parent = self.get(record.parent_id or "")
        while parent is not None:
            if parent.status.is_terminal or parent.id not in called:
                return True
            parent = self.get(parent.parent_id or "")
        return False

    # -- the outbox ----------------------------------------------------------------------------------------

    @property
    def pending(self) -> int:
        """Number of updates that are queued and not yet sent."""
        return sum(1 for item in self._outbox if item.update is not None)

    @property
    def deferred(self) -> int:
        """Number of updates that batch mode holds back."""
        return self._deferred

    @property
    def queued(self) -> int:
        """Number of queued items, polls included."""
        return len(self._outbox)

    @property
    def is_full(self) -> bool:
        """True when the queued items fill a request."""
        return len(self._outbox) >= MAX_BATCH_UPDATES

    @property
    def is_pressing(self) -> bool:
        """True when a caller waits for a response, or a request is full."""
        return self._waiting > 0 or len(self._outbox) >= MAX_BATCH_UPDATES

    @property
    def is_lingering(self) -> bool:
        """True when an item is queued that batch mode does not hold back."""
        return len(self._outbox) > self._deferred

    def queue(
        self,
        update: OperationUpdate | None,
        waiter: object | None = None,
        *,
        deferred: bool = False,
        now: datetime | None = None,
    ) -> None:
        """Queue an update; with *now*, apply it to the local view at once, as of that time."""
        if update is not None and now is not None:
            self._apply(update, now)
        self._outbox.append(Queued(update, waiter, deferred))
        self._waiting += waiter is not None
        self._deferred += deferred

    def next_batch(self) -> Batch | None:
        """Take the items that may share the next request, in order; None when nothing is queued."""
        if not self._outbox:
            return None
        items: list[Queued] = []
        request = _Request()
        while self._outbox and (self._outbox[0].update is None or request.add(self._outbox[0].update)):
            item = self._outbox.popleft()
            items.append(item)
            self._waiting -= item.waiter is not None
            self._deferred -= item.deferred
        return Batch(self.token, items, [item.update for item in items if item.update is not None])

    def drop_all(self) -> list[Queued]:
        """Empty the outbox and return its items."""
        dropped = list(self._outbox)
        self._outbox.clear()
        self._waiting = self._deferred = 0
        return dropped

    # -- responses -----------------------------------------------------------------------------------------

    def receive(self, batch: Batch, response: CheckpointResponse, now: datetime) -> str | None:
        """Merge the response to *batch*; return the marker of the next page of changed records, if there is one.

        After a response without a token this invocation can make no more checkpoints: it is finished if the batch
        contained the EXECUTION update, revoked otherwise
        (docs/contributing/protocol.md#responses-without-a-token).
        """
        page = response.new_execution_state
        changed = (page.operations or ()) if page else ()
        self.state.absorb(changed)
        in_response = {record.id for record in changed}
        for update in batch.updates:
            if update.type is OperationType.EXECUTION:
                self.finished = True
            # An acknowledged end counts even if the response has an older version of the record.
            elif update.id not in in_response or update.action in _ENDS:
                self._apply(update, now)
        if self.finished:
            return None
        if not response.checkpoint_token:
            self.revoked = True
            return None
        self.token = response.checkpoint_token
        return (page.next_marker or None) if page else None

    def _apply(self, update: OperationUpdate, now: datetime) -> None:
        known = self.state.operations.get(update.id)
        if known is not None and known.status.is_terminal:
            return  # the common case: the response contained the record
        try:
            record = apply(known, update, now)
        except IllegalTransition:
            return  # a deferred update, which was applied when it was queued
        self.state.put(record)

    def interrupt(self, reason: BaseException) -> None:
        """Let *reason* decide how this invocation ends; later reasons are ignored."""
        if self.interruption is None:
            self.interruption = reason


_ENDS = (OperationAction.SUCCEED, OperationAction.FAIL)
_MERGEABLE = frozenset({OperationType.STEP, OperationType.CONTEXT})
_OVERHEAD = 1024  # upper bound of the size of ids, name, keys and punctuation of one update
_WORST_ESCAPE = 12  # size of an escaped character beyond the basic multilingual plane: "\\ud834\\udd1e"


class _Request:
    """The updates of one request: at most 250 of them, 750 KiB, and one change of each operation.

    To measure the size means to write the JSON, so an upper bound is used as long as it is below the limit.
    """

    def __init__(self) -> None:
        self._updates: list[OperationUpdate] = []
        self._actions: dict[str, OperationAction] = {}
        self._bound = 0
        self._exact: int | None = None

    def add(self, update: OperationUpdate) -> bool:
        """Add *update* and return True, unless it may not share this request; the first one may have any size."""
        bound = _upper_bound(update)
        before = self._actions.get(update.id)
        if self._updates and (
            len(self._updates) >= MAX_BATCH_UPDATES
            or (before is not None and not _may_follow(update, before))
            or not self._has_room(update, bound)
        ):
            return False
        self._bound += bound
        self._updates.append(update)
        self._actions[update.id] = update.action
        return True

    def _has_room(self, update: OperationUpdate, bound: int) -> bool:
        if self._exact is None and self._bound + bound <= MAX_BATCH_BYTES:
            return True
        if self._exact is None:
            self._exact = sum(map(_size, self._updates))
        self._exact += _size(update)  # even without room for it: nothing is added afterwards
        return self._exact <= MAX_BATCH_BYTES


def _may_follow(update: OperationUpdate, before: OperationAction) -> bool:
    """Return whether *update* may share a request with an earlier action on the same operation: an end with START.

    See docs/contributing/protocol.md#batching.
    """
    ends = before is OperationAction.START and update.action is not OperationAction.START
    return ends and update.type in _MERGEABLE


def _upper_bound(update: OperationUpdate) -> int:
    error, payload = update.error, update.payload
    characters = len(payload) + 1 if payload else 0
    if error is not None:
        texts = (error.error_message, error.error_data, error.error_type, *(error.stack_trace or ()))
        characters += sum(len(text) + 1 for text in texts if text)
    return _OVERHEAD + _WORST_ESCAPE * characters


def _size(update: OperationUpdate) -> int:
    return len(json.dumps(to_wire(update))) + 2  # ASCII, so characters are bytes
