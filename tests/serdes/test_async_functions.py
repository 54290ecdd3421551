"""What `async def` functions return, and others that return an awaitable: kept or refused as what `def` ones do."""

from __future__ import annotations

import asyncio
import functools
import math
import sys
from collections.abc import Awaitable, Coroutine
from typing import Any

import pytest
from pydantic import BaseModel, SecretStr

from powertools_durable import Polling, Retry, durable
from powertools_durable.errors import SerDesError, ValidationError
from powertools_durable.serdes.models import serdes_for
from powertools_durable.testing import Simulator
from tests.serdes import places
from tests.serdes.shapes import same
from tests.twins import twin_module

HERE: Any = twin_module(places)


class Order(BaseModel):
    number: str = "7"


class Rush(Order):
    day: int = 1


class Login(BaseModel):
    token: SecretStr


async def given(value):
    return value


def a_coroutine_function(value, annotation):
    async def returns(*_):
        return value

    return annotated(returns, annotation)


def annotated(function, annotation):
    if annotation is not None:
        function.__annotations__["return"] = annotation
    return function


def wrapped(value, annotation):
    function = a_coroutine_function(value, annotation)

    @functools.wraps(function)
    async def inner(*args):
        return await function(*args)

    return inner


def an_object(value, annotation):
    class Called:
        async def __call__(self, *_):
            return value

    annotated(Called.__call__, annotation)
    return Called()


FORMS = {
    "async def": a_coroutine_function,
    "wrapped": wrapped,
    "partial": lambda value, annotation: functools.partial(a_coroutine_function(value, annotation)),
    "object": an_object,
    "def -> Awaitable": lambda value, annotation: annotated(lambda *_: given(value), Awaitable[annotation or Any]),
    "def -> Coroutine": lambda value, annotation: annotated(
        lambda *_: given(value), Coroutine[Any, Any, annotation or Any]
    ),
}
KEPT = [(int, 7), (Order, Order(number="8")), (list[Order], [Order()]), (Order | None, None), (None, (1, math.nan))]
REFUSED = [
    (int, "7", "is annotated -> int but returned a str"),
    (Order, None, "is annotated -> Order but returned None"),
    (Login, Login(token="s3cr3t"), "result.token was a SecretStr"),
    (list[Order], [Rush()], "result[0] was a Rush and came back as an Order"),
    (None, Order(), "an Order can't be recorded by default"),
]
HELD = [place for place in places.PLACES if place != "polled twice"]  # which notes on the function how often it asked


@pytest.mark.sampled(30)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("place", HELD)
def test_what_is_kept_is_the_same_live_and_on_replay(place, form):
    for annotation, value in KEPT:
        seen, run = HERE.outcomes(HERE.PLACES[place], FORMS[form](value, annotation))
        assert [one[0] for one in seen] == ["returned"] * len(seen), (annotation, seen)
        assert len(seen) >= 2, run.error
        assert all(same(value, one[1]) for one in seen), (annotation, seen)


@pytest.mark.sampled(30)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("place", HELD)
def test_what_is_refused_is_refused_alike_with_the_line_of_the_call(place, form):
    for annotation, value, words in REFUSED:
        seen, run = HERE.outcomes(HERE.PLACES[place], FORMS[form](value, annotation))
        assert seen[0][:2] == ("raised", SerDesError), (annotation, seen)
        assert len(seen) >= 2, run.error
        assert set(seen) == {seen[0]}
        assert words in seen[0][2]
        assert "(at places.py:" in seen[0][2]
        assert "s3cr3t" not in seen[0][2]


class Awaited(BaseModel):
    id: int = 1

    def __await__(self):
        yield
        return self


def test_a_model_that_can_be_awaited_is_a_model():
    run = Simulator(durable(lambda event, ctx: ctx.step(awaited_model).id)).start().finish()
    assert run.result == 1


def awaited_model() -> Awaited:
    return Awaited()


@pytest.mark.parametrize("made", [asyncio.Future, Awaitable, Coroutine], ids=str)
def test_an_awaitable_that_says_nothing_of_its_result_promises_nothing(made):
    assert serdes_for(made) is serdes_for(None)
    assert serdes_for(Awaitable[int]) is serdes_for(int)


CALLS = {
    "step": lambda ctx: ctx.step(wrong, retry=Retry.none()),
    "child": lambda ctx: ctx.run_in_child_context(wrong),
    "map": lambda ctx: ctx.map(wrong, [1]),
    "flat": lambda ctx: ctx.parallel([wrong], nesting="FLAT"),
    "condition": lambda ctx: ctx.wait_for_condition(wrong, initial=0, polling=Polling(lambda _: True)),
}


async def wrong(*_) -> int:
    return "7"


