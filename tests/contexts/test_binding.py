"""What a function is called with is bound before anything is recorded."""

from __future__ import annotations

import contextlib
import functools
import inspect

import pytest

from powertools_durable import Completion, Polling, Retry, durable
from powertools_durable._contexts import binding
from powertools_durable._functions import fits
from powertools_durable._protocol.operation import OperationType
from powertools_durable.errors import ValidationError
from powertools_durable.testing import Simulator
from tests.guards.counts import Invocation, finished
from tests.kit import FIRST

ONCE = Retry.none()
PATIENT = Retry(max_attempts=5, initial_delay=1)
UNTIL_DONE = Polling(until=bool)


# -- the pure part: which numbers of arguments a callable takes ---------------------------------------------------


class Shop:
    def __init__(self, name, owner=None):
        self.name, self.owner = name, owner

    def method(self, order_id, *, currency="EUR"):
        return order_id

    @classmethod
    def of(cls, order_id):
        return cls(order_id)

    @staticmethod
    def static(order_id):
        return order_id

    def __call__(self, order_id):
        return order_id


def wrapped(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)

    return wrapper


def injecting(function):
    @functools.wraps(function)
    def wrapper(order_id):
        return function(order_id, "injected")

    return wrapper


CALLABLES = {
    "none": lambda: 0,
    "one": lambda a: 0,
    "a default": lambda a, b=1: 0,
    "only defaults": lambda a=1, b=2: 0,
    "positional only": lambda a, /: 0,
    "varargs": lambda *args: 0,
    "one and varargs": lambda a, *args: 0,
    "keywords": lambda a, **options: 0,
    "a keyword with a default": lambda a, *, b=1: 0,
    "a keyword without": lambda a, *, b: 0,
    "two keywords, one without": lambda a, *, b=1, c: 0,
    "a method": Shop("x").method,
    "a class method": Shop.of,
    "a static method": Shop.static,
    "an unbound method": Shop.method,
    "a class": Shop,
    "an object": Shop("x"),
    "a partial": functools.partial(lambda a, b: 0, 1),
    "a partial of a keyword": functools.partial(lambda a, *, b: 0, b=1),
    "a partial of an earlier keyword": functools.partial(lambda a, b: 0, a=1),
    "a partial of a method": functools.partial(Shop("x").method, currency="USD"),
    "a wrapper": wrapped(lambda a: 0),
    "a wrapper that gives an argument": injecting(lambda a, b: 0),
    "cached": functools.cache(wrapped(lambda a, *rest: 0)),
}


@pytest.mark.parametrize("count", range(4))
@pytest.mark.parametrize("function", CALLABLES.values(), ids=CALLABLES)
def test_what_is_said_to_fit_is_what_python_calls(function, count):
    can = fits(function, count)
    if function in WRAPPED:  # bound by its own parameters: what it passes on is not known
        assert can or not called(function, count)
    else:
        assert can is called(function, count)


WRAPPED = (CALLABLES["a wrapper"], CALLABLES["cached"])


def called(function, count):
    """Tell whether Python can call it."""
    try:
        function(*range(1, count + 1))
    except TypeError as error:
        assert "argument" in str(error)  # noqa: PT017 - not one of the function's own
        return False
    return True


class TakesAnything:
    """Tells nothing of its parameters, as some extension types do."""

    __signature__ = "unknown"

    def __call__(self, order_id):
        return order_id


@pytest.mark.parametrize(
    "function", [int, dict, max, print, str.upper, TakesAnything()], ids=lambda f: type(f).__name__
)
def test_what_does_not_tell_passes(function):
    binding.bind(function, 1, "step")


def test_a_default_that_was_changed_counts():
    def charge(order_id, currency):
        return order_id

    assert not fits(charge, 1)
    charge.__defaults__ = ("EUR",)
    assert fits(charge, 1)


def charge(order_id):
    return order_id


def ship(parcel, *, carrier, express=False):
    return parcel


