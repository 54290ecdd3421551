"""The handlers of the official SDK, and what it recorded of them, on `compat`. The SDK itself is not needed for it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from powertools_durable.testing import Simulator, explore, replay
from tests.compat import twin

HISTORIES = Path(__file__).parents[1] / "histories"
OFFICIAL = sorted((HISTORIES / "official").glob("*.json"))
HANDLERS = twin.load(HISTORIES / "official_handlers.py", official=False)


def handler_of(file):
    return getattr(HANDLERS, file.stem)


@pytest.mark.parametrize("file", OFFICIAL, ids=lambda file: file.stem)
def test_what_the_official_sdk_recorded_replays(file):
    replay(handler_of(file), file).assert_safe()


@pytest.mark.parametrize("file", OFFICIAL, ids=lambda file: file.stem)
def test_every_beginning_of_it_replays(file):
    events = json.loads(file.read_text(encoding="utf-8"))["Events"]
    for length in range(1, len(events)):
        verdict = replay(handler_of(file), events[:length])
        assert verdict, f"the first {length} events: {verdict}"


def test_the_kit_takes_such_a_handler():
    order = {"id": 7, "total": 30}
    run = Simulator(HANDLERS.order_flow).start(order)
    run.callback("approval").succeed("yes")
    assert run.finish().result == {"payment": "pay-7", "answer": '"yes"', "parcels": ["cup 0", "pot 1"]}
    explore(HANDLERS.waits, order).assert_survives()
