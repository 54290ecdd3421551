"""The acceptance checklist: one test for each line of it, named after its area; by the public API only.

The details of each line are held by the tests of the part concerned; this is the list as whoever accepts reads it.
"""

from __future__ import annotations

import logging
import threading
import time
from datetime import timedelta
from functools import partial
from uuid import UUID

import boto3
import pytest
from botocore.config import Config
from pydantic import BaseModel

from powertools_durable import (
    CallbackExternalError,
    CallbackTimeoutError,
    Completion,
    Nesting,
    Polling,
    Retry,
    StepError,
    StepSemantics,
    WaitForConditionError,
    durable,
)
from powertools_durable.backends import LambdaBackend
from powertools_durable.errors import BackendError
from powertools_durable.serdes import SerDesContext, TaggedJson
from powertools_durable.testing import Simulator
from tests.backends.conftest import service  # noqa: F401 - a fixture
from tests.kit import ARN
from tests.runtime.rig import Served
from tests.waiting import pass_time

ONCE = Retry.none()
LARGE = "x" * 300_000
LIMIT = 6 * 1024 * 1024 - 50  # bytes of an answer to Lambda


def fails(words="no"):
    raise ValueError(words)


def finished(code, event=None):
    """Run *code* as a handler until nothing but the world outside can go on with it."""
    return Served(durable(lambda event, ctx: code(ctx)), event).finish()


def attempt(call):
    """What *call* returns, or the type, words and cause type of what it raises."""
    try:
        return call()
    except Exception as error:  # noqa: BLE001
        return [type(error).__name__, str(error), getattr(error, "error_type", None)]


# -- ids -----------------------------------------------------------------------------------------------------------


def test_ids():
    def code(nesting, ctx):
        ctx.map(lambda child, n: child.step(lambda: n, name=f"item {n}"), [0, 1], nesting=nesting)
        ctx.step(lambda: 1, name="second")
        ctx.step(lambda: 1, name="third")

    nested, flat = (finished(partial(code, nesting)) for nesting in (Nesting.NESTED, Nesting.FLAT))
    ids = {record.name: record.id for record in nested.operations}
    assert ids["second"] == "c5faca15ac2f93578b39ef4b6bbb871bdedce4ddd584fd31f0bb66fade3947e6"
    assert ids["third"] == "6f760b9e9eac89f07ab0223b0f4acb04d1e355d893a1b86a83f4d4b405adee99"
    assert ids["map-item-0"] == "1712f93e2f51df042e2b933907d75accfe34a48fe4a42a24e0b08131bc72d591"
    assert ids["item 0"] == "48550629202cb2d0e1bd4f07d826361bbd2defa71565264c01647fc2da0e9b1e"
    for name in ("item 0", "item 1", "second"):
        assert flat.operation(name).id == ids[name]

    def children(ctx):
        ctx.run_in_child_context(lambda child: [child.step(lambda: 0, name=f"inner {n}") for n in (1, 2)])

    inner = finished(children)
    assert inner.operations[0].id == "1ced8f5be2db23a6513eba4d819c73806424748a7bc6fa0d792cc1c7d1775a97"
    assert inner.operation("inner 1").id == "974bfc6321e227b0ff101342eaf19b336f002dc6cc99c18f0941a7755cc20fc4"
    assert inner.operation("inner 2").id == "9d8bc609108ec7b3600d6cceec22d18553e3e1ec52a3568cb251464a3d39d24f"


# -- envelope ------------------------------------------------------------------------------------------------------


def test_envelope():
    here, tagged = SerDesContext("op", ARN), TaggedJson()
    for value, text in [
        ([1, [2, "a"]], '[1,[2,"a"]]'),
        ((1, 2), '{"t":"t","v":[{"t":"i","v":1},{"t":"i","v":2}]}'),
        ({"a": 1}, '{"t":"m","v":{"a":{"t":"i","v":1}}}'),
    ]:
        assert tagged.serialize(value, here) == text
        assert tagged.deserialize(text, here) == value
    official = '{"t":"m","v":{"id":{"t":"u","v":"00000000-0000-0000-0000-000000000007"},"raw":{"t":"B","v":"YQ=="}}}'
    assert tagged.deserialize(official, here) == {"id": UUID(int=7), "raw": b"a"}

    run = finished(lambda ctx: attempt(lambda: ctx.step(object, name="s")))
    assert (run.told, run.result[0]) == (["STEP START s", "STEP FAIL s"], "SerDesError")  # read back before SUCCEED


# -- step ----------------------------------------------------------------------------------------------------------


