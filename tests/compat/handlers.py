"""Handlers against the official names, beyond `tests/histories/official_handlers.py`: each option and exception.

`twin.load` runs this source on both SDKs.
"""

from __future__ import annotations

import logging
import os
import re
import tempfile
from datetime import date
from decimal import Decimal

from aws_durable_execution_sdk_python import (
    BatchCompletionError,
    BatchItemStatus,
    CallbackError,
    CallbackExternalError,
    CallbackSubmitterError,
    CallbackTimeoutError,
    ChildContextError,
    CompletionOutcome,
    DurableContext,
    DurableExecutionsError,
    DurableOperationError,
    ExecutionError,
    InvocationError,
    InvokeError,
    ParallelBranch,
    RetryableSerDesError,
    SerDesError,
    StepContext,
    StepError,
    ValidationError,
    WaitForConditionError,
    WithRetryConfig,
    complete_batch,
    continue_batch,
    durable_execution,
    durable_parallel_branch,
    durable_step,
    durable_wait_for_callback,
    durable_with_child_context,
    with_retry,
)
from aws_durable_execution_sdk_python.config import (
    CallbackConfig,
    ChildConfig,
    CompletionConfig,
    Duration,
    InvokeConfig,
    JitterStrategy,
    MapConfig,
    NestingType,
    ParallelConfig,
    StepConfig,
    StepSemantics,
    WaitForCallbackConfig,
)
from aws_durable_execution_sdk_python.filesystem_serdes import (
    FileSystemPathEncoding,
    FileSystemSerDes,
    FileSystemSerDesConfig,
    FileSystemSerDesMode,
)
from aws_durable_execution_sdk_python.lambda_service import ErrorObject
from aws_durable_execution_sdk_python.preview import PreviewConfig, PreviewField, PreviewMode, build_preview
from aws_durable_execution_sdk_python.retries import (
    LinearRetryStrategyConfig,
    RetryDecision,
    RetryPresets,
    RetryStrategyConfig,
    create_linear_retry_strategy,
    create_retry_strategy,
)
from aws_durable_execution_sdk_python.serdes import JsonSerDes, PassThroughSerDes, SerDes
from aws_durable_execution_sdk_python.waits import (
    WaitForConditionConfig,
    WaitForConditionDecision,
    WaitStrategyConfig,
    create_wait_strategy,
)

MOUNT = f"{tempfile.gettempdir()}/durable-compat-tests-{os.getpid()}"  # the same one for both SDKs
ONCE = StepConfig(retry_strategy=RetryPresets.none())
SECOND = Duration.from_seconds(1)


class RejectedError(Exception):
    """What the business knows."""


class OperationOfOursError(DurableOperationError):
    """A failure that a library on top of the SDK defines."""


def fail(*_):
    raise RejectedError("rejected")


def fields_of(error):
    cause = error.__cause__
    return [
        type(error).__name__,
        error.message,
        error.error_type,
        error.data,
        None if cause is None else [type(cause).__name__, getattr(cause, "error_type", None)],
    ]


# -- steps ---------------------------------------------------------------------------------------------------------


@durable_execution
def step_fields(_event, context):
    try:
        context.step(fail, name="fails", config=ONCE)
    except StepError as error:
        return fields_of(error)


@durable_execution
def step_error_of_a_library(_event, context):
    def library(_):
        raise OperationOfOursError("no", error_type="library.No", data="42")

    try:
        context.step(library, name="fails", config=ONCE)
    except StepError as error:
        return fields_of(error)


@durable_execution
def step_retried_by_pattern(_event, context):
    seen = []

    def busy(step):
        seen.append(step.attempt)
        raise RejectedError("busy" if step.attempt == 1 else "closed")

    strategy = create_retry_strategy(
        RetryStrategyConfig(
            initial_delay=SECOND, retryable_errors=["nothing", re.compile("^bus")], jitter_strategy=JitterStrategy.NONE
        )
    )
    try:
        context.step(busy, name="busy", config=StepConfig(retry_strategy=strategy))
    except StepError as error:
        return fields_of(error)