@pytest.mark.parametrize("call", CALLS)
def test_the_line_is_that_of_the_call_and_not_that_which_runs_the_loop(call):
    @durable
    async def handler(event, ctx):
        task = CALLS[call](ctx)
        await asyncio.sleep(0)
        await task

    run = Simulator(handler).start().finish()
    line = CALLS[call].__code__.co_firstlineno
    assert "is annotated -> int but returned a str; " in run.error.error_message
    assert f"(at test_async_functions.py:{line})" in run.error.error_message


def test_a_line_of_a_library_is_never_shown(tmp_path, monkeypatch):
    folder = tmp_path / "site-packages"
    folder.mkdir()
    (folder / "helping.py").write_text("def ask(ctx, function):\n    return ctx.step(function)\n")
    monkeypatch.syspath_prepend(str(folder))
    import helping  # type: ignore[import-not-found]

    @durable
    async def handler(event, ctx):
        await helping.ask(ctx, wrong)

    try:
        message = Simulator(handler).start().finish().error.error_message
    finally:
        del sys.modules["helping"]
    assert "is annotated -> int but returned a str" in message
    assert "helping" not in message
    assert "(at " not in message


# -- a call that is taken for its result -------------------------------------------------------------------------


def unpacks(task):
    first, second = task
    return first, second


TAKEN = {
    "in a condition": (bool, "is neither true nor false (at test_async_functions.py:"),
    "negated": (lambda task: not task, "is neither true nor false"),
    "in a loop": (list, "can't be iterated"),
    "unpacked": (unpacks, "can't be iterated"),
    "in a text": (lambda task: f"sum: {task}", "has no text of its own"),
}


@pytest.mark.parametrize(("takes", "words"), TAKEN.values(), ids=TAKEN)
def test_a_call_that_was_not_awaited_is_no_answer(takes, words):
    async def is_paid():
        return False

    @durable
    async def handler(event, ctx):
        task = ctx.step(is_paid)
        takes(task)
        return "always true"

    run = Simulator(handler).start().finish()
    assert (run.status, run.error.error_type) == ("FAILED", "ValidationError")
    assert run.error.error_message.startswith(f"step 'is_paid' (#1) was not awaited, and a DurableTask {words}")
    assert "write 'await'" in run.error.error_message


def test_whether_there_is_a_task_may_be_asked():
    @durable
    async def handler(event, ctx):
        task = ctx.step(given, 3)
        assert f"{task!r}" == str(task) == "<DurableTask step 'given' (#1), pending>"
        tasks = {task, ctx.step(given, 4)}
        assert task is not None
        assert task in tasks
        return sum(await asyncio.gather(*tasks))

    assert Simulator(handler).start().finish().result == 7


@pytest.mark.parametrize("where", ["the result", "a step"])
def test_a_call_inside_of_a_value_is_to_be_awaited(where):
    @durable
    async def handler(event, ctx):
        task = ctx.step(given, 3)
        if where == "the result":
            return {"sum": task}
        return await ctx.step(lambda: {"sum": task}, name="it", retry=Retry.none())

    message = Simulator(handler).start().finish().error.error_message
    assert "DurableTask at result[key 1]" in message
    assert "await" in message.partition("DurableTask at")[2]


@pytest.mark.parametrize("call", ["map", "parallel"])
def test_a_call_in_place_of_a_list_is_to_be_awaited(call):
    @durable
    async def handler(event, ctx):
        rows = ctx.step(given, [1, 2])
        with pytest.raises(ValidationError, match=rf"ctx.{call}\(\) takes .*, not a DurableTask: await it first"):
            ctx.map(given, rows) if call == "map" else ctx.parallel(rows)
        return await rows

    assert Simulator(handler).start().finish().result == [1, 2]


@pytest.mark.parametrize("kind", ["def", "async"])
def test_a_class_in_place_of_an_object_is_named(kind):
    @durable
    def handler(event, ctx):
        ctx.invoke("other", {"order": Order})

    @durable
    async def async_handler(event, ctx):
        await ctx.invoke("other", {"order": Order})

    run = Simulator({"def": handler, "async": async_handler}[kind], functions={"other": len}).start().finish()
    assert "The class Order, and not an object of it, at payload[key 1]. Send plain data" in run.error.error_message


def test_a_race_says_what_its_contestants_are_before_it_counts_them():
    @durable
    async def handler(event, ctx):
        with pytest.raises(ValidationError, match="contestant 0 is a function; pass what a method"):
            ctx.race([given, given])

    assert Simulator(handler).start().finish().status == "SUCCEEDED"


def test_a_def_handler_has_no_race():
    @durable
    def handler(event, ctx):
        ctx.race([1])

    message = Simulator(handler).start().finish().error.error_message
    assert "has no attribute 'race': write ctx.parallel(" in message
    assert "async def" in message
