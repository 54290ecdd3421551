"""Files that are no history: one kind of error, which names what it is and what to do, and tells no payload."""

from __future__ import annotations

import json
from random import Random

import pytest

from powertools_durable import durable
from powertools_durable.errors import ValidationError
from powertools_durable.testing import Simulator, replay

SECRET = "canary"


@durable
def handler(event, ctx):
    ctx.step(lambda: SECRET, name="charge")
    ctx.wait(60, name="pause")
    return ctx.step(lambda: "sent", name="ship")


def recorded():
    run = Simulator(handler).start({"card": SECRET}).finish()
    return json.loads(json.dumps(run.history(), default=str))


EVENTS = recorded()
TEXT = json.dumps({"Events": EVENTS}, indent=1)
EXECUTION = {"DurableExecutionArn": "arn", "Status": "RUNNING", "InputPayload": SECRET}


def without_data(events):
    """What GetDurableExecutionHistory answers with IncludeExecutionData=false."""
    bare = json.loads(json.dumps(events))
    for event in bare:
        details = event.get(f"{event['EventType']}Details") or {}
        for key in details.keys() & {"Input", "Result", "Error"}:
            details[key] = {"Truncated": True}
    return bare


def changed(number, **fields):
    return [event | fields if event["EventId"] == number else event for event in EVENTS]


