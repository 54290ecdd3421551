"""A function that returns a coroutine which nobody awaits: its code has not run, so there is no result to record."""

from __future__ import annotations

import asyncio
import gc
from functools import partial

import pytest

from powertools_durable import Completion, Polling, Retry, durable
from powertools_durable.errors import DurableConfigError, OperationError
from powertools_durable.testing import Simulator

DONE = Polling.every(1, until=bool)
PATIENT = Retry(max_attempts=5, initial_delay=1)
RAN = []


async def fetch(*_):
    RAN.append("fetch")
    return True


def forgets(*_):
    """Call an async function as if it were a plain one."""
    return fetch()


class Forgets:
    def __call__(self, *_):
        return fetch()


FUNCTIONS = {"def": forgets, "lambda": lambda *_: fetch(), "partial": partial(forgets, 1), "object": Forgets()}


def undone(ctx, compensate):
    with ctx.saga():
        ctx.step_with_compensation(lambda: 1, compensate=compensate)
        ctx.step(lambda: 1 / 0, retry=Retry.none())


def undone_as_a_context(ctx, func):
    def compensate(below, value):
        return func(below, value)

    undone(ctx, compensate)


def undone_by_a_saga(ctx, func):
    with ctx.saga() as saga:
        saga.undo(func)
        ctx.step(lambda: 1 / 0, retry=Retry.none())


BODIES = {
    "step": lambda ctx, func: ctx.step(func, retry=PATIENT),
    "step with a timeout": lambda ctx, func: ctx.step(func, timeout=10, retry=PATIENT),
    "step with arguments": lambda ctx, func: ctx.step(func, 1, retry=PATIENT),
    "child": lambda ctx, func: ctx.run_in_child_context(func),
    "virtual child": lambda ctx, func: ctx.run_in_child_context(func, virtual=True),
    "step in a child": lambda ctx, func: ctx.run_in_child_context(lambda child: child.step(func)),
    "with_retry": lambda ctx, func: ctx.with_retry(func, retry=PATIENT),
    "map": lambda ctx, func: ctx.map(func, [1, 2], completion=Completion.all_completed()),
    "parallel": lambda ctx, func: ctx.parallel([func, func], completion=Completion.all_completed()),
    "check": lambda ctx, func: ctx.wait_for_condition(func, initial=0, polling=DONE),
    "submitter": lambda ctx, func: ctx.wait_for_callback(func, timeout=60, retry=PATIENT),
    "compensation": undone,
    "compensation with a context": undone_as_a_context,
    "compensation of a saga": undone_by_a_saga,
    "deferred": lambda ctx, func: ctx.defer(func),
}
RULES = {
    "until": lambda ctx, func: ctx.wait_for_condition(lambda s: s, initial=0, polling=Polling(until=func)),
    "retry_if": lambda ctx, func: ctx.step(lambda: 1 / 0, retry=Retry(retry_if=func)),
    "retry": lambda ctx, func: ctx.step(lambda: 1 / 0, retry=func),
    "when": lambda ctx, func: ctx.parallel([lambda _: 1], completion=Completion(when=func)),
    "summary": lambda ctx, func: ctx.run_in_child_context(lambda _: "x" * 300_000, summary=func),
    "item_name": lambda ctx, func: ctx.map(lambda _, item: item, [1], item_name=func),
}


def refused(handler, *words):
    """Run *handler*, and look for the mistake in its error."""
    RAN.clear()
    run = Simulator(handler).start().finish()
    gc.collect()  # a coroutine that was forgotten would warn now, which is an error here
    assert (run.status, run.error.error_type) == ("FAILED", "ValidationError"), run.error
    for part in words:
        assert part in run.error.error_message
    assert RAN == []
    assert len(run.invocations) == 1


@pytest.mark.sampled(3)
@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
@pytest.mark.parametrize("place", BODIES.values(), ids=BODIES)
def test_a_def_handler_awaits_no_body(place, function):
    @durable
    def handler(event, ctx):
        place(ctx, function)

    refused(
        handler,
        "returned a coroutine of fetch() at test_unawaited.py:",
        "Make the handler 'async def', or write a function that returns the result",
    )


@pytest.mark.parametrize("place", BODIES.values(), ids=BODIES)
def test_the_message_names_the_line_of_the_function(place):
    @durable
    def handler(event, ctx):
        place(ctx, forgets)

    line = forgets.__code__.co_firstlineno
    if place is BODIES["compensation with a context"]:
        line = undone_as_a_context.__code__.co_firstlineno + 1
    refused(handler, f"at test_unawaited.py:{line} returned a coroutine")


@pytest.mark.parametrize("catches", [Exception, OperationError])
def test_a_caught_mistake_of_a_step_has_recorded_no_result(catches):
    @durable
    def handler(event, ctx):
        try:
            return ctx.step(forgets)
        except catches:
            return "caught"

    run = Simulator(handler).start().finish()
    assert [op.status.value for op in run.operations] == ["STARTED"]
    assert run.status == ("SUCCEEDED" if catches is Exception else "FAILED")


def wrapped(event, ctx):
    return fetch()


@pytest.mark.parametrize(
    "function", [wrapped, lambda event, ctx: fetch(), partial(wrapped)], ids=["def", "lambda", "partial"]
)
def test_a_def_handler_that_returns_a_coroutine(function):
    refused(
        durable(function),
        "at test_unawaited.py:",
        "returned a coroutine of fetch() at test_unawaited.py:",
        "but is a 'def' function, so nothing awaits that",
        "Make the handler 'async def' and await the call, or pass the async function itself to durable()",
    )