async def later(order_id):
    return order_id


async def many(order_id):
    yield order_id


class Later:
    async def __call__(self, order_id):
        return order_id

    async def method(self, order_id):
        return order_id


MESSAGES = {
    "too many": (
        lambda: binding.bind(charge, 2, "step"),
        "charge() takes (order_id); ctx.step(charge, ...) passes 2. For keyword arguments: functools.partial(charge, ",
    ),
    "a keyword only": (
        lambda: binding.bind(ship, 1, "step"),
        "ship() takes (parcel, *, carrier, express=...); ctx.step(ship, ...) passes 1. For keyword arguments: ",
    ),
    "without parameters": (
        lambda: binding.bind(lambda: 0, 1, "step"),
        "lambda() takes (); ctx.step(lambda, ...) passes 1.",
    ),
    "a context": (
        lambda: binding.bind(charge, 3, "run_in_child_context", before="the context"),
        "charge() takes (order_id); ctx.run_in_child_context(charge, ...) passes 3 (the context first).",
    ),
    "an option": (
        lambda: binding.bind(lambda: 0, 1, "map", role="summary", before="the result"),
        "lambda() takes (); ctx.map(summary=lambda) passes 1 (the result).",
    ),
    "a partial": (
        lambda: binding.bind(functools.partial(ship, carrier="DHL"), 2, "step"),
        "ship() takes (parcel, *, carrier=..., express=...); ctx.step(ship, ...) passes 2.",
    ),
}


@pytest.mark.parametrize(("call", "words"), MESSAGES.values(), ids=MESSAGES)
def test_the_message_says_what_is_taken_what_is_passed_and_what_to_write(call, words):
    with pytest.raises(ValidationError) as caught:
        call()
    assert str(caught.value).startswith(words)
    assert "test_binding.py:" in str(caught.value)
    assert "DHL" not in str(caught.value)  # defaults may be values


ASYNC = [later, many, functools.partial(later, 1), Later(), Later().method, functools.partial(Later().method)]


@pytest.mark.parametrize("function", ASYNC, ids=["def", "generator", "partial", "object", "method", "partial method"])
def test_an_async_function_is_refused(function):
    with pytest.raises(ValidationError, match="'async def' function, and this handler is a 'def' function"):
        binding.bind(function, 1, "step")


# -- every place: refused at the call, and nothing is recorded ----------------------------------------------------


def two(a, b):
    return a


def three(a, b, c):
    return a


PLACES = {
    "step": lambda ctx, f=two: ctx.step(f, 1, retry=PATIENT),
    "step, at most once": lambda ctx, f=two: ctx.step(f, 1, semantics="AT_MOST_ONCE"),
    "step with a timeout": lambda ctx, f=two: ctx.step(f, 1, timeout=5),
    "step's filter": lambda ctx, f=two: ctx.step(charge, 1, retry=Retry(retry_if=f)),
    "step_with_compensation": lambda ctx, f=two: ctx.step_with_compensation(f, 1, compensate=print),
    "compensate": lambda ctx, f=three: ctx.step_with_compensation(charge, 1, compensate=f),
    "run_in_child_context": lambda ctx, f=three: ctx.run_in_child_context(f, 1),
    "virtual": lambda ctx, f=three: ctx.run_in_child_context(f, 1, virtual=True),
    "child's summary": lambda ctx, f=two: ctx.run_in_child_context(charge, summary=f),
    "with_retry": lambda ctx, f=three: ctx.with_retry(f, 1, retry=PATIENT),
    "wait_for_callback": lambda ctx, f=three: ctx.wait_for_callback(f, 1, timeout=60),
    "wait_for_condition": lambda ctx, f=two: ctx.wait_for_condition(f, initial=0, polling=UNTIL_DONE),
    "until": lambda ctx, f=two: ctx.wait_for_condition(charge, initial=0, polling=Polling(until=f)),
    "map": lambda ctx, f=three: ctx.map(f, [1, 2], completion=Completion.all_completed()),
    "map, flat": lambda ctx, f=three: ctx.map(f, [1, 2], nesting="FLAT"),
    "item_name": lambda ctx, f=three: ctx.map(two, [1, 2], item_name=f),
    "map's summary": lambda ctx, f=two: ctx.map(two, [1], summary=f),
    "parallel": lambda ctx, f=two: ctx.parallel([charge, f], completion=Completion.all_completed()),
    "parallel by names": lambda ctx, f=two: ctx.parallel({"a": charge, "b": f}, nesting="FLAT"),
    "completion": lambda ctx, f=two: ctx.parallel([charge], completion=Completion(when=f)),
    "defer": lambda ctx, f=two: ctx.defer(f, 1),
}


