"""Invokes a handler, answers its API calls, moves the clock: the service around the executions it keeps."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from powertools_durable._protocol.operation import ErrorObject
from powertools_durable._protocol.result import CheckpointResponse, StatePage
from powertools_durable._protocol.update import OperationUpdate
from powertools_durable._service.execution import Ids, ServiceExecution
from powertools_durable._service.history import HistoryEvent
from powertools_durable._service.shown import Shown
from powertools_durable._service.storage import Store
from powertools_durable._service.update_validation import ServiceRefusal

__all__ = ["Host", "HostClock", "Invoker", "Killed", "LambdaContext", "OnCall"]

_KILLED = "Runtime.ExitError"  # Lambda's name for a process that ended without an answer


class Killed(BaseException):
    """The invocation's process is gone. A fault hook raises it; the host counts the invocation as failed.

    Parameters
    ----------
    words : str
        What Lambda says of it.
    error_type : str
        Lambda's name for it.
    """

    def __init__(self, words: str = "the process was killed", *, error_type: str = _KILLED) -> None:
        super().__init__(words)
        self.error_type = error_type


class HostClock(Protocol):
    """Tells the time."""

    def now(self) -> datetime: ...

    def monotonic(self) -> float: ...


class LambdaContext:
    """What Lambda hands to a handler beside the event."""

    memory_limit_in_mb = 128
    client_context = None
    identity = None

    def __init__(self, execution_arn: str, request_id: str, seconds: float, clock: HostClock) -> None:
        function_arn = execution_arn.partition("/durable-execution/")[0]
        self.aws_request_id = request_id
        self.invoked_function_arn = function_arn
        self.function_name, _, self.function_version = function_arn.partition(":function:")[2].partition(":")
        self.log_group_name = f"/aws/lambda/{self.function_name}"
        self.log_stream_name = f"local/[{self.function_version}]{request_id}"
        self._clock = clock
        self._ends = clock.monotonic() + seconds

    def get_remaining_time_in_millis(self) -> int:
        """Return how long the invocation may still run."""
        return max(0, round((self._ends - self._clock.monotonic()) * 1000))


Invoker = Callable[[dict[str, Any], LambdaContext], object]
OnCall = Callable[[str, str], None]
"""A fault hook: told ``"checkpoint"`` or ``"get_state"`` and ``"before"`` or ``"after"``; may raise."""


@dataclass(slots=True)
class Invocation:
    """What became of one invocation."""

    request_id: str
    shown: Shown
    answer: object

    @property
    def event(self) -> Mapping[str, Any]:
        """What Lambda handed to the handler, made anew at each look: an event repeats all that was before."""
        return self.shown.event()


class Host:
    """The service for one handler.

    Parameters
    ----------
    store : Store
        Where executions are kept.
    clock : HostClock
        What time it is.
    ids : Ids
        Makes tokens and callback ids.
    invocation_timeout : float
        Seconds that the Lambda context tells.
    on_call : Callable | None
        Faults to inject.
    interrupts : tuple of types
        What ends the run and is no failure of the invocation: raised on, and the execution may go on later.
    forgives_kills : bool
        An invocation whose process was killed does not count as failed, and is repeated at once.
    """

    def __init__(
        self,
        store: Store,
        clock: HostClock,
        ids: Ids,
        *,
        invocation_timeout: float = 900,
        on_call: OnCall | None = None,
        interrupts: tuple[type[BaseException], ...] = (KeyboardInterrupt,),
        forgives_kills: bool = False,
    ) -> None:
        self.store = store
        self.clock = clock
        self.ids = ids
        self.on_call: OnCall = on_call or _no_fault
        self._invocation_timeout = invocation_timeout
        self._interrupts = interrupts
        self._forgives_kills = forgives_kills
        self._lock = threading.RLock()

    # -- executions ----------------------------------------------------------------------------------------

    def start(self, arn: str, name: str, payload: str | None, **limits: int) -> ServiceExecution:
        """Begin an execution, or return the one that has the ARN already; `invoke` runs it."""
        with self._lock, self.store.transaction():
            known = self.store.load(arn)
            if known is not None:
                return known
            execution = ServiceExecution.start(arn, name, payload, self.clock.now(), self.ids, **limits)
            self._save(execution)
            return execution

    def execution(self, arn: str) -> ServiceExecution:
        """Return an execution.

        Raises
        ------
        ServiceRefusal
            There is none of that ARN.
        """
        with self._lock:
            found = self.store.load(arn)
            if found is None:
                message = "Durable execution not found"
                raise ServiceRefusal(message, code="ResourceNotFoundException", status=404)
            return found

    @contextmanager
    def changing(self, arn: str) -> Iterator[ServiceExecution]:
        """Hold an execution while it is changed; what changed is saved before anybody is told."""
        with self._lock, self.store.transaction():
            execution = self.execution(arn)
            yield execution
            self._save(execution)

    def _save(self, execution: ServiceExecution) -> None:
        self.store.save(execution)
        execution.saved()

    # -- invoking ------------------------------------------------------------------------------------------

    def invoke(self, arn: str, invoker: Invoker) -> Invocation:
        """Run the handler once and take its answer; an exception is an invocation that failed."""
        with self.changing(arn) as execution:
            event = execution.begin_invocation(self.clock.now())
            shown = execution.shown()
            failed = execution.header.failed_invocations
            request_id = f"{execution.header.name}-{execution.header.invocations}"
        context = LambdaContext(arn, request_id, self._invocation_timeout, self.clock)
        process = os.getpid()
        answer: object
        try:
            answer = invoker(event, context)
        except Killed as killed:
            answer = ErrorObject(error_type=killed.error_type, error_message=str(killed))
        except self._interrupts:  # a developer's, who wants to go on later, or the store's
            with self.changing(arn) as execution:
                execution.abandon_invocation(self.clock.now())
            raise
        except (Exception, SystemExit) as error:
            if os.getpid() != process:  # a child that the handler forked ends; the invocation is its parent's
                raise
            answer = ErrorObject(error_type=type(error).__name__, error_message=str(error))
        with self.changing(arn) as execution:
            execution.advance(self.clock.now())
            execution.end_invocation(answer, self.clock.now(), request_id=request_id)
            was_killed = isinstance(answer, ErrorObject) and answer.error_type == _KILLED
            if was_killed and self._forgives_kills and not execution.is_terminal:
                execution.header.failed_invocations = failed
                execution.header.retry_at = self.clock.now()
        return Invocation(request_id, shown, answer)

    # -- the two API calls ---------------------------------------------------------------------------------

    def checkpoint(
        self, arn: str, checkpoint_token: str, updates: Sequence[OperationUpdate], client_token: str
    ) -> CheckpointResponse:
        """Answer CheckpointDurableExecution."""
        self.on_call("checkpoint", "before")
        with self.changing(arn) as execution:
            response = execution.checkpoint(checkpoint_token, updates, client_token, self.clock.now())
        self.on_call("checkpoint", "after")
        return response

    def get_execution_state(self, arn: str, checkpoint_token: str, marker: str, max_items: int) -> StatePage:
        """Answer GetDurableExecutionState."""
        self.on_call("get_state", "before")
        with self._lock:
            page = self.execution(arn).state_page(checkpoint_token, marker, max_items)
        self.on_call("get_state", "after")
        return page

    # -- everybody else ------------------------------------------------------------------------------------

    def history(self, arn: str) -> list[HistoryEvent]:
        """Return the events of an execution, the oldest first."""
        with self._lock:
            return list(self.execution(arn).history)


def _no_fault(_call: str, _when: str) -> None:
    return None
