"""Runs a handler over a history and does nothing: no step's body, no checkpoint, no thread.

Operations are generators that ask for effects, so replaying without doing is a performer of its own. It answers from
what is recorded, and where nothing is, the code has come to the end of its history and is suspended.

Contexts need care, for a replay does not enter one that has ended. Of an execution that still *runs* this is kept:
the question is what its next invocation will find. Of one that has *ended* every context is entered, because
executions of its kind may be anywhere: each is shown to the code as started, and when the code comes to its end,
the recorded end takes the place of what the code says.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from powertools_durable._protocol.operation import ContextDetails, OperationStatus, OperationType, SubType
from powertools_durable._protocol.update import OperationAction, OperationUpdate
from powertools_durable._replay.effects import (
    Attempt,
    Call,
    Checkpoint,
    Ending,
    Enter,
    FanOut,
    Flow,
    Outcome,
    Raised,
    Returned,
    Suspended,
)
from powertools_durable._replay.frame import Frame
from powertools_durable._replay.handle import OperationHandle
from powertools_durable._runtime.driver import BlockingDriver
from powertools_durable._runtime.signals import UNRECOVERABLE
from powertools_durable.batch import Compact
from powertools_durable.errors import NonDeterminismError, SerDesError, SuspendExecution
from powertools_durable.errors.places import call_site, users_location
from powertools_durable.scope import ScopeInfo
from powertools_durable.testing.replays.recorded import Script, inside, label_of

__all__ = ["BehindItsRecords", "ReplayPerformer"]

T = TypeVar("T")


class ReplayPerformer:
    """Answers from the script; performs nothing.

    Parameters
    ----------
    script : Script
        What is recorded, and what the code did so far.
    driver : BlockingDriver
        Asks for the answers.
    """

    def __init__(self, script: Script, driver: BlockingDriver) -> None:
        self.script = script
        self._driver = driver
        self._beginning: OperationHandle | None = None  # the one that is about to begin
        self.engine = driver.engine
        script.driver = driver
        driver.observers = driver.propagation = None
        self.engine.revoked = True  # whatever else may try to send: nothing is sent
        self.engine.rules = replace(self.engine.rules, on_unconsumed="ignore")  # the script looks itself

    def begin(self, call: Call[T]) -> Flow[T]:
        """Return the flow of *call*, which may ask only for what is recorded."""
        op = call.op
        if op is self._beginning:
            return self._read(op, call.flow)
        self.script.asks(call.frame, op)
        if op.type is OperationType.CHAINED_INVOKE and op.record is not None:
            self._must_have_the_same_target(op, call.flow)
        return self._read(op, call.flow)

    def _read(self, op: OperationHandle, flow: Flow[T]) -> Flow[T]:
        try:
            return (yield from flow)
        except SerDesError as error:
            has_value = op.status in {OperationStatus.SUCCEEDED, OperationStatus.READY}  # READY: a condition's state
            if has_value and not isinstance(error, NonDeterminismError):
                self.script.unreadable = op.id
                told = {"result": str(error).removeprefix(f"{op.label}: ")}
                self.script.breaks(self.engine.interrupt, op.label, call_site(), {"result": "another type"}, told)
            raise

    def _must_have_the_same_target(self, op: OperationHandle, flow: Flow[T]) -> None:
        """Let *flow* say what it would invoke, by showing it no record at first; records don't hold the target."""
        record = self.engine.state.operations.pop(op.id)
        effect = next(flow)
        self.engine.state.put(record)
        wanted = self.script.found.targets.get(op.id)
        asked = effect.update.chained_invoke_options if isinstance(effect, Checkpoint) else None
        if wanted is not None and asked is not None:
            recorded = {"function": wanted.function_name, "tenant": wanted.tenant_id}
            now = {"function": asked.function_name, "tenant": asked.tenant_id}
            differing = [key for key, value in now.items() if recorded[key] != value]
            if differing:
                raise self.script.breaks(
                    self.engine.interrupt,
                    op.label,
                    call_site(),
                    {key: recorded[key] for key in differing},
                    {key: now[key] for key in differing},
                )

    # -- effects -------------------------------------------------------------------------------------------

    def checkpoint(self, frame: Frame, effect: Checkpoint) -> None:
        """Put the recorded end of a context in the place of what the code says; suspend where nothing is recorded."""
        if not self.answer(effect):
            raise frame.suspend_until(None)

    def answer(self, effect: Checkpoint) -> bool:
        """Put the recorded end of a context in the place of what the code says; False where nothing is recorded."""
        update = effect.update
        end = self.script.held.pop(update.id, None) if update.action is not OperationAction.START else None
        if end is None:
            if update.action is OperationAction.START and inside(self.script.found.operations, update.id):
                raise self._instead_of_a_virtual_context(update)
            if update.action is not OperationAction.START or update.id not in self.script.found.operations:
                self.script.stop(update, label_of(update))
            return False
        options = update.context_options
        if end.status is OperationStatus.SUCCEEDED and options is not None and options.replay_children:
            end = replace(end, context_details=replace(end.context_details or ContextDetails(), replay_children=True))
        if effect.closes is not None:
            effect.closes.finished = True
        self.engine.state.put(end)
        return True

    def _instead_of_a_virtual_context(self, update: OperationUpdate) -> NonDeterminismError:
        """Make the error for an operation that is not recorded, though others below its id are."""
        asked = "with a record" if update.type is OperationType.CONTEXT else None
        return self.script.breaks(
            self.engine.interrupt, label_of(update), call_site(), {"context": "virtual"}, {"context": asked}
        )

    def attempt(self, frame: Frame, op: OperationHandle, effect: Attempt) -> Outcome:
        """Suspend: no body runs."""
        self.script.stop(None, f"attempt {effect.number} of {op.label}")
        raise frame.suspend_until(None)

    def run(self, frame: Frame, body: Callable[[], Any], scope: ScopeInfo) -> Ending:
        """Run the code of a context; note what became of it."""
        try:
            outcome = self._driver.run(frame, body, scope)
        except UNRECOVERABLE as error:
            self.script.ends(frame)
            if frame.parent is None:
                self.script.outcome = Raised(error)
            raise
        if not isinstance(outcome, Suspended):
            self.script.ends(frame)
            if frame.parent is None:
                self.script.outcome = outcome
            elif isinstance(outcome, Raised):
                self.must_have_failed(frame, outcome.error)
        return outcome

    def must_have_failed(self, frame: Frame, error: BaseException) -> None:
        """Break where the code of a context raises, and the record says that it returned."""
        self.script.failures.note(frame.context_id, error)
        end = self.script.held.get(frame.context_id or "")
        if end is not None and end.status is OperationStatus.SUCCEEDED:
            raised = f"raised {type(error).__name__}"
            raise self.script.breaks(
                self.engine.interrupt,
                label_of(end),
                users_location(error),
                {"outcome": "SUCCEEDED"},
                {"outcome": raised},
            )

    def enter(self, outer: Frame, effect: Enter) -> Outcome:
        """Run the code of a context, unless it would do something itself."""
        identifier = effect.frame.context_id or ""
        record = self.script.found.operations.get(identifier)
        if record is not None and record.sub_type == SubType.COMPENSATION:
            self.script.stop(None, f"the compensation of {record.name or record.id[:8]!r}")
            raise outer.suspend_until(None)
        body, scope = partial(self._driver.run_body, effect), self._driver.scopes.of_context(effect.frame)
        outcome = self.run(effect.frame, body, scope)
        if self.engine.interruption is not None:
            raise self.engine.interruption
        if not isinstance(outcome, Suspended):
            if isinstance(outcome, Returned):
                self.script.rebuilds(identifier, outcome.value)
            return outcome
        if identifier not in self.script.held:
            raise outer.suspend(outcome.signal)
        return Raised(BehindItsRecords())  # the code does more than was recorded; the recorded end stands for it

    def fan_out(self, outer: Frame, effect: FanOut) -> Outcome:
        """Run the branches that left something behind, one after the other."""
        identifier = effect.frame.context_id or ""
        record = self.engine.get(identifier)
        if record is not None and record.status.is_terminal:
            return self._rebuild(effect)
        suspended = False
        indexes, begun = effect.plan.indexes, effect.frame.has_branch
        for index in filter(begun, indexes):
            suspended |= self._branch(effect, index) is None
        if self._unasked_marks(identifier):  # the first that a flat branch records may be a patch, which has no number
            for index in (index for index in indexes if not begun(index)):
                suspended |= self._branch(effect, index) is None
        if not suspended:
            self.script.returned.add(identifier)
        if identifier in self.script.held:
            return Raised(BehindItsRecords())
        raise outer.suspend(SuspendExecution())

    def _rebuild(self, effect: FanOut) -> Outcome:
        """Make a result that was too large for its record anew, as a real replay does."""
        plan = effect.plan
        self.script.cut_off |= self.cut_off(effect)
        while (index := plan.admit()) is not None:
            outcome = self._branch(effect, index)
            if outcome is None:
                raise effect.frame.suspend_until(None)
            plan.ended(index, outcome)
        identifier, result = effect.frame.context_id or "", effect.result()
        self.script.returned.add(identifier)
        self.script.rebuilds(identifier, [item.result for item in result.succeeded])
        return Returned(result)

    def cut_off(self, effect: FanOut) -> set[str]:
        """Return the branches that a rebuilt fan-out leaves out, with what flat ones have recorded."""
        frame, found = effect.frame, self.script.found.operations
        record = found[frame.context_id or ""]
        told = Compact.read(record.result, len(found))
        branches = {frame.id_at(index) for index in (told.cut_off if told else ())}
        flat = [branch for branch in branches if branch not in found]
        marks = self._unasked_marks(record.id) if flat else set()  # nobody can tell in which branch they were made
        return branches.union(marks, *(inside(found, branch) for branch in flat))

    def _unasked_marks(self, parent: str) -> set[str]:
        """Return the marks of patches directly below a context that no code has asked for so far."""
        return self.script.marks_below(parent) - self.engine.called

    def begun(self, effect: FanOut) -> list[int]:
        """Return which branches left something behind."""
        indexes, begun = effect.plan.indexes, effect.frame.has_branch
        if self._unasked_marks(effect.frame.context_id or ""):
            return list(indexes)
        return [index for index in indexes if begun(index)]

    def branch(self, effect: FanOut, index: int) -> tuple[OperationHandle, Flow[Any]]:
        """Return the operation of a branch and its flow."""
        frame = effect.frame
        held = self.script.held.get(frame.id_at(index))
        shown = self.engine.get(frame.id_at(index))
        if held is not None:
            self.engine.state.put(held)
        op, flow = effect.branch(index)  # a fan-out that is rebuilt wants to see that the branch has ended
        if held is not None and shown is not None:
            self.engine.state.put(shown)
        return op, flow

    def _branch(self, effect: FanOut, index: int) -> Outcome | None:
        """Run a branch as far as it is recorded; None when it is suspended there."""
        frame = effect.frame
        op, flow = self.branch(effect, index)
        slot = Frame(op.engine, parent=frame, context_id=op.id, parent_id=op.parent_id, sealed=True)
        try:
            self._beginning = op
            return Returned(self._driver.drive(Call(slot, op, flow)))
        except SuspendExecution:
            return None
        except UNRECOVERABLE:
            raise
        except Exception as error:  # noqa: BLE001 - the branch's own failure
            return Raised(error)


class BehindItsRecords(Exception):  # noqa: N818 - not an error
    """Never seen: where it would be recorded, the recorded end is put."""