def refused(place, *words):
    @durable
    def handler(event, ctx):
        place(ctx)
        return "done"

    run = Simulator(handler).start().finish()
    assert (run.status, run.error.error_type) == ("FAILED", "ValidationError"), run.result
    assert [op.name for op in run.operations] == []
    assert len(run.invocations) == 1
    for part in words:
        assert part in run.error.error_message
    assert "test_binding.py:" in run.error.error_message


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_a_call_that_cannot_be_bound_is_refused_before_anything_is_recorded(place):
    refused(place, "() takes (a, b", "passes ")


RULES = ("step's filter", "child's summary", "until", "item_name", "map's summary", "completion")


@pytest.mark.only("def", "an 'async def' handler awaits them")
@pytest.mark.parametrize("place", [name for name in PLACES if name not in {"compensate", *RULES}])
def test_so_is_an_async_function(place):
    refused(lambda ctx: PLACES[place](ctx, later), "later() is an 'async def' function")


@pytest.mark.parametrize("place", RULES)
def test_so_is_an_async_rule(place):
    refused(lambda ctx: PLACES[place](ctx, later), "later() is an 'async def' function", "is not awaited")


async def undoes(result):
    return None


@pytest.mark.only("def", "an 'async def' handler awaits it")
def test_so_is_an_async_compensation():
    refused(lambda ctx: PLACES["compensate"](ctx, undoes), "undoes() is an 'async def' function")


WITH_KEYWORDS = {
    "step": lambda ctx: ctx.step(charge, order_id=1),
    "step_with_compensation": lambda ctx: ctx.step_with_compensation(charge, compensate=print, order_id=1),
    "run_in_child_context": lambda ctx: ctx.run_in_child_context(charge, order_id=1),
    "child_context": lambda ctx: ctx.child_context(charge, order_id=1),
    "with_retry": lambda ctx: ctx.with_retry(charge, retry=ONCE, order_id=1),
    "wait_for_callback": lambda ctx: ctx.wait_for_callback(charge, order_id=1),
    "wait_for_condition": lambda ctx: ctx.wait_for_condition(charge, initial=0, polling=UNTIL_DONE, order_id=1),
    "map": lambda ctx: ctx.map(charge, [1], order_id=1),
    "defer": lambda ctx: ctx.defer(charge, order_id=1),
}


@pytest.mark.parametrize("call", WITH_KEYWORDS.values(), ids=WITH_KEYWORDS)
def test_keyword_arguments_of_the_function_are_shown_as_a_partial(call):
    refused(call, "has no option 'order_id'", "functools.partial(charge, order_id=...)")


def test_parallel_has_no_such_option():
    refused(lambda ctx: ctx.parallel([charge], limit=1), "ctx.parallel() has no option 'limit'")


