"""One context's place in the replay.

A frame assigns operation ids in call order, compares each call with the record of that id, and knows whether the code
of its context replays or is live. A frame belongs to the one thread that runs that code; only the engine is shared.

The four states of a frame decide which log lines, metrics and spans are emitted. They never control the flow.

==========  ===============================================================  =====================
State       Meaning                                                          Its code's log lines
==========  ===============================================================  =====================
REPLAY      the next operation of this context is recorded                   are dropped
LIVE        no record follows; no frame returns from LIVE to REPLAY          are emitted
UNWINDING   a suspension was raised here, or passes through                  are dropped
SEALED      a finished context runs again only to rebuild its large result   are dropped
==========  ===============================================================  =====================

The transitions between states; code and tests refer to the numbers:

==  =========================  ===============================================================================
T1  The frame is created.      REPLAY if its first operation is recorded, else LIVE. SEALED if the context has
                               ended.
T2  An operation begins.       REPLAY to LIVE if it is not recorded, or is a step that will run user code.
T3  An operation has           REPLAY to LIVE if the following one is not recorded.
    returned or raised.
T4  A suspension is raised.    UNWINDING, and so is each context that it passes through.
T5  A recorded callback was    The previous invocation was suspended in its ``result()``, so the code up to
    answered since the last    there has run before: T3 is deferred until ``result()`` is called.
    invocation.
==  =========================  ===============================================================================

For T1 to T3, a virtual context, which has no record, counts as recorded if its first operation is.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import count

from powertools_durable._protocol.operation import Operation, OperationStatus, OperationType, operation_id
from powertools_durable._replay.engine import ReplayEngine
from powertools_durable._replay.handle import OperationHandle
from powertools_durable.errors import NonDeterminismError, SuspendExecution
from powertools_durable.errors.places import call_site, without_folders
from powertools_durable.scope import ReplayState

__all__ = ["Frame", "operation_id"]

# Module constants, because access to a member of an enum is slow, and these are read several times an operation.
REPLAY, LIVE, UNWINDING, SEALED = ReplayState.REPLAY, ReplayState.LIVE, ReplayState.UNWINDING, ReplayState.SEALED
_STEP, _CALLBACK, _SUCCEEDED = OperationType.STEP, OperationType.CALLBACK, OperationStatus.SUCCEEDED
_VIRTUAL_DEPTH = 4  # maximum nesting of virtual contexts that is searched for a first record


class Frame:
    """One context: its operation counter, id prefix and replay state.

    Attributes
    ----------
    engine : ReplayEngine
        The engine of the invocation.
    parent : Frame | None
        The frame of the enclosing context.
    context_id : str | None
        Id of the operation of this context, and prefix of the places of operations in it; None at the root.
    parent_id : str | None
        The ``ParentId`` of operations in it: the id of the nearest context that has a record.
    replay_state : ReplayState
        For telemetry only, never for control flow.
    suspension : SuspendExecution | None
        The signal that was raised here. Every later call raises it again, so code that swallows it can't continue.
    closed : bool
        The context's code has ended.
    finished : bool
        SUCCEED or FAIL of the context is queued; nothing below it may be recorded any more.
    detached : bool
        The context was created by `DurableContext.create`, outside any handler.
    batch_mode : bool
        Updates of steps may be held back and sent together.
    owner : object
        The thread, or in async code the `TaskPlace`, that runs the context's code.
    busy_with : object
        The operation that the context's code waits for, or the name of auxiliary user code that runs meanwhile.
    busy_on : object
        The thread on which that runs; None: any.
    """

    __slots__ = (
        "_ahead",
        "_order",
        "_parked",
        "batch_mode",
        "busy_on",
        "busy_with",
        "closed",
        "context_id",
        "counter",
        "detached",
        "engine",
        "finished",
        "owner",
        "parent",
        "parent_id",
        "patches",
        "replay_state",
        "suspension",
    )

    def __init__(
        self,
        engine: ReplayEngine,
        *,
        parent: Frame | None = None,
        context_id: str | None = None,
        parent_id: str | None = None,
        sealed: bool = False,
        order: int = 0,
    ) -> None:
        self.engine = engine
        self.parent = parent
        self.context_id = context_id
        self.parent_id = parent_id
        self.counter = 0
        self._order = order
        self.patches: dict[str, bool] = {}  # the answers of `patched` in this invocation, which must not change
        self._parked: str | None = None  # T5: the callback whose answer arrived since the last invocation
        self._ahead: str | None = None  # the next operation's id, if it was needed before the call
        self.batch_mode = False
        self.suspension: SuspendExecution | None = None
        self.closed = False
        self.finished = False
        self.detached = False
        self.owner: object = None
        self.busy_with: object = None
        self.busy_on: object = None
        self.replay_state = LIVE
        if sealed:
            self.replay_state = SEALED
        elif not engine.has_no_history and self._has_more_records():  # T1
            self.replay_state = REPLAY

    @property
    def code_state(self) -> ReplayState:
        """The replay state of the running code; in async code its task has its own, else it is `replay_state`."""
        state: ReplayState = getattr(self.owner, "replay_state", self.replay_state)
        return state

    @contextmanager
    def busy(self, work: object) -> Iterator[None]:
        """Mark a block in which auxiliary user code runs, such as a retry policy: durable calls in it are refused."""
        before = self.busy_with, self.busy_on
        self.busy_with, self.busy_on = work, None
        try:
            yield
        finally:
            self.busy_with, self.busy_on = before

    def child(self, op: OperationHandle, *, virtual: bool = False) -> Frame:
        """Create the frame of the context of *op*; a virtual context has no record of its own."""
        record = self.engine.state.operations.get(op.id)
        return Frame(
            self.engine,
            parent=self,
            context_id=op.id,
            parent_id=self.parent_id if virtual else op.id,
            # A finished context is entered only to rebuild a result too large for its record.
            sealed=(record is not None and record.status.is_terminal) or (virtual and self.replay_state is SEALED),
        )

    # -- operations in call order --------------------------------------------------------------------------

    def id_at(self, number: int) -> str:
        """Return the id of operation *number* in this context; branches of a fan-out are numbered from 0."""
        return operation_id(f"{number}" if self.context_id is None else f"{self.context_id}-{number}")

    def begin(self, kind: OperationType, sub_type: str, name: str | None, *, virtual: bool = False) -> OperationHandle:
        """Take the next id for an operation and compare the operation with the record of that id.

        Raises
        ------
        NonDeterminismError
            Another operation is recorded with this id (docs/contributing/protocol.md#determinism-check).
        """
        self.counter += 1
        identifier, self._ahead = self._ahead or self.id_at(self.counter), None
        op = self._checked_handle(identifier, self.counter, kind, sub_type, name, virtual=virtual)
        if self.replay_state is REPLAY and op.status is not _SUCCEEDED and self._runs_user_code(op.id):  # T2
            self.replay_state = LIVE
        if kind is _CALLBACK and op.id in self.engine.updated:
            self._parked = op.id
        return op

    def request_result(self, op: OperationHandle) -> None:
        """Note that `Callback.result` is called for *op*: T5 ends here."""
        if self._parked == op.id:
            self._parked = None

    def next_position(self) -> tuple[int, int, int]:
        """Return the position of an entry that is not an operation: after the operations called so far."""
        self._order += 1
        return (self.counter, 1, self._order)

    def mark(self, name: str, sub_type: str) -> OperationHandle:
        """Return an operation whose id is derived from *name*, not from the counter."""
        text = f"patch-{name}" if self.context_id is None else f"{self.context_id}-patch-{name}"
        identifier = operation_id(text)
        self.engine.note_call(identifier)
        return OperationHandle(
            self.engine, identifier, OperationType.STEP, sub_type, name, parent_id=self.parent_id, number=0
        )

    def branch(self, index: int, sub_type: str, name: str | None, *, virtual: bool = False) -> OperationHandle:
        """Return the operation of a fan-out's branch; branches are numbered from 0, and may begin in any order."""
        return self._checked_handle(self.id_at(index), index, OperationType.CONTEXT, sub_type, name, virtual=virtual)

    def has_branch(self, index: int) -> bool:
        """Return whether there is a record for that branch, or for the first operation of a flat one."""
        return not self.engine.has_no_history and self._recorded_at(self.id_at(index)) is not None

    def branch_has_ended(self, index: int, *, flat: bool) -> bool:
        """Return whether all records of a branch are terminal; a flat branch has only those of its operations."""
        identifier = self.id_at(index)
        if not flat:
            record = self.engine.get(identifier)
            return record is not None and record.status.is_terminal
        numbers = count(1)
        records = iter(lambda: self.engine.get(operation_id(f"{identifier}-{next(numbers)}")), None)
        return all(record.status.is_terminal for record in records)

    def _checked_handle(
        self, identifier: str, number: int, kind: OperationType, sub_type: str, name: str | None, *, virtual: bool
    ) -> OperationHandle:
        record = self.engine.state.operations.get(identifier)
        if record is not None:
            identifier = record.id  # an equal text, so that only one of the two is kept in memory
        self.engine.note_call(identifier)
        op = OperationHandle(self.engine, identifier, kind, sub_type, name, parent_id=self.parent_id, number=number)
        if record is None:
            if self.replay_state is SEALED and not virtual:
                raise self._not_recorded(op)
        elif virtual:
            raise self.mismatch(op, {"context": "with a record"}, {"context": "virtual"})
        elif (
            record.type != kind
            or (record.sub_type or "") != sub_type
            or (record.name or None) != name
            or (record.parent_id or None) != self.parent_id
        ):
            raise self._difference_from(op, record)
        return op

    def end(self) -> None:
        """Note that an operation returned, or raised its recorded error (T3)."""
        if self.replay_state is REPLAY and self._parked is None:
            ahead = self._ahead = self._ahead or self.id_at(self.counter + 1)
            if ahead not in self.engine.state.operations and not self._has_more_records():
                self.replay_state = LIVE

    def suspend(self, signal: SuspendExecution) -> SuspendExecution:
        """Note that *signal* is raised in this context, or passes through it (T4); return it."""
        self.suspension = signal
        self.engine.has_no_history = False  # a suspended branch may run again in this invocation, from its start
        if self.replay_state is not SEALED:
            self.replay_state = UNWINDING
        return signal

    def suspend_until(self, moment: datetime | None, op: OperationHandle | None = None) -> SuspendExecution:
        """Suspend this context until *moment* or an external event; return the signal, which names *op*."""
        return self.suspend(SuspendExecution(moment, () if op is None else (op,)))

    @property
    def is_orphaned(self) -> bool:
        """True once this context, or one that encloses it, is finished: nothing below it may be recorded."""
        frame: Frame | None = self
        while frame is not None:
            if frame.finished:
                return True
            frame = frame.parent
        return False

    # -- replaying or live ---------------------------------------------------------------------------------

    def next_record(self) -> Operation | None:
        """Return the record of the next operation; None if no record follows."""
        if self.engine.has_no_history:
            return None
        ahead = self._ahead = self._ahead or self.id_at(self.counter + 1)
        return self.engine.state.operations.get(ahead) or self._recorded_at(ahead)

    def _has_more_records(self) -> bool:
        """Return whether a record follows, in this context or, if this is virtual, in the enclosing one."""
        if self.next_record() is not None:
            return True
        parent = self.parent
        # The frame of a fan-out has counter 0: nothing follows its flat branches, which are virtual too, in order.
        if parent is None or parent.counter == 0 or self.context_id == self.parent_id:
            return False
        return parent._has_more_records()  # noqa: SLF001

    def _recorded_at(self, identifier: str, depth: int = _VIRTUAL_DEPTH) -> Operation | None:
        """Return the record of *identifier*, or of the first operation of a virtual context of that id."""
        record = self.engine.state.operations.get(identifier)
        if record is not None or depth == 0:
            return record
        return self._recorded_at(operation_id(f"{identifier}-1"), depth - 1)

    def _runs_user_code(self, identifier: str) -> bool:
        record = self.engine.state.operations.get(identifier)
        if record is None:
            return self._recorded_at(identifier) is None
        return record.type is _STEP and not record.status.is_terminal

    # -- determinism ---------------------------------------------------------------------------------------

    def _difference_from(self, op: OperationHandle, record: Operation) -> NonDeterminismError:
        recorded = {
            "type": record.type.value,
            "sub type": record.sub_type or None,
            "name": record.name or None,
            "parent": record.parent_id or None,
        }
        asked = {"type": op.type.value, "sub type": op.sub_type, "name": op.name, "parent": self.parent_id}
        differing = [field for field, value in asked.items() if recorded[field] != value]
        return self.mismatch(op, {f: recorded[f] for f in differing}, {f: asked[f] for f in differing})

    def _not_recorded(self, op: OperationHandle) -> NonDeterminismError:
        return self.mismatch(op, {"operation": None}, {"operation": op.label})

    def mismatch(
        self, op: OperationHandle, recorded: dict[str, str | None], asked: dict[str, str | None]
    ) -> NonDeterminismError:
        """Build the error for code that differs from the code which made these records.

        The execution fails with it even if the handler catches it, because the engine keeps it
        (docs/reliability.md#fault-rows, row 52).
        """
        where = call_site()
        place = without_folders(where) or "an unknown place"
        differences = "; ".join(
            f"{field}: recorded {_quoted(recorded[field])}, asked {_quoted(value)}" for field, value in asked.items()
        )
        task: str = getattr(self.owner, "task", "")
        label = f"{op.label} of {task}" if task else op.label
        error = NonDeterminismError(
            f"{label} at {place} is not what this execution recorded there: {differences}. "
            "The code changed while this execution was running, or it branches on something that differs between "
            "runs (time, random numbers, a global). Deploy the old version for running executions, or guard the "
            "change with ctx.patched(...)",
            operation=op.label,
            recorded=recorded,
            asked=asked,
            location=where,
        )
        self.engine.interrupt(error)
        return error


def _quoted(value: str | None) -> str:
    return "nothing" if value is None else repr(str(value))  # an enum's member is its text