@durable_execution
def step_retried_by_type(_event, context):
    def busy(step):
        raise (TimeoutError if step.attempt < 3 else KeyError)("busy")

    strategy = create_linear_retry_strategy(
        LinearRetryStrategyConfig(jitter_strategy=JitterStrategy.NONE, retryable_error_types=[TimeoutError])
    )
    try:
        context.step(busy, name="busy", config=StepConfig(retry_strategy=strategy))
    except StepError as error:
        return fields_of(error)


@durable_execution
def step_linear(_event, context):
    def late(step):
        if step.attempt < 4:
            fail()
        return step.attempt

    return context.step(late, name="late", config=StepConfig(retry_strategy=RetryPresets.linear()))


@durable_execution
def step_fixed(_event, context):
    strategy = RetryPresets.fixed(Duration.from_seconds(2))
    try:
        context.step(fail, name="late", config=StepConfig(retry_strategy=strategy))
    except StepError as error:
        return fields_of(error)


@durable_execution
def step_critical(_event, context):
    def late(step):
        if step.attempt < 6:
            fail()
        return step.attempt

    return context.step(late, name="late", config=StepConfig(retry_strategy=RetryPresets.critical()))


@durable_execution
def step_strategy_of_ones_own(_event, context):
    asked = []

    def strategy(error, attempts):
        asked.append([type(error).__name__, attempts])
        return RetryDecision.retry(Duration()) if attempts < 2 else RetryDecision.no_retry()

    try:
        context.step(fail, name="late", config=StepConfig(retry_strategy=strategy))
    except StepError:
        return asked


@durable_execution
def step_strategy_raises(_event, context):
    """The execution fails with the error of the strategy."""

    def strategy(error, attempts):
        raise LookupError(f"{type(error).__name__} {attempts}")

    context.step(fail, name="late", config=StepConfig(retry_strategy=strategy))


@durable_execution
def step_strategy_raises_and_is_caught(_event, context):
    try:
        context.step(fail, name="late", config=StepConfig(retry_strategy=raising(ExecutionError("no strategy"))))
    except ExecutionError as error:
        return [type(error).__name__, str(error)]


@durable_execution
def step_strategy_without_answer(_event, context):
    context.step(fail, name="late", config=StepConfig(retry_strategy=lambda *_: None))


@durable_execution
def step_strategy_raises_in_a_branch(_event, context):
    def work(branch, *_):
        branch.step(fail, name="late", config=StepConfig(retry_strategy=raising(KeyError("no strategy"))))

    return summary_of(context.map([1], work, "all"))


@durable_execution
def step_sub_type(_event, context):
    config = StepConfig(sub_type="Charge", step_semantics=StepSemantics.AT_MOST_ONCE_PER_RETRY)
    return context.step(lambda _: 1, name="charge", config=config)


@durable_execution
def step_invocation_error(_event, context):
    """In a step it is a failed attempt."""
    try:
        context.step(raising(InvocationError("later")), name="later", config=ONCE)
    except StepError as error:
        return fields_of(error)


@durable_execution
def step_execution_error(_event, context):
    """In a step too it fails the execution."""
    try:
        context.step(raising(ExecutionError("never")), name="never")
    except StepError:
        return "wrong"


@durable_execution
def step_validation_error(_event, context):
    try:
        context.step(lambda _: Duration(-1), name="wrong", config=ONCE)
    except StepError as error:
        return fields_of(error)


@durable_execution
def step_of_nothing(_event, context):
    return [context.step(lambda _: None), context.step(lambda _: [])]


@durable_step
def named(step: StepContext, left, *, right):
    return [step.attempt, left, right]


@durable_execution
def step_decorated(_event, context):
    return [
        context.step(named(1, right=2)),
        context.step(named(3, right=4), name="own"),
        context.step(named(5, right=6), ""),
    ]


def raising(error):
    def body(*_):
        raise error

    return body


# -- text formats --------------------------------------------------------------------------------------------------


class Shout(SerDes):
    """Writes texts in capitals."""

    def serialize(self, value, serdes_context):
        return f"{value.upper()}/{len(serdes_context.operation_id)}"

    def deserialize(self, data, serdes_context):
        return data


class Broken(SerDes):
    def serialize(self, value, serdes_context):
        raise ValueError("can't write")

    def deserialize(self, data, serdes_context):
        return data


