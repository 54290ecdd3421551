"""The state machine of one invocation. Updates go in, batches come out, responses go in.

The engine owns the token chain, the outbox and the local view of the records. It has no thread, lock or clock. A
caller with several threads holds a lock around each call (only reading `state` needs none) and passes the time.

How updates travel:

1. `queue` adds an update to the outbox. The order is never changed: an update that does not fit a batch stays first.
2. `next_batch` takes from the front what may share one request (docs/contributing/protocol.md#batching).
3. `receive` merges the response, and applies the lifecycle table to updates whose records the response leaves out.

Then the engine is still *open*, or *finished* (the EXECUTION update was accepted), *revoked* (the response had no
token: the answer is PENDING, even if the handler returns or raises) or *interrupted* by an error that decides how
the invocation ends.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Literal, Protocol

from powertools_durable._frozen import frozen
from powertools_durable._protocol.lifecycle import IllegalTransition, apply
from powertools_durable._protocol.limits import MAX_BATCH_BYTES, MAX_BATCH_UPDATES
from powertools_durable._protocol.operation import Operation, OperationType
from powertools_durable._protocol.result import CheckpointResponse
from powertools_durable._protocol.update import OperationAction, OperationUpdate
from powertools_durable._protocol.wire import to_wire
from powertools_durable._replay.state import ExecutionState

__all__ = ["Batch", "Queued", "RandomSource", "ReplayEngine", "Rules"]


class RandomSource(Protocol):
    """The two draws the engine and its policies make; a `random.Random` is one."""

    def random(self) -> float: ...

    def getrandbits(self, k: int, /) -> int: ...


@frozen(kw_only=True)
class Rules:
    """The deployment's choices that operations obey."""

    max_payload_bytes: int = 1024 * 1024
    stack_traces: bool = False
    include_validation_input: bool = False
    on_unconsumed: Literal["warn", "fail", "ignore"] = "warn"


@frozen(eq=False)
class Queued:
    """An update in the outbox, and who waits for it. None in place of an update polls for changed records."""

    update: OperationUpdate | None
    waiter: object | None = None
    deferred: bool = False


@frozen(eq=False)
class Batch:
    """What one request carries."""

    token: str
    items: Sequence[Queued]
    updates: Sequence[OperationUpdate]  # empty for a poll