@pytest.mark.sampled(3)
@pytest.mark.parametrize("place", RULES.values(), ids=RULES)
@pytest.mark.parametrize("kind", ["def", "async"])
def test_a_rule_answers_at_once_in_either_kind(kind, place):
    @durable
    def handler(event, ctx):
        place(ctx, forgets)

    @durable
    async def async_handler(event, ctx):
        await place(ctx, forgets)

    handlers = {"def": handler, "async": async_handler}
    refused(handlers[kind], "returned a coroutine of fetch()", "its answer is not awaited. Make it a 'def' function")


@pytest.mark.parametrize("place", [name for name in RULES if name != "retry"])
def test_an_async_rule_of_an_async_handler_is_refused_for_what_it_is(place):
    @durable
    async def handler(event, ctx):
        await RULES[place](ctx, fetch_of[place])

    refused(handler, "() is an 'async def' function, and what ctx.", f"({place}=...) returns is not awaited")


async def of_one(value):
    return True


async def of_two(item, index):
    return "name"


fetch_of = dict.fromkeys(RULES, of_one) | {"item_name": of_two}


# -- async handlers await it --------------------------------------------------------------------------------------


class Awaits:
    async def __call__(self, *_):
        return True


AWAITABLE = {
    "async def": fetch,
    "def": forgets,
    "lambda": lambda *_: fetch(),
    "partial": partial(fetch, 1),
    "partial of a lambda": partial(lambda *_: fetch(), 1),
    "object": Awaits(),
    "partial of an object": partial(Awaits(), 1),
}
ASYNC_PLACES = {name: BODIES[name] for name in BODIES if not name.startswith(("comp", "step in", "submitter"))} | {
    "step in a child": lambda ctx, func: ctx.run_in_child_context(lambda child: child.step(func)),
}


@pytest.mark.parametrize("function", AWAITABLE.values(), ids=AWAITABLE)
@pytest.mark.parametrize("place", [name for name in ASYNC_PLACES if name != "deferred"])
def test_an_async_handler_awaits_what_any_callable_returns(place, function):
    @durable
    async def handler(event, ctx):
        result = await ASYNC_PLACES[place](ctx, function)
        return result.results if place in {"map", "parallel"} else result

    run = Simulator(handler).start().finish()
    assert (run.status, run.result) == ("SUCCEEDED", [True, True] if place in {"map", "parallel"} else True)


@pytest.mark.parametrize("function", AWAITABLE.values(), ids=AWAITABLE)
@pytest.mark.parametrize("kind", ["result", "context", "saga"])
def test_an_async_handler_awaits_any_compensation(kind, function):
    def with_context(below, value):
        return function(below, value)

    @durable
    async def handler(event, ctx):
        try:
            async with ctx.saga() as saga:
                if kind == "saga":
                    saga.undo(function)
                else:
                    compensate = with_context if kind == "context" else function
                    await ctx.step_with_compensation(lambda: 1, compensate=compensate)
                await ctx.step(lambda: 1 / 0, retry=Retry.none())
        except OperationError:
            return "undone"

    run = Simulator(handler).start().finish()
    assert (run.status, run.result) == ("SUCCEEDED", "undone"), run.error


async def forgets_to_await(*_):
    return fetch()


def forgets_durable_call(ctx):
    async def child(below):
        return below.step(fetch)

    return ctx.run_in_child_context(child)


UNAWAITED = {
    **{name: partial(place, func=forgets_to_await) for name, place in ASYNC_PLACES.items() if name != "deferred"},
}


@pytest.mark.sampled(3)
@pytest.mark.parametrize("place", UNAWAITED.values(), ids=UNAWAITED)
def test_what_an_async_function_forgot_to_await_is_refused(place):
    @durable
    async def handler(event, ctx):
        await place(ctx)

    refused(
        handler,
        f"forgets_to_await at test_unawaited.py:{forgets_to_await.__code__.co_firstlineno}",
        "returned a coroutine of fetch() at test_unawaited.py:",
        "which was not awaited",
    )


def test_so_is_a_durable_call():
    @durable
    async def handler(event, ctx):
        await forgets_durable_call(ctx)

    run = Simulator(handler).start().finish()
    assert (run.status, run.error.error_type) == ("FAILED", "ValidationError")
    assert "child at test_unawaited.py:" in run.error.error_message
    assert "returned a DurableTask, which was not awaited" in run.error.error_message


def test_so_is_the_result_of_the_handler():
    @durable
    async def handler(event, ctx):
        return ctx.step(fetch)

    @durable
    async def other(event, ctx):
        return asyncio.create_task(fetch())

    for one, what in {handler: "a DurableTask", other: "a PlacedTask"}.items():
        run = Simulator(one).start().finish()
        assert (run.status, run.error.error_type) == ("FAILED", "ValidationError")
        assert f"returned {what}, which was not awaited" in run.error.error_message


def test_an_async_function_for_a_def_handler_is_refused_before_it_runs():
    @durable
    def handler(event, ctx):
        ctx.step(fetch)

    refused(handler, "fetch() is an 'async def' function, and this handler is a 'def' function")


def test_a_handler_must_be_awaitable_or_plain():
    async def generator(event, ctx):
        yield 1

    with pytest.raises(DurableConfigError, match="is a generator"):
        durable(generator)
