"""examples/patched.py: the code changes while orders are on their way."""

from __future__ import annotations

import pytest

from examples import patched as example
from powertools_durable import DurableContext, durable
from powertools_durable.testing import Simulator

EVENT = {"id": "42"}


class Function:
    """A deployed function: `code` is what the next invocation runs."""

    def __init__(self, code):
        self.code = code

        @durable
        def handler(order: example.Order, ctx: DurableContext) -> str:
            return self.code.__wrapped__(order, ctx)

        self.handler = handler


def names(run):
    return [record.name for record in run.operations]


@pytest.mark.parametrize(("version", "way"), [(example.version_1, "road"), (example.version_2, "flight-of-42")])
def test_an_order_goes_the_way_of_the_version_it_is_started_with(version, way):
    run = Simulator(version).start(EVENT)
    run.callback("packed").succeed("12 kg")
    assert (run.status, run.result) == ("SUCCEEDED", f"42, 12 kg, goes by {way}")


def test_an_order_that_a_deploy_meets_on_its_way_ends_as_it_began():
    function = Function(example.version_1)
    run = Simulator(function.handler).start(EVENT)
    function.code = example.version_2
    run.callback("packed").succeed("12 kg")
    assert (run.status, run.result) == ("SUCCEEDED", "42, 12 kg, goes by road")
    assert "book_flight" not in names(run)


def test_without_the_patch_that_order_would_fail():
    @durable
    def unguarded(order: example.Order, ctx: DurableContext) -> str:
        ctx.step(example.charge, order)
        way = ctx.step(example.book_flight, order)
        weight = ctx.wait_for_callback(example.ask_warehouse, order, name="packed", returns=str)
        return ctx.step(example.ship, order, weight, way)

    function = Function(example.version_1)
    run = Simulator(function.handler).start(EVENT)
    function.code = unguarded
    run.callback("packed").succeed("12 kg")
    assert (run.status, run.error.error_type) == ("FAILED", "NonDeterminismError")
    assert "book_flight" in run.error.error_message
    assert "ctx.patched" in run.error.error_message


def test_an_order_of_the_new_version_keeps_its_way_over_a_later_deploy():
    function = Function(example.version_2)
    run = Simulator(function.handler).start(EVENT)
    assert names(run)[:3] == ["charge", "ship-by-air", "book_flight"]
    run.callback("packed").succeed("12 kg")
    assert run.result == "42, 12 kg, goes by flight-of-42"