BAD = {
    "nothing at all": ("", "is no JSON at line 1, where it ends too early"),
    "no JSON": ("Unable to locate credentials", "is no JSON at line 1"),
    "a page of a web site": ("<html>\n<body>", "is no JSON at line 1"),
    "a download that broke off": (TEXT[: len(TEXT) // 2], "where it ends too early"),
    "a download that broke off in a text": (TEXT[: TEXT.index(SECRET) + 3], "where it ends too early"),
    "pages one behind the other": (TEXT + "\n" + TEXT, "Put several pages into one list"),
    "a number": ("7", "not an int"),
    "null": ("null", "not None"),
    "an execution": (json.dumps(EXECUTION), "what GetDurableExecution answers"),
    "executions": (json.dumps({"DurableExecutions": [EXECUTION]}), "a list of executions"),
    "a state": (json.dumps({"Operations": []}), "what GetDurableExecutionState answers"),
    "an invocation": (json.dumps({"InitialExecutionState": {"Operations": []}} | EXECUTION), "event of an invocation"),
    "one event": (json.dumps(EVENTS[0]), "one of its events"),
    "something else": (json.dumps({SECRET: SECRET}), "an object without Events"),
    "Events of nothing": (json.dumps({"Events": None}), "an object without Events"),
    "no events": (json.dumps({"Events": []}), "begins with ExecutionStarted"),
    "texts": (json.dumps([SECRET, SECRET]), "has no EventType"),
    "lists": (json.dumps([[SECRET]]), "has no EventType"),
    "an odd event": (json.dumps(changed(2, EventType=[SECRET])), "has no EventType"),
    "the first page": (json.dumps({"Events": EVENTS[:3], "NextMarker": SECRET}), "goes on at NextMarker"),
    "the newest page": (
        json.dumps({"Events": EVENTS[:2:-1], "NextMarker": "3"}),
        "goes on at NextMarker: get all pages",
    ),
    "the last page": (json.dumps({"Events": EVENTS[3:]}), "begins with ExecutionStarted"),
    "without a page between": (json.dumps(EVENTS[:2] + EVENTS[4:]), "event 3 is missing"),
    "a page twice": (json.dumps([{"Events": EVENTS[:4]}, {"Events": EVENTS[2:]}]), "event 3 is in it twice"),
    "two executions": (json.dumps([{"Events": EVENTS}, {"Events": EVENTS}]), "of several executions"),
    "a broken page among others": (json.dumps([{"Events": EVENTS[:4]}, EXECUTION]), "GetDurableExecution answers"),
    "without data": (json.dumps(without_data(EVENTS)), "IncludeExecutionData=true"),
    "an operation of two kinds": (
        json.dumps(changed(3, EventType="WaitSucceeded")),
        "event 3, WaitSucceeded: its operation started as one of another type",
    ),
    "a moment that is none": (
        json.dumps(changed(2, EventTimestamp=SECRET)),
        "event 2, StepStarted: its EventTimestamp is not a timestamp",
    ),
    "a name that is none": (
        json.dumps(changed(2, Name=[SECRET])),
        "event 2, StepStarted: its Name is not printable text",
    ),
    "a name of half a character": (json.dumps(changed(2, Name="\ud800")), "its Name is not printable text"),
    "no id": (json.dumps(changed(2, Id=None)), "event 2, StepStarted: it has no Id"),
    "a delay that is none": (
        json.dumps(changed(3, StepSucceededDetails={"RetryDetails": {"NextAttemptDelaySeconds": SECRET}})),
        "event 3, StepSucceeded: its NextAttemptDelaySeconds is not a valid number",
    ),
    "an error that is none": (
        json.dumps(changed(3, EventType="StepFailed", StepFailedDetails={"Error": {"Payload": {"ErrorType": 5}}})),
        "event 3, StepFailed: its error is malformed",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_file_that_is_no_history_is_named_with_what_it_is(case, tmp_path):
    text, words = BAD[case]
    file = tmp_path / "history.json"
    file.write_text(text)
    with pytest.raises(ValidationError) as refused:
        replay(handler, file)
    said = str(refused.value)
    assert words in said
    assert "history.json" in said
    assert SECRET not in said
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


JUNK = [None, True, -1, 1.5, 10**30, float("inf"), "", "x" * 500, "\ud800", "2026-13-45", [], [[1]], {}, {"Payload": 5}]


def damaged(random, node, times):
    """Delete, replace or exchange something, anywhere."""
    for _ in range(times):
        inner, key = node, random.randrange(len(node))
        while isinstance(inner[key], dict | list) and inner[key] and random.random() < 0.85:
            inner = inner[key]
            key = random.choice(list(inner)) if isinstance(inner, dict) else random.randrange(len(inner))
        if random.random() < 0.25:
            del inner[key]
        else:
            inner[key] = random.choice([*JUNK, next(iter(inner.values() if isinstance(inner, dict) else inner))])
        if not node:
            break


@pytest.mark.sampled(80)
@pytest.mark.parametrize("seed", range(300))
def test_a_damaged_history_is_judged_or_refused_and_nothing_else(seed):
    random = Random(f"damage {seed}")
    events = json.loads(json.dumps(EVENTS))
    damaged(random, events, random.randint(1, 3))
    try:
        said = repr(replay(handler, {"Events": events}))
    except ValidationError as refused:
        said = str(refused)
    assert SECRET not in said


def test_a_file_that_is_not_there_or_is_no_text_is_named(tmp_path):
    binary = tmp_path / "history.bin"
    binary.write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path / "missing.json", tmp_path, binary):
        with pytest.raises(ValidationError, match="can't be read|neither UTF-8 nor UTF-16"):
            replay(handler, path)


@pytest.mark.parametrize("size", range(1, 6))
def test_pages_in_any_order_are_a_history(size):
    pages = [{"Events": EVENTS[at : at + size]} for at in range(0, len(EVENTS), size)]
    assert replay(handler, pages)
    assert replay(handler, [{"Events": page["Events"][::-1]} for page in pages[::-1]])
    assert replay(handler, json.dumps(pages))


def test_the_marker_of_a_page_that_has_its_next_one_is_no_reason_to_refuse():
    first, last = {"Events": EVENTS[:3], "NextMarker": "4"}, {"Events": EVENTS[3:], "NextMarker": None}
    assert replay(handler, [first, last])


def test_an_error_that_is_there_is_read_though_it_is_marked_as_truncated():
    """The official emulator marks every other error so; a result that is marked has been cut."""

    @durable
    def failing(event, ctx):
        ctx.create_callback(name="ask", timeout=5).result()

    run = Simulator(failing).start()
    run.step()
    events = json.loads(json.dumps(run.history(), default=str))
    [timed_out] = [event for event in events if event["EventType"] == "CallbackTimedOut"]
    timed_out["CallbackTimedOutDetails"]["Error"]["Truncated"] = True
    assert replay(failing, events)
    del timed_out["CallbackTimedOutDetails"]["Error"]["Payload"]
    with pytest.raises(ValidationError, match="payloads of 'ask' are truncated"):
        replay(failing, events)
