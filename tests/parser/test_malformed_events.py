"""However an event is broken: one family of errors, and nothing of what was sent in any of them."""

from __future__ import annotations

import copy
import logging
import traceback

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from powertools_durable import durable
from powertools_durable.errors import (
    BackendError,
    DecoratorOrderError,
    DurableError,
    NotADurableInvocationError,
    PayloadModelChangedError,
)
from powertools_durable.parser.event import DurableInvocationEvent, parse_event
from tests.size import tenth

CANARY = "CANARY"
GOOD = {
    "DurableExecutionArn": "arn:aws:lambda:eu-west-1:123456789012:function:orders:7/durable-execution/o/e",
    "CheckpointToken": CANARY,
    "InitialExecutionState": {
        "Operations": [
            {
                "Id": "e",
                "Type": "EXECUTION",
                "Status": "STARTED",
                "StartTimestamp": 1795504579346,
                "ExecutionDetails": {"InputPayload": f'"{CANARY}"'},
            },
            {
                "Id": "c",
                "Type": "CALLBACK",
                "Status": "FAILED",
                "StartTimestamp": "2026-11-24T07:02:59Z",
                "EndTimestamp": 1795504579,
                "CallbackDetails": {
                    "CallbackId": CANARY,
                    "Result": CANARY,
                    "Error": {"ErrorMessage": CANARY, "ErrorType": "E", "ErrorData": CANARY, "StackTrace": [CANARY]},
                },
            },
            {
                "Id": "s",
                "ParentId": "p",
                "Type": "STEP",
                "SubType": "Step",
                "Name": "n",
                "Status": "PENDING",
                "StepDetails": {"Attempt": 1, "NextAttemptTimestamp": 1795504579346, "Result": CANARY},
            },
            {"Id": "x", "Type": "CONTEXT", "Status": "SUCCEEDED", "ContextDetails": {"ReplayChildren": True}},
            {"Id": "w", "Type": "WAIT", "Status": "STARTED", "WaitDetails": {"ScheduledEndTimestamp": 1}},
        ],
        "NextMarker": CANARY,
    },
    "UpdatedOperationIds": [CANARY],
}
ODD = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.just(10**400)
    | st.floats()
    | st.sampled_from([CANARY, "", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", f"\ud800{CANARY}"])
    | st.sampled_from([b"\xff" + CANARY.encode(), object(), {CANARY}, (CANARY,), CANARY * 1000, [CANARY]])
    | st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=4)
)


def places(value, path=()):
    yield path
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield from places(child, (*path, key))


def changed(path, value, drop):
    event = copy.deepcopy(GOOD)
    if not path:
        return value
    target = event
    for key in path[:-1]:
        target = target[key]
    if drop:
        del target[path[-1]]
    else:
        target[path[-1]] = value
    return event


def shown(error):
    """Everything a log, a dead letter queue or a debugger would show of *error* and of what is behind it."""
    if error is None:
        return ""
    details = error.errors() if hasattr(error, "errors") else getattr(error, "data", "")
    behind = shown(error.__cause__) + shown(error.__context__)
    return f"{error} {error!r} {error.args} {details} {behind}"


def refused(event):
    try:
        parse_event(event)
    except DurableError as error:
        return error
    return None


def test_the_event_these_tests_break_is_good():
    assert isinstance(parse_event(GOOD), DurableInvocationEvent)


@settings(max_examples=tenth(300))
@given(st.sampled_from(list(places(GOOD))), ODD, st.booleans())
def test_a_broken_event_raises_one_family_of_errors_without_a_word_of_it(path, value, drop):
    error = refused(changed(path, value, drop))
    assert isinstance(error, NotADurableInvocationError | DecoratorOrderError | None)
    assert CANARY not in shown(error)


class Impossible:
    def __repr__(self):
        return CANARY

    __str__ = __repr__


@pytest.mark.parametrize("path", list(places(GOOD)), ids=lambda path: ".".join(map(str, path)) or "event")
def test_every_place_refuses_what_is_no_json(path):
    with pytest.raises((NotADurableInvocationError, DecoratorOrderError)) as caught:
        parse_event(changed(path, Impossible(), drop=False))
    assert CANARY not in shown(caught.value)


def test_two_hundred_broken_records_at_once_are_one_short_error():
    records = [{"Id": CANARY, "Type": [CANARY], "Status": number} for number in range(200)]
    with pytest.raises(NotADurableInvocationError, match="and 390 more") as caught:
        parse_event({**GOOD, "InitialExecutionState": {"Operations": records}})
    assert len(str(caught.value)) < 1_500
    assert CANARY not in shown(caught.value)


# -- every place broken in every way, through the whole handler: docs/reliability.md#fault-rows, row 48 --------------

