"""Programs that a seed decides: each beginning of their histories is safe, and each change of them breaks."""

from __future__ import annotations

import json

import pytest

from e2e.local import programs
from powertools_durable._protocol.operation import ErrorObject
from powertools_durable.testing import Simulator, replay
from tests.histories.changes import History, identifier

SEEDS = [3, 7, 13, 23, 42, 61, 74, 88, 101]


def answered(run):
    """Go on to the end, as somebody outside who answers at once."""
    while run.status == "RUNNING":
        names = [record.name for record in run.operations if record.type == "CALLBACK" and record.status == "STARTED"]
        asked = next((run.callback(name) for name in names if name and name.startswith("ask ")), None)
        if asked is None:
            run.step()
        elif " yes" in repr(asked):
            asked.succeed("by all means")
        else:
            asked.fail(ErrorObject(error_type="Refused", error_message="by no means"))
    return run


def histories(seed):
    """Return the history at the first suspension, and at the end."""
    simulator = Simulator(programs.handler, seed=seed, functions={"echo:1": programs.echo})
    run = simulator.start(programs.Maker(seed).event(), name=f"program-{seed}")
    first = run.history()
    return [json.loads(json.dumps(events, default=str)) for events in (first, answered(run).history())]


def breaking(history):
    """Yield every change that must break, and what it is."""
    hidden = history.unseen()
    for key, place in history.places.items():
        if key in hidden:
            continue
        yield f"{place} had another name", history.with_fields(key, Name="was")
        yield f"{place} was somewhere else", history.with_fields(key, ParentId=identifier((9, 9)))
        if history.identity(key)[0] not in {"Wait", "Context"}:
            yield f"{place} was a wait", history.as_wait(key)
        if history.is_branch(key):
            continue
        yield f"another step before {place}", history.with_one_more(place)
        before = history.inside(place[:-1])
        at = [p for p in sorted(history.by_place) if p[:-1] == place[:-1]].index(place)
        if any(was != now for was, now in zip(before[:at] + before[at + 1 :], before, strict=False)):
            yield f"without {place}", history.with_one_less(key)
    for key, after in history.neighbours():
        if history.identity(key) != history.identity(after) and key not in hidden:
            yield f"{history.places[key]} after the next", history.swapped(key, after)


@pytest.mark.sampled(1)
@pytest.mark.parametrize("seed", SEEDS)
def test_every_beginning_of_a_random_program_replays(seed):
    for events in histories(seed):
        for length in range(1, len(events) + 1):
            verdict = replay(programs.handler, events[:length])
            assert verdict, f"the first {length} events: {verdict}"


@pytest.mark.sampled(1)
@pytest.mark.parametrize("seed", SEEDS)
def test_every_change_of_a_random_program_breaks(seed):
    for events in histories(seed):
        for change, changed in breaking(History(events)):
            verdict = replay(programs.handler, changed)
            assert verdict.breaks, change
            assert verdict.operation, change
            assert verdict.location.endswith(".py", 0, verdict.location.rindex(":")), change
