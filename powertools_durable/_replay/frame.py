"""One context's place in the replay.

A frame hands out operation ids in call order, compares each call with the record at its id, and knows whether the
code of its context runs again or for the first time. A frame belongs to the one thread that runs that code; only the
engine below it is shared.

The four states of a frame decide which log lines, metrics and spans come out. They never control the flow.

==========  ===============================================================  =====================
State       Meaning                                                          Its code's log lines
==========  ===============================================================  =====================
REPLAY      the next operation of this context is recorded                   are dropped
LIVE        nothing is recorded ahead; final, this frame never goes back     come out
UNWINDING   a suspension was raised here, or passes through                  are dropped
SEALED      a finished context runs again only to rebuild its large result   are dropped, for good
==========  ===============================================================  =====================

What moves a frame from one state to another; code and tests cite the numbers:

==  =========================  ===============================================================================
T1  The frame is made.         REPLAY if its first operation is recorded, else LIVE. SEALED if the context has
                               ended.
T2  An operation begins.       REPLAY to LIVE if it is not recorded, or is a step that will run user code.
T3  An operation has           REPLAY to LIVE if the following one is not recorded.
    returned or raised.
T4  A suspension is raised.    UNWINDING, and so is each context that it passes through.
T5  A callback that is         The invocation before this one ended in its ``result()``, so the code up to
    recorded was answered      there has run before: T3 is put off until ``result()`` is called.
    since.
==  =========================  ===============================================================================

The look-ahead of T1 to T3 sees through virtual contexts, which have no record, to the first operation inside.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from hashlib import blake2b
from itertools import count

from powertools_durable._protocol.operation import Operation, OperationStatus, OperationType
from powertools_durable._replay.engine import ReplayEngine
from powertools_durable._replay.handle import OperationHandle
from powertools_durable.errors import NonDeterminismError, SuspendExecution
from powertools_durable.errors.places import call_site, without_folders
from powertools_durable.scope import ReplayState

__all__ = ["Frame", "operation_id"]

# An enum's member costs an attribute look-up by its metaclass, several times an operation.
REPLAY, LIVE, UNWINDING, SEALED = ReplayState.REPLAY, ReplayState.LIVE, ReplayState.UNWINDING, ReplayState.SEALED
_STEP, _CALLBACK, _SUCCEEDED = OperationType.STEP, OperationType.CALLBACK, OperationStatus.SUCCEEDED
_VIRTUAL_DEPTH = 4  # how many virtual contexts, one directly inside the other, a look-ahead sees through


def operation_id(text: str) -> str:
    """Hash the text form of an operation's place into its id.

    BLAKE2b with its default 64-byte digest, cut to 64 hex characters: a 32-byte digest is another value
    (docs/contributing/protocol.md#operation-ids).
    """
    return blake2b(text.encode()).digest()[:32].hex()


class Frame:
    """One context: its counter, its id prefix, its replay state.

    Attributes
    ----------
    engine : ReplayEngine
        The invocation's.
    parent : Frame | None
        The context around this one.
    context_id : str | None
        Id of the operation that owns this context; None at the root. It prefixes the ids inside.
    parent_id : str | None
        What operations inside send as ``ParentId``: the nearest context that has a record.
    replay_state : ReplayState
        For telemetry only, never for control flow.
    suspension : SuspendExecution | None
        The signal that was raised here. Every later call raises it again, so code that swallows it cannot continue.
    closed : bool
        The context's code has ended.
    finished : bool
        SUCCEED or FAIL of the context is queued; nothing below it may be recorded any more.
    detached : bool
        The context was created by `DurableContext.create`, outside any handler.
    batch_mode : bool
        Updates of steps may be held back and sent together.
    owner : object
        The thread or task that runs the context's code.
    busy_with : object
        The operation that the context's code is waiting for, or the name of other user code that runs in the meantime.
    busy_on : object
        The thread or task on which that runs.
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
        self.patches: dict[str, bool] = {}  # answers of this invocation, so that asking again gives the same
        self._parked: str | None = None  # T5: a callback that was answered while the invocation before waited for it
        self._ahead: str | None = None  # the next operation's id, once a look-ahead has made it
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
        elif not engine.begins and self._goes_on():  # T1
            self.replay_state = REPLAY

    @property
    def code_state(self) -> ReplayState:
        """`replay_state`, or what the owner knows better: one with tasks is not a sequence."""
        state: ReplayState = getattr(self.owner, "replay_state", self.replay_state)
        return state

    @contextmanager
    def busy(self, work: object) -> Iterator[None]:
        """Mark a block in which other code than this context's runs: durable calls in it are misplaced."""
        before = self.busy_with, self.busy_on
        self.busy_with, self.busy_on = work, None
        try:
            yield
        finally:
            self.busy_with, self.busy_on = before

    def child(self, op: OperationHandle, *, virtual: bool = False) -> Frame:
        """Open the frame of the context that *op* is; a virtual context has no record of its own."""
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
        """Return the id of this context's operation *number*; branches of a fan-out count from 0."""
        return operation_id(f"{number}" if self.context_id is None else f"{self.context_id}-{number}")

    def begin(self, kind: OperationType, sub_type: str, name: str | None, *, virtual: bool = False) -> OperationHandle:
        """Take the next id for an operation and check it against what is recorded there.

        Raises
        ------
        NonDeterminismError
            Another operation is recorded at this place (docs/contributing/protocol.md#determinism-check).
        """
        self.counter += 1
        identifier, self._ahead = self._ahead or self.id_at(self.counter), None
        op = self._checked(identifier, self.counter, kind, sub_type, name, virtual=virtual)
        if self.replay_state is REPLAY and op.status is not _SUCCEEDED and self._runs_user_code(op.id):  # T2
            self.replay_state = LIVE
        if kind is _CALLBACK and op.id in self.engine.updated:
            self._parked = op.id
        return op

    def asks_result(self, op: OperationHandle) -> None:
        """Note that a callback's result is asked for: T5 ends here."""
        if self._parked == op.id:
            self._parked = None

    def next_position(self) -> tuple[int, int, int]:
        """Return where something that is no operation stands among the operations: after those called so far."""
        self._order += 1
        return (self.counter, 1, self._order)

    def mark(self, name: str, sub_type: str) -> OperationHandle:
        """Return an operation whose id is derived from *name*, not from the counter."""
        text = f"patch-{name}" if self.context_id is None else f"{self.context_id}-patch-{name}"
        identifier = operation_id(text)
        self.engine.ask(identifier)
        return OperationHandle(
            self.engine, identifier, OperationType.STEP, sub_type, name, parent_id=self.parent_id, number=0
        )

    def branch(self, index: int, sub_type: str, name: str | None, *, virtual: bool = False) -> OperationHandle:
        """Return the operation of a fan-out's branch; branches count from 0, and may begin in any order."""
        return self._checked(self.id_at(index), index, OperationType.CONTEXT, sub_type, name, virtual=virtual)

    def has_branch(self, index: int) -> bool:
        """Return whether anything is recorded for that branch."""
        return not self.engine.begins and self._recorded_at(self.id_at(index)) is not None

    def branch_has_ended(self, index: int, *, flat: bool) -> bool:
        """Return whether all records of a branch are terminal; a flat branch has only those of its operations."""
        identifier = self.id_at(index)
        if not flat:
            record = self.engine.get(identifier)
            return record is not None and record.status.is_terminal
        numbers = count(1)
        found = iter(lambda: self.engine.get(operation_id(f"{identifier}-{next(numbers)}")), None)
        return all(record.status.is_terminal for record in found)

    def _checked(
        self, identifier: str, number: int, kind: OperationType, sub_type: str, name: str | None, *, virtual: bool
    ) -> OperationHandle:
        record = self.engine.state.operations.get(identifier)
        if record is not None:
            identifier = record.id  # the same text; one of the two is enough to keep
        self.engine.ask(identifier)
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
            raise self._changed(op, record)
        return op

    def end(self) -> None:
        """Note that an operation returned, or raised its recorded error (T3)."""
        if self.replay_state is REPLAY and self._parked is None:
            ahead = self._ahead = self._ahead or self.id_at(self.counter + 1)
            if ahead not in self.engine.state.operations and not self._goes_on():
                self.replay_state = LIVE

    def suspend(self, signal: SuspendExecution) -> SuspendExecution:
        """Note that *signal* was raised in this context, or passes through it (T4)."""
        self.suspension = signal
        self.engine.begins = False  # a suspended branch may be entered again in this invocation, from its start
        if self.replay_state is not SEALED:
            self.replay_state = UNWINDING
        return signal

    def suspend_until(self, moment: datetime | None, op: OperationHandle | None = None) -> SuspendExecution:
        """Return the signal that suspends this context until *moment*, while *op* is incomplete."""
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

    def recorded_ahead(self) -> Operation | None:
        """Return the record of the next operation; None when history ends here."""
        if self.engine.begins:
            return None
        ahead = self._ahead = self._ahead or self.id_at(self.counter + 1)
        return self.engine.state.operations.get(ahead) or self._recorded_at(ahead)

    def _goes_on(self) -> bool:
        """Return whether a record follows; after the end of a virtual context, one of the enclosing context."""
        if self.recorded_ahead() is not None:
            return True
        parent = self.parent
        # A fan-out's frame has counter 0: its flat branches are virtual too, but are not a sequence.
        return parent is not None and parent.counter > 0 and self.context_id != self.parent_id and parent._goes_on()  # noqa: SLF001

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

    def _changed(self, op: OperationHandle, record: Operation) -> NonDeterminismError:
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
        """Make the error for code that is not the code this history was recorded with.

        The engine keeps it: the execution fails with it even if the handler catches it
        (docs/reliability.md#fault-rows, row 52).
        """
        where = call_site()
        place = without_folders(where) or "an unknown place"
        differences = "; ".join(
            f"{field}: recorded {_quoted(recorded[field])}, asked {_quoted(value)}" for field, value in asked.items()
        )
        error = NonDeterminismError(
            f"{op.label} at {place} is not what this execution recorded there: {differences}. "
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
