"""Every handler of examples/operations/ survives a crash at every moment: no correct example is blamed."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

from powertools_durable import durable
from powertools_durable.decorator import DurableFunction
from powertools_durable.testing import Simulator, explore

FOLDER = Path(__file__).parents[2] / "examples" / "operations"
ORDER = {"id": "42", "sku": "cup", "total": "3"}
EVENTS = {
    "batch": {"total": ["1", "2", "3"], "total_in_pieces": ["1", "2", "3"]},
    "callback": {"approve": "42", "approve_in_time": "42", "render": "metropolis"},
    "child_context": {"ship_all": ["cup", "pot"], "dispatch_somehow": 12, "count": 1},
    "compensation": {
        "travel": "venice",
        "sell": 200,
        "sell_once": 200,
        "travel_if_possible": "venice",
        "travel_cheaply": "venice",
        "clean_room": "blue",
        "fly": "venice",
    },
    "invoke": {"place_order": ORDER, "payments": ORDER, "place_order_somehow": ORDER},
    "map": {
        "album": [{"id": "a", "width": 900}, {"id": "b", "width": 1}],
        "broken_links": ["x/1", "x/404"],
        "remind_all": ["ada", "bob", "cyd"],
        "words": ["a b", "c"],
        "verdict": ["Ada", "Bob", "Nils"],
    },
    "parallel": {"accept": ORDER, "first_offer": ["post", "van"], "alarm": ["sms", "mail"]},
    "patches": dict.fromkeys(
        ["welcome", "welcome_with_gift", "welcome_always_with_gift", "welcome_briefly"],
        "ada",
    ),
    "step": {
        "place_order": ORDER,
        "convert": "EUR",
        "charge_safely": "12",
        "pay_out": "savings",
        "reserve_what_there_is": 5,
    },
    "wait": {"welcome": "ada", "next_morning": "ada", "remind": ["first", "second"]},
    "wait_for_callback": {"receive": "film"},
    "wait_for_condition": {"create": "db", "warm_up": 1.0, "import_rows": 5},
    "with_retry": {"travel": "LH1", "travel_somehow": "LH1"},
}
ANSWERS = {
    "approval": {"approved": True, "by": "ada"},
    "rendered": lambda callback: callback.heartbeat() and callback.succeed("film"),
    "offer-post": {"price": 7},
    "scan": {"clean": True, "engine": "clam"},
}
HANDLERS = [(file, name) for file, events in EVENTS.items() for name in events]


def functions_of(file):
    match file:
        case "invoke":
            return {"payments:1": import_module(f"examples.operations.{file}").payments}
        case "compensation":
            return {"flights:live": lambda event: f"seat-to-{event['city']}"}
        case _:
            return None


@pytest.mark.sampled(4)
@pytest.mark.parametrize(("file", "name"), HANDLERS)
def test_it_survives(file, name):
    handler = getattr(import_module(f"examples.operations.{file}"), name)
    simulator = Simulator(handler, functions=functions_of(file))
    found = explore(simulator, EVENTS[file][name], callbacks=ANSWERS)
    found.assert_survives()
    # Some examples fail on purpose, and the answers are those of all of them.
    assert not [warning for warning in found.warnings if not re.search("is FAILED|answer was never given", warning)]


def test_there_is_no_other_handler():
    for path in FOLDER.glob("*.py"):
        if path.stem.startswith("async_"):  # run in tests/examples/test_async.py and test_async_guide.py
            continue
        module = import_module(f"examples.operations.{path.stem}")
        handlers = {name for name, value in vars(module).items() if isinstance(value, DurableFunction)}
        assert handlers == set(EVENTS[path.stem])


def test_an_invoked_execution_has_operations_of_its_own_though_their_ids_are_the_same():
    @durable
    def invoked(event, ctx):
        return ctx.step(lambda: "told", name="told")  # the first operation, as is the caller's

    @durable
    def handler(event, ctx):
        return [ctx.step(lambda: "done", name="done"), ctx.invoke("invoked", {}, name="asks")]

    explore(Simulator(handler, functions={"invoked": invoked})).assert_survives()
