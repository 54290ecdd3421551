"""The worst that replay() could do is to call code safe that is not. Changes that are easily overlooked."""

from __future__ import annotations

import inspect

import pytest
from pydantic import BaseModel

from powertools_durable import Nesting, Polling, durable
from powertools_durable.serdes import PlainJson, TaggedJson
from powertools_durable.testing import Simulator, replay


def note(ctx, name):
    return ctx.step(lambda: 1, name=name)


# -- contexts that leave no record of their own ----------------------------------------------------------------------


def two(child):
    note(child, "a")
    note(child, "b")


def one(child):
    return note(child, "a")  # here


def virtual(event, ctx):
    ctx.run_in_child_context(two, name="inner", virtual=True)
    ctx.wait(60)


def recorded(event, ctx):
    ctx.run_in_child_context(two, name="inner")  # here
    ctx.wait(60)


def inline(event, ctx):
    ctx.step(lambda: 1, name="a")  # here
    ctx.step(lambda: 1, name="b")
    ctx.wait(60)


def gone(event, ctx):
    ctx.wait(60)  # here


def shortened(event, ctx):
    ctx.run_in_child_context(one, name="inner", virtual=True)
    ctx.wait(60)


def fan_out(nesting, first="a", last="z"):
    def branch(child, n):
        note(child, first)
        child.wait(60 * n)
        if last:
            note(child, last)

    def handler(event, ctx):
        ctx.map(branch, [1, 2], name="all", nesting=nesting)  # here

    return handler


flat, nested = fan_out(Nesting.FLAT), fan_out(Nesting.NESTED)
flat_shortened, nested_shortened = fan_out(Nesting.FLAT, last=""), fan_out(Nesting.NESTED, last="")


# -- code that raises, or returns, where it did not -------------------------------------------------------------------


def whole(child, _item=None):
    note(child, "a")
    return 1


def broken(child, _item=None):
    note(child, "a")
    raise KeyError  # here


def child_of(body):
    def handler(event, ctx):
        ctx.run_in_child_context(body, name="inner")
        ctx.wait(60)

    return handler


def branches_of(body):
    def handler(event, ctx):
        ctx.map(body, [1, 2], name="all")
        ctx.wait(60)

    return handler


def deferring(event, ctx):
    ctx.defer(lambda: 1)
    note(ctx, "a")
    ctx.wait(60)


def not_deferring(event, ctx):
    note(ctx, "a")
    ctx.wait(60)  # here


def catching(event, ctx):
    """What replay() found must not be swallowed by the code."""
    for name in ("b", "c"):
        try:
            ctx.step(lambda: 1, name=name)  # here
        except Exception:  # noqa: BLE001 - how users write it
            pass
    return "done"


def line_of(function):
    lines, first = inspect.getsourcelines(function)
    return first + next((number for number, line in enumerate(lines) if "# here" in line), -first)


ENDS = ["running", "in the middle", "ended"]
EARLY = ENDS[:2]


@pytest.mark.parametrize(
    ("before", "after", "ends", "operation", "where"),
    [
        (virtual, recorded, ENDS, "context 'inner'", recorded),
        (virtual, inline, ENDS, "step 'a'", inline),
        (virtual, gone, ENDS, "wait '1ced8f5b'", gone),
        (virtual, shortened, ENDS, "step 'b'", None),
        (inline, virtual, ENDS, "context 'inner' (#1)", None),
        (recorded, virtual, ENDS, "context 'inner' (#1)", None),
        (flat, nested, ENDS, "context 'map-item-0'", nested),
        (nested, flat, ENDS, "context 'map-item-0' (#0)", flat),
        (flat, flat_shortened, ENDS[1:], "step 'z'", None),
        (nested, nested_shortened, ENDS[2:], "step 'z'", None),
        (child_of(whole), child_of(broken), ENDS[2:], "context 'inner'", broken),
        (branches_of(whole), branches_of(broken), ENDS[2:], "context 'map-item-0'", broken),
        (deferring, not_deferring, ENDS[2:], "step '6f760b9e'", not_deferring),
        (not_deferring, catching, ENDS, "step 'b' (#1)", catching),
    ],
    ids=lambda value: getattr(value, "__name__", "-"),
)
def test_a_change_that_is_easily_overlooked_breaks(before, after, ends, operation, where):
    for end in ends:
        run = Simulator(durable(before)).start()
        run.advance(60 if end == "in the middle" else 0)
        if end == "ended":
            run.finish()
        assert replay(durable(before), run.history()), end
        verdict = replay(durable(after), run.history())
        assert (verdict.status, verdict.operation) == ("BREAKS", operation), end
        assert verdict.location.startswith(f"{__file__}:")
        assert where is None or verdict.location.endswith(f":{line_of(where)}"), end


class Payment(BaseModel):
    id: str


def paying(annotated):
    def pay(child, _item=None):
        note(child, "a")
        return Payment(id="p") if annotated else {"id": "p"}

    if annotated:
        pay.__annotations__["return"] = Payment
    return pay


@pytest.mark.parametrize("ended", [False, True])
@pytest.mark.parametrize("of", [child_of, branches_of])
def test_a_result_of_a_context_that_can_not_be_read_is_not_taken_for_a_summary(of, ended):
    """Nothing in a history says that a context's text is a summary; but that of a small result is none."""
    run = Simulator(durable(of(paying(annotated=True)))).start()
    if ended:
        run.finish()
    assert replay(durable(of(paying(annotated=True))), run.history())
    verdict = replay(durable(of(paying(annotated=False))), run.history())
    assert (verdict.status, verdict.recorded) == ("BREAKS", {"result": "another type"})


