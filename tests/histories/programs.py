"""One handler for each thing that can be recorded. `record.py` writes their histories, the tests replay them.

A history that is in this folder is a promise to executions that run: when a test fails here, it is the engine that
must be made right, not the history.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from pydantic import BaseModel

from powertools_durable import (
    Completion,
    Nesting,
    Polling,
    Retry,
    StepSemantics,
    current_step,
    durable,
)
from powertools_durable.errors import CallbackError, ChildContextError, InvokeError, StepError
from powertools_durable.testing import SimulatedRun, Simulator


@dataclass
class Program:
    """A handler, its input, and how far it is brought."""

    name: str
    handler: Any
    event: Any = None
    functions: dict[str, Callable[..., Any]] = field(default_factory=dict)
    act: Callable[[SimulatedRun], object] = SimulatedRun.finish

    def run(self) -> SimulatedRun:
        run = Simulator(self.handler, functions=self.functions).start(self.event, name=self.name.replace(".", "-"))
        self.act(run)
        return run


PROGRAMS: dict[str, Program] = {}


def program(event: Any = None, *, act: Any = SimulatedRun.finish, **functions: Any) -> Any:
    def add(handler: Any) -> Any:
        name = handler.__name__
        PROGRAMS[name] = Program(name, handler, event, functions, act)
        return handler

    return add


def as_it_is(_run: SimulatedRun) -> None:
    """Leave it where it waits."""


def charge(order: dict[str, Any]) -> dict[str, Any]:
    return {"id": f"pay-{order['id']}", "total": order["total"]}


def ship(order: dict[str, Any]) -> str:
    return f"parcel-{order['id']}"


def double(n: int) -> int:
    return 2 * n


ORDER = {"id": 7, "total": 30}


def fail(*_: object) -> None:
    message = "out of stock"
    raise ValueError(message)


def fail_at_first() -> int:
    step = current_step()
    if step.attempt < 3:
        message = "not yet"
        raise OSError(message)
    return step.attempt


# -- one record each -----------------------------------------------------------------------------------------------


@program(ORDER)
@durable
def steps(order, ctx):
    payment = ctx.step(charge, order)
    parcel = ctx.step(ship, order, name="send")
    return [payment["id"], parcel]


@program(ORDER)
@durable
def unnamed_steps(order, ctx):
    return [ctx.step(lambda: 1), ctx.step(lambda: 2, name="")]


@program()
@durable
def step_values(event, ctx):
    """Every kind of value the tagged format has."""
    ctx.step(lambda: None, name="nothing")
    ctx.step(lambda: b"\x00\xff", name="bytes")
    ctx.step(lambda: (1, 2.5, {"a", "b"}), name="nested")
    moment = ctx.now()
    return [str(ctx.uuid4()) != "", moment > datetime.min.replace(tzinfo=moment.tzinfo)]


class Payment(BaseModel):
    id: str
    at: datetime


@program()
@durable
def typed_steps(event, ctx):
    def pay() -> Payment:
        return Payment(id="p-1", at=datetime.fromisoformat("2026-01-01T00:00:00+00:00"))

    payment = ctx.step(pay)
    return ctx.step(lambda: payment.at.year, name="year")


@program()
@durable
def retried_step(event, ctx):
    return ctx.step(fail_at_first, retry=Retry.fixed(5))


@program(act=as_it_is)
@durable
def retry_pending(event, ctx):
    return ctx.step(fail_at_first, retry=Retry.fixed(500))


@program()
@durable
def failed_step(event, ctx):
    ctx.step(fail, retry=Retry.none())


@program()
@durable
def caught_failure(event, ctx):
    try:
        ctx.step(fail, retry=Retry.none())
    except StepError as error:
        kind = error.error_type
        return ctx.step(lambda: kind, name="excuse")


@program()
@durable
def at_most_once_step(event, ctx):
    return ctx.step(lambda: 1, name="once", semantics=StepSemantics.AT_MOST_ONCE)


@program()
@durable
def waits(event, ctx):
    ctx.wait(5)
    ctx.wait(timedelta(days=3), name="cooling-off")
    ctx.wait_until(ctx.started_at + timedelta(days=10), name="month-end")
    return "done"


@program(act=as_it_is)
@durable
def wait_running(event, ctx):
    ctx.step(double, 1)
    ctx.wait(3600, name="pause")
    ctx.step(double, 2, name="later")


@program(act=lambda run: run.callback("approval").succeed({"approved": True}))
@durable
def callback(event, ctx):
    approval = ctx.create_callback(name="approval", timeout=3600)
    ctx.step(lambda: approval.callback_id != "", name="ask")
    return approval.result()


@program(act=lambda run: run.callback("approval").fail("no"))
@durable
def callback_failed(event, ctx):
    try:
        return ctx.create_callback(name="approval").result()
    except CallbackError as error:
        words = str(error)
        return ctx.step(lambda: words, name="excuse")


@program(act=lambda run: run.advance(100))
@durable
def callback_timed_out(event, ctx):
    try:
        return ctx.create_callback(name="approval", timeout=60).result()
    except CallbackError:
        return ctx.step(lambda: "nobody", name="excuse")


@program(act=as_it_is)
@durable
def callback_running(event, ctx):
    approval = ctx.create_callback(name="approval")
    ctx.step(double, 1)
    return approval.result()


@program(act=lambda run: run.callback("ask").succeed("yes"))
@durable
def wait_for_callback(event, ctx):
    return ctx.wait_for_callback(lambda callback_id: None, name="ask", timeout=3600)


@program(act=as_it_is)
@durable
def wait_for_callback_running(event, ctx):
    return ctx.wait_for_callback(lambda callback_id: None, name="ask")


@program()
@durable
def wait_for_condition(event, ctx):
    return ctx.wait_for_condition(
        lambda n: n + 1, initial=0, polling=Polling(lambda n: n >= 3, initial_delay=5), name="poll"
    )


@program(act=as_it_is)
@durable
def wait_for_condition_running(event, ctx):
    return ctx.wait_for_condition(
        lambda n: n + 1, initial=0, polling=Polling(lambda n: n >= 3, initial_delay=5), name="poll"
    )


@program({"n": 4}, stock=lambda event: event["n"] * 10)
@durable
def invoke(event, ctx):
    return ctx.invoke("stock", {"n": event["n"]}, name="ask-stock", tenant_id="tenant-1")


@program(stock=fail)
@durable
def invoke_failed(event, ctx):
    try:
        return ctx.invoke("stock", {}, name="ask-stock")
    except InvokeError as error:
        kind = error.error_type
        return ctx.step(lambda: kind, name="excuse")


@durable
def _forever(event, ctx):
    ctx.create_callback(name="never").result()


@program(act=as_it_is, stock=_forever)
@durable
def invoke_running(event, ctx):
    return ctx.invoke("stock", {}, name="ask-stock")


# -- with operations inside ----------------------------------------------------------------------------------------


def _two_steps(child, n):
    a = child.step(double, n, name="first")
    child.wait(5)
    return a + child.step(double, n, name="second")


@program()
@durable
def child_context(event, ctx):
    return ctx.run_in_child_context(_two_steps, 3, name="inner") + ctx.step(double, 1, name="outer")


@program()
@durable
def nested_contexts(event, ctx):
    def inner(child):
        return child.run_in_child_context(_two_steps, 1, name="inner")

    return ctx.run_in_child_context(inner, name="outer")


@program()
@durable
def failed_context(event, ctx):
    def inner(child):
        child.step(double, 1)
        fail()

    try:
        ctx.run_in_child_context(inner, name="inner")
    except ChildContextError:
        return ctx.step(lambda: "caught", name="excuse")


def _large(child):
    child.step(double, 1, name="seed")
    return "x" * 300_000


@program()
@durable
def large_child(event, ctx):
    text = ctx.run_in_child_context(_large, name="large")
    ctx.wait(5)
    return len(text)


@program(act=as_it_is)
@durable
def large_child_running(event, ctx):
    text = ctx.run_in_child_context(_large, name="large", summary=lambda text: f"{len(text)} characters")
    ctx.wait(500)
    return len(text)


@program()
@durable
def virtual_context(event, ctx):
    return ctx.run_in_child_context(_two_steps, 3, name="inner", virtual=True)


@program()
@durable
def with_retry(event, ctx):
    def attempt(child):
        child.step(double, 1)
        fail()

    try:
        ctx.with_retry(attempt, retry=Retry(max_attempts=2, initial_delay=5, jitter="none"), name="attempts")
    except ChildContextError:
        return ctx.step(lambda: "gave up", name="excuse")


def _item(child, item):
    child.wait(item + 1)
    return child.step(double, item)


@program([1, 2, 3])
@durable
def map_nested(items, ctx):
    return list(ctx.map(_item, items, name="all").results)


@program([1, 2, 3])
@durable
def map_flat(items, ctx):
    return list(ctx.map(_item, items, name="all", nesting=Nesting.FLAT, max_concurrency=2).results)


@program([1, 2, 3, 4], act=lambda run: run.advance(3))
@durable
def map_running(items, ctx):
    return list(ctx.map(_item, items, name="all", max_concurrency=2).results)


@program([0, 1, 2])
@durable
def map_with_failures(items, ctx):
    def item(child, n):
        return child.step(lambda: 6 // n, name="divide", retry=Retry.none())

    found = ctx.map(item, items, name="all", completion=Completion.all_completed())
    return [found.failure_count, *found.results]


@program([0, 1, 2])
@durable
def map_flat_with_failures(items, ctx):
    def item(child, n):
        return child.step(lambda: 6 // n, name="divide", retry=Retry.none())

    found = ctx.map(item, items, name="all", completion=Completion.all_completed(), nesting=Nesting.FLAT)
    return [found.failure_count, *found.results]


@program([1, 2, 3])
@durable
def large_map(items, ctx):
    found = ctx.map(lambda child, n: child.step(lambda: "x" * 100_000, name="page"), items, name="all")
    ctx.wait(5)
    return [len(text) for text in found.results]


@program([1, 2, 3], act=as_it_is)
@durable
def large_map_running(items, ctx):
    found = ctx.map(
        lambda child, n: child.step(lambda: "x" * 100_000, name="page"), items, name="all", nesting=Nesting.FLAT
    )
    ctx.wait(500)
    return [len(text) for text in found.results]


@program([1, 0, 2], act=as_it_is)
@durable
def large_map_early_running(items, ctx):
    """Rebuilt as it was decided: without the flat branch that was cut off."""

    def page(child, n):
        if n == 0:
            child.run_in_child_context(lambda inner: inner.step(double, n), name="inner", virtual=True)
            child.wait(500)
        return child.step(lambda: "x" * 140_000, name="page")

    found = ctx.map(page, items, name="all", nesting=Nesting.FLAT, completion=Completion(min_successful=2))
    ctx.wait(500)
    return [len(text) for text in found.results]


@program()
@durable
def parallel(event, ctx):
    found = ctx.parallel(
        {"left": lambda child: child.step(double, 1), "right": lambda child: _item(child, 2)}, name="both"
    )
    return list(found.results)


@program()
@durable
def parallel_early(event, ctx):
    """The first answer ends it; the other branch is cut off in the middle."""

    def slow(child):
        child.step(double, 5, name="begin")
        child.wait(500)
        return child.step(double, 6, name="end")

    found = ctx.parallel([slow, lambda child: _item(child, 2)], name="race", completion=Completion.first_successful())
    return [str(found.completion_reason), *ctx.step(lambda: list(found.results), name="winner")]


@program()
@durable
def parallel_flat_early(event, ctx):
    def slow(child):
        child.wait(500)

    found = ctx.parallel(
        [slow, lambda child: _item(child, 2)],
        name="race",
        completion=Completion.first_successful(),
        nesting=Nesting.FLAT,
    )
    return found.success_count


@program([[1, 2], [3]])
@durable
def map_in_map(groups, ctx):
    def group(child, items):
        return sum(child.map(_item, items, name="items").results)

    return sum(ctx.map(group, groups, name="groups").results)


# -- composed ------------------------------------------------------------------------------------------------------


def refund(payment: dict[str, Any]) -> None: ...


def call_back(child, parcel: str) -> None:
    child.step(double, len(parcel), name="phone")


@program(ORDER)
@durable
def saga(order, ctx):
    try:
        with ctx.saga():
            ctx.step_with_compensation(charge, order, compensate=refund)
            ctx.step_with_compensation(ship, order, compensate=call_back)
            ctx.step(fail, retry=Retry.none(), name="label")
    except StepError:
        return ctx.step(lambda: "undone", name="tell")


@program()
@durable
def patched(event, ctx):
    ctx.step(double, 1)
    if ctx.patched("by-air"):
        ctx.step(double, 2, name="fly")
    return ctx.step(double, 3, name="land")


@program()
@durable
def batch(event, ctx):
    with ctx.batch():
        for n in range(5):
            ctx.step(double, n, name=f"step-{n}")
    ctx.wait(5)
    with ctx.batch():
        ctx.step(double, 9)


@program()
@durable
def deferred(event, ctx):
    ctx.defer(double, 1)
    ctx.defer(double, 2)
    ctx.wait(5)
    return ctx.step(double, 3, name="work")


@program(ORDER, act=lambda run: run.finish().callback("approval").succeed({"ok": True}).finish())
@durable
def order_flow(order, ctx):
    payment = ctx.step_with_compensation(charge, order, compensate=refund)
    answer = ctx.wait_for_callback(lambda callback_id: None, name="approval", returns=dict)
    ctx.wait(3600, name="cooling-off")
    parcels = ctx.map(lambda child, n: child.step(ship, order, name="send"), [1, 2], name="parcels")
    return {"payment": payment["id"], "ok": answer["ok"], "parcels": list(parcels.results)}