class Refusing(Broken):
    def serialize(self, value, serdes_context):
        raise SerDesError("refused")


@durable_execution
def serdes_of_a_step(_event, context):
    return [
        context.step(lambda _: "quiet", name="shout", config=StepConfig(serdes=Shout())),
        context.step(lambda _: {"a": [1]}, name="json", config=StepConfig(serdes=JsonSerDes())),
        context.step(lambda _: "as it is", name="raw", config=StepConfig(serdes=PassThroughSerDes())),
    ]


@durable_execution
def serdes_odd_values(_event, context):
    """What the format takes, but doesn't keep."""
    first = context.step(lambda _: {1: "one", None: 2}, name="keys")
    second = context.step(lambda _: float("inf"), name="float")
    third = context.step(lambda _: (Decimal("1.0"), date(2026, 1, 2), b"x", {"t": 1, "v": 2}), name="tuple")
    return [sorted(first), str(second), str(third)]


@durable_execution
def serdes_without_tag(_event, context):
    try:
        context.step(lambda _: {1, 2}, name="set")
    except SerDesError as error:
        return [type(error).__name__, str(error).split("id:")[0]]


@durable_execution
def serdes_broken(_event, context):
    try:
        context.step(lambda _: 1, name="broken", config=StepConfig(serdes=Broken()))
    except SerDesError as error:
        return [type(error).__name__, str(error)]


@durable_execution
def serdes_fields(_event, context):
    found = []
    for body in (lambda _: {1, 2}, raising(SerDesError("refused"))):
        try:
            context.step(body, name="set")
        except SerDesError as error:
            found.append(fields_of(error))
    return found


@durable_execution
def serdes_refusing(_event, context):
    context.step(lambda _: 1, name="refusing", config=StepConfig(serdes=Refusing()))


@durable_execution
def serdes_away(_event, context):
    """The storage is away at first: Lambda invokes again."""
    tries = AWAY.setdefault(id(durable_execution), [])

    class Away(JsonSerDes):
        def serialize(self, value, serdes_context):
            tries.append(1)
            if len(tries) == 1:
                raise RetryableSerDesError("away")
            return super().serialize(value, serdes_context)

    return context.step(lambda _: "kept", name="away", config=StepConfig(serdes=Away()))


AWAY: dict[int, list[int]] = {}


class NotNow(JsonSerDes):
    def serialize(self, value, serdes_context):
        raise InvocationError("not now")


class NotReadNow(JsonSerDes):
    def deserialize(self, data, serdes_context):
        raise InvocationError("not now")


@durable_execution
def serdes_invocation_error(_event, context):
    """Only a `RetryableSerDesError` of a serdes asks for another invocation."""
    found = []
    for serdes in (NotNow(), NotReadNow()):
        try:
            context.step(lambda _: 1, name="away", config=StepConfig(serdes=serdes))
        except SerDesError as error:
            found.append([type(error).__name__, str(error)])
    return found


@durable_execution
def serdes_of_files(_event, context):
    preview = PreviewConfig(PreviewMode.INCLUDE_ALL, exclude=[PreviewField("b")], mask=[PreviewField("c")])
    always = FileSystemSerDes(
        MOUNT, FileSystemSerDesConfig(generate_preview=lambda value: build_preview(value, preview))
    )
    hashed = FileSystemSerDesConfig(FileSystemSerDesMode.OVERFLOW, FileSystemPathEncoding.HASH)
    small = FileSystemSerDes(MOUNT, hashed)
    return [
        context.step(lambda _: {"a": 1, "b": 2, "c": [{"d": 3}]}, name="file", config=StepConfig(serdes=always)),
        context.step(lambda _: "small", name="inline", config=StepConfig(serdes=small)),
        len(context.step(lambda _: "x" * 300_000, name="over", config=StepConfig(serdes=small))),
    ]


# -- waits and conditions ------------------------------------------------------------------------------------------


@durable_execution
def wait_too_short(_event, context):
    try:
        context.wait(Duration.from_seconds(0.9))
    except ValidationError as error:
        return str(error)


