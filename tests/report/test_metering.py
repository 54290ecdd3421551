"""What Lambda charges for each kind of operation, by its table of how durable operations are metered."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from powertools_durable._report.metering import usage_of
from powertools_durable._report.prices import price_of
from powertools_durable._timeline import read_events, read_execution
from tests.histories import programs as written
from tests.histories.programs import PROGRAMS
from tests.twins import twin_module

OURS = Path(__file__).parents[1] / "histories/ours"
ASYNC_PROGRAMS = twin_module(written).PROGRAMS

NOT_YET = len('{"ErrorType":"OSError","ErrorMessage":"not yet"}')
OUT_OF_STOCK = len('{"ErrorType":"ValueError","ErrorMessage":"out of stock"}')
DIVIDED = len('{"ErrorType":"ZeroDivisionError","ErrorMessage":"integer division or modulo by zero"}')
NOT_DIVIDED = len('{"ErrorType":"StepError","ErrorMessage":"integer division or modulo by zero"}')

# Operations as AWS counts them, requests, and the bytes of inputs, results and errors.
SHAPES = {
    "steps": (1 + 2, 1, 22 + 67 + 10 + 21),  # the execution, two steps
    "retried_step": (1 + 3, 3, NOT_YET + NOT_YET + 1 + 1),  # a step with two retries
    "retry_pending": (1 + 2, 1, NOT_YET),  # ... of which the first is to come
    "waits": (1 + 3, 4, 6),
    "callback": (1 + 2, 2, 4 + 18 + 22),  # a callback, a step
    "wait_for_callback": (1 + 3, 2, 4 + 5 + 9 + 9),  # a context, a callback, a step; the answer twice
    "wait_for_condition": (1 + 1 + 3, 3, 3 + 1),  # three checks with a state each, and the result
    "invoke": (1 + 1, 2, 8 + 8 + 2 + 2),
    "map_nested": (1 + 1 + 3 + 3 * 2, 4, 9 + 6 * 1 + 468 + 9),  # three branches, a wait and a step in each
    "map_with_failures": (1 + 1 + 3 + 3, 1, 9 + DIVIDED + NOT_DIVIDED + 2 * 2 * 1 + 569 + 9),
    "map_flat_with_failures": (1 + 1 + 3, 1, 9 + DIVIDED + 2 * 1 + 588 + 9),  # a failure is the step's alone
    "map_flat": (1 + 1 + 3 * 2, 4, 9 + 3 * 1 + 468 + 9),  # its branches have no records
    "with_retry": (
        1 + 1 + 2 + 1 + 1,
        2,
        1 + 1 + OUT_OF_STOCK + 9 + 9,
    ),  # a context, two steps, the wait between them, a step
    "saga": (
        1 + 3 + 2 + 1 + 1,
        1,
        22 + 67 + 10 + OUT_OF_STOCK + 2 + 8 + 8,
    ),  # three steps, two compensations with a step in one, a step
}


def timeline_of(name):
    return read_events(json.loads((OURS / f"{name}.json").read_text(encoding="utf-8"))["Events"])


@pytest.mark.parametrize("name", SHAPES)
def test_an_execution_is_charged_as_by_hand(name):
    """8 dollars for a million operations, 0.20 for a million requests, 0.25 and 0.15 for a GB; 730 h are a month."""
    operations, requests, written = SHAPES[name]
    timeline = timeline_of(name)
    usage = usage_of(timeline)
    assert (usage.operations, usage.invocations, usage.written) == (operations, requests, written)
    months = ((timeline.until - timeline.started).total_seconds() / 3600 + 14 * 24) / 730
    by_hand = operations * 8e-6 + requests * 0.2e-6 + written * (0.25 + months * 0.15) / 1e9
    assert float(price_of(usage).total) == pytest.approx(by_hand, rel=1e-9)


@pytest.mark.parametrize("programs", [PROGRAMS, ASYNC_PROGRAMS], ids=["def", "async def"])
@pytest.mark.parametrize("name", ["retried_step", "map_flat", "map_flat_with_failures", "with_retry"])
def test_either_kind_of_handler_costs_the_same(name, programs):
    usage, golden = usage_of(read_execution(programs[name].run())), usage_of(timeline_of(name))
    assert (usage.operations, usage.invocations) == (golden.operations, golden.invocations)


def test_a_failure_costs_its_error():
    execution = len('{"ErrorType":"StepError","ErrorMessage":"out of stock"}')
    assert usage_of(timeline_of("failed_step")).written == OUT_OF_STOCK + execution


def test_an_order_costs_what_it_costs_by_hand():
    """11 operations, 3 requests; the bytes are kept for an hour and 14 days."""
    usage = usage_of(timeline_of("order_flow"))
    months = (1 + 14 * 24) / 730
    by_hand = 11 * 8e-6 + 3 * 0.2e-6 + usage.written * (0.25 + months * 0.15) / 1e9
    assert float(price_of(usage).total) == pytest.approx(by_hand, rel=1e-9)
