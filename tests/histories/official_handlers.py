"""Handlers of the official SDK, which `record_official.py` deploys to its emulator. No test imports them.

`official_equivalents.py` says each of them in our words.
"""

from __future__ import annotations

import os
import time
import uuid
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

from aws_durable_execution_sdk_python import (
    CallbackError,
    CallbackSubmitterError,
    ChildContextError,
    InvokeError,
    ParallelBranch,
    StepError,
    WaitForConditionError,
    WithRetryConfig,
    durable_execution,
    durable_step,
    durable_with_child_context,
    with_retry,
)
from aws_durable_execution_sdk_python.config import (
    CallbackConfig,
    ChildConfig,
    CompletionConfig,
    Duration,
    JitterStrategy,
    MapConfig,
    NestingType,
    ParallelConfig,
    StepConfig,
    StepSemantics,
    WaitForCallbackConfig,
)
from aws_durable_execution_sdk_python.retries import RetryPresets, RetryStrategyConfig, create_retry_strategy
from aws_durable_execution_sdk_python.waits import WaitForConditionConfig, WaitStrategyConfig, create_wait_strategy


class OutOfStockError(Exception):
    """What the business knows."""


def seconds(count):
    return Duration.from_seconds(count)


def every(delay, attempts):
    return create_retry_strategy(
        RetryStrategyConfig(
            max_attempts=attempts,
            initial_delay=seconds(delay),
            max_delay=seconds(delay),
            backoff_rate=1,
            jitter_strategy=JitterStrategy.NONE,
        )
    )


ONCE = StepConfig(retry_strategy=RetryPresets.none())


def fail(*_):
    raise OutOfStockError("out of stock")


@durable_step
def charge(_step, order):
    return {"id": f"pay-{order['id']}", "total": order["total"]}


@durable_step
def double(_step, n):
    return 2 * n


# -- steps ---------------------------------------------------------------------------------------------------------


@durable_execution
def steps(event, context):
    payment = context.step(charge(event))
    parcel = context.step(lambda _: f"parcel-{event['id']}", name="ship")
    return [payment["id"], parcel, context.step(lambda _: 1)]


@durable_execution
def step_values(_event, context):
    """One step for each kind of value that the SDK's own format has."""
    for number, value in enumerate(
        (
            *(None, True, 7, -1.5, "ü 𝄞", [1, [2, "a"]]),
            *((1, (2.5, "b")), [None, (1,)], {"a": {"b": [None, 1]}}, b"\x00\xff"),
            *(Decimal("1.10"), datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), date(2026, 1, 2)),
            uuid.UUID("12345678-1234-5678-1234-567812345678"),
        )
    ):
        context.step(lambda _, value=value: value, name=f"value-{number}")
    return "read"


@durable_execution
def step_retried(_event, context):
    def at_third(step):
        if step.attempt < 3:
            raise OSError("not yet")
        return step.attempt

    return context.step(at_third, name="try", config=StepConfig(retry_strategy=every(1, 3)))


@durable_execution
def step_retry_running(_event, context):
    return context.step(fail, name="try", config=StepConfig(retry_strategy=every(3600, 3)))


@durable_execution
def step_running(_event, context):
    """Recorded while its second step runs."""
    context.step(double(1))
    context.step(lambda _: time.sleep(3), name="slow")
    context.step(double(2), name="later")


@durable_execution
def step_failed_and_caught(_event, context):
    try:
        context.step(fail, name="label", config=ONCE)
    except StepError as error:
        return context.step(double(len(str(error))), name="excuse")


@durable_execution
def execution_failed(event, context):
    context.step(charge(event))
    context.step(fail, name="label", config=ONCE)
    context.step(double(1), name="never")


@durable_execution
def step_at_most_once(_event, context):
    config = StepConfig(step_semantics=StepSemantics.AT_MOST_ONCE_PER_RETRY, retry_strategy=RetryPresets.none())
    return context.step(lambda _: 1, name="once", config=config)


@durable_execution
def step_interrupted(_event, context):
    """The process dies in its first attempt; the second one ends."""

    def die_at_first(_):
        died = Path("died")
        if not died.exists():
            died.touch()
            os._exit(1)
        return "second"

    config = StepConfig(step_semantics=StepSemantics.AT_MOST_ONCE_PER_RETRY, retry_strategy=every(1, 2))
    return context.step(die_at_first, name="fragile", config=config)


# -- waits ---------------------------------------------------------------------------------------------------------


@durable_execution
def waits(_event, context):
    context.wait(seconds(1))
    context.step(double(1))
    context.wait(seconds(1), name="cooling-off")
    return "done"


@durable_execution
def wait_running(event, context):
    paid = context.step(charge(event))
    context.wait(seconds(3600), name="cooling-off")
    return context.step(lambda _: f"parcel of {paid['id']}", name="ship")


@durable_execution
def condition(_event, context):
    return context.wait_for_condition(
        lambda state, _: state + 1,
        WaitForConditionConfig(wait_strategy=polling(until=3), initial_state=0),
        name="poll",
    )