@durable_execution
def wait_of_all_units(_event, context):
    for span in (Duration.from_minutes(1.5), Duration.from_hours(1), Duration.from_days(1), Duration(seconds=2)):
        context.wait(span, name=f"{span.to_seconds()} s")
    return "later"


@durable_execution
def condition_strategy_of_ones_own(_event, context):
    asked = []

    def strategy(state, attempts):
        asked.append([state, attempts])
        if state == 3:
            return WaitForConditionDecision.stop_polling()
        return WaitForConditionDecision.continue_waiting(Duration.from_seconds(attempts - 1))

    found = context.wait_for_condition(
        lambda state, check: state + check.attempt - (check.attempt - 1), WaitForConditionConfig(strategy, 0), "poll"
    )
    return [found, asked[-1]]


@durable_execution
def condition_fields(_event, context):
    strategy = create_wait_strategy(
        WaitStrategyConfig(lambda _: True, max_attempts=2, initial_delay=SECOND, jitter_strategy=JitterStrategy.NONE)
    )
    try:
        context.wait_for_condition(lambda state, _: state, WaitForConditionConfig(strategy, "s", JsonSerDes()))
    except WaitForConditionError as error:
        return fields_of(error)


@durable_execution
def condition_check_raises(_event, context):
    try:
        context.wait_for_condition(fail, WaitForConditionConfig(lambda *_: None, 0), name="poll")
    except WaitForConditionError as error:
        return fields_of(error)


@durable_execution
def condition_execution_error(_event, context):
    try:
        context.wait_for_condition(
            raising(ExecutionError("never")), WaitForConditionConfig(lambda *_: None, 0), name="poll"
        )
    except WaitForConditionError as error:
        return fields_of(error)


@durable_execution
def condition_without_config(_event, context):
    found = []
    for arguments in ((None, WaitForConditionConfig(lambda *_: None, 0)), (fail, None)):
        try:
            context.wait_for_condition(*arguments)
        except ValidationError as error:
            found.append(str(error))
    return found


# -- callbacks and invokes -----------------------------------------------------------------------------------------


@durable_execution
def callback_options(_event, context):
    config = CallbackConfig(Duration.from_hours(1), Duration.from_minutes(2), JsonSerDes(), sub_type="Approval")
    callback = context.create_callback("approval", config)
    context.step(lambda _: len(callback.callback_id) > 0, name="ask")
    return callback.result()


@durable_execution
def callback_fields(_event, context):
    try:
        context.create_callback("approval").result()
    except CallbackExternalError as error:
        return fields_of(error)


@durable_execution
def callback_timeout_fields(_event, context):
    try:
        context.create_callback("approval", CallbackConfig(timeout=SECOND)).result()
    except CallbackTimeoutError as error:
        return [type(error).__name__, error.error_type, isinstance(error, CallbackError)]


@durable_wait_for_callback
def submit(callback_id, context, to):
    context.logger.info("submitted")
    return {"to": to, "known": bool(callback_id)}


@durable_execution
def asked_decorated(_event, context):
    config = WaitForCallbackConfig(Duration.from_hours(1), serdes=JsonSerDes(), retry_strategy=RetryPresets.none())
    return context.wait_for_callback(submit("ada"), config=config)


@durable_execution
def asked_and_refused(_event, context):
    try:
        context.wait_for_callback(submit("ada"), name="approval")
    except CallbackExternalError as error:
        return fields_of(error)


@durable_execution
def asked_in_vain_fields(_event, context):
    try:
        context.wait_for_callback(
            fail, name="approval", config=WaitForCallbackConfig(retry_strategy=RetryPresets.none())
        )
    except CallbackSubmitterError as error:
        return fields_of(error)


@durable_execution
def stock(event, context):
    context.wait(SECOND)
    if event.get("fails"):
        fail()
    return {"n": event["n"], "given": event}


@durable_execution
def invoke_fields(_event, context):
    try:
        context.invoke("stock:1", {"fails": True}, "ask", InvokeConfig(tenant_id="tenant-1"))
    except InvokeError as error:
        return fields_of(error)


