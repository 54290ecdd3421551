"""One invocation, from the event to the answer.

The order is: parse the event, load the remaining pages of records, parse the customer's payload, run the handler,
answer. A payload that does not fit the handler's model ends the invocation before anything is recorded.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from powertools_durable._protocol.limits import MAX_PAGE_ITEMS, MAX_RESPONSE_BYTES
from powertools_durable._protocol.operation import Operation, OperationType
from powertools_durable._protocol.result import InvocationResult, InvocationStatus
from powertools_durable._protocol.update import OperationAction, OperationUpdate
from powertools_durable._protocol.wire import to_wire
from powertools_durable._replay.effects import (
    Composite,
    Ending,
    Outcome,
    Raised,
    Returned,
    Run,
    Series,
    Suspended,
    Transfer,
)
from powertools_durable._replay.state import ExecutionState
from powertools_durable._runtime.deadline import Deadline
from powertools_durable._runtime.environment import Environment
from powertools_durable._runtime.error_origin import place_of
from powertools_durable._runtime.failures import Failures
from powertools_durable._runtime.requests import pages
from powertools_durable._runtime.session import Program, Session
from powertools_durable._runtime.signals import UNRECOVERABLE, CheckpointingStopped
from powertools_durable._runtime.unconsumed import check_execution_end
from powertools_durable.backends.base import DurableBackend
from powertools_durable.errors import (
    BackendError,
    NonDeterminismError,
    PayloadValidationError,
    RetryableSerDesError,
    RetryInvocation,
    SerDesError,
    SuspendExecution,
    ValidationError,
)

if TYPE_CHECKING:
    from powertools_durable._runtime.counted_backend import CountedBackend
    from powertools_durable._runtime.observers import Observers
    from powertools_durable.parser.event import DurableInvocationEvent

__all__ = ["run_invocation"]

logger = logging.getLogger(__name__)

PENDING = InvocationResult(status=InvocationStatus.PENDING)


def run_invocation(
    program: Program, raw_event: object, lambda_context: object, backend: DurableBackend, environment: Environment
) -> dict[str, Any]:
    """Answer one invocation.

    Returns
    -------
    dict
        ``Status`` with ``Result`` or ``Error``, as described in docs/contributing/protocol.md#invocation-output.

    Raises
    ------
    NotADurableInvocationError, DecoratorOrderError
        The event is not the event of a durable execution.
    BackendError, PayloadModelChangedError
        Another invocation may succeed: Lambda counts this one as failed and invokes again.
    """
    from powertools_durable.parser.event import execution_name, execution_record, parse_event

    event = parse_event(raw_event)
    arn, token, updated = event.durable_execution_arn, event.checkpoint_token, event.updated_operation_ids
    deadline = Deadline(lambda_context, environment.clock)
    failures = Failures(program, arn, execution_name(arn))
    counted = _count_calls(backend, environment, program) if program.plugins else None
    try:
        state = _load_state(event, counted or backend)
    except BackendError as error:
        return to_wire(_answer_interruption(error, failures))  # type: ignore[no-any-return]
    del event  # frees its copy of the records
    record = execution_record(state.operations.values(), arn)
    name = (record.name if record else None) or execution_name(arn)
    started_at = record.start_timestamp if record else None
    payload, payload_error = _read_payload(program, record)
    observers = None
    if counted is not None:
        facts: dict[str, Any] = {
            "execution_name": name,
            "request_id": getattr(lambda_context, "aws_request_id", None),
            "started_at": started_at,
            "lambda_context": lambda_context,
        }
        observers = _create_observers(program, state, facts, environment, updated)

    def answer() -> InvocationResult:
        if payload_error is not None:
            return _answer_payload_error(payload_error, program, state, failures)
        session = Session(
            program,
            state,
            token,
            backend=backend,
            calls=counted or backend,
            lambda_context=lambda_context,
            deadline=deadline,
            environment=environment,
            execution_name=name,
            started_at=started_at,
            updated=updated,
            observers=observers,
            failures=failures,
        )
        program.on_start(session)
        interrupted = False
        try:
            return _answer(session, _run_handler(session, payload), failures)
        except KeyboardInterrupt:  # a developer has pressed Ctrl-C: don't wait for bodies that still run
            interrupted = True
            raise
        finally:
            session.driver.close(wait=not interrupted)

    result = answer() if observers is None or counted is None else observers.around(payload, answer, counted)
    return to_wire(result)  # type: ignore[no-any-return]


def _count_calls(backend: DurableBackend, environment: Environment, program: Program) -> CountedBackend:
    from powertools_durable._runtime.counted_backend import CountedBackend

    return CountedBackend(backend, environment.clock, program.plugins)


def _create_observers(
    program: Program, state: ExecutionState, facts: dict[str, Any], environment: Environment, updated: Sequence[str]
) -> Observers:
    from powertools_durable._runtime.observers import Observers
    from powertools_durable.plugins import InvocationInfo

    about = InvocationInfo(execution_arn=state.durable_execution_arn, is_first=not _has_history(state), **facts)
    return Observers(program.plugins, state, about, environment.clock, updated)


def _read_payload(program: Program, record: Operation | None) -> tuple[object, PayloadValidationError | None]:
    details = record.execution_details if record else None
    try:
        return program.read_payload(details.input_payload if details else None), None
    except PayloadValidationError as error:
        return None, error


def _has_history(state: ExecutionState) -> bool:
    return any(record.type is not OperationType.EXECUTION for record in state.operations.values())


def _load_state(event: DurableInvocationEvent, backend: DurableBackend) -> ExecutionState:
    """Load all pages of records that are not in the event (docs/contributing/protocol.md#loading-all-pages)."""
    from powertools_durable.parser.event import execution_record

    arn, page = event.durable_execution_arn, event.initial_execution_state
    state = ExecutionState(arn, page.operations or ())
    for records in pages(backend, arn, event.checkpoint_token, page.next_marker, MAX_PAGE_ITEMS):
        state.absorb(records)
    if event.has_state and execution_record(state.operations.values(), arn) is None:
        # Treating it as a new execution would repeat everything that is recorded.
        message = (
            "the event's InitialExecutionState, with all its pages, has no record of type EXECUTION, so neither the "
            "execution's input nor its progress is known; nothing was run, and another invocation may get the whole "
            "state. If the event is from a test or a tool of yours, put the record in, or leave the key out"
        )
        raise BackendError(message, retryable=True)
    return state


def _answer_payload_error(
    error: PayloadValidationError, program: Program, state: ExecutionState, failures: Failures
) -> InvocationResult:
    """Fail a new execution. Raise for a running one: its payload did fit before, so the new deployment is at fault."""
    if _has_history(state) and program.config.on_model_change == "raise":
        logger.error("the input of a running execution no longer fits the handler's model: %s", error)
        from powertools_durable.parser.payload import model_changed

        raise model_changed(error) from None
    return _answer_failed(error, failures)


def _run_handler(session: Session, payload: object) -> Ending | CheckpointingStopped:
    """Run the handler, then wait until every queued update is acknowledged."""
    root, context = session.root, session.program.make_context(session)
    scope = session.scopes.of_context(root)
    outcome: Ending | CheckpointingStopped
    try:
        outcome = session.driver.run_handler(Composite(root, _run_to_end(session, payload, context)), scope)
    except MemoryError:
        raise
    except UNRECOVERABLE as error:
        outcome = Raised(error)
    except CheckpointingStopped as stopped:
        outcome = stopped
    with suppress(CheckpointingStopped, SuspendExecution):  # `_answer` finds the reason in the engine
        session.driver.flush(root)
    return outcome


def _run_to_end(session: Session, payload: object, context: Any) -> Series[object]:
    """Run the handler, then its deferred calls, if the handler ended rather than suspended."""
    outcome: Outcome = yield Run(partial(session.program.handler, payload, context), to_the_end=True)
    first = outcome.error if isinstance(outcome, Raised) else None
    deferred = session.program.deferred(context)
    failures = (yield from deferred.flow) if deferred is not None else []
    for error in failures:  # all deferred calls have run, even if one failed
        if first is None:
            first = error
        else:
            message = "a deferred call failed; the execution ends with the error before it: %s"
            logger.error(message, place_of(error))  # its message may hold a payload
    if first is not None:
        raise first
    if session.engine.interruption is None:
        check_execution_end(session.root, session.driver.first_calls)
    return outcome.value if isinstance(outcome, Returned) else None


def _answer(session: Session, outcome: Ending | CheckpointingStopped, failures: Failures) -> InvocationResult:
    engine = session.engine
    if engine.interruption is not None and not engine.revoked:
        return _answer_interruption(engine.interruption, failures)
    if engine.revoked:
        return PENDING
    match outcome:
        case Suspended():
            return PENDING
        case CheckpointingStopped():
            return _answer_interruption(outcome.reason, failures)
        case Raised(RetryableSerDesError() | RetryInvocation() as error):
            raise error
        case Raised(error):
            return _answer_failed(error, failures)
        case Returned(value):
            try:
                return _answer_succeeded(session, _result_text(session, value), failures)
            except RetryableSerDesError:
                raise
            except SerDesError as error:
                return _answer_failed(error, failures)


def _result_text(session: Session, value: object) -> str:
    """Write the handler's result as JSON, and what the decorator's ``result_serdes`` makes of it."""
    program = session.program
    if program.result_serdes is None:
        return program.write_result(value)
    from powertools_durable.serdes.choosing import write_result  # few handlers need it

    arn = session.engine.state.durable_execution_arn
    work = partial(write_result, value, program.result_serdes, program.write_result, arn)
    match session.driver.transfer("the handler's result", Transfer(work)):
        case Returned(text):
            return str(text)
        case Raised(error):
            raise error


def _answer_succeeded(session: Session, text: str, failures: Failures) -> InvocationResult:
    """Answer with the result; checkpoint one that is too large (docs/contributing/protocol.md#handler-result)."""
    if len(text) * 4 <= MAX_RESPONSE_BYTES or len(text.encode()) <= MAX_RESPONSE_BYTES:
        return InvocationResult(status=InvocationStatus.SUCCEEDED, result=text)
    moment = round(session.environment.clock.now().timestamp() * 1000)
    update = OperationUpdate(
        id=f"execution-result-{moment}",
        type=OperationType.EXECUTION,
        action=OperationAction.SUCCEED,
        payload=text,
    )
    try:
        session.checkpointer.checkpoint(session.root, update)
    except CheckpointingStopped as stopped:
        return _answer_interruption(stopped.reason, failures)
    except SuspendExecution:
        return PENDING
    return InvocationResult(status=InvocationStatus.SUCCEEDED, result="")


def _answer_interruption(reason: BaseException, failures: Failures) -> InvocationResult:
    """Answer FAILED, or raise what may be transient (docs/contributing/protocol.md#api-errors)."""
    match reason:
        case NonDeterminismError() | ValidationError() | BackendError(retryable=False):
            return _answer_failed(reason, failures)
        case _:
            raise reason


def _answer_failed(error: BaseException, failures: Failures) -> InvocationResult:
    return InvocationResult(status=InvocationStatus.FAILED, error=failures.log_execution(error))
