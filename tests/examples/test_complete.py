"""Each file of examples/operations/complete, quoted whole by docs/operations/, as `def` and as `async def`."""

from __future__ import annotations

from datetime import timedelta
from importlib import import_module
from pathlib import Path

import pytest

from examples.operations.invoke import payments
from powertools_durable.testing import Simulator

FOLDER = Path(__file__).parents[2] / "examples" / "operations" / "complete"
ORDER = {"id": "42", "tenant": "acme", "total": "51.00"}


def declined(order):
    raise PermissionError("the card was declined")


def nothing(run):
    """Answer no callback."""


def silence(run):
    """Nobody answers."""
    run.advance(timedelta(days=1))


def succeed(name, value):
    return lambda run: run.callback(name).succeed(value)


def fail(name, error):
    return lambda run: run.callback(name).fail(error)


CASES = [
    ("step:ship", "42", nothing, "express-42"),
    ("callback:render", "metropolis", succeed("rendered", {"url": "metropolis.mp4"}), "metropolis.mp4"),
    ("callback:render", "metropolis", silence, "the worker stopped answering"),
    ("callback:render", "metropolis", fail("rendered", OSError("disk full")), "the worker failed: OSError: disk full"),
    ("wait_for_callback:receive", "a.pdf", succeed("scan", {"clean": True}), "clean"),
    ("wait_for_callback:receive", "a.zip", nothing, "not queued: the queue accepts no archives"),
    ("wait_for_callback:receive", "a.pdf", silence, "no answer, or no heartbeat"),
    ("wait_for_callback:receive", "a.pdf", fail("scan", "out of memory"), "the scanner failed: out of memory"),
    ("wait_for_condition:export", "orders", nothing, "exported after 3 checks"),
    ("invoke:checkout", ORDER, nothing, "paid 51.00"),
    ("child_context:count", 3, nothing, 18_000),
    ("parallel:quote", "berlin", nothing, "otto for 10; no answer: ['snail']"),
    ("map:check", ["a.example/1", "a.example/404"], nothing, ["a.example/404"]),
    ("saga:travel", "rome", nothing, "car-in-rome"),
]
FAILING = [
    ("map:check", ["a.example/404", "b.example/404"], "a.example/404"),
    ("saga:travel", "venice", "there are no cars in venice"),
]


def run_of(target, event, answer, functions=None):
    module, _, name = target.partition(":")
    handler = getattr(import_module(f"examples.operations.complete.{module}"), name)
    run = Simulator(handler, functions=functions or {"payments:live": payments}).start(event)
    answer(run)
    return run.finish()


def records(run):
    return sorted(
        (each.id, each.parent_id, each.type, each.sub_type, each.name, each.status) for each in run.operations
    )


@pytest.mark.parametrize("kind", ["", "_async"])
@pytest.mark.parametrize(("target", "event", "answer", "result"), CASES)
def test_a_complete_example_ends_as_it_should(kind, target, event, answer, result):
    run = run_of(target.replace(":", f"{kind}:"), event, answer)
    assert (run.status, run.result) == ("SUCCEEDED", result)
    assert records(run) == records(run_of(target, event, answer))


@pytest.mark.parametrize("kind", ["", "_async"])
@pytest.mark.parametrize(("target", "event", "message"), FAILING)
def test_a_complete_example_fails_as_it_should(kind, target, event, message):
    run = run_of(target.replace(":", f"{kind}:"), event, nothing)
    assert (run.status, run.error.error_message) == ("FAILED", message)


def test_a_payment_that_was_declined_is_reported():
    run = run_of("invoke:checkout", ORDER, nothing, functions={"payments:live": declined})
    assert run.result == "not paid: PermissionError: the card was declined"


def test_a_failed_trip_is_undone_backwards_and_its_ticket_is_closed():
    run = run_of("saga:travel", "venice", nothing)
    undone = ["give_back_seat", "pay", "hotel", "close_ticket"]
    last = {record.name: number for number, record in enumerate(run.operations)}
    assert sorted(undone, key=last.__getitem__) == undone


def test_each_file_is_run_here():
    run = {target.partition(":")[0] for target, *_ in CASES}
    assert {file.stem for file in FOLDER.glob("*.py")} == run | {f"{name}_async" for name in run}