@durable_execution
def invoke_formats(_event, context):
    class Wrapped(JsonSerDes):
        def serialize(self, value, _):
            return super().serialize({"n": value}, _)

        def deserialize(self, data, _):
            return ["answer", super().deserialize(data, _)]

    return context.invoke("stock:1", 5, config=InvokeConfig(serdes_payload=Wrapped(), serdes_result=Wrapped()))


# -- child contexts ------------------------------------------------------------------------------------------------


@durable_execution
def child_fields(_event, context):
    def inner(child):
        child.step(fail, name="fails", config=ONCE)

    def outer(child):
        child.run_in_child_context(inner, name="inner")

    found = []
    for func in (fail, inner, outer):
        try:
            context.run_in_child_context(func, name="child")
        except ChildContextError as error:
            found.append(fields_of(error))
    return found


@durable_execution
def child_virtual_fields(_event, context):
    def inner(child):
        child.step(fail, name="fails", config=ONCE)

    try:
        context.run_in_child_context(inner, name="child", config=ChildConfig(is_virtual=True))
    except ChildContextError as error:
        return fields_of(error)


@durable_execution
def child_options(_event, context):
    @durable_with_child_context
    def work(child, n, *, twice):
        return f"{child.step(lambda _: n * twice, name='work')}"

    return [
        context.run_in_child_context(work(1, twice=2)),
        context.run_in_child_context(work(2, twice=2), "own", ChildConfig(Shout(), "Group")),
        context.run_in_child_context(lambda child: child.is_virtual, config=ChildConfig(is_virtual=True)),
    ]


@durable_execution
def child_execution_error(_event, context):
    """It is not recorded by the context around it."""
    try:
        context.run_in_child_context(raising(ExecutionError("never")), name="child")
    except ChildContextError:
        return "wrong"


@durable_execution
def child_invocation_error(_event, context):
    """Lambda invokes again, and it goes on."""
    tries = AWAY.setdefault(-id(durable_execution), [])

    def body(child):
        child.step(lambda _: 1, name="before")
        tries.append(1)
        if len(tries) == 1:
            raise InvocationError("later")
        return "now"

    return context.run_in_child_context(body, name="child")


@durable_execution
def child_validation_error(_event, context):
    try:
        context.run_in_child_context(lambda child: child.wait(Duration()), name="child")
    except ChildContextError as error:
        return fields_of(error)


@durable_execution
def child_catches_all(_event, context):
    def body(child):
        child.step(fail, name="fails", config=ONCE)

    try:
        context.run_in_child_context(body, name="child")
    except DurableExecutionsError as error:
        return [isinstance(error, DurableOperationError), str(error)]


@durable_execution
def retried_without_context(_event, context):
    def attempt(inner, number):
        inner.step(lambda _: number, name=f"work-{number}")
        if number < 3:
            raise RejectedError(f"attempt {number}")
        return number

    fixed = RetryPresets.fixed(SECOND)
    return with_retry(context, attempt, WithRetryConfig(fixed, wrap_with_run_in_child_context=False), name="again")


@durable_execution
def retried_in_vain(_event, context):
    config = WithRetryConfig(RetryPresets.none(), child_context_config=ChildConfig(sub_type="Attempts"))
    try:
        with_retry(context, fail, config)
    except ChildContextError as error:
        return fields_of(error)


# -- fan-outs ------------------------------------------------------------------------------------------------------


