"""What the official SDK recorded on its emulator, our handlers can go on with. The SDK itself is not needed for it."""

from __future__ import annotations

import ast
import inspect
import json
from collections import Counter
from pathlib import Path

import pytest

from powertools_durable import durable
from powertools_durable.errors import StepError
from powertools_durable.testing import replay
from tests.histories.official_equivalents import HANDLERS, charge, double, item
from tests.leaks import started_threads

HERE = Path(__file__).parent
OFFICIAL = sorted((HERE / "official").glob("*.json"))


def events_of(file):
    return json.loads(file.read_text(encoding="utf-8"))["Events"]


def status_of(events):
    last = events[-1]["EventType"]
    return last.removeprefix("Execution").upper() if last.startswith("Execution") else "RUNNING"


def operations_of(events):
    return {event["Id"]: event for event in events if not event["EventType"].startswith(("Execution", "Invocation"))}


def hidden_in(events):
    """Operations that no replay asks for: inside contexts that have ended in an execution that still runs."""
    operations = operations_of(events)  # each as its last event tells of it
    if status_of(events) != "RUNNING":
        return set()

    def is_hidden(event):
        parent = operations.get(event.get("ParentId"))
        if parent is None:
            return False
        ended = parent["EventType"] in {"ContextSucceeded", "ContextFailed"}
        details = parent.get("ContextSucceededDetails", {}).get("Result", {})
        rebuilt = details.get("Payload", "x") in {"", "300000 characters"} or "MapResult" in details.get("Payload", "x")
        return (ended and not rebuilt) or is_hidden(parent)

    return {identifier for identifier, event in operations.items() if is_hidden(event)}


def test_each_history_has_an_official_handler_and_an_equivalent_of_ours():
    tree = ast.parse((HERE / "official_handlers.py").read_text(encoding="utf-8"))
    official = {
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
        and any(getattr(decorator, "id", "") == "durable_execution" for decorator in node.decorator_list)
    }
    assert {file.stem for file in OFFICIAL} == set(HANDLERS) == official - {"stock"}
    assert len(OFFICIAL) >= 40


def test_every_kind_of_event_and_context_is_in_some_history():
    histories = [events_of(file) for file in OFFICIAL]
    events = [event for history in histories for event in history]
    assert {
        *("ExecutionStarted", "ExecutionSucceeded", "ExecutionFailed", "InvocationCompleted"),
        *("ContextStarted", "ContextSucceeded", "ContextFailed", "StepStarted", "StepSucceeded", "StepFailed"),
        *("WaitStarted", "WaitSucceeded", "CallbackStarted", "CallbackSucceeded", "CallbackFailed"),
        *("CallbackTimedOut", "ChainedInvokeStarted", "ChainedInvokeSucceeded", "ChainedInvokeFailed"),
    } == {event["EventType"] for event in events}
    assert {
        *("Step", "Wait", "Callback", "ChainedInvoke", "WaitForCallback", "WaitForCondition", "RunInChildContext"),
        *("Map", "MapIteration", "Parallel", "ParallelBranch"),
    } == {event["SubType"] for event in events if event.get("SubType")}
    assert Counter(map(status_of, histories)) == {"SUCCEEDED": 34, "FAILED": 2, "RUNNING": 11}


@pytest.mark.parametrize("file", OFFICIAL, ids=lambda file: file.stem)
def test_what_the_official_sdk_recorded_replays(file):
    with started_threads() as started:
        verdict = replay(HANDLERS[file.stem], file)
    verdict.assert_safe()
    assert started.alive == []


@pytest.mark.parametrize("file", OFFICIAL, ids=lambda file: file.stem)
def test_every_recorded_operation_is_asked_for(file):
    events = events_of(file)
    verdict = replay(HANDLERS[file.stem], file)
    cut_off = {"mapped_large_early": 2}  # a branch that had not ended, and its wait
    expected = len(operations_of(events)) - len(hidden_in(events)) - cut_off.get(file.stem, 0)
    assert verdict.replayed == expected


@pytest.mark.parametrize("file", OFFICIAL, ids=lambda file: file.stem)
def test_every_beginning_of_what_the_official_sdk_recorded_replays(file):
    events = events_of(file)
    for length in range(1, len(events)):
        verdict = replay(HANDLERS[file.stem], events[:length])
        assert verdict, f"the first {length} events: {verdict}"


