"""What `observe` writes down, and that every fault of its plans happens."""

from __future__ import annotations

from collections import Counter

import pytest

from powertools_durable import Retry, durable
from powertools_durable.testing import Ledger, explore
from tests.properties.events import Answered, Began, BodyBegan, Died, Ended, Line, Seen, digest
from tests.properties.faults import CALLS, CLASSES, PAGES, FaultPlan
from tests.properties.trace import observe

LEDGER = Ledger()
RESULT = '[true, "packed", "{\\"yes\\": true}", 42]'


@durable
def order(event, ctx):
    charged = ctx.step(lambda: LEDGER.record("charge"), name="charge", retry=Retry.none())
    ctx.wait(60, name="later")
    packed = ctx.run_in_child_context(lambda child: child.step(lambda: "packed", name="pack"), name="pack all")
    answer = ctx.create_callback(name="approval").result()
    return [charged, packed, answer, ctx.step(lambda: event, name="last")]


def traced(**options):
    return observe(order, 42, ledger=LEDGER, callbacks={"approval": {"yes": True}}, **options)


def of(trace, kind):
    return [event for event in trace.events if type(event) is kind]


def test_a_trace_tells_what_happened():
    trace = traced()
    assert (trace.status, trace.result, trace.stuck) == ("SUCCEEDED", RESULT, "")
    assert [ended.answer for ended in of(trace, Ended)] == ["PENDING", "PENDING", "SUCCEEDED"]
    assert [len(began.operations) for began in of(trace, Began)] == [1, 3, 5]
    assert [body.attempt for body in of(trace, BodyBegan)] == [1, 1, 1]
    charges = [seen for seen in of(trace, Seen) if seen.value == "True"]
    assert [(seen.invocation, seen.status) for seen in charges] == [
        (1, "SUCCEEDED"),
        (2, "SUCCEEDED"),
        (3, "SUCCEEDED"),
    ]
    assert all(answered.answer == "token" and answered.applied for answered in of(trace, Answered))


@pytest.mark.slow
def test_moments_are_those_of_explore():
    found = explore(order, 42, ledger=LEDGER, callbacks={"approval": {"yes": True}})
    moments = traced().moments
    assert len(moments) > 10
    for number, moment in enumerate(moments):
        assert str(found.crash_points[number]).startswith(moment)


def test_a_process_dies_at_each_moment_and_the_execution_ends_alike():
    whole = traced()
    for at in range(len(whole.moments)):
        trace = traced(kills=[at])
        assert [died.moment for died in of(trace, Died)] == [at]
        assert "killed" in [ended.answer for ended in of(trace, Ended)]
        assert (trace.status, trace.result) == (whole.status, whole.result)


@pytest.mark.parametrize("fault", CALLS)
def test_each_fault_of_a_request_happens(fault):
    trace = traced(faults=FaultPlan(calls=dict.fromkeys(range(2), fault)))
    assert trace.faults[fault] >= 1
    assert (trace.status, trace.result) == ("SUCCEEDED", traced().result)


@pytest.mark.parametrize("fault", PAGES)
def test_each_fault_of_a_page_happens(fault):
    trace = traced(faults=FaultPlan(pages=dict.fromkeys(range(2), fault), page_items=2))
    assert trace.faults[fault] >= 1
    assert (trace.status, trace.result) == ("SUCCEEDED", traced().result)


@pytest.mark.slow
def test_drawn_plans_have_every_fault_before_long():
    count: Counter[str] = Counter()
    for seed in range(60):
        trace = traced(faults=FaultPlan.drawn(seed, chance=0.4))
        assert (trace.status, trace.result, trace.stuck) == ("SUCCEEDED", traced().result, ""), seed
        count += Counter(trace.faults)
    assert sorted(count) == sorted(CLASSES)


def test_the_same_seed_gives_the_same_trace_and_another_one_another():
    assert traced(twice=True).again == digest(traced())
    assert digest(traced(seed=1)) != digest(traced())


def test_a_line_is_written_down_whenever_it_is_said_and_it_tells_when_it_came_out():
    import logging

    @durable
    def handler(event, ctx):
        logging.getLogger("shop").warning("before")
        ctx.wait(1)

    lines = of(observe(handler), Line)
    assert [(line.message, line.invocation, line.shown) for line in lines] == [
        ("before", 1, True),
        ("before", 2, False),
    ]
