"""Invokes a handler and answers its API calls: the service around the executions it keeps."""

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
from powertools_durable._service.invocation_input import InvocationInput
from powertools_durable._service.storage import Store
from powertools_durable._service.update_validation import ServiceRefusal

__all__ = ["Host", "HostClock", "Invoker", "Killed", "LambdaContext", "OnCall"]

_KILLED = "Runtime.ExitError"  # Lambda's name for a process that ended without an answer


class Killed(BaseException):
    """The invocation's process died. Raised by a fault hook; the host counts the invocation as failed.

    Parameters
    ----------
    message : str
        The message that Lambda reports.
    error_type : str
        The error type that Lambda reports.
    """

    def __init__(self, message: str = "the process was killed", *, error_type: str = _KILLED) -> None:
        super().__init__(message)
        self.error_type = error_type


class HostClock(Protocol):
    """Tells the time."""

    def now(self) -> datetime: ...

    def monotonic(self) -> float: ...


class LambdaContext:
    """Lambda's context, the handler's second argument."""

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
Answering = Callable[[ServiceExecution, Sequence[OperationUpdate], CheckpointResponse], CheckpointResponse]
OnCall = Callable[[str, str], None]
"""A fault hook. Takes ``"checkpoint"`` or ``"get_state"``, and ``"before"`` or ``"after"``; may raise."""


@dataclass(slots=True)
class Invocation:
    """One invocation and its answer."""

    request_id: str
    input: InvocationInput
    answer: object

    @property
    def event(self) -> Mapping[str, Any]:
        """The handler's event. Built at each access, because each event repeats all the ones before."""
        return self.input.event()


class Host:
    """The service, for one handler.

    Parameters
    ----------
    store : Store
        Where executions are kept.
    clock : HostClock
        The time.
    ids : Ids
        Makes tokens and callback ids.
    invocation_timeout : float
        Seconds that the Lambda context starts from.
    on_call : Callable | None
        Faults to inject.
    interrupts : tuple of types
        Exceptions that end the run without counting as a failure of the invocation: they are raised again, and the
        execution may be resumed later.
    forgives_kills : bool
        Do not count an invocation whose process was killed as failed, and repeat it at once.
    answering : Callable | None
        May move the execution on before a checkpoint is answered, and returns the answer.
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
        answering: Answering | None = None,
    ) -> None:
        self.store = store
        self.clock = clock
        self.ids = ids
        self.on_call: OnCall = on_call or _no_fault
        self._invocation_timeout = invocation_timeout
        self._interrupts = interrupts
        self._forgives_kills = forgives_kills
        self._answering = answering
        self._lock = threading.RLock()

    # -- executions ----------------------------------------------------------------------------------------

    def start(self, arn: str, name: str, payload: str | None, **limits: int) -> ServiceExecution:
        """Start an execution, or return the one that has the ARN already; `invoke` runs it."""
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
            There is no execution with that ARN.
        """
        with self._lock:
            execution = self.store.load(arn)
            if execution is None:
                message = "Durable execution not found"
                raise ServiceRefusal(message, code="ResourceNotFoundException", status=404)
            return execution

    @contextmanager
    def changing(self, arn: str) -> Iterator[ServiceExecution]:
        """Lock an execution while it is changed; the changes are saved before any answer goes out."""
        with self._lock, self.store.transaction():
            execution = self.execution(arn)
            yield execution
            self._save(execution)

    def _save(self, execution: ServiceExecution) -> None:
        self.store.save(execution)
        execution.saved()

    # -- invoking ------------------------------------------------------------------------------------------

    def invoke(self, arn: str, invoker: Invoker) -> Invocation:
        """Run the handler once and apply its answer; an exception is a failed invocation."""
        with self.changing(arn) as execution:
            event = execution.begin_invocation(self.clock.now())
            invocation_input = execution.invocation_input()
            failed = execution.header.failed_invocations
            request_id = f"{execution.header.name}-{execution.header.invocations}"
        context = LambdaContext(arn, request_id, self._invocation_timeout, self.clock)
        process = os.getpid()
        answer: object
        try:
            answer = invoker(event, context)
        except Killed as killed:
            answer = ErrorObject(error_type=killed.error_type, error_message=str(killed))
        except self._interrupts:  # Ctrl-C, or a fault of the store
            with self.changing(arn) as execution:
                execution.abandon_invocation(self.clock.now())
            raise
        except (Exception, SystemExit) as error:
            if os.getpid() != process:  # in a child that the handler forked: the invocation belongs to its parent
                raise
            answer = ErrorObject(error_type=type(error).__name__, error_message=str(error))
        with self.changing(arn) as execution:
            execution.advance(self.clock.now())
            execution.end_invocation(answer, self.clock.now(), request_id=request_id)
            was_killed = isinstance(answer, ErrorObject) and answer.error_type == _KILLED
            if was_killed and self._forgives_kills and not execution.is_terminal:
                execution.header.failed_invocations = failed
                execution.header.retry_at = self.clock.now()
        return Invocation(request_id, invocation_input, answer)

    # -- the two API calls ---------------------------------------------------------------------------------

    def checkpoint(
        self, arn: str, checkpoint_token: str, updates: Sequence[OperationUpdate], client_token: str
    ) -> CheckpointResponse:
        """Answer CheckpointDurableExecution."""
        self.on_call("checkpoint", "before")
        with self.changing(arn) as execution:
            response = execution.checkpoint(checkpoint_token, updates, client_token, self.clock.now())
            if self._answering is not None:
                response = self._answering(execution, updates, response)
        self.on_call("checkpoint", "after")
        return response

    def get_execution_state(self, arn: str, checkpoint_token: str, marker: str, max_items: int) -> StatePage:
        """Answer GetDurableExecutionState."""
        self.on_call("get_state", "before")
        with self._lock:
            page = self.execution(arn).state_page(checkpoint_token, marker, max_items)
        self.on_call("get_state", "after")
        return page

    # -- history -------------------------------------------------------------------------------------------

    def history(self, arn: str) -> list[HistoryEvent]:
        """Return the events of an execution, the oldest first."""
        with self._lock:
            return list(self.execution(arn).history)


def _no_fault(_call: str, _when: str) -> None:
    return None
