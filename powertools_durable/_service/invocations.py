"""An execution and the ones it invokes: one host runs them all, each with its own handler.

Pending invokes are read from the history, and an invoked execution's ARN is computed from the operation that invoked
it. So there is nothing else to store, and a host that was killed finds everything again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Any

from powertools_durable._protocol.operation import ErrorObject, Operation, OperationStatus, OperationType
from powertools_durable._service.execution import ServiceExecution
from powertools_durable._service.host import Host, Invocation, Invoker

__all__ = ["Family", "Target", "child_id"]

Answer = tuple[OperationStatus, str | None, ErrorObject | None]

_STATUS = {
    "SUCCEEDED": OperationStatus.SUCCEEDED,
    "FAILED": OperationStatus.FAILED,
    "TIMED_OUT": OperationStatus.TIMED_OUT,
    "STOPPED": OperationStatus.STOPPED,
}


@dataclass(frozen=True, slots=True)
class Target:
    """A function that may be invoked: a durable one, or one that answers at once.

    Attributes
    ----------
    durable : Invoker | None
        Runs an invocation of a durable function.
    plain : Callable | None
        Takes the event and returns the answer; an exception is the failure.
    """

    durable: Invoker | None = None
    plain: Callable[[Any], Any] | None = None


@dataclass(frozen=True, slots=True)
class _Call:
    """An invoke that has no answer yet."""

    caller: str
    record: Operation
    function: str
    payload: str | None


class Family:
    """One execution and all that it invokes.

    Parameters
    ----------
    host : Host
        Keeps them.
    arn : str
        The ARN of the first.
    invoker : Invoker
        Runs its handler.
    functions : Mapping[str, Target]
        The functions that may be invoked, by name.
    on_invocation : Callable | None
        Called after each invocation of the first handler.
    """

    def __init__(
        self,
        host: Host,
        arn: str,
        invoker: Invoker,
        functions: Mapping[str, Target],
        *,
        on_invocation: Callable[[Invocation], None] | None = None,
    ) -> None:
        self._host = host
        self._arn = arn
        self._invoker = invoker
        self._functions = functions
        self._on_invocation = on_invocation

    def act(self) -> bool:
        """Do one thing that can be done now; return False if there is none."""
        for arn, invoker in self._members():
            if self._host.execution(arn).wants_invocation(self._host.clock.now()):
                invocation = self._host.invoke(arn, invoker)
                if arn == self._arn and self._on_invocation is not None:
                    self._on_invocation(invocation)
                return True
        return any(self._serve(call) for arn, _ in self._members() for call in self._calls(arn))

    def next_moment(self, *, callbacks: bool = True) -> datetime | None:
        """Return when the next timer fires; None if there is none."""
        if self._host.execution(self._arn).is_terminal:
            return None
        moments = (self._host.execution(arn).next_moment(callbacks=callbacks) for arn, _ in self._members())
        return min((moment for moment in moments if moment is not None), default=None)

    def callbacks_due(self, moment: datetime) -> list[tuple[str, Operation]]:
        """Return the open callbacks whose deadline has come at *moment*, each with its execution's ARN."""
        return [
            (arn, execution.operations[key])
            for arn, _ in self._members()
            if not (execution := self._host.execution(arn)).is_terminal
            for key, timers in execution.header.callbacks.items()
            if (due := timers.next()) is not None and due <= moment
        ]

    @property
    def waits_for_callbacks(self) -> bool:
        """True if one of them waits for an answer from outside."""
        return any(self._host.execution(arn).header.callbacks for arn, _ in self._members())

    def abandon(self) -> None:
        """End every invocation whose process was killed."""
        for arn, _ in list(self._members()):
            with self._host.changing(arn) as execution:
                execution.abandon_invocation(self._host.clock.now())

    def advance(self) -> None:
        """Fire every timer that is due."""
        now = self._host.clock.now()
        for arn, _ in list(self._members()):
            moment = self._host.execution(arn).next_moment()
            if moment is not None and moment <= now:
                with self._host.changing(arn) as execution:
                    execution.advance(now)

    # -- members ------------------------------------------------------------------------------------------

    def _members(self) -> Iterator[tuple[str, Invoker]]:
        yield self._arn, self._invoker
        yield from self._below(self._arn)

    def _below(self, arn: str) -> Iterator[tuple[str, Invoker]]:
        for call in list(self._calls(arn)):
            child, target = self._child_arn(call), self._function_named(call.function)
            if target is not None and target.durable is not None and self._host.store.load(child) is not None:
                yield child, target.durable
                yield from self._below(child)

    def _calls(self, arn: str) -> Iterator[_Call]:
        execution = self._host.execution(arn)
        if execution.is_terminal:
            return
        pending = {
            record.id: record
            for record in execution.operations.values()
            if record.type is OperationType.CHAINED_INVOKE and record.status is OperationStatus.STARTED
        }
        if not pending:
            return
        for event in execution.history:
            record = pending.get(event.get("Id", ""))
            if record is not None and event["EventType"] == "ChainedInvokeStarted":
                details = event["ChainedInvokeStartedDetails"]
                yield _Call(arn, record, details["FunctionName"], details.get("Input", {}).get("Payload"))

    def _function_named(self, function: str) -> Target | None:
        """Find a function by the name it was invoked by, with or without its qualifier, or by its ARN."""
        name = function.partition(":function:")[2] or function
        for key in (function, name, name.partition(":")[0]):
            if key in self._functions:
                return self._functions[key]
        return None

    def _child_arn(self, call: _Call) -> str:
        unique = child_id(call.caller, call.record.id)
        function = re.sub(r"[^A-Za-z0-9_-]+", "-", call.function.rpartition(":function:")[2] or call.function)
        account = call.caller.partition(":function:")[0]
        return f"{account}:function:{function[:64]}:1/durable-execution/{unique[:12]}/{unique}"

    # -- answering -----------------------------------------------------------------------------------------

    def _serve(self, call: _Call) -> bool:
        """Start the invoked execution, or pass its answer on; return False if it is not ready."""
        target = self._function_named(call.function)
        if target is None:
            message = f"Function not found: {call.function}."
            error = ErrorObject(error_type="ResourceNotFoundException", error_message=message)
            answer: Answer | None = (OperationStatus.FAILED, None, error)
        elif target.plain is not None:
            answer = _called(target.plain, call.payload)
        else:
            child = self._host.store.load(self._child_arn(call))
            if child is None:
                arn = self._child_arn(call)
                self._host.start(arn, arn.rpartition("/")[2][:12], call.payload or "{}")
                return True
            answer = _ended(child)
        if answer is None:
            return False
        status, result, error_ = answer
        with self._host.changing(call.caller) as execution:
            if not execution.is_terminal:  # stopped meanwhile, by another process
                execution.complete_invoke(call.record.id, status, self._host.clock.now(), result=result, error=error_)
        return True


def child_id(caller: str, operation: str) -> str:
    """Return the id of the execution that an operation of *caller* invokes."""
    return blake2b(f"{caller}/{operation}".encode(), digest_size=16).hexdigest()


def _ended(child: ServiceExecution) -> Answer | None:
    header = child.header
    status = _STATUS.get(header.status)
    if status is None:
        return None
    if status is OperationStatus.TIMED_OUT:
        return status, None, ErrorObject(error_type="ChainedInvoke.Timeout", error_message="CHAINED_INVOKE timed out.")
    return status, header.result, header.error


def _called(function: Callable[[Any], Any], payload: str | None) -> Answer:
    try:
        result = json.dumps(function(json.loads(payload) if payload else {}))
    except Exception as error:  # noqa: BLE001 - the caller's to handle
        return (
            OperationStatus.FAILED,
            None,
            ErrorObject(error_type=type(error).__name__, error_message=str(error)),
        )
    return OperationStatus.SUCCEEDED, result, None