def divide(branch, n, index, items):
    return branch.step(lambda _: [6 // n, index, len(items)], name="divide", config=ONCE)


def summary_of(found):
    return [
        found.completion_reason.value,
        found.status.value,
        [found.success_count, found.failure_count, found.started_count, found.total_count, found.has_failure],
        [[item.index, item.status.value, item.result] for item in found.all],
        [[error.type, error.message, error.data] for error in found.get_errors()],
        [len(found.succeeded()), len(found.failed()), len(found.started())],
        found.get_results(),
    ]


@durable_execution
def mapped_summary(_event, context):
    config = MapConfig(completion_config=CompletionConfig.all_completed())
    return summary_of(context.map([1, 0, 3], divide, "all", config))


@durable_execution
def mapped_tolerance(_event, context):
    config = MapConfig(1, CompletionConfig(tolerated_failure_count=1))
    return summary_of(context.map([1, 0, 0, 0, 3], divide, "all", config))


@durable_execution
def mapped_percentage(_event, context):
    config = MapConfig(1, CompletionConfig(tolerated_failure_percentage=30))
    return summary_of(context.map([0, 1, 2, 0, 3], divide, "all", config))


@durable_execution
def mapped_flat_failures(_event, context):
    config = MapConfig(completion_config=CompletionConfig.all_completed(), nesting_type=NestingType.FLAT)
    return summary_of(context.map([1, 0, 3], divide, "all", config))


@durable_execution
def mapped_by_rule(_event, context):
    def rule(status):
        if status.success_count >= 2 and status.items[0].status is BatchItemStatus.SUCCEEDED:
            return complete_batch()
        return continue_batch()

    config = MapConfig(
        1,
        CompletionConfig(should_complete=rule),
        item_namer=lambda n, index: f"{index}:{n}",
        nesting_type=NestingType.NESTED,
    )
    return summary_of(context.map([1, 0, 3, 2], divide, "all", config))


@durable_execution
def mapped_by_failing_rule(_event, context):
    def rule(status):
        return complete_batch(CompletionOutcome.FAILED) if status.completed_count else continue_batch()

    found = context.map([1, 2], divide, "all", MapConfig(1, CompletionConfig(should_complete=rule)))
    try:
        found.throw_if_error()
    except BatchCompletionError as error:
        return [summary_of(found), error.completion_reason.value, str(error)]


@durable_execution
def mapped_by_rule_about_statuses(_event, context):
    """A rule is not asked each time an item starts."""

    def rule(status):
        begun = [item.index for item in status.items if item.status is not None]
        return complete_batch() if 1 in begun else continue_batch()

    return summary_of(context.map([1, 2, 3], divide, "all", MapConfig(1, CompletionConfig(should_complete=rule))))


@durable_execution
def mapped_by_rule_without_answer(_event, context):
    config = MapConfig(1, CompletionConfig(should_complete=lambda _: None))
    return summary_of(context.map([1, 2], divide, "all", config))


@durable_execution
def mapped_generator(_event, context):
    return summary_of(context.map((n for n in (1, 2, 3)), lambda _, n, index, items: [n, index], "all"))


@durable_execution
def mapped_set_of_names(_event, context):
    config = MapConfig(item_namer=lambda key, index: f"{index} {key}")
    return summary_of(context.map({"a": 1, "b": 2}, lambda _, key, *__: key, "all", config))


@durable_execution
def mapped_thrown(_event, context):
    found = context.map([1, 0], divide, "all", MapConfig(1))
    try:
        found.throw_if_error()
    except ChildContextError as error:
        return fields_of(error)


@durable_execution
def mapped_formats(_event, context):
    config = MapConfig(item_serdes=JsonSerDes())
    found = context.map([1, 2], divide, "items", config)

    class Whole(JsonSerDes):
        def serialize(self, value, _):
            return super().serialize(value.to_dict(), _)

        def deserialize(self, data, _):
            return super().deserialize(data, _)

    whole = context.map([1], divide, "whole", MapConfig(serdes=Whole(), item_serdes=JsonSerDes()))
    return [found.get_results(), whole]


@durable_execution
def mapped_again(_event, context):
    """The result is read from its record after the wait."""
    found = context.map([3, 1, 2], divide, "all")
    context.wait(SECOND)
    copy = type(found).from_dict(found.to_dict())
    return [summary_of(found), copy == found]


@durable_execution
def mapped_large_summary(_event, context):
    def page(branch, n, _index, _items):
        return branch.step(lambda _: "x" * 100_000 * n, name="page")

    config = MapConfig(summary_generator=lambda found: f"{found.total_count} pages")
    found = context.map([1, 2, 3], page, "all", config)
    context.wait(SECOND)
    return [len(text) for text in found.get_results()]


@durable_execution
def mapped_too_few(_event, context):
    try:
        context.map([1], divide, "all", MapConfig(completion_config=CompletionConfig(min_successful=2)))
    except ValidationError as error:
        return str(error)


@durable_parallel_branch(name="fetch")
def fetch(branch: DurableContext, what):
    return branch.step(lambda _: what, name="load")


@durable_parallel_branch()
def unnamed(branch, what):
    return branch.step(lambda _: what, name="load")


@durable_execution
def parallel_names(_event, context):
    branches = [fetch("user"), fetch("orders"), unnamed("rest"), lambda branch: branch.step(lambda _: 4)]
    return summary_of(context.parallel(branches, "all", ParallelConfig(2)))


@durable_execution
def parallel_generator(_event, context):
    return summary_of(context.parallel((lambda _, n=n: n for n in (1, 2)), "all"))


@durable_execution
def parallel_options(_event, context):
    config = ParallelConfig(
        completion_config=CompletionConfig.all_completed(), nesting_type=NestingType.FLAT, item_serdes=JsonSerDes()
    )
    branches = [ParallelBranch(fail, "bad"), lambda branch: branch.step(lambda _: {"a": 1}), fail]
    return summary_of(context.parallel(branches, config=config))


@durable_execution
def parallel_nested(_event, context):
    def inner(branch):
        return branch.parallel([fetch("a"), fetch("b")]).get_results()

    return context.parallel([inner, inner], "outer").get_results()


# -- the context, the logger, the handler ---------------------------------------------------------------------------


class Lines(logging.Handler):
    def __init__(self):
        super().__init__()
        self.lines = []

    def emit(self, record):
        extra = ("operationName", "attempt")
        self.lines.append([record.getMessage(), *(getattr(record, name, None) for name in extra)])


@durable_execution
def logged(_event, context):
    """Each line comes out once, however often the code replays."""
    lines = LINES.setdefault(id(durable_execution), Lines())
    mine = logging.getLogger(f"durable-compat-{id(durable_execution)}")
    mine.handlers = []
    mine.setLevel(logging.DEBUG)
    mine.addHandler(lines)
    context.set_logger(mine)
    context.logger.info("begin %s", 1)
    context.step(lambda step: step.logger.info("in the step"), name="work")
    context.logger.warning("between", extra={"operationName": "extra"})
    context.wait(SECOND)
    context.run_in_child_context(lambda child: child.logger.error("in the child"), name="child")
    context.wait(SECOND)
    context.logger.debug("end")
    return lines.lines


LINES: dict[int, Lines] = {}


@durable_execution
def about_itself(event, context):
    before = context.is_replaying()
    context.step(lambda _: 1)
    context.wait(SECOND)
    arn = context.execution_context.durable_execution_arn
    return [event, before, context.is_replaying(), arn == context.state.durable_execution_arn, context.is_virtual]


@durable_execution
def no_input(event, _context):
    return event


@durable_execution
def result_not_json(_event, _context):
    return {1, 2}


@durable_execution
def result_odd(_event, context):
    return {"ü": (1, 2), 3: None, "nan": context.step(lambda _: 1.5)}


@durable_execution
def handler_fails(_event, _context):
    fail()


@durable_execution
def handler_fails_by_library(_event, _context):
    raise OperationOfOursError("no", data="42")


@durable_execution
def handler_invocation_error(_event, context):
    tries = AWAY.setdefault(id(handler_invocation_error), [])
    context.step(lambda _: 1, name="before")
    tries.append(1)
    if len(tries) == 1:
        raise InvocationError("later")
    return "now"


@durable_execution
def error_objects(_event, context):
    error = ErrorObject.from_exception(RejectedError("no"))
    return [error.to_dict(), ErrorObject.from_dict(error.to_dict()) == error, ErrorObject.from_message("m").to_dict()]


@durable_execution
def wrong_options(_event, _context):
    found = []
    for build in (
        lambda: Duration(-1),
        lambda: MapConfig(0),
        lambda: ParallelConfig(max_concurrency=-1),
        lambda: StepConfig(sub_type="no spaces"),
        lambda: ChildConfig(sub_type="x" * 33),
        lambda: CompletionConfig(min_successful=0),
        lambda: CompletionConfig(tolerated_failure_count=-1),
        lambda: CompletionConfig(tolerated_failure_percentage=101),
        lambda: CompletionConfig(should_complete=5),
        lambda: CompletionConfig(min_successful=1, should_complete=lambda _: continue_batch()),
    ):
        try:
            build()
        except ValidationError as error:
            found.append(str(error))
    return found