@durable_execution
def condition_exhausted(_event, context):
    try:
        context.wait_for_condition(
            lambda state, _: state + 1,
            WaitForConditionConfig(wait_strategy=polling(until=9, attempts=2), initial_state=0),
            name="poll",
        )
    except WaitForConditionError:
        return context.step(lambda _: "gave up", name="excuse")


@durable_execution
def condition_running(_event, context):
    context.wait_for_condition(
        lambda state, _: state + 1,
        WaitForConditionConfig(wait_strategy=polling(until=9, delay=3600), initial_state=0),
        name="poll",
    )


def polling(until, attempts=60, delay=1):
    return create_wait_strategy(
        WaitStrategyConfig(
            should_continue_polling=lambda state: state < until,
            max_attempts=attempts,
            initial_delay=seconds(delay),
            backoff_rate=1,
            max_delay=seconds(delay),
            jitter_strategy=JitterStrategy.NONE,
        )
    )


# -- callbacks -----------------------------------------------------------------------------------------------------


@durable_execution
def callback(_event, context):
    approval = context.create_callback(name="approval", config=CallbackConfig(timeout=seconds(600)))
    context.step(lambda _: approval.callback_id != "", name="ask")
    return approval.result()


@durable_execution
def callback_failed(_event, context):
    try:
        context.create_callback(name="approval").result()
    except CallbackError as error:
        words = str(error)
        return context.step(lambda _: words, name="excuse")


@durable_execution
def callback_timed_out(_event, context):
    try:
        context.create_callback(name="approval", config=CallbackConfig(timeout=seconds(1))).result()
    except CallbackError:
        return context.step(lambda _: "nobody", name="excuse")


@durable_execution
def callback_running(_event, context):
    approval = context.create_callback(name="approval")
    context.step(double(1))
    return approval.result()


@durable_execution
def asked(_event, context):
    return context.wait_for_callback(
        lambda _id, _: None, name="approval", config=WaitForCallbackConfig(timeout=seconds(600))
    )


@durable_execution
def asked_unnamed(_event, context):
    return context.wait_for_callback(lambda _id, _: None)


@durable_execution
def asked_in_vain(_event, context):
    """The submitter fails."""
    try:
        context.wait_for_callback(
            fail, name="approval", config=WaitForCallbackConfig(retry_strategy=RetryPresets.none())
        )
    except CallbackSubmitterError:
        return context.step(lambda _: "could not ask", name="excuse")


@durable_execution
def asked_running(_event, context):
    return context.wait_for_callback(lambda _id, _: None, name="approval")


# -- invokes -------------------------------------------------------------------------------------------------------


@durable_execution
def stock(event, context):
    """Invoked by the others; no history of its own is kept."""
    context.wait(seconds(1))
    if event.get("fails"):
        fail()
    if event.get("forever"):
        context.wait(seconds(3600))
    return event["n"] * 10


@durable_execution
def invoke(event, context):
    found = context.invoke("stock:1", {"n": event["n"]}, name="ask-stock")
    return context.step(double(found))


@durable_execution
def invoke_failed(_event, context):
    try:
        context.invoke("stock:1", {"fails": True}, name="ask-stock")
    except InvokeError as error:
        words = str(error)
        return context.step(lambda _: words, name="excuse")


@durable_execution
def invoke_of_nothing(_event, context):
    try:
        context.invoke("nothing:1", None, name="ask-nothing")
    except InvokeError:
        return context.step(lambda _: "no such function", name="excuse")


@durable_execution
def invoke_running(_event, context):
    return context.invoke("stock:1", {"forever": True}, name="ask-stock")


# -- child contexts ------------------------------------------------------------------------------------------------


@durable_with_child_context
def prepare(child, n):
    first = child.step(double(n), name="first")
    child.wait(seconds(1), name="rest")
    return first + child.step(double(n), name="second")


@durable_execution
def child(_event, context):
    return context.run_in_child_context(prepare(3)) + context.step(double(1))


@durable_execution
def child_nested(_event, context):
    def outer(inner):
        return inner.run_in_child_context(prepare(1), name="inner")

    return context.run_in_child_context(outer, name="outer")


@durable_execution
def child_failed(_event, context):
    def broken(inner):
        inner.step(double(1))
        fail()

    try:
        context.run_in_child_context(broken, name="broken")
    except ChildContextError:
        return context.step(lambda _: "caught", name="excuse")


@durable_execution
def child_running(_event, context):
    def long(inner):
        inner.step(double(1), name="first")
        inner.wait(seconds(3600), name="rest")
        return inner.step(double(2), name="second")

    context.step(double(0), name="before")
    return context.run_in_child_context(long, name="long")


def large(inner):
    inner.step(double(1), name="seed")
    return "x" * 300_000


@durable_execution
def child_large(_event, context):
    text = context.run_in_child_context(large, name="large")
    context.wait(seconds(1))
    return len(text)


@durable_execution
def child_large_running(_event, context):
    config = ChildConfig(summary_generator=lambda text: f"{len(text)} characters")
    text = context.run_in_child_context(large, name="large", config=config)
    context.wait(seconds(3600))
    return len(text)


