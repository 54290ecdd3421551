"""Checks the place of a durable call: may the running code make it?

A misplaced call is refused before it takes an id. The execution then fails with this error even if the code catches it,
because its result cannot be trusted. There are exceptions, for which the error is only raised: calls on a context of
another execution or of an earlier invocation, and calls on a context that was created by `DurableContext.create`.
"""

from __future__ import annotations

import threading
from typing import Any

from powertools_durable._protocol.operation import OperationType, SubType
from powertools_durable._replay.engine import ReplayEngine
from powertools_durable._replay.frame import Frame
from powertools_durable._replay.handle import OperationHandle
from powertools_durable._runtime.checkpointer import Checkpointer
from powertools_durable._runtime.environment import Probe
from powertools_durable._runtime.reports import warn_of_call
from powertools_durable._runtime.signals import UNRECOVERABLE, BranchOrphaned, CheckpointingStopped
from powertools_durable.errors import ValidationError
from powertools_durable.errors.places import call_site, without_folders
from powertools_durable.errors.wording import call_name
from powertools_durable.scope import ScopeInfo

__all__ = [
    "ANOTHER_CALLBACK",
    "ANOTHER_CONTEXT",
    "CREATE_YOUR_OWN",
    "FOREIGN",
    "IN_A_HOOK",
    "NOT_AFTER",
    "NOT_IN_AUXILIARY_CODE",
    "NOT_IN_A_STEP",
    "OVER",
    "USE_YOUR_OWN",
    "Placement",
    "auxiliary_code",
    "is_in_a_hook",
    "misplaced",
    "root_of",
    "running_frame",
]

_AUXILIARY_CODE = {
    OperationType.STEP: "the retry policy or the serdes",
    OperationType.CONTEXT: "the serdes, the summary or the completion rule",
}


class Placement:
    """Checks the calls of one invocation.

    Parameters
    ----------
    engine : ReplayEngine
        The engine of the invocation.
    checkpointer : Checkpointer
        Holds the engine's lock.
    probe : Probe | None
        Gets calls that are made while their context is being suspended.
    """

    def __init__(self, engine: ReplayEngine, checkpointer: Checkpointer, probe: Probe | None) -> None:
        self._engine = engine
        self._checkpointer = checkpointer
        self._probe = probe

    def require_open(self, frame: Frame, call: str) -> None:
        """Refuse a call while *frame* is being suspended, after an error of the invocation, and in an orphaned branch.

        Raises
        ------
        SuspendExecution
            The code has swallowed this signal, so it is raised again.
        CheckpointingStopped, NonDeterminismError, ValidationError
            The invocation has failed with this error.
        BranchOrphaned
            The fan-out around this branch is complete.
        """
        if frame.suspension is not None:
            if self._probe is not None:
                self._probe.refused(frame, call)
            warn_of_call(frame)
            raise frame.suspension
        if (reason := self._engine.interruption) is not None:
            raise reason if isinstance(reason, UNRECOVERABLE) else CheckpointingStopped(reason)
        if frame.is_orphaned:
            raise BranchOrphaned

    def check(self, frame: Frame, call: str, scope: ScopeInfo | None) -> None:
        """Refuse a call that does not come from the code of *frame*.

        Raises
        ------
        ValidationError
            The place is wrong.
        SuspendExecution, CheckpointingStopped, NonDeterminismError, BranchOrphaned
            See `require_open`, which is checked first.
        """
        running = running_frame(scope)
        root = root_of(frame)
        is_standalone = root.detached or frame.detached
        if not is_standalone:
            if root.closed:
                raise misplaced(call, *OVER)
            if running is not None and running.engine is not self._engine:
                raise misplaced(call, *FOREIGN)
        if running is not None and running.engine is self._engine and running.suspension is not None:
            self.require_open(running, call)
        if frame.suspension is not None or self._engine.interruption is not None:
            self.require_open(frame, call)
        misuse = _misuse(frame, call, scope, running)
        if misuse is None:
            return
        error = misplaced(call, *misuse)
        if not is_standalone and not is_in_a_hook(scope):
            self._checkpointer.interrupt(error, unless_over=root)
        raise error


