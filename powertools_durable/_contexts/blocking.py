"""The blocking face: each method checks its arguments, takes an id, builds the flow and drives it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import Any, Generic, TypeVar, TypeVarTuple, cast

from powertools_durable._contexts import arguments
from powertools_durable._contexts.base import BaseContext
from powertools_durable._operations.callback import callback_result, create_callback
from powertools_durable._operations.child import child, virtual_child
from powertools_durable._operations.compensation import CompensationItem, CompensationResult
from powertools_durable._operations.semantics import StepSemantics
from powertools_durable._operations.step import step
from powertools_durable._operations.wait import wait
from powertools_durable._protocol.duration import Duration
from powertools_durable._protocol.limits import MAX_PAGE_ITEMS
from powertools_durable._protocol.operation import Operation, OperationType, SubType
from powertools_durable._replay.effects import Flow
from powertools_durable._replay.frame import Frame
from powertools_durable._replay.handle import OperationHandle
from powertools_durable._replay.state import ExecutionState
from powertools_durable._runtime.deadline import Deadline
from powertools_durable._runtime.paging import pages
from powertools_durable._runtime.seams import Seams
from powertools_durable._runtime.session import Program, Session
from powertools_durable.backends.base import DurableBackend
from powertools_durable.config import DurableConfig
from powertools_durable.errors import ChildContextError, PayloadTooLargeError, SerDesError, ValidationError
from powertools_durable.retry import RetryPolicy
from powertools_durable.serdes.base import PassThrough, SerDes
from powertools_durable.serdes.models import ModelSerDes, serdes_of
from powertools_durable.serdes.tagged import TaggedJson

__all__ = ["Callback", "DurableContext"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Callback(Generic[T]):
    """An id that somebody outside may answer, and the answer.

    Attributes
    ----------
    callback_id : str
        Give it only to whoever shall answer: knowing it is the permission.
    """

    __slots__ = ("_context", "_op", "_serdes", "callback_id")

    def __init__(self, context: DurableContext, op: OperationHandle, callback_id: str, serdes: SerDes[T]) -> None:
        self.callback_id = callback_id
        self._context = context
        self._op = op
        self._serdes = serdes

    def __repr__(self) -> str:
        return f"<Callback {self._op.name or self._op.id[:8]!r}, {self._op.status}>"

    def result(self) -> T:
        """Return the answer; suspend the execution until there is one.

        Returns
        -------
        T
            What was sent: raw text, or what ``returns`` or ``serdes`` of `create_callback` makes of it. None
            when it was answered without a payload.

        Raises
        ------
        CallbackExternalError
            It was answered with a failure.
        CallbackTimeoutError
            Nobody answered, or gave a heartbeat, in time.
        SerDesError
            The answer is not what ``returns`` asks for.
        """
        return self._context._await_callback(self._op, self._serdes)  # noqa: SLF001 - two halves of one thing


class DurableContext(BaseContext):
    """What a ``def`` handler works with: each method is one durable operation.

    An operation that has ended returns its recorded result and is never run again. One that must wait raises
    `SuspendExecution`, which ends this invocation; later the handler runs again from the top and comes back to
    the same place.
    """

    __slots__ = ()

    @classmethod
    def create(
        cls,
        backend: DurableBackend,
        arn: str,
        checkpoint_token: str,
        operations: Iterable[Operation] = (),
        next_marker: str | None = None,
    ) -> DurableContext:
        """Make a context by hand, without ``@durable``: for tests, tools and hosts of your own.

        Parameters
        ----------
        backend : DurableBackend
            Where the records live.
        arn : str
            The execution.
        checkpoint_token : str
            The first token.
        operations : Iterable[Operation]
            Records already known.
        next_marker : str | None
            Where the others are; pages of 1000 are read until there are no more.

        Returns
        -------
        DurableContext
            Call `close` when done with it.

        Raises
        ------
        BackendError
            A page could not be read.
        """
        state = ExecutionState(arn, operations)
        for records in pages(backend, arn, checkpoint_token, next_marker, MAX_PAGE_ITEMS):
            state.absorb(records)
        seams = Seams()
        program = Program(
            handler=_no_handler,
            make_context=lambda session: cls(session, session.root),
            read_payload=str,
            write_result=str,
            config=DurableConfig(),
        )
        session = Session(
            program,
            state,
            checkpoint_token,
            backend=backend,
            lambda_context=None,
            deadline=Deadline(None, seams.clock),
            seams=seams,
        )
        session.root.detached = True
        return cls(session, session.root)

    def close(self) -> None:
        """Send what batch mode holds back and end the sender of a context made by `create`."""
        self._session.driver.flush(self._frame)
        self._frame.closed = True
        self._session.checkpointer.close()

    def create_child_context(self, operation_id: str) -> DurableContext:
        """Make a context below the operation of that id; it inherits no compensations.

        For code that keeps its own records; `run_in_child_context` is what handlers want.
        """
        frame = Frame(self._session.engine, parent=self._frame, context_id=operation_id, parent_id=operation_id)
        frame.detached = True
        return DurableContext(self._session, frame)

    # -- operations ----------------------------------------------------------------------------------------

    def step(
        self,
        func: Callable[[*Ts], T],
        *args: *Ts,
        name: str | None = None,
        retry: RetryPolicy | None = None,
        semantics: StepSemantics = StepSemantics.AT_LEAST_ONCE,
        timeout: Duration | None = None,
        returns: Any = None,
        serdes: SerDes[T] | None = None,
        sub_type: str | None = None,
    ) -> T:
        """Run a function once and write its result down.

        Parameters
        ----------
        func, *args
            The function and its positional arguments; for keyword arguments use `functools.partial`.
        name : str | None
            Default: the function's name.
        retry : Retry | None
            When to try again after an exception; default: six attempts, 5 to 60 seconds apart.
        semantics : StepSemantics
            What happens when an invocation dies inside the function: run it again (at least once, the
            default), or count that attempt as failed (at most once).
        timeout : Duration | None
            Seconds one attempt may take; a longer one counts as failed with `StepTimeoutError`. The function
            then runs on a thread of its own, which goes on in the background.
        returns : type | None
            Type of the result; default: the function's return annotation.
        serdes : SerDes | None
            How the result is written, in place of what its type asks for.
        sub_type : str | None
            A label of your own in the history.

        Returns
        -------
        T
            The result, as every replay sees it.

        Raises
        ------
        StepError
            Every attempt failed; ``error_type`` and ``message`` are those of the last exception.
        SerDesError, PayloadTooLargeError
            The result can't be recorded.
        ValidationError
            The call is wrong; nothing was recorded. Source: protocol.md 11.1.
        """
        _, value = self._step(func, args, name, retry, semantics, timeout, returns, serdes, sub_type)
        return value

    def _step(  # noqa: PLR0917 - the options of `step`
        self,
        func: Callable[..., T],
        args: tuple[Any, ...],
        name: str | None,
        retry: RetryPolicy | None,
        semantics: StepSemantics,
        timeout: Duration | None,
        returns: Any,
        serdes: SerDes[T] | None,
        sub_type: str | None,
    ) -> tuple[OperationHandle, T]:
        arguments.callable_(func, "step")
        arguments.check_retry(retry)
        once = arguments.at_most_once(semantics)
        seconds = arguments.body_timeout(timeout)
        sub_type = arguments.sub_type_or(SubType.STEP, sub_type)
        written = self._serdes(func, returns, serdes)
        op = self._begin("step", OperationType.STEP, sub_type, arguments.name_of(func, name))
        flow = step(
            op,
            partial(func, *args) if args else func,
            retry or self._session.default_retry,
            written,
            at_most_once=once,
            timeout=seconds,
        )
        return op, self._drive(op, flow)

    def wait(self, duration: Duration, *, name: str | None = None) -> None:
        """Suspend the execution for a while; nothing runs and nothing is paid meanwhile.

        Parameters
        ----------
        duration : timedelta | int | float
            1 second to 366 days; fractions of a second are rounded up.
        name : str | None
            For the history.

        Raises
        ------
        ValidationError
            Shorter or longer than that. Source: protocol.md 11.2.
        """
        seconds = arguments.timer_seconds(duration, "wait")
        op = self._begin("wait", OperationType.WAIT, SubType.WAIT, arguments.name_of(None, name))
        self._drive(op, wait(op, seconds))

    def wait_until(self, moment: datetime, *, name: str | None = None) -> None:
        """Suspend the execution until *moment*; one in the past, or nearly, waits one second.

        Raises
        ------
        ValidationError
            *moment* has no time zone, or lies more than 366 days ahead.
        """
        seconds = arguments.until_seconds(moment, self._session.seams.clock.now())
        op = self._begin("wait_until", OperationType.WAIT, SubType.WAIT, arguments.name_of(None, name))
        self._drive(op, wait(op, seconds))

    def create_callback(
        self,
        *,
        name: str | None = None,
        timeout: Duration | None = None,
        heartbeat_timeout: Duration | None = None,
        returns: type[T] | None = None,
        serdes: SerDes[T] | None = None,
        sub_type: str | None = None,
    ) -> Callback[T]:
        """Have the service make an id that somebody outside can answer.

        Parameters
        ----------
        name : str | None
            For the history, and for answering by name on a laptop.
        timeout : Duration | None
            How long to wait for the answer, from now on; None or 0: as long as the execution lasts.
        heartbeat_timeout : Duration | None
            How long to wait between signs of life.
        returns : type | None
            Type of the answer, sent as JSON text; without it `Callback.result` is the raw text.
        serdes : SerDes | None
            How the answer is read, in place of that.
        sub_type : str | None
            A label of your own in the history.

        Returns
        -------
        Callback
            Does not wait: hand out its ``callback_id``, then ask for its ``result()``.

        Raises
        ------
        ValidationError
            An option is wrong; nothing was recorded. Source: protocol.md 11.3.
        """
        limit = arguments.callback_seconds(timeout, "timeout")
        heartbeat = arguments.callback_seconds(heartbeat_timeout, "heartbeat_timeout")
        sub_type = arguments.sub_type_or(SubType.CALLBACK, sub_type)
        answer = _answer_serdes(returns, serdes)
        op = self._begin("create_callback", OperationType.CALLBACK, sub_type, arguments.name_of(None, name))
        callback_id = self._drive(op, create_callback(op, limit, heartbeat))
        return Callback(self, op, callback_id, answer)

    def _await_callback(self, op: OperationHandle, serdes: SerDes[T]) -> T:
        self._session.driver.guard(self._frame, "callback.result")
        return self._drive(op, callback_result(op, serdes))

    def run_in_child_context(
        self,
        func: Callable[[DurableContext, *Ts], T],
        *args: *Ts,
        name: str | None = None,
        returns: Any = None,
        serdes: SerDes[T] | None = None,
        sub_type: str | None = None,
        virtual: bool = False,
        summary: Callable[[T], str] | None = None,
    ) -> T:
        """Run a function with a context of its own, and write its result down as one.

        Parameters
        ----------
        func, *args
            Called as ``func(child, *args)``; it uses *child* for its operations.
        name : str | None
            Default: the function's name.
        returns : type | None
            Type of the result; default: the function's return annotation.
        serdes : SerDes | None
            How the result is written, in place of what its type asks for.
        sub_type : str | None
            A label of your own in the history.
        virtual : bool
            Leave no record of the context itself, only of its operations: saves two updates, but the function
            runs again on every replay.
        summary : Callable | None
            Makes the text that is recorded in place of a result over 256 KiB; such a result is rebuilt by
            running the function again over its operations' records.

        Returns
        -------
        T
            The function's result, as every replay sees it.

        Raises
        ------
        ChildContextError
            The function raised; ``error_type`` and ``message`` are those of its exception.
        SerDesError
            The result can't be recorded. Source: protocol.md 11.7.
        """
        arguments.callable_(func, "run_in_child_context")
        sub_type = arguments.sub_type_or(SubType.RUN_IN_CHILD_CONTEXT, sub_type)
        written = self._serdes(func, returns, serdes)
        op = self._begin(
            "run_in_child_context", OperationType.CONTEXT, sub_type, arguments.name_of(func, name), virtual=virtual
        )

        def body(frame: Frame) -> T:
            return func(DurableContext(self._session, frame), *args)

        if virtual:
            return self._drive(op, virtual_child(op, self._frame.child(op, virtual=True), body, written))
        return self._drive(op, child(op, partial(self._frame.child, op), body, written, summary))

    child_context = run_in_child_context

    def now(self) -> datetime:
        """Return the time, recorded: the same on every replay."""
        return self.step(self._session.seams.clock.now, name="now", returns=datetime)

    # -- saga ----------------------------------------------------------------------------------------------

    def step_with_compensation(
        self,
        func: Callable[[*Ts], T],
        *args: *Ts,
        compensate: Callable[..., Any],
        name: str | None = None,
        retry: RetryPolicy | None = None,
        semantics: StepSemantics = StepSemantics.AT_LEAST_ONCE,
        timeout: Duration | None = None,
        returns: Any = None,
        serdes: SerDes[T] | None = None,
        sub_type: str | None = None,
    ) -> T:
        """Run a step, and remember how to undo it once it succeeded.

        The other parameters, and what is raised, are those of `step`.

        Parameters
        ----------
        compensate : Callable
            ``compensate(result)``, or ``compensate(child, result)`` with two required parameters when it uses
            durable operations itself. `run_compensations` calls it; it may run more than once after a crash.
        """
        arguments.callable_(compensate, "step_with_compensation")
        op, value = self._step(func, args, name, retry, semantics, timeout, returns, serdes, sub_type)
        self._register(op, value, compensate)
        return value

    def run_compensations(self) -> CompensationResult:
        """Undo this context's compensated steps, the last one first; all are tried, whichever fails.

        Returns
        -------
        CompensationResult
            One item for each. Failures are told there, not raised. Source: protocol.md 21.2.
        """
        items: list[CompensationItem] = []
        while self._compensations:
            compensation = self._compensations[-1]
            op = self._begin("run_compensations", OperationType.CONTEXT, SubType.COMPENSATION, compensation.name)
            self._compensations.pop()
            undo = partial(self._undo, compensation.undo, compensation.value)
            try:
                self._drive(op, child(op, partial(self._frame.child, op), undo, PassThrough()))
            except (ChildContextError, SerDesError, PayloadTooLargeError) as error:
                items.append(CompensationItem(compensation.name, "Failed", str(error)))
            else:
                items.append(CompensationItem(compensation.name, "Succeeded"))
        return CompensationResult(tuple(items))

    def _undo(self, undo: Callable[..., Any], value: Any, frame: Frame) -> None:
        if _required_parameters(undo) > 1:
            undo(DurableContext(self._session, frame), value)
        else:
            undo(value)

    # -- batch mode ----------------------------------------------------------------------------------------

    def flush_batch(self) -> None:
        """Send what batch mode holds back and wait until the service has it."""
        self._session.driver.guard(self._frame, "flush_batch")
        self._session.driver.flush(self._frame)

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Enable batch mode for a block; what it held back is sent when the block ends, also by an error."""
        before, self._frame.batch_mode = self._frame.batch_mode, True
        try:
            yield
        except Exception:
            self._session.driver.flush(self._frame)
            raise
        else:
            self._session.driver.flush(self._frame)
        finally:
            self._frame.batch_mode = before

    # -- the way of every operation ------------------------------------------------------------------------

    def _begin(
        self, call: str, kind: OperationType, sub_type: str, name: str | None, *, virtual: bool = False
    ) -> OperationHandle:
        self._session.driver.guard(self._frame, call)
        return self._frame.begin(kind, sub_type, name, virtual=virtual)

    def _drive(self, op: OperationHandle, flow: Flow[T]) -> T:
        return self._session.driver.drive(self._frame, op, flow)

    def _serdes(self, func: Callable[..., Any] | None, returns: Any, serdes: SerDes[T] | None) -> SerDes[T]:
        arguments.check_serdes(serdes)
        if serdes is not None:
            return serdes
        asked = serdes_of(func, returns)
        # The decorator's serdes takes the place of the tagged format only (api.md 2).
        instead = self._session.program.serdes
        return cast("SerDes[T]", instead if instead is not None and isinstance(asked, TaggedJson) else asked)


def _answer_serdes(returns: Any, serdes: SerDes[T] | None) -> SerDes[T]:
    """How an answer from outside is read: never by the tagged format, which is our own (reliability.md 5)."""
    arguments.check_serdes(serdes)
    if serdes is not None:
        return serdes
    return cast("SerDes[T]", PassThrough() if returns is None else ModelSerDes(returns))


def _required_parameters(function: Callable[..., Any]) -> int:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # some builtins tell nothing
        return 1
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(1 for p in parameters if p.kind in positional and p.default is inspect.Parameter.empty)


def _no_handler(_event: object, _context: object) -> None:
    message = "this context was made by DurableContext.create() and has no handler"
    raise ValidationError(message)
