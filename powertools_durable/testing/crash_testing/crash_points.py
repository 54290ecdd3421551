"""Where a process can die, and who makes it die there."""

from __future__ import annotations

import sys
import threading
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from powertools_durable._protocol.operation import OperationType
from powertools_durable._protocol.update import OperationAction, OperationUpdate
from powertools_durable._replay.frame import Frame
from powertools_durable._replay.handle import OperationHandle
from powertools_durable._service.host import Killed
from powertools_durable.errors import NonDeterminismError, SuspendExecution
from powertools_durable.errors.places import call_site, user_frames
from powertools_durable.scope import current_scope
from powertools_durable.testing.crash_testing.chaos import Surroundings
from powertools_durable.testing.crash_testing.effect_ledger import Entry
from powertools_durable.testing.simulation.sandbox import Sandbox
from powertools_durable.testing.simulation.virtual_time import await_body, run_body

__all__ = ["CrashPlan", "CrashPoint", "Site", "Watcher"]

_ENDS = (OperationAction.SUCCEED, OperationAction.FAIL, OperationAction.CANCEL)


@dataclass(frozen=True, slots=True)
class CrashPoint:
    """A moment at which a process can die.

    Attributes
    ----------
    number : int
        How many such moments of its run were before it.
    moment : str
        When, in words.
    operation : str | None
        Whose; None for the handler itself.
    location : str
        ``file:line`` of the call, empty where there is none.
    """

    number: int
    moment: str
    operation: str | None = None
    location: str = ""

    def __str__(self) -> str:
        return f"{self.moment} {self.operation}" if self.operation else self.moment


@dataclass(frozen=True, slots=True)
class CrashPlan:
    """Which processes of a run die, and what else is against it.

    Attributes
    ----------
    kills : tuple[int, ...]
        The numbers of the moments at which a process dies.
    restless : int
        A process dies when the service has the end of so many operations more; no body is interrupted. 0 for never.
    warm : bool
        What dies leaves its module globals behind, as an invocation does that only suspends.
    eager : bool
        The START of every step is sent before its body begins, as that of one that takes its time is meanwhile.
    changed : tuple[str, ...]
        Environment variables that have another value after the first invocation.
    """

    kills: tuple[int, ...] = ()
    restless: int = 0
    warm: bool = False
    eager: bool = False
    changed: tuple[str, ...] = ()

    @property
    def crashes(self) -> bool:
        """True when some process dies."""
        return bool(self.kills or self.restless)


@dataclass(frozen=True, slots=True)
class Site:
    """What an operation is called, and where the code asks for it."""

    label: str
    location: str
    parent: str | None