def _misuse(frame: Frame, call: str, scope: ScopeInfo | None, running: Frame | None) -> tuple[str, str] | None:
    """Return what is wrong with the place, and what to do instead."""
    here = threading.get_ident()
    if scope is not None and scope.step is not None:
        step = scope.step.name or scope.step.operation_id[:8]
        return f"is called inside the body of step {step!r}", NOT_IN_A_STEP
    if scope is not None and scope.where is not frame and hasattr(scope.where, "code"):
        return f"is called by {auxiliary_code(scope.where.code)}", NOT_IN_AUXILIARY_CODE
    if frame.closed:
        return "is called after its context has ended", NOT_AFTER
    if not frame.detached:
        if is_in_a_hook(scope):
            return IN_A_HOOK
        if running is not frame and running is not None and running.owner == here:
            is_callback = call.startswith("callback.")
            return (ANOTHER_CALLBACK, CREATE_YOUR_OWN) if is_callback else (ANOTHER_CONTEXT, USE_YOUR_OWN)
    if frame.owner is not None and frame.owner != here:
        return "is called from another thread than the one its context belongs to", _NOT_ON_A_THREAD
    if frame.busy_with is not None and frame.busy_on in {here, None} and not _runs_below(frame, running):
        return f"is called by {auxiliary_code(frame.busy_with)}", NOT_IN_AUXILIARY_CODE
    return None if _runs_here(frame, running) else (ANOTHER_CONTEXT, USE_YOUR_OWN)


def _runs_here(frame: Frame, running: Frame | None) -> bool:
    """Return whether the code of *frame* is running; for a detached frame, whether no context below it runs."""
    if running is frame:
        return True
    below = running if frame.detached else None
    while below is not None and below is not frame:
        below = below.parent
    return frame.detached and below is None


def _runs_below(frame: Frame, running: Frame | None) -> bool:
    return running is not None and running is not frame and running.engine is frame.engine


def running_frame(scope: ScopeInfo | None) -> Frame | None:
    """Return the frame of the running code; for the body of a step, the frame of the enclosing context."""
    where: Any = scope.where if scope is not None else None
    return where if isinstance(where, Frame) else getattr(where, "frame", None)


def root_of(frame: Frame) -> Frame:
    """Return the frame of the handler around *frame*."""
    while frame.parent is not None:
        frame = frame.parent
    return frame


def is_in_a_hook(scope: ScopeInfo | None) -> bool:
    """Return whether the running code is a plugin's hook."""
    return scope is not None and running_frame(scope) is None and scope.step is None


def auxiliary_code(work: object) -> str:
    """Name user code that is not an operation's function, such as a serdes; *work* is its operation, or a text."""
    if not isinstance(work, OperationHandle):
        return str(work)
    code = "the serdes"
    if work.sub_type == SubType.WAIT_FOR_CONDITION:
        code = "the condition or the serdes"
    elif work.type in _AUXILIARY_CODE:
        code = _AUXILIARY_CODE[work.type]
    return f"{code} of {work.label}"


def misplaced(call: str, fact: str, advice: str) -> ValidationError:
    """Build the error for a misplaced *call*; it names the user's line."""
    place = without_folders(call_site())
    return ValidationError(f"{call_name(call)}() {fact}{f', at {place}' if place else ''}{advice}")


NOT_IN_A_STEP = (
    ". A step's body may run again, or never: call it from the handler, or use ctx.run_in_child_context to group "
    "operations"
)
NOT_IN_AUXILIARY_CODE = (
    ". Such code runs any number of times, and not at all on a replay, so the id of its operation would change: call "
    "it from the handler, and pass the value on"
)
_NOT_ON_A_THREAD = (
    "; operations are numbered in call order, which is not fixed between threads. Start threads inside a step"
)
NOT_AFTER = "; a context must not be used after the end of the function that it was passed to"
IN_A_HOOK = ("is called by a hook of a plugin", "; plugins only observe: make durable calls in the handler")
ANOTHER_CONTEXT = "is called on a context other than the one whose code is running"
USE_YOUR_OWN = "; use the context that was passed to this function"
ANOTHER_CALLBACK = "is called on a callback of a context other than the one whose code is running"
CREATE_YOUR_OWN = (
    "; create the callback inside the branch or child context that waits for its answer, on the context that was "
    "passed to this function"
)
OVER = (
    "is called after its context has ended: its invocation is over",
    "; don't keep a context, use the one that this invocation passed to the handler",
)
FOREIGN = ("is called on a context of another execution than the one whose code is running", USE_YOUR_OWN)