@pytest.mark.parametrize("ended", [False, True])
@pytest.mark.parametrize("serdes", [None, PlainJson()])
def test_a_summary_is_not_taken_for_a_result(serdes, ended):
    def handler(event, ctx):
        def large(child):
            note(child, "a")
            return [{"page": "x" * 300_000}]

        ctx.run_in_child_context(large, summary=lambda pages: f"{len(pages)} pages", serdes=serdes)
        ctx.wait(60)

    run = Simulator(durable(handler)).start()
    if ended:
        run.finish()
    verdict = replay(durable(handler), run.history())
    assert verdict, verdict
    assert verdict.replayed == 3


def test_a_fan_out_whose_format_has_changed_breaks():
    def fan_out(serdes):
        def handler(event, ctx):
            ctx.map(whole, [1, 2], name="all", serdes=serdes)
            ctx.wait(60)

        return durable(handler)

    class Reversed:
        def serialize(self, value, context):
            return TaggedJson().serialize(value, context)[::-1]

        def deserialize(self, text, context):
            return TaggedJson().deserialize(text[::-1], context)

    run = Simulator(fan_out(Reversed())).start()
    assert replay(fan_out(Reversed()), run.history())
    verdict = replay(fan_out(None), run.history())
    assert (verdict.status, verdict.operation) == ("BREAKS", "context 'all' (#1)")


def test_the_state_of_a_condition_that_is_not_met_yet_must_be_readable():
    def polling(state, returns=None):
        def handler(event, ctx):
            until = Polling(lambda _: False, initial_delay=60, jitter="none")
            ctx.wait_for_condition(lambda seen: seen, initial=state, polling=until, name="poll", returns=returns)

        return durable(handler)

    class Other(BaseModel):
        number: int

    run = Simulator(polling(Payment(id="p"), Payment)).start()
    assert repr(replay(polling(Payment(id="p"), Payment), run.history())) == "<SAFE: 1 recorded operation asked for>"
    verdict = replay(polling(Other(number=1), Other), run.history())
    assert (verdict.status, verdict.operation) == ("BREAKS", "step 'poll' (#1)")
    assert verdict.recorded == {"result": "another type"}


def test_what_a_context_that_has_ended_did_is_not_asked_for_again_while_the_execution_runs():
    """Its next invocation does not enter it. Histories of executions that have ended show such a change."""
    run = Simulator(durable(child_of(whole))).start()
    assert replay(durable(child_of(broken)), run.history())
    assert not replay(durable(child_of(broken)), run.finish().history())


def test_more_at_the_end_of_the_code_is_safe():
    def longer(event, ctx):
        not_deferring(event, ctx)
        note(ctx, "more")

    run = Simulator(durable(not_deferring)).start().finish()
    verdict = replay(durable(longer), run.history())
    assert verdict
    assert "asks for step 'more', which is not recorded" in verdict.stopped_at


# -- results of another type than before -------------------------------------------------------------------------------


class Parcel(BaseModel):
    number: int


def typed(call):
    """Make handlers that differ in the type they expect; *call* gets the type and a value of it."""

    def handler_for(model):
        def handler(event, ctx):
            call(ctx, model, lambda *_: Payment(id="p") if model is Payment else Parcel(number=1))
            ctx.wait(60)

        return durable(handler)

    return handler_for


TYPED = {
    "step": lambda ctx, model, made: ctx.step(made, name="it", returns=model),
    "step with compensation": lambda ctx, model, made: ctx.step_with_compensation(
        made, compensate=lambda _: None, name="it", returns=model
    ),
    "condition": lambda ctx, model, made: ctx.wait_for_condition(
        lambda seen: seen, initial=made(), polling=Polling(lambda _: True), name="it", returns=model
    ),
    "child": lambda ctx, model, made: ctx.run_in_child_context(made, name="it", returns=model),
    "map": lambda ctx, model, made: ctx.map(made, [1, 2], name="it", returns=model),
    "flat map": lambda ctx, model, made: ctx.map(made, [1, 2], name="it", returns=model, nesting=Nesting.FLAT),
    "parallel": lambda ctx, model, made: ctx.parallel([made, made], name="it", returns=model),
    "callback": lambda ctx, model, made: ctx.create_callback(name="it", returns=model).result(),
    "wait for callback": lambda ctx, model, made: ctx.wait_for_callback(lambda _: None, name="it", returns=model),
    "invoke": lambda ctx, model, made: ctx.invoke("other:1", name="it", returns=model),
}


@pytest.mark.parametrize("ended", [False, True])
@pytest.mark.parametrize("kind", TYPED)
def test_a_result_of_another_type_than_is_expected_breaks(kind, ended):
    handler_for = typed(TYPED[kind])
    run = Simulator(handler_for(Payment), functions={"other:1": lambda _: {"id": "p"}}).start()
    if "callback" in kind:
        run.callback("it").succeed({"id": "p"})
    if ended:
        run.finish()
    assert replay(handler_for(Payment), run.history())
    verdict = replay(handler_for(Parcel), run.history())
    assert (verdict.status, verdict.recorded) == ("BREAKS", {"result": "another type"})
    assert "number (missing)" in verdict.asked["result"]
    assert verdict.location.startswith(f"{__file__}:")
