"""What a durable call is given: passed through, named, or refused in words that help."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated, Any, NewType

import pytest
from pydantic import TypeAdapter

from powertools_durable import Polling, Retry, StepSemantics, durable
from powertools_durable.errors import DurableConfigError, ValidationError
from powertools_durable.serdes.base import PlainJson
from powertools_durable.testing import Simulator


def run_of(call):
    """Start a handler that makes one *call*."""

    @durable
    def handler(event, ctx):
        return call(ctx)

    return Simulator(handler).start()


def result_of(call):
    run = run_of(call).finish()
    assert run.status == "SUCCEEDED", run.error
    return run.result


def add(a, b, c=0):
    return [a, b, c]


# -- positional arguments -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "result"),
    [
        (lambda ctx: ctx.step(add, 1, 2), [1, 2, 0]),
        (lambda ctx: ctx.step(add, 1, 2, 3), [1, 2, 3]),
        (lambda ctx: ctx.step(functools.partial(add, c=3), 1, 2), [1, 2, 3]),
        (lambda ctx: ctx.step(lambda *given: len(given)), 0),
        (lambda ctx: ctx.step([1, 2, 1].count, 1), 2),
        (lambda ctx: ctx.run_in_child_context(lambda child, *given: given, 1, 2), [1, 2]),
        (lambda ctx: ctx.child_context(lambda child, n: child.step(add, n, 2), 1), [1, 2, 0]),
        (lambda ctx: ctx.step_with_compensation(add, 1, 2, compensate=str), [1, 2, 0]),
    ],
)
def test_what_stands_behind_a_function_is_passed_to_it(call, result):
    assert result_of(call) == result


def test_a_child_s_function_gets_its_context_first():
    @durable
    def handler(event, ctx):
        return ctx.run_in_child_context(lambda child: [child is ctx, child.parent_id is None])

    assert Simulator(handler).start().result == [False, False]


# -- names ----------------------------------------------------------------------------------------------------


class Charger:
    def __call__(self):
        return 1

    def charge(self):
        return 1


def charge():
    return 1


@functools.wraps(charge)
def traced():
    return charge()


@pytest.mark.parametrize(
    ("function", "options", "name"),
    [
        (charge, {}, "charge"),
        (functools.partial(charge), {}, "charge"),
        (functools.partial(functools.partial(charge)), {}, "charge"),
        (traced, {}, "charge"),
        (Charger().charge, {}, "charge"),
        (dict, {}, "dict"),
        (lambda: 1, {}, None),
        (functools.partial(lambda: 1), {}, None),
        (Charger(), {}, None),
        (charge, {"name": "mine"}, "mine"),
        (lambda: 1, {"name": "mine"}, "mine"),
        (charge, {"name": ""}, None),
        (charge, {"name": "x" * 256}, "x" * 256),
    ],
)
def test_a_step_is_named_after_its_function_unless_it_is_given_a_name(function, options, name):
    run = run_of(lambda ctx: ctx.step(function, **options))
    assert run.status == "SUCCEEDED", run.error
    assert [op.name for op in run.operations] == [name]


def test_a_child_context_is_named_like_a_step_and_what_has_no_function_by_hand():
    def inner(child):
        return 1

    def call(ctx):
        ctx.run_in_child_context(inner)
        ctx.step_with_compensation(charge, compensate=str)
        ctx.wait(1, name="nap")
        ctx.wait(1)
        ctx.create_callback(name="approval")

    names = [op.name for op in run_of(call).finish().operations]
    assert names == ["inner", "charge", "nap", None, "approval"]


# -- spans and moments ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("span", "seconds"),
    [(1, 1), (1.2, 2), (timedelta(milliseconds=1001), 2), (timedelta(days=366), 31_622_400), (31_622_400, 31_622_400)],
)
def test_a_wait_takes_seconds_or_a_timedelta_and_rounds_up(span, seconds):
    run = run_of(lambda ctx: ctx.wait(span, name="nap"))
    record = run.operation("nap")
    assert record.wait_details.scheduled_end_timestamp - record.start_timestamp == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("ahead", "seconds"),
    [(timedelta(hours=1), 3600), (timedelta(milliseconds=1500), 2), (timedelta(0), 1), (timedelta(days=-9), 1)],
)
def test_wait_until_waits_for_the_moment_and_one_second_for_a_past_one(ahead, seconds):
    run = run_of(lambda ctx: ctx.wait_until(ctx.started_at + ahead, name="nap"))
    record = run.operation("nap")
    assert record.wait_details.scheduled_end_timestamp - record.start_timestamp == timedelta(seconds=seconds)


@pytest.mark.parametrize("timeout", [None, 0, timedelta(0)])
def test_a_callback_without_a_timeout_waits_as_long_as_it_takes(timeout):
    run = run_of(lambda ctx: ctx.create_callback(name="c", timeout=timeout, heartbeat_timeout=timeout).result())
    assert run.advance(timedelta(days=1000)).callback("c").succeed("x").result == '"x"'


@pytest.mark.parametrize("option", ["timeout", "heartbeat_timeout"])
def test_a_callback_s_timeouts_are_rounded_up(option):
    run = run_of(lambda ctx: ctx.create_callback(name="c", **{option: 1.5}).result())
    began = run.now
    run.step()
    assert (run.now - began, run.error.error_type) == (timedelta(seconds=2), "CallbackTimeoutError")


# -- what is refused, and in which words ----------------------------------------------------------------------

NAIVE = datetime(2030, 1, 1)  # noqa: DTZ001
FAR = datetime(2030, 1, 1, tzinfo=UTC)


@dataclass
class Paid:
    cents: int


def nothing(child, *_):
    """Do nothing."""


@durable
def durable_inside(event, ctx):
    """Be durable of its own."""


WRONG = {
    "step('charge', charge)": (lambda c: c.step("charge", charge), "ctx.step() takes the function first, and its name"),
    "step(charge())": (
        lambda c: c.step(charge()),
        "pass the function itself, without calling it, and",
    ),
    "child(None)": (lambda c: c.run_in_child_context(None), "ctx.run_in_child_context() takes a function, not None"),
    "name too long": (lambda c: c.step(charge, name="x" * 257), "up to 256 printable ASCII characters; give name="),
    "name not ASCII": (lambda c: c.wait(1, name="Überweisung"), "'Überweisung' can't name an operation"),
    "name with newline": (lambda c: c.create_callback(name="a\nb"), "'a\\nb' can't name an operation"),
    "name no text": (lambda c: c.step(charge, name=42), "name is text, not int"),
    "sub_type": (lambda c: c.step(charge, sub_type="a b"), "'a b' is not 1 to 32 letters, digits"),
    "sub_type no text": (lambda c: c.create_callback(sub_type=7), "sub_type is text, not int"),
    "wait(0)": (lambda c: c.wait(0), "1 second to 366 days, not 0"),
    "wait(0.5)": (lambda c: c.wait(0.5), "1 second to 366 days, not 0.5"),
    "wait(a year and more)": (lambda c: c.wait(timedelta(days=367)), "to 366 days"),
    "wait(-1)": (lambda c: c.wait(-1), "ctx.wait(): a time span is a finite number of seconds, 0 or more, not -1"),
    "wait('1h')": (lambda c: c.wait("1h"), "a timedelta or a number of seconds, not str"),
    "wait(True)": (lambda c: c.wait(True), "not a bool"),
    "wait(inf)": (lambda c: c.wait(float("inf")), "finite"),
    "wait_until(naive)": (lambda c: c.wait_until(NAIVE), "a datetime with a time zone, such as datetime.now(UTC)"),
    "wait_until(text)": (lambda c: c.wait_until("tomorrow"), "this is str"),
    "wait_until(far)": (lambda c: c.wait_until(FAR), "at most 366 days ahead"),
    "step timeout": (lambda c: c.step(charge, timeout=0), "timeout must be more than 0 seconds; leave it out"),
    "step timeout text": (lambda c: c.step(charge, timeout="1"), "timeout: a time span is"),
    "callback timeout": (lambda c: c.create_callback(timeout=-5), "timeout: a time span is"),
    "callback too long": (lambda c: c.create_callback(timeout=1e8), "timeout is at most 99,999,999 seconds"),
    "heartbeat": (lambda c: c.create_callback(heartbeat_timeout="1"), "heartbeat_timeout: a time span is"),
    "retry=3": (lambda c: c.step(charge, retry=3), "retry takes a Retry, such as Retry(max_attempts=3)"),
    "retry=Retry": (lambda c: c.step(charge, retry=Retry), "this is Retry"),
    "retry=Retry.none": (lambda c: c.step(charge, retry=Retry.none), "function 'Retry.none', which does not take"),
    "retry of one": (lambda c: c.step(charge, retry=lambda error: 1), "of the error and the attempt's number"),
    "semantics": (lambda c: c.step(charge, semantics="EXACTLY_ONCE"), "StepSemantics.AT_MOST_ONCE, not 'EXACTLY_ONCE'"),
    "serdes class": (lambda c: c.step(charge, serdes=PlainJson), "this is the class PlainJson: pass an instance"),
    "serdes function": (
        lambda c: c.step(charge, serdes=len),
        "an object with serialize(value, context)",
    ),
    "callback serdes": (lambda c: c.create_callback(serdes="json"), "this is str"),
    "child serdes": (lambda c: c.run_in_child_context(charge, serdes=1), "this is int"),
    "compensate": (lambda c: c.step_with_compensation(charge, compensate=None), "takes a function, not None"),
    "compensate=refund()": (
        lambda c: c.step_with_compensation(charge, compensate=charge()),
        (
            "ctx.step_with_compensation(compensate=) takes a function, not an int, which may be what it returned: pass "
            "the function itself, without calling it: compensate=refund"
        ),
    ),
    "item_name": (
        lambda c: c.map(nothing, [1], item_name="x"),
        (
            "ctx.map(item_name=) takes a function, not a str, which may be what it returned: pass the function itself, "
            "without calling it: item_name=lambda parcel, index: f'parcel-{index}'"
        ),
    ),
    "map(items, function)": (
        lambda c: c.map([1, 2], nothing),
        "ctx.map() takes the function first: ctx.map(ship, parcels)",
    ),
    "step(argument, function)": (lambda c: c.step(1, charge), "ctx.step() takes the function first: ctx.step(charge)"),
    "defer('name', function)": (
        lambda c: c.defer("a", charge),
        "ctx.defer() takes the function first: ctx.defer(charge)",
    ),
    **{
        f"a handler in {name}": (
            call,
            f"ctx.{name}() takes a plain function, but durable_inside() is a durable handler: invoke it",
        )
        for name, call in {
            "step": lambda c: c.step(durable_inside, {}, None),
            "run_in_child_context": lambda c: c.run_in_child_context(durable_inside, {}),
            "map": lambda c: c.map(durable_inside, [1]),
            "parallel": lambda c: c.parallel([nothing, durable_inside]),
            "defer": lambda c: c.defer(durable_inside, {}, None),
            "wait_for_callback": lambda c: c.wait_for_callback(durable_inside),
        }.items()
    },
    "invoke(a function)": (lambda c: c.invoke(charge, 1), "ctx.invoke() takes the function's name or ARN first, with"),
    "invoke(no name)": (lambda c: c.invoke("my function!", 1), "ctx.invoke() takes the function's name or ARN first"),
    "invoke(payload, name)": (
        lambda c: c.invoke('{"id": 1}', "f"),
        "ctx.invoke() takes the function's name or ARN first",
    ),
    **{
        f"returns={shown} of {name}": (
            partial(call, value),
            f"returns= takes a type, such as returns=Order or returns=list[Order], not {shown}",
        )
        for shown, value in {
            "text": "Order",
            "a Paid": Paid(1),
            "a list": [Paid],
            "a function": lambda: 1,
            "a dict": {},
        }.items()
        for name, call in {
            "step": lambda value, c: c.step(charge, returns=value),
            "create_callback": lambda value, c: c.create_callback(returns=value),
            "wait_for_callback": lambda value, c: c.wait_for_callback(charge, returns=value),
            "wait_for_condition": lambda value, c: c.wait_for_condition(
                charge, initial=0, polling=Polling(bool), returns=value
            ),
            "invoke": lambda value, c: c.invoke("other", returns=value),
            "run_in_child_context": lambda value, c: c.run_in_child_context(charge, returns=value),
        }.items()
    },
}


@pytest.mark.parametrize(
    "returns",
    [int, Paid, list[Paid], Paid | None, Annotated[int, "cents"], NewType("Cents", int), Any, TypeAdapter(int), None],
    ids=str,
)
def test_every_kind_of_type_is_one(returns):
    assert run_of(lambda ctx: ctx.create_callback(returns=returns, name="c").callback_id).status == "SUCCEEDED"


@pytest.mark.parametrize(
    "name", ["f", "f:1", "my_f-2:$LATEST", "arn:aws:lambda:eu-west-1:123456789012:function:f:live"]
)
def test_every_kind_of_name_of_a_function_is_one(name):
    assert run_of(lambda ctx: ctx.invoke(name, 1)).error.error_type != "ValidationError"


@pytest.mark.parametrize(("call", "words"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_refused_with_what_it_is_and_what_to_do_and_nothing_is_recorded(call, words):
    run = run_of(call)
    assert (run.status, run.error.error_type) == ("FAILED", "ValidationError")
    assert words in run.error.error_message
    assert (run.operations, len(run.invocations)) == ([], 1)


def test_an_answer_s_type_without_a_schema_is_refused_before_there_is_an_id():
    class Opaque:
        """Has none."""

    run = run_of(lambda ctx: ctx.create_callback(returns=Opaque))
    assert (run.status, run.error.error_type, run.operations) == ("FAILED", "DurableConfigError", [])
    assert "no schema for" in run.error.error_message


def test_a_refused_call_takes_no_number_so_what_follows_is_recorded_where_it_would_be():
    ids = []

    @durable
    def handler(event, ctx):
        if event["wrong"]:
            try:
                ctx.step(charge, retry=3)
            except ValidationError:
                pass
        ctx.step(charge)

    for wrong in (True, False):
        run = Simulator(handler).start({"wrong": wrong})
        ids.append([op.id for op in run.operations])
    assert ids[0] == ids[1] != []


# -- semantics ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("semantics", [StepSemantics.AT_MOST_ONCE, "AT_MOST_ONCE"], ids=["enum", "its text"])
def test_at_most_once_is_never_mistaken_for_the_weaker_promise(semantics):
    runs = []

    def dies():
        runs.append(1)
        raise SystemExit

    @durable
    def handler(event, ctx):
        return ctx.step(dies, semantics=semantics, retry=Retry.none())

    run = Simulator(handler).start().finish()
    assert (run.status, run.error.error_type, runs) == ("FAILED", "StepInterruptedError", [1])


# -- messages that show what to write ----------------------------------------------------------------------------

TAKES_KEYWORDS = r"DurableContext\.{}\(\) takes 1 positional argument but 2 were given"


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda ctx: ctx.create_callback("a"), "TypeError", TAKES_KEYWORDS.format("create_callback")),
        (
            lambda ctx: ctx.wait_for_condition(add, initial=0),
            "TypeError",
            r"Context\.wait_for_condition\(\) missing",
        ),
        (lambda ctx: ctx.with_retry(add), "TypeError", r"DurableContext\.with_retry\(\) missing"),
        (
            lambda ctx: ctx.step("a", add, 1, 2),
            "ValidationError",
            r"ctx\.step\(\) takes the function first, and",
        ),
        (lambda ctx: ctx.map("a", add, [1]), "TypeError", r"DurableContext\.map\(\) takes 3 positional"),
        (lambda ctx: ctx.parallel([add(1, 2)]), "ValidationError", r"is a list, which may be what a function returned"),
        (lambda ctx: ctx.step(object), "SerDesError", r"an object can't be recorded by default"),
    ],
    ids=["callback", "condition", "retry", "step", "map", "parallel", "article"],
)
def test_a_wrong_call_shows_what_to_write(call, kind, message):
    error = run_of(call).finish().error
    assert error.error_type == kind
    assert re.search(message, error.error_message)


def test_an_option_that_is_nearly_one_is_named():
    with pytest.raises(DurableConfigError, match=r"no option 'models'; do you mean 'model'\?"):
        durable(models=int)(lambda event, ctx: None)