CALLED = {
    "step": lambda ctx: ctx.step(charge({"a": 1})),
    "async": lambda ctx: ctx.step(later(1)),
    "child": lambda ctx: ctx.run_in_child_context(charge(1)),
    "with_retry": lambda ctx: ctx.with_retry(charge(1), retry=ONCE),
    "wait_for_callback": lambda ctx: ctx.wait_for_callback(charge("x")),
    "wait_for_condition": lambda ctx: ctx.wait_for_condition(charge(1), initial=0, polling=UNTIL_DONE),
    "map": lambda ctx: ctx.map(charge(1), [1]),
    "defer": lambda ctx: ctx.defer(charge(1)),
    "compensate": lambda ctx: ctx.step_with_compensation(charge, 1, compensate=charge(1)),
}


@pytest.mark.parametrize("call", CALLED.values(), ids=CALLED)
def test_a_called_function_is_refused(call):
    @durable
    def handler(event, ctx):
        return call(ctx)

    run = Simulator(handler).start().finish()
    assert (run.status, run.error.error_type, run.operations) == ("FAILED", "ValidationError", [])
    assert "pass the function itself, without calling it" in run.error.error_message


# -- when: whenever the body is about to run, never for what has ended --------------------------------------------

RECORDED = {
    "step": (lambda ctx: ctx.step(two, 1, name="op"), OperationType.STEP, "Step", "7"),
    "child": (
        lambda ctx: ctx.run_in_child_context(three, 1, name="op"),
        OperationType.CONTEXT,
        "RunInChildContext",
        "7",
    ),
    "with_retry": (
        lambda ctx: ctx.with_retry(three, 1, retry=ONCE, name="op"),
        OperationType.CONTEXT,
        "RunInChildContext",
        "7",
    ),
    "map": (
        lambda ctx: len(ctx.map(three, [], name="op")),
        OperationType.CONTEXT,
        "Map",
        '{"t":"br","v":{"all":[],"completionReason":"ALL_COMPLETED"}}',
    ),
}


def history(kind, status):
    _, operation, sub_type, text = RECORDED[kind]
    record = finished(operation, FIRST, "op", text, sub_type)
    details = "StepDetails" if operation is OperationType.STEP else "ContextDetails"
    if status != "SUCCEEDED":
        record |= {"Status": status, details: {"Attempt": 0} if operation is OperationType.STEP else {}}
    return [record]


@pytest.mark.parametrize("kind", ["step", "child", "with_retry"])
def test_a_record_that_has_ended_is_not_bound(kind):
    handler = durable(lambda event, ctx: RECORDED[kind][0](ctx))
    assert Invocation(handler, history(kind, "SUCCEEDED")).run() == {"Status": "SUCCEEDED", "Result": "7"}


@pytest.mark.parametrize(
    ("kind", "status"),
    [("step", "STARTED"), ("step", "READY"), ("child", "STARTED"), ("with_retry", "STARTED"), ("map", "STARTED")],
)
def test_one_whose_body_is_about_to_run_is_bound(kind, status):
    handler = durable(lambda event, ctx: RECORDED[kind][0](ctx))
    invocation = Invocation(handler, history(kind, status))
    answer = invocation.run()
    assert (answer["Status"], answer["Error"]["ErrorType"]) == ("FAILED", "ValidationError")
    assert invocation.service.updates == []


def item_of(child, item):
    return item


def test_a_fan_out_binds_its_function_once(monkeypatch):
    bound = []
    monkeypatch.setattr(binding, "bind", lambda function, *args, **options: bound.append(function))
    handler = durable(lambda event, ctx: ctx.map(item_of, range(50)).success_count)
    assert Simulator(handler).start().finish().result == 50
    assert bound == [item_of]


def test_a_plain_function_needs_no_signature(monkeypatch):
    monkeypatch.setattr(inspect, "signature", lambda *_, **__: pytest.fail("asked for"))
    binding.bind(two, 2, "step")
    binding.bind(Shop("x").method, 1, "step")


def test_it_is_an_ordinary_error_that_code_may_catch():
    @durable
    def handler(event, ctx):
        with contextlib.suppress(ValidationError):
            ctx.step(two, 1)
        ctx.wait(60)
        return ctx.step(two, 1, 2)

    assert Simulator(handler).start().finish().result == 1
