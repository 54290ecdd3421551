"""Each handler that docs/operations/child-context.md quotes."""

from __future__ import annotations

from examples.operations import child_context as example
from powertools_durable.testing import Simulator


def test_ship_all_ships_each_item_in_a_context_of_its_own():
    run = Simulator(example.ship_all).start(["cup", "pot"]).finish()
    assert run.status == "SUCCEEDED"
    assert run.result == [{"sku": "cup", "label": "label-box-cup"}, {"sku": "pot", "label": "label-box-pot"}]
    assert run.operation("ship-cup").status == run.operation("ship-pot").status == "SUCCEEDED"


def test_dispatch_returns_what_was_loaded():
    run = Simulator(example.dispatch_somehow).start(7).finish()
    assert (run.status, run.result) == ("SUCCEEDED", "7 on the-small-truck")


def test_dispatch_tells_which_context_failed_and_why():
    run = Simulator(example.dispatch_somehow).start(11).finish()
    assert (run.status, run.result) == ("SUCCEEDED", "dispatch failed: the-small-truck takes ten pallets")
    assert run.operation("dispatch").status == "FAILED"


def test_count_rebuilds_a_large_result_from_its_steps_which_do_not_run_again(monkeypatch):
    reads = []

    def read_page(number: int) -> list[str]:
        reads.append(number)
        return original(number)

    original = example.read_page
    monkeypatch.setattr(example, "read_page", read_page)
    run = Simulator(example.count).start(3).finish()
    assert (run.status, run.result) == ("SUCCEEDED", 18_000)
    assert reads == [0, 1, 2]
    assert len(run.invocations) == 2
    context = run.operation("read_catalogue").context_details
    assert (context.replay_children, context.result) == (True, "18000 items")
