"""The handlers of `official_handlers.py` in our words: what the official SDK has begun, these go on with.

What to mind is in docs/coming-from/official-sdk.md: the official SDK names an operation only when it is told to,
and ours after its function.
"""

from __future__ import annotations

from typing import Any

from powertools_durable import Completion, Nesting, Polling, Retry, StepSemantics, durable
from powertools_durable.errors import (
    CallbackError,
    CallbackSubmitterError,
    ChildContextError,
    InvokeError,
    StepError,
    WaitForConditionError,
)


class OutOfStockError(Exception):
    """What the business knows."""


HANDLERS: dict[str, Any] = {}


def equivalent(handler: Any) -> Any:
    HANDLERS[handler.__name__] = handler
    return handler


def fail(*_: object) -> None:
    raise OutOfStockError("out of stock")


def charge(order):
    return {"id": f"pay-{order['id']}", "total": order["total"]}


def double(n):
    return 2 * n


# -- steps ---------------------------------------------------------------------------------------------------------


@equivalent
@durable
def steps(order, ctx):
    payment = ctx.step(charge, order)
    parcel = ctx.step(lambda: f"parcel-{order['id']}", name="ship")
    return [payment["id"], parcel, ctx.step(lambda: 1)]


@equivalent
@durable
def step_values(event, ctx):
    for number in range(14):
        ctx.step(lambda: None, name=f"value-{number}")
    return "read"


@equivalent
@durable
def step_retried(event, ctx):
    return ctx.step(fail, name="try", retry=Retry.fixed(1))


@equivalent
@durable
def step_retry_running(event, ctx):
    return ctx.step(fail, name="try", retry=Retry.fixed(3600))


@equivalent
@durable
def step_running(event, ctx):
    ctx.step(double, 1)
    ctx.step(lambda: None, name="slow")
    ctx.step(double, 2, name="later")


@equivalent
@durable
def step_failed_and_caught(event, ctx):
    try:
        ctx.step(fail, name="label", retry=Retry.none())
    except StepError as error:
        return ctx.step(double, len(str(error)), name="excuse")


@equivalent
@durable
def execution_failed(order, ctx):
    ctx.step(charge, order)
    ctx.step(fail, name="label", retry=Retry.none())
    ctx.step(double, 1, name="never")


@equivalent
@durable
def step_at_most_once(event, ctx):
    return ctx.step(lambda: 1, name="once", semantics=StepSemantics.AT_MOST_ONCE, retry=Retry.none())


@equivalent
@durable
def step_interrupted(event, ctx):
    return ctx.step(lambda: "second", name="fragile", semantics=StepSemantics.AT_MOST_ONCE, retry=Retry.fixed(1))


# -- waits ---------------------------------------------------------------------------------------------------------


@equivalent
@durable
def waits(event, ctx):
    ctx.wait(1)
    ctx.step(double, 1)
    ctx.wait(1, name="cooling-off")
    return "done"


@equivalent
@durable
def wait_running(order, ctx):
    paid = ctx.step(charge, order)
    ctx.wait(3600, name="cooling-off")
    return ctx.step(lambda: f"parcel of {paid['id']}", name="ship")


def _poll(ctx, until: int, attempts: int = 60, delay: int = 1):
    polling = Polling(
        lambda state: state >= until, max_attempts=attempts, initial_delay=delay, backoff_rate=1, jitter="none"
    )
    return ctx.wait_for_condition(lambda state: state + 1, initial=0, polling=polling, name="poll")


@equivalent
@durable
def condition(event, ctx):
    return _poll(ctx, until=3)


@equivalent
@durable
def condition_exhausted(event, ctx):
    try:
        _poll(ctx, until=9, attempts=2)
    except WaitForConditionError:
        return ctx.step(lambda: "gave up", name="excuse")


@equivalent
@durable
def condition_running(event, ctx):
    _poll(ctx, until=9, delay=3600)


# -- callbacks -----------------------------------------------------------------------------------------------------