def test_step():
    assert finished(lambda ctx: ctx.step(lambda: 1, name="s")).backend.told == [["STEP START s", "STEP SUCCEED s"]]

    tries = []

    def flaky():
        tries.append(1)
        return fails() if len(tries) == 1 else "ok"

    run = Served(durable(lambda event, ctx: ctx.step(flaky, retry=Retry.fixed(1), name="s"))).settle()
    first = run.operation("s")
    assert (first.status, first.step_details.attempt) == ("PENDING", 1)
    (retry,) = [update for update in run.backend.updates if update.action == "RETRY"]
    assert retry.step_options.next_attempt_delay_seconds == 1
    run.finish()
    last = run.operation("s")
    assert (run.result, last.status, last.step_details.attempt) == ("ok", "SUCCEEDED", 2)
    assert run.told == ["STEP START s", "STEP RETRY s", "STEP START s", "STEP SUCCEED s"]


# -- interrupted ---------------------------------------------------------------------------------------------------


def test_interrupted():
    def interrupted(semantics, retry):
        ran = []

        def body():
            ran.append(1)
            if len(ran) == 1:
                raise SystemExit  # the process is gone
            return "ok"

        def code(ctx):
            ctx.create_callback(name="holds the START")  # a synchronous checkpoint in front of it
            return attempt(lambda: ctx.step(body, semantics=semantics, retry=retry, name="s"))

        run = finished(code)
        return run.result, len(ran), [line for line in run.told if line.endswith(" s")]

    result, ran, _ = interrupted(StepSemantics.AT_LEAST_ONCE, ONCE)
    assert (result, ran) == ("ok", 2)
    result, ran, told = interrupted(StepSemantics.AT_MOST_ONCE, ONCE)
    assert (result[0], ran, told) == ("StepInterruptedError", 1, ["STEP START s", "STEP FAIL s"])
    result, ran, told = interrupted(StepSemantics.AT_MOST_ONCE, Retry.fixed(1))
    assert (result, ran) == ("ok", 2)
    assert told == ["STEP START s", "STEP RETRY s", "STEP START s", "STEP SUCCEED s"]

    died = []

    def dies_when_its_start_is_sent():
        if not died:
            died.append(1)
            for _ in range(600):  # a START that nobody waits for goes out after a second
                if run.told:
                    raise SystemExit
                run.clock.move_to(run.now + timedelta(seconds=1))
                time.sleep(0.05)

    run = Served(durable(lambda event, ctx: ctx.step(dies_when_its_start_is_sent, name="s")))
    run.finish()
    assert run.told == ["STEP START s", "STEP SUCCEED s"]  # no second START


# -- replay --------------------------------------------------------------------------------------------------------


def test_replay():
    seen = []

    def code(ctx):
        told = [
            attempt(lambda: ctx.step(fails, retry=ONCE, name="step")),
            attempt(lambda: ctx.run_in_child_context(lambda child: fails("child"), name="child")),
            attempt(lambda: ctx.run_in_child_context(lambda child: child.step(fails, retry=ONCE), name="inner")),
            attempt(lambda: ctx.map(lambda child, n: fails("item"), [1]).raise_if_failed()),
            attempt(lambda: ctx.wait_for_condition(fails, initial=1, polling=Polling(bool))),
            ctx.step(lambda: (1, b"x"), name="value"),
        ]
        seen.append((repr(told), len(run.backend.requests)))
        ctx.wait(60)

    run = Served(durable(lambda event, ctx: code(ctx)))
    run.finish()
    (first, _), (again, calls) = seen
    assert first == again
    assert calls == len(run.backend.requests)  # the replay called nothing


# -- callback ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["ab", "ba"])
def test_callback(order):
    def code(ctx):
        callbacks = {name: ctx.create_callback(name=name, returns=int) for name in "ab"}
        between = ctx.step(lambda: "between", name="s")
        ctx.wait(60)
        return [between, *(attempt(callbacks[name].result) for name in order)]

    run = Simulator(durable(lambda event, ctx: code(ctx))).start()
    run.callback("b").fail("declined")  # before anybody asks for its result
    run.finish()
    run.callback("a").succeed(7)
    answers = {"a": 7, "b": [CallbackExternalError.__name__, "declined"]}
    assert run.result[0] == "between"
    told = [answer[:2] if isinstance(answer, list) else answer for answer in run.result[1:]]
    assert told == [answers[name] for name in order]


# -- waits ---------------------------------------------------------------------------------------------------------


def test_waits():
    def code(ctx):
        callback = ctx.create_callback(name="late", timeout=10)
        ctx.wait(60)
        return attempt(callback.result)[0]

    run = Simulator(durable(lambda event, ctx: code(ctx))).start()
    run.advance(timedelta(seconds=30))
    assert (run.status, {i.answer["Status"] for i in run.invocations}) == ("RUNNING", {"PENDING"})
    assert run.finish().result == CallbackTimeoutError.__name__


# -- wait_for_condition --------------------------------------------------------------------------------------------