@pytest.mark.parametrize("file", OFFICIAL, ids=lambda file: file.stem)
def test_a_history_holds_no_account_and_no_path_of_the_machine_it_was_recorded_on(file):
    text = file.read_text(encoding="utf-8")
    assert "StackTrace" not in text
    assert "127.0.0.1" not in text
    assert {part for part in text.split(":") if part.isdigit() and len(part) == 12} <= {"123456789012"}


def test_what_was_recorded_comes_back_as_the_values_the_official_sdk_would_give():
    seen = []

    @durable
    def handler(event, ctx):
        seen.extend(ctx.step(lambda: None, name=f"value-{number}") for number in range(14))

    replay(handler, HERE / "official" / "step_values.json").assert_safe()
    assert [type(value).__name__ for value in seen] == [
        *("NoneType", "bool", "int", "float", "str", "list", "tuple", "list", "dict", "bytes"),
        *("Decimal", "datetime", "date", "UUID"),
    ]
    assert seen[5:10] == [[1, [2, "a"]], (1, (2.5, "b")), [None, (1,)], {"a": {"b": [None, 1]}}, b"\x00\xff"]


def test_an_error_of_the_official_sdk_is_told_as_the_step_error_it_is():
    told = []

    @durable
    def handler(event, ctx):
        try:
            ctx.step(charge, event, name="label")
        except StepError as error:
            told.append((str(error), error.error_type))
        ctx.step(double, 1, name="excuse")

    replay(handler, HERE / "official" / "step_failed_and_caught.json").assert_safe()
    assert told == [("out of stock", "official_handlers.OutOfStockError")]


# -- what a move can get wrong ---------------------------------------------------------------------------------------


def unnamed_in_the_other_sdk(event, ctx):
    """There a plain function gives no name: the recorded operation has none."""
    ctx.wait_for_callback(charge)  # here


def named_otherwise(event, ctx):
    ctx.step(charge, event, name="collect")  # here


def one_more(event, ctx):
    ctx.step(charge, event)
    ctx.step(double, 1)  # here


def one_less(event, ctx):
    payment = ctx.step(charge, event)
    return [payment["id"], ctx.step(lambda: 1)]  # here


def another_kind(event, ctx):
    ctx.wait(1, name="charge")  # here


def in_another_order(event, ctx):
    ctx.step(lambda: "parcel", name="ship")  # here
    ctx.step(charge, event)


def flat_now(event, ctx):
    ctx.map(item, event, name="all", nesting="FLAT")  # here


def another_function(event, ctx):
    ctx.invoke("depot:1", {"n": event["n"]}, name="ask-stock")  # here


def fewer_items(event, ctx):
    ctx.map(item, event[:2], name="all")  # here


def other_branches(event, ctx):
    ctx.parallel({"top": lambda branch: None, "bottom": lambda branch: None}, name="both")  # here


@pytest.mark.parametrize(
    ("handler", "history", "operation", "recorded", "asked"),
    [
        (unnamed_in_the_other_sdk, "asked_unnamed", "context 'charge' (#1)", {"name": None}, {"name": "charge"}),
        (named_otherwise, "steps", "step 'collect' (#1)", {"name": "charge"}, {"name": "collect"}),
        (one_more, "steps", "step 'double' (#2)", {"name": "ship"}, {"name": "double"}),
        (one_less, "steps", "step #2", {"name": "ship"}, {"name": None}),
        (
            another_kind,
            "steps",
            "wait 'charge' (#1)",
            {"type": "STEP", "sub type": "Step"},
            {"type": "WAIT", "sub type": "Wait"},
        ),
        (in_another_order, "steps", "step 'ship' (#1)", {"name": "charge"}, {"name": "ship"}),
        (flat_now, "mapped", "context 'map-item-0' (#0)", {"context": "with a record"}, {"context": "virtual"}),
        (another_function, "invoke", "invoke 'ask-stock' (#1)", {"function": "stock:1"}, {"function": "depot:1"}),
        (fewer_items, "mapped", "context 'all' (#1)", {"branches": "more than 2"}, {"branches": "2"}),
        (other_branches, "parallel", "context 'top' (#0)", {"name": "left"}, {"name": "top"}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_change_is_named_with_what_was_recorded_what_is_asked_and_its_line(
    handler, history, operation, recorded, asked
):
    verdict = replay(durable(handler), HERE / "official" / f"{history}.json")
    assert (verdict.status, verdict.operation) == ("BREAKS", operation)
    assert (dict(verdict.recorded), dict(verdict.asked)) == (recorded, asked)
    lines, first = inspect.getsourcelines(handler)
    here = first + next(number for number, line in enumerate(lines) if "# here" in line)
    assert verdict.location == f"{__file__}:{here}"