@equivalent
@durable
def callback(event, ctx):
    approval = ctx.create_callback(name="approval", timeout=600)
    ctx.step(lambda: approval.callback_id != "", name="ask")
    return approval.result()


@equivalent
@durable
def callback_failed(event, ctx):
    try:
        ctx.create_callback(name="approval").result()
    except CallbackError as error:
        words = str(error)
        return ctx.step(lambda: words, name="excuse")


@equivalent
@durable
def callback_timed_out(event, ctx):
    try:
        ctx.create_callback(name="approval", timeout=1).result()
    except CallbackError:
        return ctx.step(lambda: "nobody", name="excuse")


@equivalent
@durable
def callback_running(event, ctx):
    approval = ctx.create_callback(name="approval")
    ctx.step(double, 1)
    return approval.result()


def ask(callback_id: str) -> None: ...


@equivalent
@durable
def asked(event, ctx):
    return ctx.wait_for_callback(ask, name="approval", timeout=600)


@equivalent
@durable
def asked_unnamed(event, ctx):
    return ctx.wait_for_callback(ask, name="")


@equivalent
@durable
def asked_in_vain(event, ctx):
    try:
        ctx.wait_for_callback(fail, name="approval", retry=Retry.none())
    except CallbackSubmitterError:
        return ctx.step(lambda: "could not ask", name="excuse")


@equivalent
@durable
def asked_running(event, ctx):
    return ctx.wait_for_callback(ask, name="approval")


# -- invokes -------------------------------------------------------------------------------------------------------


@equivalent
@durable
def invoke(event, ctx):
    found = ctx.invoke("stock:1", {"n": event["n"]}, name="ask-stock")
    return ctx.step(double, found)


@equivalent
@durable
def invoke_failed(event, ctx):
    try:
        ctx.invoke("stock:1", {"fails": True}, name="ask-stock")
    except InvokeError as error:
        words = str(error)
        return ctx.step(lambda: words, name="excuse")


@equivalent
@durable
def invoke_of_nothing(event, ctx):
    try:
        ctx.invoke("nothing:1", name="ask-nothing")
    except InvokeError:
        return ctx.step(lambda: "no such function", name="excuse")


@equivalent
@durable
def invoke_running(event, ctx):
    return ctx.invoke("stock:1", {"forever": True}, name="ask-stock")


# -- child contexts ------------------------------------------------------------------------------------------------


def prepare(child, n):
    first = child.step(double, n, name="first")
    child.wait(1, name="rest")
    return first + child.step(double, n, name="second")


@equivalent
@durable
def child(event, ctx):
    return ctx.run_in_child_context(prepare, 3) + ctx.step(double, 1)


@equivalent
@durable
def child_nested(event, ctx):
    return ctx.run_in_child_context(lambda outer: outer.run_in_child_context(prepare, 1, name="inner"), name="outer")


@equivalent
@durable
def child_failed(event, ctx):
    def broken(inner):
        inner.step(double, 1)
        fail()

    try:
        ctx.run_in_child_context(broken)
    except ChildContextError:
        return ctx.step(lambda: "caught", name="excuse")


@equivalent
@durable
def child_running(event, ctx):
    def long(inner):
        inner.step(double, 1, name="first")
        inner.wait(3600, name="rest")
        return inner.step(double, 2, name="second")

    ctx.step(double, 0, name="before")
    return ctx.run_in_child_context(long)


def large(inner):
    inner.step(double, 1, name="seed")
    return "x" * 300_000


@equivalent
@durable
def child_large(event, ctx):
    text = ctx.run_in_child_context(large)
    ctx.wait(1)
    return len(text)


@equivalent
@durable
def child_large_running(event, ctx):
    text = ctx.run_in_child_context(large, summary=lambda text: f"{len(text)} characters")
    ctx.wait(3600)
    return len(text)


@equivalent
@durable
def child_virtual(event, ctx):
    return ctx.run_in_child_context(prepare, 3, name="inner", virtual=True)