@durable_execution
def child_virtual(_event, context):
    return context.run_in_child_context(prepare(3), name="inner", config=ChildConfig(is_virtual=True))


@durable_execution
def retried_together(_event, context):
    def attempt(inner, number):
        inner.step(double(number), name="work")
        if number < 2:
            fail()
        return number

    return with_retry(context, attempt, WithRetryConfig(retry_strategy=every(1, 3)), name="attempts")


# -- fan-outs ------------------------------------------------------------------------------------------------------


def item(branch, n, _index, _items):
    branch.wait(seconds(n + 1))
    return branch.step(double(n))


@durable_execution
def mapped(event, context):
    return context.map(event, item, name="all").get_results()


@durable_execution
def mapped_flat(event, context):
    config = MapConfig(nesting_type=NestingType.FLAT, max_concurrency=2)
    return context.map(event, item, name="all", config=config).get_results()


@durable_execution
def mapped_early(event, context):
    """Enough succeed before all have begun."""

    def divide(branch, n, _index, _items):
        return branch.step(lambda _: 6 // n, name="divide", config=ONCE)

    config = MapConfig(
        max_concurrency=1,
        completion_config=CompletionConfig(min_successful=2),
        item_namer=lambda n, index: f"part-{index}-of-{n}",
    )
    found = context.map(event, divide, name="all", config=config)
    return [found.completion_reason.value, *found.get_results()]


@durable_execution
def mapped_with_failures(event, context):
    def divide(branch, n, _index, _items):
        return branch.step(lambda _: 6 // n, name="divide", config=ONCE)

    found = context.map(event, divide, name="all", config=MapConfig(completion_config=CompletionConfig.all_completed()))
    return [found.failure_count, *found.get_results()]


@durable_execution
def mapped_in_vain(event, context):
    """The first failure ends it, and the execution."""

    def divide(branch, n, _index, _items):
        return branch.step(lambda _: 6 // n, name="divide", config=ONCE)

    found = context.map(event, divide, name="all", config=MapConfig(max_concurrency=1))
    found.throw_if_error()


@durable_execution
def mapped_large(event, context):
    def page(branch, _n, _index, _items):
        return branch.step(lambda _: "x" * 100_000, name="page")

    found = context.map(event, page, name="all", config=MapConfig(nesting_type=NestingType.FLAT))
    context.wait(seconds(1))
    return [len(text) for text in found.get_results()]


@durable_execution
def mapped_large_early(event, context):
    """Large, and cut off: what is rebuilt is what was decided."""

    def page(branch, n, _index, _items):
        if n == 0:
            branch.wait(seconds(3600))
        return branch.step(lambda _: "x" * 150_000, name="page")

    config = MapConfig(completion_config=CompletionConfig(min_successful=2))
    found = context.map(event, page, name="all", config=config)
    context.wait(seconds(3600), name="pause")
    return [len(text) for text in found.get_results()]


@durable_execution
def mapped_nothing(_event, context):
    return context.map([], item, name="all").get_results()


@durable_execution
def mapped_in_map(event, context):
    def group(branch, items, _index, _items):
        return sum(branch.map(items, item, name="items").get_results())

    return sum(context.map(event, group, name="groups").get_results())


@durable_execution
def parallel(_event, context):
    found = context.parallel(
        [
            ParallelBranch(func=lambda branch: branch.step(double(1)), name="left"),
            ParallelBranch(func=lambda branch: item(branch, 0, 0, []), name="right"),
        ],
        name="both",
    )
    return found.get_results()


@durable_execution
def parallel_first(_event, context):
    """The first answer ends it; the other branch is cut off in the middle."""

    def slow(branch):
        branch.step(double(5), name="begin")
        branch.wait(seconds(3600))

    found = context.parallel(
        [slow, lambda branch: item(branch, 0, 0, [])],
        name="race",
        config=ParallelConfig(completion_config=CompletionConfig.first_successful()),
    )
    return context.step(lambda _: found.get_results(), name="winner")


@durable_execution
def parallel_running(_event, context):
    """One branch is done, one waits, one is to be answered, one is to be tried again."""

    def waiting(branch):
        branch.step(double(1), name="begin")
        branch.wait(seconds(3600), name="rest")
        return branch.step(double(2), name="end")

    found = context.parallel(
        [
            lambda branch: branch.step(double(7)),
            waiting,
            lambda branch: branch.wait_for_callback(lambda _id, _: None, name="approval"),
            lambda branch: branch.step(fail, name="try", config=StepConfig(retry_strategy=every(3600, 2))),
        ],
        name="four",
    )
    return found.get_results()


# -- composed ------------------------------------------------------------------------------------------------------


@durable_execution
def order_flow(event, context):
    payment = context.step(charge(event))
    answer = context.wait_for_callback(lambda _id, _: None, name="approval")
    context.wait(seconds(1), name="cooling-off")

    def send(branch, part, index, _items):
        return branch.step(lambda _: f"{part} {index}", name="send")

    parcels = context.map(["cup", "pot"], send, name="parcels")
    return {"payment": payment["id"], "answer": answer, "parcels": parcels.get_results()}
