"""Each handler that the tabs *async def* of docs/operations/ quote: it does what its twin does, in the same history."""

from __future__ import annotations

import inspect

import pytest

from examples.operations import (
    async_handlers,
    batch,
    callback,
    child_context,
    compensation,
    invoke,
    parallel,
    patches,
    step,
    wait,
    wait_for_callback,
    wait_for_condition,
    with_retry,
)
from examples.operations import map as mapped
from powertools_durable.testing import Simulator

DECISION = {"approved": True, "by": "ada"}
ORDER = {"id": "42", "total": "9.50"}
PHOTOS = [{"id": "a", "width": 1000}, {"id": "b", "width": 10}]

TWINS = [
    (step.place_order, async_handlers.place_order, ORDER, {}),
    (wait.welcome, async_handlers.welcome, "ada", {}),
    (wait.next_morning, async_handlers.next_morning, "ada", {}),
    (wait.remind, async_handlers.remind, ["one", "two"], {}),
    (callback.approve, async_handlers.approve, "42", {"approval": DECISION}),
    (callback.approve_in_time, async_handlers.approve_in_time, "42", {"approval": DECISION}),
    (callback.approve_in_time, async_handlers.approve_in_time, "42", {}),
    (wait_for_callback.receive, async_handlers.receive, "a.pdf", {"scan": {"clean": True, "engine": "clam"}}),
    (wait_for_condition.create, async_handlers.create, "shop", {}),
    (invoke.place_order, async_handlers.pay, ORDER, {}),
    (with_retry.travel, async_handlers.travel, "LH 1", {}),
    (with_retry.travel_somehow, async_handlers.travel_somehow, "LH 1", {}),
    (parallel.accept, async_handlers.accept, {"id": "42", "sku": "teapot"}, {}),
    (mapped.album, async_handlers.album, PHOTOS, {}),
    (compensation.travel, async_handlers.travel_by_car, "rome", {}),
    (compensation.travel, async_handlers.travel_by_car, "venice", {}),
    (batch.total, async_handlers.total, ["1", "2", "3"], {}),
    (batch.total_in_pieces, async_handlers.total_in_pieces, [str(number) for number in range(25)], {}),
    (patches.welcome_with_gift, async_handlers.welcome_with_gift, "ada", {}),
]


def run_of(handler, event, answers):
    run = Simulator(handler, functions={"payments:1": invoke.payments}).start(event)
    for name, answer in answers.items():
        run.callback(name).succeed(answer)
    return run.finish()


def records(run):
    return sorted(
        (each.id, each.parent_id, each.type, each.sub_type, each.name, each.status) for each in run.operations
    )


@pytest.mark.parametrize(
    ("twin", "handler", "event", "answers"), TWINS, ids=[f"{twin[1].__name__}-{twin[2]}"[:40] for twin in TWINS]
)
def test_an_async_handler_leaves_the_records_and_the_result_of_its_twin(twin, handler, event, answers):
    expected, run = run_of(twin, event, answers), run_of(handler, event, answers)
    assert run.status == expected.status
    assert (run.result, run.error) == (expected.result, expected.error)
    assert records(run) == records(expected)


def test_parcels_are_shipped_at_the_same_time():
    in_turn, together = (
        Simulator(module.ship_all).start(["teapot", "cup"]).finish() for module in (child_context, async_handlers)
    )
    assert together.result == in_turn.result
    assert len(together.invocations) == 2
    assert len(in_turn.invocations) == 3


def test_the_first_offer_wins_and_the_other_one_is_not_waited_for():
    run = Simulator(async_handlers.first_offer).start(["hermes", "otto"])
    run.callback("offer-otto").succeed({"price": 7})
    assert (run.status, run.result) == ("SUCCEEDED", "otto for 7")


def test_every_async_handler_is_run_here():
    handlers = {value for value in vars(async_handlers).values() if hasattr(value, "__durable__")}
    tested = {handler for _, handler, _, _ in TWINS} | {async_handlers.ship_all, async_handlers.first_offer}
    assert handlers == tested
    assert all(inspect.iscoroutinefunction(handler.__wrapped__) for handler in handlers)