GONE = object()
VARIANTS = {
    "missing": GONE,
    "null": None,
    "true": True,
    "zero": 0,
    "negative": -1,
    "huge": 10**400,
    "fraction": 1.5,
    "NaN": float("nan"),
    "infinity": float("inf"),
    "empty text": "",
    "text": CANARY,
    "long text": CANARY * 2000,
    "half a character": f"\ud800{CANARY}",
    "control characters": f"\x00\n{CANARY}",
    "bytes": CANARY.encode(),
    "empty list": [],
    "list": [CANARY],
    "empty object": {},
    "object": {CANARY: CANARY},
    "list of lists": [[[CANARY]]],
    "set": {CANARY},
    "instance": Impossible(),
}
# These are no secrets: messages name operations by them.
SHOWN = {"Id", "ParentId", "Name", "SubType", "Type", "Status"}
PLACES = list(places(GOOD))
# Of these a variant of the right type leaves a state without the execution's record: row 74, not malformed.
_RECORDS = ("InitialExecutionState", "Operations")
HALF = {_RECORDS[:1], _RECORDS, (*_RECORDS, 0), (*_RECORDS, 0, "Type")}


class Uncalled:
    """Counts calls, and fails each: an event that is refused makes none."""

    calls = 0

    def checkpoint(self, *_):
        self.calls += 1
        raise NotImplementedError

    get_execution_state = checkpoint


def told_of(error):
    """What a log of the whole traceback would show."""
    return shown(error) + "".join(traceback.format_exception(error))


@pytest.mark.sampled(6)
@pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS)
def test_row_48_every_malformed_event_is_one_family_of_errors_makes_no_call_and_shows_nothing(variant, caplog):
    caplog.set_level(logging.DEBUG)
    seen = []

    @durable
    def handler(event, ctx):
        seen.append(event)
        return "ok"

    refused_ones = half_ones = 0
    for path in PLACES:
        if not path and variant is GONE:
            continue
        names_it = path and path[-1] in SHOWN
        value = "no secret" if names_it and isinstance(variant, str | bytes) and variant else variant
        event = changed(path, value, variant is GONE)
        if isinstance(event, dict) and path[-1:] != ("NextMarker",):
            event = without_marker(event)
        service = Uncalled()
        told, answer = "", None
        try:
            answer = handler.invoke(event, None, backend=service)
        except (NotADurableInvocationError, DecoratorOrderError) as error:
            refused_ones += 1
            told = told_of(error) + "a call was made" * service.calls
        except BackendError as error:
            half_ones += 1
            told = told_of(error) + "a call was made" * service.calls + "no half state" * (path not in HALF)
            told += "final" * (not error.retryable)
        except PayloadModelChangedError as error:  # a good event of a running execution, whose input is none
            told = told_of(error) + "of what?" * (path[-1] != "InputPayload")
        except NotImplementedError:  # taken for a marker: the page was asked for
            told = "where?" * (path[-1] != "NextMarker")
        for word in (CANARY, "a call was made", "of what?", "where?", "no half state", "final"):
            assert word not in f"{told} {answer} {caplog.text}", path
        caplog.clear()
    assert refused_ones


@pytest.mark.parametrize(
    "state",
    [
        None,
        {},
        {"Operations": None},
        {"Operations": []},
        {"Operations": GOOD["InitialExecutionState"]["Operations"][1:]},
    ],
)
def test_row_74_a_state_of_the_right_type_without_the_execution_s_record_is_retryable_and_makes_no_call(state, caplog):
    seen, service = [], Uncalled()

    @durable
    def handler(event, ctx):
        seen.append(event)

    with pytest.raises(BackendError, match="no record of type EXECUTION") as caught:
        handler.invoke({**GOOD, "InitialExecutionState": state}, None, backend=service)
    assert caught.value.retryable
    assert (seen, service.calls) == ([], 0)
    assert CANARY not in told_of(caught.value) + caplog.text


@pytest.mark.parametrize("state", [[], "", 0, False, {"Operations": {}}, {"Operations": "x"}, {"Operations": [None]}])
def test_row_48_a_state_of_another_type_is_malformed(state):
    with pytest.raises(NotADurableInvocationError, match="malformed"):
        parse_event({**GOOD, "InitialExecutionState": state})


def without_marker(event):
    """Leave out the next page: there is none here."""
    state = event.get("InitialExecutionState")
    if not isinstance(state, dict):
        return event
    return {**event, "InitialExecutionState": {key: part for key, part in state.items() if key != "NextMarker"}}


def test_these_are_more_than_two_hundred_events():
    assert len(VARIANTS) >= 20
    assert len(VARIANTS) * len(PLACES) > 200
