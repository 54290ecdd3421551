"""A context over records that a test prepares, for functions that take one: `MockDurableContext`.

It is the engine itself over a backend that only records, so names are checked, values are read, errors are rebuilt
and requests are made as in Lambda. See docs/testing/mocks.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from random import Random
from typing import TYPE_CHECKING, Any, Self

from powertools_durable._contexts.async_context import AsyncDurableContext
from powertools_durable._contexts.blocking import DurableContext
from powertools_durable._contexts.standalone import create_context, create_session
from powertools_durable._operations.semantics import Nesting
from powertools_durable._protocol.operation import (
    CallbackDetails,
    ChainedInvokeDetails,
    ContextDetails,
    ErrorObject,
    OperationStatus,
    OperationType,
    StepDetails,
    SubType,
    WaitDetails,
)
from powertools_durable._runtime.environment import Environment
from powertools_durable._service.clock import VirtualClock
from powertools_durable.errors import CallbackTimeoutError, ValidationError
from powertools_durable.parser.stored import input_text
from powertools_durable.serdes.base import SerDes
from powertools_durable.testing.mocks.prepared import (
    OPEN,
    Blueprint,
    Failure,
    PreparedTagged,
    batch_text,
    callback_failure,
    failure,
    prepared_text,
    record,
    records,
    shown,
)
from powertools_durable.testing.mocks.recording_backend import (
    BatchCounter,
    CheckpointCall,
    OperationRecord,
    RecordingBackend,
)
from powertools_durable.testing.mocks.request_assertions import MockRun
from powertools_durable.testing.simulation.random_schedule import RandomSchedule
from powertools_durable.testing.simulation.sandbox_loops import SandboxLoops
from powertools_durable.testing.simulation.seeded_threads import SeededThreads

if TYPE_CHECKING:
    from powertools_durable.testing.mocks.async_mock import AsyncMockRun

__all__ = ["MockDurableContext"]

ARN = "arn:aws:lambda:us-east-1:000000000000:durable-execution/mock"
FIRST_TOKEN = "mock-checkpoint-token"  # noqa: S105 - of an execution that does not exist
S = OperationStatus


class MockDurableContext:
    """Prepares the operations of a context, in the order in which the function under test asks for them.

    A prepared operation returns, or raises, what was prepared, and its function is not called. What comes after the
    last one is live: a step runs, and what can't go on without the service raises `SuspendExecution`.

    Each name is checked against the one that the code gives, as on a replay; None leaves it unchecked. Values are
    what the call returns, of the type that its annotation or ``returns`` says, or what that type reads from JSON.

    Parameters
    ----------
    started_at : datetime | None
        When the execution started, and what the time is; default: 2026-01-01, midnight UTC.

    Examples
    --------
    >>> run = MockDurableContext().with_step_result("charge", {"id": "p-1"}).with_wait("cool-down").build()
    >>> run.ctx.step(dict, name="charge")
    {'id': 'p-1'}
    >>> run.ctx.wait(60, name="cool-down")
    >>> run.assert_no_checkpoints()
    """

    def __init__(self, *, started_at: datetime | None = None) -> None:
        self._started_at = started_at
        self.blueprints: list[Blueprint] = []

    def __repr__(self) -> str:
        return f"<MockDurableContext, {len(self.blueprints)} operations>"

    def with_step_result(
        self,
        name: str | None,
        result: Any = None,
        *,
        serdes: SerDes[Any] | None = None,
        sub_type: str = SubType.STEP,
    ) -> Self:
        """Prepare a step that succeeded; *serdes* and *sub_type* are those of the call, if it has any."""
        details = StepDetails(attempt=1, result=prepared_text(result, shown("step", name), serdes))
        return self._add(OperationType.STEP, sub_type, name, S.SUCCEEDED, step_details=details)

    def with_step_error(
        self,
        name: str | None,
        error: Failure,
        data: object = None,
        *,
        message: str | None = None,
        sub_type: str = SubType.STEP,
    ) -> Self:
        """Prepare a step that failed for good: the call raises `StepError`.

        Parameters
        ----------
        name : str | None
            The step's name.
        error : Exception | ErrorObject | str
            What its function raised, or the ``error_type`` of that.
        data : object
            With a type: what the error carried, for ``StepError.data_as``.
        message : str | None
            With a type: what the error said.
        sub_type : str
            That of the call, if it has one.
        """
        if isinstance(error, str):
            text = None if data is None else input_text(data, "data")
            error = ErrorObject(error_type=error, error_message=message, error_data=text)
        elif data is not None or message is not None:
            told = "data and message go with the name of a type; an exception has its own"
            raise ValidationError(told)
        details = StepDetails(attempt=1, error=failure(error))
        return self._add(OperationType.STEP, sub_type, name, S.FAILED, step_details=details)

    def with_wait(self, name: str | None = None) -> Self:
        """Prepare a wait that is over."""
        return self._add(OperationType.WAIT, SubType.WAIT, name, S.SUCCEEDED, wait_details=WaitDetails())

    def with_callback(
        self,
        name: str | None = None,
        callback_id: str = "mock-callback-id",
        result: object = OPEN,
        *,
        error: Failure | None = None,
        sub_type: str = SubType.CALLBACK,
    ) -> Self:
        """Prepare a callback: answered with *result*, sent as JSON; failed with *error*; or still open.

        `CallbackTimeoutError` as the error is a callback that nobody answered in time. Asking an open one for its
        result raises `SuspendExecution`.
        """
        if error is not None:
            status = S.TIMED_OUT if isinstance(error, CallbackTimeoutError) else S.FAILED
            details = CallbackDetails(callback_id=callback_id, error=failure(error))
        elif result is OPEN:
            status, details = S.STARTED, CallbackDetails(callback_id=callback_id)
        else:
            text = input_text(result, "the answer")
            status, details = S.SUCCEEDED, CallbackDetails(callback_id=callback_id, result=text)
        return self._add(OperationType.CALLBACK, sub_type, name, status, callback_details=details)

    def with_invoke(self, name: str | None = None, result: object = None, *, error: Failure | None = None) -> Self:
        """Prepare another function's answer, sent as JSON; with *error* the call raises `InvokeError`."""
        if error is not None:
            status, details = S.FAILED, ChainedInvokeDetails(error=failure(error))
        else:
            status, details = S.SUCCEEDED, ChainedInvokeDetails(result=input_text(result, "the answer"))
        kind, sub_type = OperationType.CHAINED_INVOKE, SubType.CHAINED_INVOKE
        return self._add(kind, sub_type, name, status, chained_invoke_details=details)

    def with_wait_for_condition(self, name: str | None, state: Any = None, *, error: Failure | None = None) -> Self:
        """Prepare a condition that was met in *state*; with *error* the call raises `WaitForConditionError`."""
        if error is not None:
            status, details = S.FAILED, StepDetails(attempt=1, error=failure(error))
        else:
            text = prepared_text(state, shown("condition", name))
            status, details = S.SUCCEEDED, StepDetails(attempt=1, result=text)
        return self._add(OperationType.STEP, SubType.WAIT_FOR_CONDITION, name, status, step_details=details)

    def with_patch(self, name: str) -> Self:
        """Prepare an execution that takes the new way at ``ctx.patched(name)``, wherever in the order it stands.

        Without it, an execution with prepared operations still ahead takes the old way, as one that runs does.
        """
        details = StepDetails(attempt=1)
        made = record(OperationType.STEP, SubType.PATCH, name, S.SUCCEEDED, step_details=details)
        self.blueprints.append(Blueprint(made, mark=name))
        return self

    # -- operations with others inside ---------------------------------------------------------------------

    def with_context(
        self,
        name: str | None,
        result: Any = OPEN,
        *,
        error: Failure | None = None,
        inside: MockDurableContext | None = None,
        virtual: bool = False,
        serdes: SerDes[Any] | None = None,
        sub_type: str = SubType.RUN_IN_CHILD_CONTEXT,
    ) -> Self:
        """Prepare a child context, of `run_in_child_context` or `with_retry`.

        Parameters
        ----------
        name : str | None
            Its name.
        result : object
            What its function returned; the function is not called.
        error : Exception | ErrorObject | str | None
            What it raised: the call raises `ChildContextError`.
        inside : MockDurableContext | None
            In place of those: the function is called, with a context that has these operations prepared.
        virtual : bool
            The call is ``virtual=True``; its function is always called.
        serdes, sub_type
            Those of the call, if it has any.

        Raises
        ------
        ValidationError
            More than one of *result*, *error* and *inside*.
        """
        if (result is not OPEN) + (error is not None) + (inside is not None or virtual) > 1:
            message = "with_context() takes one of result, error and inside; a virtual context has only an inside"
            raise ValidationError(message)
        within = inside.blueprints if inside is not None else ()
        if virtual:
            self.blueprints.append(Blueprint(None, inside=tuple(within)))
            return self
        if error is not None:
            status, details = S.FAILED, ContextDetails(error=failure(error))
        elif inside is not None:
            status, details = S.STARTED, ContextDetails()
        else:
            text = prepared_text(None if result is OPEN else result, shown("context", name), serdes)
            status, details = S.SUCCEEDED, ContextDetails(result=text)
        return self._context(sub_type, name, status, details, inside=tuple(within))

    def with_wait_for_callback(self, name: str | None, result: Any = None, *, error: Failure | None = None) -> Self:
        """Prepare a callback that was submitted and answered with *result*; the submitter is not called.

        With *error* the call raises `CallbackExternalError`, or whichever of `CallbackTimeoutError` and
        `CallbackSubmitterError` it is.
        """
        if error is not None:
            return self._context(
                SubType.WAIT_FOR_CALLBACK, name, S.FAILED, ContextDetails(error=callback_failure(error))
            )
        details = ContextDetails(result=prepared_text(result, shown("callback", name)))
        return self._context(SubType.WAIT_FOR_CALLBACK, name, S.SUCCEEDED, details)

    def with_map(
        self,
        name: str | None,
        results: Sequence[Any] = (),
        *,
        inside: Sequence[MockDurableContext | None] | None = None,
        nesting: Nesting = Nesting.NESTED,
        completion_reason: str = "ALL_COMPLETED",
    ) -> Self:
        """Prepare a `map`.

        Parameters
        ----------
        name : str | None
            Its name.
        results : Sequence
            What its branches returned; an exception is what a branch raised. Or a whole `BatchResult`.
        inside : Sequence[MockDurableContext | None] | None
            In place of those: the function is called for each item, with a context that has these operations
            prepared; None prepares nothing for a branch.
        nesting : Nesting
            That of the call, for *inside*.
        completion_reason : str
            Why it was complete.
        """
        return self._fan_out(SubType.MAP, SubType.MAP_ITERATION, name, results, inside, nesting, completion_reason)

    def with_parallel(
        self,
        name: str | None,
        results: Sequence[Any] = (),
        *,
        inside: Sequence[MockDurableContext | None] | None = None,
        nesting: Nesting = Nesting.NESTED,
        completion_reason: str = "ALL_COMPLETED",
    ) -> Self:
        """Prepare a `parallel`; see `with_map`."""
        branch = SubType.PARALLEL_BRANCH
        return self._fan_out(SubType.PARALLEL, branch, name, results, inside, nesting, completion_reason)

    def with_compensation(self, name: str | None, *, error: Failure | None = None) -> Self:
        """Prepare the compensation of the step of that name, as `run_compensations` or a saga runs it."""
        status = S.SUCCEEDED if error is None else S.FAILED
        details = ContextDetails(error=None if error is None else failure(error))
        return self._context(SubType.COMPENSATION, name, status, details)

    # -- what comes of it ----------------------------------------------------------------------------------

    def build(self) -> MockRun:
        """Make a context over what is prepared so far; each call makes another."""
        backend = RecordingBackend()
        environment = Environment(VirtualClock(self._started_at), Random(0), inline=True)  # noqa: S311 - jitter
        found = records(self.blueprints)
        context = create_context(
            DurableContext, backend, ARN, FIRST_TOKEN, found, None, environment=environment, serdes=PreparedTagged()
        )
        return MockRun(context, backend.calls, backend.operations)

    def build_async(self) -> AsyncMockRun:
        """Make an `AsyncDurableContext` over what is prepared so far, for one call of an ``async def`` function.

        Examples
        --------
        >>> async def pay(ctx, order):
        ...     return await ctx.step(dict, name="charge")
        >>> run = MockDurableContext().with_step_result("charge", {"id": "p-1"}).build_async()
        >>> run.call(pay, "order-42")
        {'id': 'p-1'}
        """
        from powertools_durable.testing.mocks.async_mock import AsyncMockRun

        backend = RecordingBackend()
        clock, schedule = VirtualClock(self._started_at), RandomSchedule("mock")
        threads, loops = SeededThreads(clock, schedule), SandboxLoops(schedule)
        environment = Environment(clock, Random(0), threads=threads, loops=loops)  # noqa: S311 - jitter
        session = create_session(
            AsyncDurableContext,
            backend,
            ARN,
            FIRST_TOKEN,
            records(self.blueprints),
            None,
            environment=environment,
            serdes=PreparedTagged(),
            is_async=True,
        )
        return AsyncMockRun(session, threads, loops, backend.calls, backend.operations)

    def build_with_batch_counter(
        self,
    ) -> tuple[DurableContext, list[CheckpointCall], list[OperationRecord], BatchCounter]:
        """Do so, and count the requests that tell of more than one operation, as those of batch mode do."""
        run = self.build()
        return (*run, BatchCounter(run.calls))

    def _add(
        self, kind: OperationType, sub_type: str, name: str | None, status: OperationStatus, **details: Any
    ) -> Self:
        self.blueprints.append(Blueprint(record(kind, sub_type, name, status, **details)))
        return self

    def _context(
        self, sub_type: str, name: str | None, status: OperationStatus, details: ContextDetails, **below: Any
    ) -> Self:
        made = record(OperationType.CONTEXT, sub_type, name, status, context_details=details)
        self.blueprints.append(Blueprint(made, **below))
        return self

    def _fan_out(  # noqa: PLR0917 - the options of `with_map`
        self,
        sub_type: SubType,
        item_type: SubType,
        name: str | None,
        results: Sequence[Any],
        inside: Sequence[MockDurableContext | None] | None,
        nesting: Nesting,
        reason: str,
    ) -> Self:
        if inside is None:
            details = ContextDetails(result=batch_text(results, reason, shown(sub_type.lower(), name)))
            return self._context(sub_type, name, S.SUCCEEDED, details)
        if results:
            message = f"with_{sub_type.lower()}() takes results or inside, not both"
            raise ValidationError(message)
        started = record(OperationType.CONTEXT, item_type, None, S.STARTED, context_details=ContextDetails())
        one = started if Nesting(nesting) is Nesting.NESTED else None
        branches = {
            index: Blueprint(one, inside=tuple(branch.blueprints))
            for index, branch in enumerate(inside)
            if branch is not None
        }
        return self._context(sub_type, name, S.STARTED, ContextDetails(), branches=branches)