def test_wait_for_condition():
    checks = []

    def check(state):
        checks.append(state)
        return state + 1

    counted = finished(
        lambda ctx: ctx.wait_for_condition(check, initial=0, polling=Polling(lambda state: state == 3), name="c")
    )
    assert (counted.result, checks) == (3, [0, 1, 2])
    nothing = finished(
        lambda ctx: ctx.wait_for_condition(lambda s: None, initial=5, polling=Polling(lambda s: s is None))
    )
    assert (nothing.status, nothing.result) == ("SUCCEEDED", None)
    none_between = []

    def nothing_twice(state):
        none_between.append(state)
        return None if len(none_between) < 3 else "found"

    found = finished(lambda ctx: ctx.wait_for_condition(nothing_twice, initial="first", polling=Polling(bool)))
    assert (found.result, none_between) == ("found", ["first", None, None])
    for broken, attempts in [
        (lambda ctx: ctx.wait_for_condition(check, initial=0, polling=Polling(lambda s: False, max_attempts=2)), 2),
        (lambda ctx: ctx.wait_for_condition(fails, initial=0, polling=Polling(bool)), 1),
        (lambda ctx: ctx.wait_for_condition(check, initial=0, polling=Polling(lambda s: 1 // 0)), 1),
    ]:
        run = finished(lambda ctx, broken=broken: attempt(lambda: broken(ctx)))
        assert run.result[0] == WaitForConditionError.__name__
        assert (run.operations[0].status, run.operations[0].step_details.attempt) == ("FAILED", attempts)


# -- child ---------------------------------------------------------------------------------------------------------


def test_child(caplog):
    ran, logger = [], logging.getLogger("acceptance")

    def large(child):
        ran.append("large")
        return child.step(lambda: LARGE, name="big")

    def logs(child):
        ran.append("logs")
        logger.warning("inside")

    def code(ctx):
        ctx.run_in_child_context(logs, name="logs")
        sizes = [ctx.run_in_child_context(lambda child: None), len(ctx.run_in_child_context(large, name="large"))]
        ctx.wait(60)
        return sizes

    run = finished(code)
    assert run.result == [None, len(LARGE)]
    assert run.operation("large").context_details.replay_children
    assert ran == ["logs", "large", "large"]
    assert caplog.messages.count("inside") == 1
    assert run.told.count("STEP SUCCEED big") == run.told.count("CONTEXT SUCCEED large") == 1


# -- map and parallel ----------------------------------------------------------------------------------------------


def test_map_and_parallel():
    def told(result):
        return [result.total_count, result.success_count, result.failure_count, result.completion_reason]

    def item(child, n):
        return fails() if n in {1, 2} else n

    def within(**limits):
        return lambda ctx: told(ctx.map(item, [0, 1, 2, 3, 4], max_concurrency=1, completion=Completion(**limits)))

    assert finished(within(min_successful=1)).result == [1, 1, 0, "MIN_SUCCESSFUL_REACHED"]  # started ones only
    assert finished(within(tolerated_failure_count=2)).result == [5, 3, 2, "ALL_COMPLETED"]
    assert finished(within(tolerated_failure_count=1)).result == [3, 1, 2, "FAILURE_TOLERANCE_EXCEEDED"]
    assert finished(within(tolerated_failure_percentage=40)).result == [5, 3, 2, "ALL_COMPLETED"]
    assert finished(within(tolerated_failure_percentage=39)).result == [3, 1, 2, "FAILURE_TOLERANCE_EXCEEDED"]
    assert (
        finished(lambda ctx: [told(ctx.map(item, [])), told(ctx.parallel([]))]).result
        == [[0, 0, 0, "ALL_COMPLETED"]] * 2
    )

    first = threading.Event()

    def last_to_end(child):
        return child.step(first.wait, 60)

    def ends_first(child):
        return child.step(lambda: first.set() or "second")

    assert finished(lambda ctx: ctx.parallel([last_to_end, ends_first]).results).result == [True, "second"]
    inner = partial(lambda child, base: child.parallel([lambda c: base, lambda c: base + 1]).results)
    nested = finished(lambda ctx: ctx.parallel([lambda c: inner(c, 0), lambda c: inner(c, 10)]).results)
    assert nested.result == [[0, 1], [10, 11]]
    refused = finished(lambda ctx: ctx.map(item, [1], max_concurrency=0))
    assert (refused.status, refused.error.error_type, refused.told) == ("FAILED", "ValidationError", [])


# -- suspension ----------------------------------------------------------------------------------------------------


def test_suspension():
    waits = finished(lambda ctx: ctx.parallel([lambda c: c.wait(5), lambda c: c.wait(60)]).success_count)
    assert [i.answer["Status"] for i in waits.invocations] == ["PENDING", "PENDING", "SUCCEEDED"]

    woken = threading.Event()

    def sleeper(child):
        child.wait(5)
        woken.set()

    def worker(child):
        def body():
            return "saw it" if pass_time(run, woken) else "never"

        return child.step(body)

    run = Served(durable(lambda event, ctx: ctx.parallel([sleeper, worker]).results[1]))
    run.settle()
    assert (run.result, [i.answer["Status"] for i in run.invocations]) == ("saw it", ["SUCCEEDED"])


# -- tokens --------------------------------------------------------------------------------------------------------


def an_event():
    execution = {"Id": "0a1b", "Type": "EXECUTION", "Status": "STARTED", "ExecutionDetails": {"InputPayload": "{}"}}
    state = {"Operations": [execution]}
    return {"DurableExecutionArn": ARN, "CheckpointToken": "t0", "InitialExecutionState": state}


@durable
def two_steps(event, ctx):
    return [ctx.step(lambda n=n: n, name=f"s{n}") for n in range(2)]


STALE = '{"message": "Invalid Checkpoint Token: it is used"}'


def test_tokens(service):  # noqa: F811 - the fixture
    config = Config(connect_timeout=1, read_timeout=1, retries={"mode": "standard", "total_max_attempts": 1})
    client = boto3.client("lambda", endpoint_url=service.url, region_name="eu-west-1", config=config)
    backend = LambdaBackend(client)

    def invoked(*answers):
        service.answers, service.requests = [], []
        for answer in answers:
            service.answer(**answer)
        return two_steps.invoke(an_event(), None, backend=backend)

    assert invoked({"body": {"CheckpointToken": "t1"}}, {"body": {"CheckpointToken": "t2"}})["Status"] == "SUCCEEDED"
    assert [request["body"]["CheckpointToken"] for request in service.requests] == ["t0", "t1"]
    assert invoked({"body": {}}) == {"Status": "PENDING"}
    assert len(service.requests) == 1
    for status, code, raw in [
        (400, "InvalidParameterValueException", STALE),
        (500, "ServiceException", None),
        (429, "TooManyRequestsException", None),
    ]:
        with pytest.raises(BackendError):
            invoked({"status": status, "error": code, "raw": raw})
    for status, code in [
        (400, "InvalidParameterValueException"),
        (404, "ResourceNotFoundException"),
        (403, "AccessDeniedException"),
        (502, "KMSAccessDeniedException"),
    ]:
        assert invoked({"status": status, "error": code})["Status"] == "FAILED"
        assert len(service.requests) == 1
    client.close()


# -- output --------------------------------------------------------------------------------------------------------


class Letter(BaseModel):
    text: str  # its JSON is not escaped to ASCII


@pytest.mark.parametrize(
    ("letters", "size"),
    [("x", LIMIT), ("x", LIMIT + 1), ("é", LIMIT), ("é", LIMIT + 2)],
    ids=["just fits", "one byte more", "two bytes a character just fit", "one character more"],
)
def test_output(letters, size):
    each = len(letters.encode())
    filler = size - len('{"text":""}')

    @durable
    def handler(event, ctx) -> Letter:
        return Letter(text=letters * (filler // each) + "x" * (filler % each))

    run = Served(handler).finish()
    fits = size <= LIMIT
    answer = run.invocations[-1].answer
    assert (run.status, answer["Result"] != "", len(run.backend.updates)) == ("SUCCEEDED", fits, 0 if fits else 1)
    assert not fits or len(answer["Result"].encode()) == LIMIT


# -- robustness ----------------------------------------------------------------------------------------------------


def test_robustness():
    big = finished(lambda ctx: len(ctx.step(lambda: "x" * 800_000, name="big")))
    assert (big.status, big.result, big.told) == ("SUCCEEDED", 800_000, ["STEP START big", "STEP SUCCEED big"])

    many = finished(lambda ctx: ctx.map(lambda child, n: child.step(lambda: n), list(range(251))).success_count)
    assert many.result == 251
    assert max(len(request) for request in many.backend.told) <= 250

    def batched(ctx):
        with ctx.batch():
            for n in range(126):
                ctx.step(lambda n=n: n)

    assert [len(request) for request in finished(batched).backend.told] == [250, 2]

    swallowed = []

    def stubborn(ctx):
        try:
            ctx.wait(60)
        except Exception:  # noqa: BLE001 - what is shown
            swallowed.append(1)
        return attempt(lambda: ctx.step(fails, retry=ONCE))[0]

    run = finished(stubborn)
    assert (run.result, swallowed, len(run.invocations)) == (StepError.__name__, [], 2)


def test_the_checklist_is_complete():
    areas = """ids envelope step interrupted replay callback waits wait_for_condition child map_and_parallel
        suspension tokens output robustness"""
    assert [area for area in areas.split() if f"test_{area}" not in globals()] == []
