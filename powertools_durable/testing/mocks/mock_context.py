"""A context over records that a test prepares, for functions that take one: `MockDurableContext`.

It is the engine itself over a backend that only records, so names are checked, values are read, errors are rebuilt
and requests are made as in Lambda. See docs/testing/mocks.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Any, NamedTuple, Self

from powertools_durable._contexts.blocking import DurableContext
from powertools_durable._contexts.standalone import context_by_hand
from powertools_durable._operations.semantics import Nesting
from powertools_durable._protocol.operation import ContextDetails, ErrorObject, OperationStatus, OperationType, SubType
from powertools_durable._runtime.environment import Environment
from powertools_durable._service.clock import VirtualClock
from powertools_durable.errors import ValidationError
from powertools_durable.serdes.base import SerDes
from powertools_durable.testing.mocks import request_assertions
from powertools_durable.testing.mocks.prepared import (
    ANY_NAME,
    Blueprint,
    Failure,
    PreparedTagged,
    batch_text,
    failure,
    prepared_text,
    records,
)
from powertools_durable.testing.mocks.prepared_operations import OPEN, Preparing, record, shown
from powertools_durable.testing.mocks.recording_backend import (
    BatchCounter,
    CheckpointCall,
    OperationRecord,
    RecordingBackend,
)

__all__ = ["MockDurableContext", "MockRun"]

ARN = "arn:aws:lambda:us-east-1:000000000000:durable-execution/mock"
FIRST_TOKEN = "mock-checkpoint-token"  # noqa: S105 - of an execution that does not exist
TIMED_OUT = "Callback.Timeout"  # what the service names as the type of such a failure
S = OperationStatus


class MockRun(NamedTuple):
    """A prepared context, and what is recorded while it is used; unpacks as ``ctx, calls, operations``.

    Attributes
    ----------
    ctx : DurableContext
        Give it to the function under test.
    calls : list[CheckpointCall]
        The requests so far. Prepared operations make none.
    operations : list[OperationRecord]
        The operations that those requests started.
    """

    ctx: DurableContext
    calls: list[CheckpointCall]
    operations: list[OperationRecord]

    @property
    def unused(self) -> list[str]:
        """What was prepared and not asked for so far, in order, as ``STEP charge``; a name that was not said is *."""
        left = self.ctx.replay_engine.unasked()
        return [f"{record.type.value} {'*' if record.name is ANY_NAME else record.name or ''}" for record in left]

    def assert_no_checkpoints(self) -> None:
        """Fail if any request was made."""
        request_assertions.assert_no_checkpoints(self.calls)

    def assert_checkpoint_count(self, expected: int) -> None:
        """Fail unless exactly so many requests were made."""
        request_assertions.assert_checkpoint_count(self.calls, expected)

    def assert_operations(self, expected: Sequence[str]) -> None:
        """Fail unless exactly these operations were started, each as ``type:name``."""
        request_assertions.assert_operations(self.operations, expected)

    def assert_operation_names(self, expected: Sequence[str | None]) -> None:
        """Fail unless operations of exactly these names were started."""
        request_assertions.assert_operation_names(self.operations, expected)

    def assert_operation_count(self, expected: int) -> None:
        """Fail unless exactly so many operations were started."""
        request_assertions.assert_operation_count(self.operations, expected)


class MockDurableContext(Preparing):
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

    # -- operations with others inside ---------------------------------------------------------------------

    def with_context(
        self,
        name: str | None,
        result: Any = OPEN,
        *,
        error: Failure | None = None,
        inside: Preparing | None = None,
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
            return self._context(SubType.WAIT_FOR_CALLBACK, name, S.FAILED, ContextDetails(error=_answered(error)))
        details = ContextDetails(result=prepared_text(result, shown("callback", name)))
        return self._context(SubType.WAIT_FOR_CALLBACK, name, S.SUCCEEDED, details)

    def with_map(
        self,
        name: str | None,
        results: Sequence[Any] = (),
        *,
        inside: Sequence[Preparing | None] | None = None,
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
        inside : Sequence[Preparing | None] | None
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
        inside: Sequence[Preparing | None] | None = None,
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
        context = context_by_hand(
            DurableContext, backend, ARN, FIRST_TOKEN, found, None, environment=environment, serdes=PreparedTagged()
        )
        return MockRun(context, backend.calls, backend.operations)

    def build_with_batch_counter(
        self,
    ) -> tuple[DurableContext, list[CheckpointCall], list[OperationRecord], BatchCounter]:
        """Do so, and count the requests that tell of more than one operation, as those of batch mode do."""
        run = self.build()
        return (*run, BatchCounter(run.calls))

    def _fan_out(  # noqa: PLR0917 - the options of `with_map`
        self,
        sub_type: SubType,
        item_type: SubType,
        name: str | None,
        results: Sequence[Any],
        inside: Sequence[Preparing | None] | None,
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


def _answered(error: Failure) -> ErrorObject:
    """Return what the context of a callback records: the type tells which of its operations failed."""
    written = failure(error)
    kind, bracket, raised = (written.error_type or "").partition("(")
    match kind:
        case "CallbackExternalError" | "":
            recorded = written.error_type or "CallbackExternalError"
        case "CallbackTimeoutError":
            recorded = f"CallbackTimeoutError({raised or f'{TIMED_OUT})'}"
        case "CallbackSubmitterError":
            recorded = f"StepError{bracket}{raised}"
        case _:
            recorded = f"CallbackExternalError({written.error_type})"
    return replace(written, error_type=recorded)
