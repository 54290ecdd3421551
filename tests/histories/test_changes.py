"""No change of code is called safe that is not: every operation of every history is changed in every way.

The change is made on the history, which comes to the same: a renamed operation differs from its record, whichever of
the two was renamed. What a replay can't see is computed here anew, by rules that share no code with it.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pytest

from powertools_durable.testing import replay
from tests.histories.changes import FAN_OUTS, History, identifier
from tests.histories.official_equivalents import HANDLERS
from tests.histories.programs import PROGRAMS

HERE = Path(__file__).parent
FILES = sorted([*(HERE / "ours").glob("*.json"), *(HERE / "official").glob("*.json")])
every_history = pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}-{file.stem}")


@cache
def read(file):
    return History(json.loads(file.read_text(encoding="utf-8"))["Events"])


def handler_of(file):
    return HANDLERS[file.stem] if file.parent.name == "official" else PROGRAMS[file.stem].handler


def breaks(file, events):
    """Tell whether the verdict names a file and line, and something that differs."""
    verdict = replay(handler_of(file), events)
    if verdict:
        return False
    assert verdict.operation
    assert verdict.recorded != verdict.asked
    path, _, line = verdict.location.rpartition(":")
    assert Path(path).parent == HERE, verdict
    assert line.isdigit()
    return True


def seen(history):
    hidden = history.unseen()
    return [(key, place) for key, place in history.places.items() if key not in hidden]


@every_history
def test_every_operation_is_known_by_its_place(file):
    history = read(file)
    found = {event["Id"] for event in history.events if event.get("SubType") not in {None, "Patch"}}
    assert found == set(history.places)


@pytest.mark.sampled(60)
@every_history
@pytest.mark.parametrize(
    "fields",
    [{"Name": "was"}, {"SubType": "Was"}, {"ParentId": identifier((9, 9))}],
    ids=["name", "sub type", "parent"],
)
def test_an_operation_that_was_called_otherwise_breaks(file, fields):
    history = read(file)
    for key, place in seen(history):
        assert breaks(file, history.with_fields(key, **fields)), place


@every_history
def test_an_operation_that_was_a_wait_breaks(file):
    history = read(file)
    for key, place in seen(history):
        if history.identity(key)[0] not in {"Wait", "Context"}:
            assert breaks(file, history.as_wait(key)), place


@every_history
def test_an_operation_that_is_no_longer_asked_for_breaks(file):
    history = read(file)
    for key, place in seen(history):
        if not history.is_branch(key):
            assert breaks(file, history.with_one_more(place)), place


@every_history
def test_the_last_operation_of_code_that_has_ended_and_that_is_no_longer_asked_for_breaks(file):
    """Where the code still waits, it may come to ask for it."""
    history = read(file)
    for key, place in seen(history):
        behind = (*place[:-1], place[-1] + 1)
        outer = history.by_place.get(place[:-1])
        has_ended = history.has_ended(outer) if outer else len(place) == 1 and history.status != "RUNNING"
        if has_ended and not history.is_branch(key) and behind not in history.by_place:
            assert breaks(file, history.with_one_more(behind)), place


@every_history
def test_an_operation_that_was_not_asked_for_before_breaks(file):
    """Unless it is the last, or like those that follow: then nothing differs in what was recorded."""
    history = read(file)
    for key, place in seen(history):
        if history.is_branch(key):
            continue
        before = [identity for p, identity in numbered(history, place[:-1])]
        after = [identity for p, identity in numbered(history, place[:-1]) if p != place]
        differs = any(was != now for was, now in zip(after, before, strict=False))
        if differs:
            assert breaks(file, history.with_one_less(key)), place


def numbered(history, outer):
    return [(p, history.identity(key)) for p, key in sorted(history.by_place.items()) if p[:-1] == outer]


@every_history
def test_operations_that_changed_places_break(file):
    history = read(file)
    hidden = history.unseen()
    for key, after in history.neighbours():
        if history.identity(key) != history.identity(after) and key not in hidden:
            assert breaks(file, history.swapped(key, after)), history.places[key]


@every_history
def test_a_branch_that_no_longer_is_breaks(file):
    """But where the fan-out was cut off before all branches had begun: there may be one."""
    history = read(file)
    for key, place in seen(history):
        branches = [p for p, k in history.by_place.items() if p[:-1] == place and history.is_branch(k)]
        fans_out = history.identity(key)[1] in FAN_OUTS and branches
        ended_unseen = history.status == "RUNNING" and history.has_ended(key)
        if fans_out and not ended_unseen and file.stem not in {"mapped_early", "mapped_in_vain"}:
            assert breaks(file, history.with_one_more_branch(key)), place


@every_history
def test_another_function_that_was_invoked_breaks(file):
    history = read(file)
    details = "ChainedInvokeStartedDetails"
    for key, _ in seen(history):
        if history.identity(key)[0] == "ChainedInvoke":
            other = history.first(key)[details] | {"FunctionName": "other:1"}
            assert breaks(file, history.with_fields(key, **{details: other}))