class ReplayEngine:
    """One invocation's view of its execution, and the updates that it has still to send.

    Attributes
    ----------
    state : ExecutionState
        All records.
    token : str
        The newest checkpoint token; every accepted batch brings the next.
    rules : Rules
        Limits that operations obey.
    random : RandomSource
        For jitter.
    revoked, finished : bool
        There are no more checkpoints: the service withdrew the token, or has the execution's result.
    interruption : BaseException | None
        The error that decides how this invocation ends, even if the handler returns.
    updated : frozenset[str]
        Ids of the records that the service changed since the last invocation, if it says so. For telemetry only.
    ask : Callable
        Records that the code asked for the operation with this id.
    begins : bool
        Nothing was recorded before this invocation, and nothing of it was suspended yet: look-ahead finds nothing.
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
        self.begins = not self.is_replaying
        self.token = token
        self.random = random
        self.rules = rules or Rules()
        self.revoked = False
        self.finished = False
        self.interruption: BaseException | None = None
        self._asked: list[str] = []  # a set would take four times the memory, and is needed only once
        self.ask: Callable[[str], None] = self._asked.append
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
        """True when the execution has records besides its own: an earlier invocation was here."""
        return any(record.type is not OperationType.EXECUTION for record in self.state.operations.values())

    @property
    def asked(self) -> frozenset[str]:
        """Ids of the operations that the code asked for so far."""
        return frozenset(self._asked)

    def get(self, operation_id: str) -> Operation | None:
        """Return the record of an operation; None when there is none."""
        return self.state.operations.get(operation_id)

    def check_result(self, operation_id: str) -> Operation | None:
        """Return the record of an operation that has ended; None while it has not."""
        record = self.get(operation_id)
        return record if record is not None and record.status.is_terminal else None

    def unasked(self) -> list[Operation]:
        """Return the records that the code never asked for, the oldest first. Called when the code has ended.

        Records below a finished context do not count, because a finished context is not entered. Nor do records of a
        type that this version does not know: its code cannot ask for them (docs/reliability.md#fault-rows, row 42).
        """
        asked = self.asked
        return [
            record
            for record in self.state.operations.values()
            if record.id not in asked
            and record.type in _ASKED_FOR
            and not self._lies_below_an_ended_context(record, asked)
        ]

    def _lies_below_an_ended_context(self, record: Operation, asked: frozenset[str]) -> bool:
        parent = self.get(record.parent_id or "")
        while parent is not None:
            if parent.status.is_terminal or parent.id not in asked:
                return True
            parent = self.get(parent.parent_id or "")
        return False

    # -- the outbox ----------------------------------------------------------------------------------------

    @property
    def pending(self) -> int:
        """How many updates are queued and not yet sent."""
        return sum(1 for item in self._outbox if item.update is not None)

    @property
    def deferred(self) -> int:
        """How many of them are held back by batch mode."""
        return self._deferred

    @property
    def queued(self) -> int:
        """How many items are queued, polls included."""
        return len(self._outbox)

    @property
    def is_full(self) -> bool:
        """True when what is queued fills a request."""
        return len(self._outbox) >= MAX_BATCH_UPDATES

    @property
    def is_pressing(self) -> bool:
        """True when a caller waits for an answer, or a request is full."""
        return self._waiting > 0 or len(self._outbox) >= MAX_BATCH_UPDATES

    @property
    def is_lingering(self) -> bool:
        """True when something is queued that batch mode does not hold back."""
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
        while self._outbox and (self._outbox[0].update is None or request.takes(self._outbox[0].update)):
            item = self._outbox.popleft()
            items.append(item)
            self._waiting -= item.waiter is not None
            self._deferred -= item.deferred
        return Batch(self.token, items, [item.update for item in items if item.update is not None])

    def drop_all(self) -> list[Queued]:
        """Empty the outbox and return what was in it."""
        dropped = list(self._outbox)
        self._outbox.clear()
        self._waiting = self._deferred = 0
        return dropped

    # -- responses -----------------------------------------------------------------------------------------

    def receive(self, batch: Batch, response: CheckpointResponse, now: datetime) -> str | None:
        """Merge the response to *batch*; return the marker of further changed records, if there are any.

        A response without a token means that this invocation may not checkpoint any more: it is finished when
        the batch held the EXECUTION update, revoked otherwise
        (docs/contributing/protocol.md#responses-without-a-token).
        """
        page = response.new_execution_state
        changed = (page.operations or ()) if page else ()
        self.state.absorb(changed)
        told = {record.id for record in changed}
        for update in batch.updates:
            if update.type is OperationType.EXECUTION:
                self.finished = True
            # An acknowledged end counts even if the response shows the record as it was before.
            elif update.id not in told or update.action in _ENDS:
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
            return  # the common case: the response held the record
        try:
            record = apply(known, update, now)
        except IllegalTransition:
            return  # the view is up to date: the update was deferred, and applied when it was queued
        self.state.put(record)

    def interrupt(self, reason: BaseException) -> None:
        """Let *reason* decide how this invocation ends. The first reason stays."""
        if self.interruption is None:
            self.interruption = reason


_ASKED_FOR = frozenset(OperationType) - {OperationType.EXECUTION}
_ENDS = (OperationAction.SUCCEED, OperationAction.FAIL)
_MERGEABLE = frozenset({OperationType.STEP, OperationType.CONTEXT})
_OVERHEAD = 1024  # ids, name, keys and punctuation of one update, at most
_WORST_ESCAPE = 12  # a character beyond the first plane: "\\ud834\\udd1e"


class _Request:
    """The updates of one request: at most 250 of them, 750 KiB, and one change of each operation.

    Measuring the size means writing the JSON, so an upper bound is used as long as it is conclusive.
    """

    def __init__(self) -> None:
        self._updates: list[OperationUpdate] = []
        self._actions: dict[str, OperationAction] = {}
        self._bound = 0
        self._exact: int | None = None

    def takes(self, update: OperationUpdate) -> bool:
        """Add *update* if it may share this request. The first update is never refused, no matter how large."""
        bound = _bound(update)
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
        self._exact += _size(update)  # also when there is no room: nothing is added after it then
        return self._exact <= MAX_BATCH_BYTES


def _may_follow(update: OperationUpdate, before: OperationAction) -> bool:
    """An operation's updates share a request only as START and its end (docs/contributing/protocol.md#batching)."""
    ends = before is OperationAction.START and update.action is not OperationAction.START
    return ends and update.type in _MERGEABLE


def _bound(update: OperationUpdate) -> int:
    error, payload = update.error, update.payload
    characters = len(payload) + 1 if payload else 0
    if error is not None:
        texts = (error.error_message, error.error_data, error.error_type, *(error.stack_trace or ()))
        characters += sum(len(text) + 1 for text in texts if text)
    return _OVERHEAD + _WORST_ESCAPE * characters


def _size(update: OperationUpdate) -> int:
    return len(json.dumps(to_wire(update))) + 2  # ASCII, so characters are bytes