@equivalent
@durable
def retried_together(event, ctx):
    tried: list[int] = []

    def attempt(inner):
        tried.append(len(tried) + 1)
        inner.step(double, tried[-1], name="work")
        if tried[-1] < 2:
            fail()
        return tried[-1]

    return ctx.with_retry(attempt, retry=Retry.fixed(1), name="attempts")


# -- fan-outs ------------------------------------------------------------------------------------------------------


def item(branch, n):
    branch.wait(n + 1)
    return branch.step(double, n)


def divide(branch, n):
    return branch.step(lambda: 6 // n, name="divide", retry=Retry.none())


@equivalent
@durable
def mapped(items, ctx):
    return list(ctx.map(item, items, name="all").results)


@equivalent
@durable
def mapped_flat(items, ctx):
    return list(ctx.map(item, items, name="all", nesting=Nesting.FLAT, max_concurrency=2).results)


@equivalent
@durable
def mapped_early(items, ctx):
    found = ctx.map(
        divide,
        items,
        name="all",
        max_concurrency=1,
        completion=Completion(min_successful=2),
        item_name=lambda n, index: f"part-{index}-of-{n}",
    )
    return [found.completion_reason, *found.results]


@equivalent
@durable
def mapped_with_failures(items, ctx):
    found = ctx.map(divide, items, name="all", completion=Completion.all_completed())
    return [found.failure_count, *found.results]


@equivalent
@durable
def mapped_in_vain(items, ctx):
    ctx.map(divide, items, name="all", max_concurrency=1).raise_if_failed()


@equivalent
@durable
def mapped_large(items, ctx):
    found = ctx.map(
        lambda branch, n: branch.step(lambda: "x" * 100_000, name="page"), items, name="all", nesting=Nesting.FLAT
    )
    ctx.wait(1)
    return [len(text) for text in found.results]


@equivalent
@durable
def mapped_large_early(items, ctx):
    def page(branch, n):
        if n == 0:
            branch.wait(3600)
        return branch.step(lambda: "x" * 150_000, name="page")

    found = ctx.map(page, items, name="all", completion=Completion(min_successful=2))
    ctx.wait(3600, name="pause")
    return [len(text) for text in found.results]


@equivalent
@durable
def mapped_nothing(event, ctx):
    return list(ctx.map(item, [], name="all").results)


@equivalent
@durable
def mapped_in_map(groups, ctx):
    def group(branch, items):
        return sum(branch.map(item, items, name="items").results)

    return sum(ctx.map(group, groups, name="groups").results)


@equivalent
@durable
def parallel(event, ctx):
    branches = {"left": lambda branch: branch.step(double, 1), "right": lambda branch: item(branch, 0)}
    return list(ctx.parallel(branches, name="both").results)


@equivalent
@durable
def parallel_first(event, ctx):
    def slow(branch):
        branch.step(double, 5, name="begin")
        branch.wait(3600)

    found = ctx.parallel([slow, lambda branch: item(branch, 0)], name="race", completion=Completion.first_successful())
    return ctx.step(lambda: list(found.results), name="winner")


@equivalent
@durable
def parallel_running(event, ctx):
    def waiting(branch):
        branch.step(double, 1, name="begin")
        branch.wait(3600, name="rest")
        return branch.step(double, 2, name="end")

    found = ctx.parallel(
        [
            lambda branch: branch.step(double, 7),
            waiting,
            lambda branch: branch.wait_for_callback(ask, name="approval"),
            lambda branch: branch.step(fail, name="try", retry=Retry.fixed(3600)),
        ],
        name="four",
    )
    return list(found.results)


# -- composed ------------------------------------------------------------------------------------------------------


@equivalent
@durable
def order_flow(order, ctx):
    payment = ctx.step(charge, order)
    answer = ctx.wait_for_callback(ask, name="approval")
    ctx.wait(1, name="cooling-off")
    parcels = ctx.map(
        lambda branch, part: branch.step(lambda: f"{part[1]} {part[0]}", name="send"),
        list(enumerate(["cup", "pot"])),
        name="parcels",
    )
    return {"payment": payment["id"], "answer": answer, "parcels": list(parcels.results)}
