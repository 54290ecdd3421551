"""Executions that were recorded long ago go on with today's code: ours, and those of the official SDK."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from powertools_durable.testing import replay
from tests.histories import programs as written
from tests.histories.programs import PROGRAMS
from tests.leaks import started_threads
from tests.twins import twin_module

HERE = Path(__file__).parent
ASYNC_PROGRAMS = twin_module(written).PROGRAMS
OURS = sorted((HERE / "ours").glob("*.json"))


def events_of(file):
    return json.loads(file.read_text())["Events"]


def operations_of(events):
    return {event["Id"] for event in events if not event["EventType"].startswith(("Execution", "Invocation"))}


def test_there_is_a_history_of_every_program_and_a_program_for_every_history():
    assert {file.stem for file in OURS} == set(PROGRAMS)
    assert len(OURS) >= 30


def test_every_kind_of_event_and_of_context_is_in_some_history():
    events = [event for file in OURS for event in events_of(file)]
    kinds = Counter(event["EventType"] for event in events)
    assert {
        *("ExecutionStarted", "ExecutionSucceeded", "ExecutionFailed", "InvocationCompleted"),
        *("ContextStarted", "ContextSucceeded", "ContextFailed", "StepStarted", "StepSucceeded", "StepFailed"),
        *("WaitStarted", "WaitSucceeded", "CallbackStarted", "CallbackSucceeded", "CallbackFailed"),
        *("CallbackTimedOut", "ChainedInvokeStarted", "ChainedInvokeSucceeded", "ChainedInvokeFailed"),
    } <= set(kinds)
    sub_types = {event.get("SubType") for event in events}
    assert {
        *("Step", "Wait", "Callback", "ChainedInvoke", "WaitForCallback", "WaitForCondition", "RunInChildContext"),
        *("Map", "MapIteration", "Parallel", "ParallelBranch", "Compensation", "Patch"),
    } <= sub_types


@pytest.mark.parametrize("file", OURS, ids=lambda file: file.stem)
def test_a_recorded_history_replays(file):
    with started_threads() as started:
        verdict = replay(PROGRAMS[file.stem].handler, file)
    verdict.assert_safe()
    assert verdict.replayed > 0
    assert started.alive == []


@pytest.mark.parametrize("file", OURS, ids=lambda file: file.stem)
def test_every_operation_of_an_ended_execution_is_asked_for(file):
    """Contexts are entered though they have ended; compensations are not, for they would do something."""
    events = events_of(file)
    if not events[-1]["EventType"].startswith("Execution"):
        pytest.skip("still runs")
    inside = {event["Id"] for event in events if event.get("SubType") == "Compensation"}
    hidden = {event["Id"] for event in events if event.get("ParentId") in inside}
    verdict = replay(PROGRAMS[file.stem].handler, file)
    assert verdict.replayed == len(operations_of(events) - hidden)


@pytest.mark.parametrize("file", OURS, ids=lambda file: file.stem)
def test_every_beginning_of_a_history_replays(file):
    """An execution that still runs is the beginning of one that has ended."""
    events = events_of(file)
    for length in range(1, len(events)):
        verdict = replay(PROGRAMS[file.stem].handler, events[:length])
        assert verdict, f"the first {length} events: {verdict}"


@pytest.mark.parametrize("programs", [PROGRAMS, ASYNC_PROGRAMS], ids=["def", "async def"])
@pytest.mark.parametrize("name", list(PROGRAMS))
def test_what_is_recorded_today_is_what_was_recorded(name, programs):
    """The same ids, parents, names, sub types and results, in the same order."""

    def told(events):
        return [
            [event.get(key) for key in ("EventType", "Id", "ParentId", "Name", "SubType")]
            for event in events
            if event["EventType"] != "InvocationCompleted"
        ]

    old, new = told(events_of(HERE / "ours" / f"{name}.json")), told(programs[name].run().history())
    assert sorted(map(json.dumps, old)) == sorted(map(json.dumps, new))