@dataclass(slots=True)
class Watcher:
    """Numbers the moments of one run, and lets processes die as a plan says.

    It is `Probe` and `Watch` in one. What it sees is all that a run is judged by, besides its records.
    """

    plan: CrashPlan
    surroundings: Surroundings
    fingerprint: Callable[[], object] | None = None
    points: list[CrashPoint] = field(default_factory=list)
    killed: list[CrashPoint] = field(default_factory=list)
    state: object = None  # what there was when the last process died
    sites: dict[str, Site] = field(default_factory=dict)
    acknowledged: set[str] = field(default_factory=set)
    recomputed: set[str] = field(default_factory=set)
    swallows: set[str] = field(default_factory=set)  # where a suspension was caught
    unwinding: dict[str, str] = field(default_factory=dict)  # where what was asked for while one passed
    mismatches: dict[str, str] = field(
        default_factory=dict
    )  # their messages, which show no folders, and where they are
    _ends: int = 0
    _sandbox: Sandbox | None = None
    _arn: str | None = None  # of the execution that is explored, and not of one that it invokes
    _lock: threading.RLock = field(default_factory=threading.RLock)

    # -- moments ---------------------------------------------------------------------------------------------

    def _reach(self, moment: str, operation: str | None = None, location: str = "", *, dies: bool = False) -> None:
        with self._lock:
            sandbox = self._sandbox
            if sandbox is None:
                return
            sandbox.check()
            point = CrashPoint(len(self.points), moment, operation, location)
            self.points.append(point)
            if dies or point.number in self.plan.kills:
                self.killed.append(point)
                self.state = self.fingerprint() if self.fingerprint is not None else None
                sandbox.kill(Killed())

    def site(self, operation_id: str | None) -> Site:
        """Return what is known of an operation; of one that only its parent's code asks for, the parent's place."""
        site = self.sites.get(self._key(operation_id or ""))
        return site or Site("the handler", "", None)

    def _key(self, operation_id: str) -> str:
        """Return an id that no operation of another execution has: the first one of each has the same."""
        arn = self._sandbox.arn if self._sandbox is not None else self._arn
        return operation_id if arn == self._arn else f"{arn} {operation_id}"

    # -- Watch -------------------------------------------------------------------------------------------------

    def invocation_begins(self, sandbox: Sandbox) -> None:
        """Note the process that may die, and change what surrounds it."""
        self._sandbox = sandbox
        self._arn = self._arn or sandbox.arn
        cold = not self.plan.warm and bool(self.killed)
        if cold:
            sandbox.restart()
        self.surroundings.invocation(cold=cold, changed=self.plan.changed)

    def before_checkpoint(self, updates: Sequence[OperationUpdate]) -> None:
        """A process may die before the service hears."""
        if updates:
            self._reach("before the checkpoint of", _what(updates), self._where(updates))

    def after_checkpoint(self, updates: Sequence[OperationUpdate]) -> None:
        """A process may die before it hears the answer."""
        ends = [self._key(update.id) for update in updates if update.action in _ENDS]
        with self._lock:
            before = self._ends
            self._ends += len(ends)
            self.acknowledged.update(ends)
        if updates:
            every = self.plan.restless
            dies = bool(every) and before // every < self._ends // every
            self._reach("after the checkpoint of", _what(updates), self._where(updates), dies=dies)

    def after_effect(self, entry: Entry) -> None:
        """A process may die right after it did something."""
        operation = self.site(entry.operation_id).label if entry.operation_id else None
        self._reach(f"after the effect {entry.effect!r}" + (" in" if operation else ""), operation, entry.location)

    def before_answer(self) -> None:
        """A process may die before Lambda has its answer."""
        self._reach("after the handler's end, before its answer")

    # -- Probe -----------------------------------------------------------------------------------------------

    def operation_called(self, op: OperationHandle) -> None:
        """Note where the code asks for an operation."""
        key = self._key(op.id)
        if key not in self.sites:
            self.sites[key] = Site(op.label, call_site(), op.parent_id)

    def attempt(self, body: Callable[[], Any], flush: Callable[[], None]) -> Any:
        """A process may die before and after a body."""
        site = self._begins_body(flush)
        value = self.on_thread(body, flush)
        self._reach("after the body of", site.label, site.location)
        return value

    async def awaited_attempt(self, run: Callable[[], Awaitable[Any]], flush: Callable[[], None]) -> Any:
        """A process may die before and after a body, and the seed decides which of several ends next."""
        site = self._begins_body(flush)
        identifier = _operation_id()
        self.surroundings.begin(identifier)

        async def observed() -> Any:
            self.surroundings.enter(identifier)  # for the rest of this turn; `run_callback` does so at all others
            try:
                value = await run()
            finally:
                self.surroundings.leave()
            self._reach("after the body of", site.label, site.location)
            return value

        return await await_body(observed, flush)

    def on_thread(self, body: Callable[[], Any], flush: Callable[[], None]) -> Any:
        """Run a body, or what an awaited one leaves to a thread."""
        with self.surroundings.inside(_operation_id()):
            return run_body(body, flush)

    def run_callback(self, callback: Callable[..., object], *args: Any) -> None:
        """Run a callback of the event loop; one of a step's body finds the surroundings of that."""
        scope = current_scope()
        try:
            if scope is not None and scope.step is not None:
                self.surroundings.enter(scope.operation_id or "")
            callback(*args)
        finally:
            self.surroundings.leave()

    def _begins_body(self, flush: Callable[[], None]) -> Site:
        identifier = _operation_id()
        if self._key(identifier) in self.acknowledged:
            self.recomputed.add(self._key(identifier))
        site = self.site(identifier)
        if self.plan.eager:
            flush()
        self._reach("before the body of", site.label, site.location)
        return site

    def refused(self, frame: Frame, call: str) -> None:
        """Note what is asked for while a suspension passes."""
        if isinstance(passing := sys.exception(), SuspendExecution) or type(passing).__name__ == "CancelledError":
            self.unwinding.setdefault(call_site(), call)
        else:  # it is not on its way any more: somebody caught it
            self.swallowed(frame)

    def swallowed(self, frame: Frame, location: str = "") -> None:
        """Note where a suspension was caught."""
        if location:
            self.swallows.add(location)
            return
        caught = frame.suspension.__traceback__ if frame.suspension is not None else None
        for where, line in user_frames(caught):  # the first is the one that caught it
            self.swallows.add(f"{where.f_code.co_filename}:{line}")
            return

    def context_ended(self, frame: Frame) -> None:
        """Note where the code asked for something else than what is recorded."""
        if isinstance(error := frame.engine.interruption, NonDeterminismError):
            self.mismatches[str(error)] = error.location

    def _where(self, updates: Sequence[OperationUpdate]) -> str:
        return self.site(updates[-1].id).location


def _operation_id() -> str:
    scope = current_scope()
    return (scope.operation_id if scope else None) or ""


def _what(updates: Collection[OperationUpdate]) -> str:
    """Say in words what a request tells the service."""
    told: dict[str, list[str]] = {}
    for update in updates:
        kind = "invoke" if update.type is OperationType.CHAINED_INVOKE else update.type.value.lower()
        label = f"{kind} {update.name!r}" if update.name else f"{kind} {update.id[:8]}"
        told.setdefault(label, []).append(update.action.value)
    shown = [f"{label} ({', '.join(actions)})" for label, actions in list(told.items())[:3]]
    return ", ".join(shown) + (f" and {len(told) - 3} more" if len(told) > 3 else "")
