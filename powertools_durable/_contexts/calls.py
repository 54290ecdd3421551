"""Builds the call of each method of a context, without performing it.

A function here checks its arguments and the user's function, takes the operation's id and builds its flow. The public
context (`blocking`, `async_context`) passes the returned `Call` to its driver. So an id is taken when the method is
called, not when its result is awaited. Fan-outs are in `fan_out_calls`.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from operator import itemgetter
from types import FunctionType
from typing import Any, TypeVar

from powertools_durable import _operations as operations
from powertools_durable._contexts import arguments, binding
from powertools_durable._contexts.core import ContextCore
from powertools_durable._operations.semantics import StepSemantics
from powertools_durable._protocol.duration import Duration
from powertools_durable._protocol.genuine import GENUINE
from powertools_durable._protocol.operation import OperationStatus, OperationType, SubType
from powertools_durable._protocol.update import ChainedInvokeOptions
from powertools_durable._replay.effects import Call, Composite, Enter, Flow
from powertools_durable._replay.frame import Frame
from powertools_durable._replay.handle import OperationHandle
from powertools_durable.errors import ValidationError
from powertools_durable.retry import Polling, PollingPolicy, RetryPolicy
from powertools_durable.scope import ReplayState
from powertools_durable.serdes import choosing
from powertools_durable.serdes.base import SerDes

__all__ = [
    "callback_result",
    "create_callback",
    "defer",
    "deprecate_patch",
    "flush",
    "invoke",
    "now",
    "patched",
    "run_deferred",
    "run_in_child_context",
    "step",
    "wait",
    "wait_for_callback",
    "wait_for_condition",
    "wait_until",
    "with_retry",
]

# Looked up once, because steps are the most frequent calls.
_OF_STEP, _STEP, _AT_LEAST_ONCE = OperationType.STEP, SubType.STEP, StepSemantics.AT_LEAST_ONCE
_STARTED, _READY = OperationStatus.STARTED, OperationStatus.READY

C = TypeVar("C")
S = TypeVar("S")
T = TypeVar("T")
Unknown = Mapping[str, object]
"""Keyword arguments of a call that are not among its options."""


def step(
    core: ContextCore,
    func: Callable[..., T],
    args: tuple[Any, ...],
    *,
    name: str | None = None,
    retry: RetryPolicy | None = None,
    semantics: StepSemantics = _AT_LEAST_ONCE,
    timeout: Duration | None = None,
    returns: Any = None,
    serdes: SerDes[T] | None = None,
    sub_type: str | None = None,
    unknown: Unknown | None = None,
    guarded: bool = True,
) -> Call[T]:
    """See `DurableContext.step`; a step inside another operation is not *guarded*: that operation was."""
    if unknown:
        binding.refuse_unknown(func, "step", unknown)
    if type(func) is not FunctionType or func.__dict__:
        arguments.check_callable(func, "step", *args)
    if retry is not None:
        arguments.check_retry(retry)
    is_at_most_once = semantics is not _AT_LEAST_ONCE and arguments.at_most_once(semantics)
    seconds = None if timeout is None else arguments.body_timeout(timeout)
    sub_type = _STEP if sub_type is None else arguments.sub_type_or(_STEP, sub_type)
    if serdes is not None:
        arguments.check_serdes(serdes)
    result_serdes: SerDes[T] = choosing.result_serdes(func, returns, serdes, core.session.program.serdes)
    op_name = arguments.name_of(func, name)
    if guarded:
        core.session.driver.guard(core.frame, "step")
    op = core.frame.begin(_OF_STEP, sub_type, op_name)
    policy = retry or core.session.default_retry
    record = op.engine.state.operations.get(op.id)  # `op.runs_body`, inlined: steps are the most frequent calls
    if record is None or record.status is _READY or (record.status is _STARTED and not is_at_most_once):
        core.bind(func, len(args), "step")
        condition = getattr(policy, "retry_if", None)
        if condition is not None:
            binding.bind(condition, 1, "step", role="retry_if", before="the exception")
    body = partial(func, *args) if args else func
    flow = operations.step.step(op, body, policy, result_serdes, at_most_once=is_at_most_once, timeout=seconds)
    return Call(core.frame, op, flow)


def wait(core: ContextCore, duration: Duration, name: str | None) -> Call[None]:
    """See `DurableContext.wait`."""
    seconds, op_name = arguments.timer_seconds(duration, "wait"), arguments.name_of(None, name)
    core.guard("wait")
    return operations.wait.call(core.frame, seconds, op_name)


def wait_until(core: ContextCore, moment: datetime, name: str | None) -> Call[None]:
    """See `DurableContext.wait_until`."""
    seconds = arguments.until_seconds(moment, core.session.environment.clock.now())
    op_name = arguments.name_of(None, name)
    core.guard("wait_until")
    return operations.wait.call(core.frame, seconds, op_name)


def now(core: ContextCore) -> Call[datetime]:
    """See `DurableContext.now`."""
    read = core.session.environment.clock.now
    # In async code on the event loop, because reading the clock does not block.
    func: Callable[..., Any] = partial(_run_on_loop, read) if core.awaits else read
    return step(core, func, (), name="now", returns=GENUINE.datetime)


async def _run_on_loop(func: Callable[[], T]) -> T:
    return func()


def create_callback(
    core: ContextCore,
    make: Callable[[OperationHandle, str, SerDes[Any]], C],
    *,
    name: str | None,
    timeout: Duration | None,
    heartbeat_timeout: Duration | None,
    returns: Any,
    serdes: SerDes[Any] | None,
    sub_type: str | None,
) -> Call[C]:
    """See `DurableContext.create_callback`; *make* creates the public callback object."""
    limit = arguments.callback_seconds(timeout, "timeout")
    heartbeat = arguments.callback_seconds(heartbeat_timeout, "heartbeat_timeout")
    sub_type = arguments.sub_type_or(SubType.CALLBACK, sub_type)
    arguments.check_serdes(serdes)
    answer_serdes: SerDes[Any] = choosing.answer_serdes(returns, serdes)
    op_name = arguments.name_of(None, name)
    core.guard("create_callback")
    return operations.callback.call(
        core.frame,
        sub_type,
        op_name,
        limit,
        heartbeat,
        lambda op, callback_id: make(op, callback_id, answer_serdes),
        answer_serdes,
    )


def callback_result(core: ContextCore, op: OperationHandle, serdes: SerDes[T]) -> Call[T]:
    """See `Callback.result`."""
    core.guard("callback.result")
    return operations.callback.result_call(core.frame, op, serdes)


def wait_for_callback(
    core: ContextCore,
    submit: Callable[..., object],
    args: tuple[Any, ...],
    *,
    name: str | None,
    timeout: Duration | None,
    heartbeat_timeout: Duration | None,
    retry: RetryPolicy | None,
    returns: Any,
    serdes: SerDes[Any] | None,
    unknown: Unknown,
) -> Call[Any]:
    """See `DurableContext.wait_for_callback`."""
    binding.refuse_unknown(submit, "wait_for_callback", unknown)
    arguments.check_callable(submit, "wait_for_callback", *args)
    arguments.check_retry(retry)
    limit = arguments.callback_seconds(timeout, "timeout")
    heartbeat = arguments.callback_seconds(heartbeat_timeout, "heartbeat_timeout")
    arguments.check_serdes(serdes)
    answer_serdes: SerDes[Any] = choosing.answer_serdes(returns, serdes)
    op_name = arguments.name_of(submit, name)
    operation = operations.wait_for_callback

    def build_effect(frame: Frame) -> Enter:
        def submitter(callback_id: str) -> Call[None]:
            own = ContextCore(core.session, frame, core.make_context)
            own.awaits = core.awaits
            func: Callable[..., Any] = operations.compensation.without_result(submit, awaits=core.awaits)
            submitter_name = operation.submitter_name(op_name)
            return step(own, func, (callback_id, *args), name=submitter_name, retry=retry, guarded=False)

        return Enter(frame, operation.submit_and_wait(frame, op_name, (limit, heartbeat), submitter, answer_serdes))

    op = core.begin("wait_for_callback", OperationType.CONTEXT, SubType.WAIT_FOR_CALLBACK, op_name)
    if op.runs_body:
        core.bind(submit, 1 + len(args), "wait_for_callback", before="the callback id")
    context_serdes: SerDes[Any] = choosing.answered_serdes(returns, core.session.program.serdes)
    flow: Flow[Any] = operations.child.context(op, partial(core.frame.child, op), build_effect, context_serdes, None)
    return Call(core.frame, op, operation.unwrap_failure(flow))


def wait_for_condition(
    core: ContextCore,
    check: Callable[[S], S],
    *,
    initial: S,
    polling: Polling | PollingPolicy,
    timeout: Duration | None,
    name: str | None,
    returns: Any,
    serdes: SerDes[S] | None,
    unknown: Unknown,
) -> Call[S]:
    """See `DurableContext.wait_for_condition`."""
    if unknown:
        binding.refuse_unknown(check, "wait_for_condition", unknown)
    arguments.check_callable(check, "wait_for_condition")
    policy = arguments.polling_of(polling)
    seconds = arguments.body_timeout(timeout)
    state_serdes = core.serdes(check, returns, serdes)
    op_name = arguments.name_of(check, name)
    op = core.begin("wait_for_condition", OperationType.STEP, SubType.WAIT_FOR_CONDITION, op_name)
    if op.runs_body:
        core.bind(check, 1, "wait_for_condition", before="the state")
        if isinstance(policy, Polling):
            binding.bind(policy.until, 1, "wait_for_condition", role="until", before="the state")
        else:
            binding.bind(policy, 2, "wait_for_condition", role="polling", before="the state")
    limit = None
    if seconds is not None:
        limit = operations.wait_for_condition.Limit(seconds, core.session.environment.clock.now)
    flow = operations.wait_for_condition.wait_for_condition(op, check, initial, policy, state_serdes, limit=limit)
    return Call(core.frame, op, flow)


def invoke(
    core: ContextCore,
    function_name: str,
    payload: Any,
    *,
    name: str | None,
    tenant_id: str | None,
    returns: Any,
    payload_serdes: SerDes[Any] | None,
    serdes: SerDes[Any] | None,
) -> Call[Any]:
    """See `DurableContext.invoke`."""
    from powertools_durable.parser import writing  # loads pydantic

    target = arguments.function_name(function_name)
    tenant = arguments.tenant(tenant_id)
    arguments.check_serdes(payload_serdes)
    arguments.check_serdes(serdes)
    event_serdes = choosing.event_serdes(writing.PAYLOAD, payload_serdes)
    answer_serdes: SerDes[Any] = choosing.json_serdes(returns, serdes)
    op = core.begin("invoke", OperationType.CHAINED_INVOKE, SubType.CHAINED_INVOKE, arguments.name_of(None, name))
    text = None
    if op.record is None:  # the payload is sent once, with START
        with core.frame.busy(op):
            text = op.encode_event(payload, event_serdes)

    def options() -> ChainedInvokeOptions:
        header = core.session.driver.trace_header(op, target)
        return ChainedInvokeOptions(function_name=target, tenant_id=tenant, x_amzn_trace_id=header)

    return Call(core.frame, op, operations.invoke.invoke(op, options, text, answer_serdes))


# -- child contexts ---------------------------------------------------------------------------------------


def run_in_child_context(
    core: ContextCore,
    func: Callable[..., T],
    args: tuple[Any, ...],
    *,
    name: str | None,
    returns: Any = None,
    serdes: SerDes[T] | None,
    sub_type: str | None = None,
    virtual: bool = False,
    summary: Callable[[T], str] | None = None,
    unknown: Unknown,
) -> Call[T]:
    """See `DurableContext.run_in_child_context`."""
    binding.refuse_unknown(func, "run_in_child_context", unknown)
    arguments.check_callable(func, "run_in_child_context", *args)
    sub_type = arguments.sub_type_or(SubType.RUN_IN_CHILD_CONTEXT, sub_type)
    result_serdes = core.serdes(func, returns, serdes)
    op_name = arguments.name_of(func, name)
    op = core.begin("run_in_child_context", OperationType.CONTEXT, sub_type, op_name, virtual=virtual)
    if op.runs_body:
        core.bind(func, 1 + len(args), "run_in_child_context", before="the context")
        if summary is not None:
            binding.bind(summary, 1, "run_in_child_context", role="summary", before="the result")

    def body(frame: Frame) -> T:
        return core.require_finished(func(core.context_of(frame), *args), func)

    if virtual:
        flow = operations.child.virtual_child(op, core.frame.child(op, virtual=True), body, result_serdes)
    else:
        flow = operations.child.child(op, partial(core.frame.child, op), body, result_serdes, summary)
    return Call(core.frame, op, flow)


def with_retry(
    core: ContextCore,
    func: Callable[..., T],
    args: tuple[Any, ...],
    *,
    retry: RetryPolicy,
    name: str | None,
    unknown: Unknown,
) -> Call[T]:
    """See `DurableContext.with_retry`."""
    binding.refuse_unknown(func, "with_retry", unknown)
    arguments.check_callable(func, "with_retry", *args)
    arguments.require_retry(retry, "with_retry")
    op_name = arguments.name_of(func, name)
    result_serdes: SerDes[T] = core.serdes(func, None, None)
    op = core.begin("with_retry", OperationType.CONTEXT, SubType.RUN_IN_CHILD_CONTEXT, op_name)
    if op.runs_body:
        core.bind(func, 1 + len(args), "with_retry", before="the context")

    def build_effect(frame: Frame) -> Enter:
        body = partial(func, core.context_of(frame), *args)
        return Enter(frame, operations.with_retry.with_retry(frame, body, retry, op_name))

    flow: Flow[T] = operations.child.context(op, partial(core.frame.child, op), build_effect, result_serdes, None)
    return Call(core.frame, op, flow)


def defer(core: ContextCore, func: Callable[..., object], args: tuple[Any, ...], unknown: Unknown) -> None:
    """See `DurableContext.defer`."""
    binding.refuse_unknown(func, "defer", unknown)
    arguments.check_callable(func, "defer", *args)
    core.guard("defer")
    if core.frame.parent is not None:
        message = "ctx.defer() belongs on the handler's own context; a child context that has ended is not run again"
        raise ValidationError(message)
    core.bind(func, len(args), "defer")
    insort(core.deferred, (core.next_position(), func, args), key=itemgetter(0))


def run_deferred(core: ContextCore) -> Composite[list[Exception]]:
    """Run the deferred functions as steps, the last one first; return the errors of those that failed."""
    steps = [partial(step, core, func, args, guarded=False) for _, func, args in reversed(core.deferred)]
    return Composite(core.frame, operations.defer.run_deferred(core.frame, steps))


# -- batch mode --------------------------------------------------------------------------------------------


def flush(core: ContextCore) -> Composite[None]:
    """Send the updates that batch mode holds back, for `flush_batch` and the end of a `batch`."""
    return Composite(core.frame, operations.batch_mode.flush())


# -- changing code in flight -------------------------------------------------------------------------------


def patched(core: ContextCore, name: str) -> Call[bool]:
    """See `DurableContext.patched`."""
    op_name = arguments.patch_name(name)
    core.guard("patched")
    frame = core.frame
    op = frame.mark(op_name, SubType.PATCH)
    replaying = frame.replay_state in {ReplayState.REPLAY, ReplayState.SEALED}
    return Call(frame, op, operations.patch.patched_once(op, frame.patches, op_name, replaying=replaying))


def deprecate_patch(core: ContextCore, name: str) -> None:
    """See `DurableContext.deprecate_patch`."""
    op_name = arguments.patch_name(name)
    core.guard("deprecate_patch")
    core.frame.mark(op_name, SubType.PATCH)
