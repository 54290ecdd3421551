"""What user code does around and inside durable calls, beyond test_gestures.

See docs/reliability.md#fault-rows, rows 50 to 62.
"""

from __future__ import annotations

import contextlib
import threading
from datetime import timedelta

import pytest

from powertools_durable import DurableContext, Polling, Retry, durable
from powertools_durable.testing import Simulator

ONCE = Retry.none()


def finish(handler, event=None):
    return Simulator(handler).start(event or {}).finish()


# -- row 50, 51: in every kind of context, around every kind of suspension ---------------------------------------


def waits(ctx):
    ctx.wait(60)


def is_retried(ctx):
    def body():
        raise ConnectionError

    ctx.step(body, retry=Retry(max_attempts=2, initial_delay=60))


def polls(ctx):
    ctx.wait_for_condition(lambda n: n + 1, initial=0, polling=Polling(until=lambda n: n > 1, initial_delay=60))


def waits_in_branches(ctx):
    ctx.parallel([waits, waits])


def swallowed(suspends):
    def code(ctx):
        try:
            suspends(ctx)
        except BaseException:  # noqa: BLE001
            return "swallowed"
        return "passed"

    return code


def suppressed(suspends):
    def code(ctx):
        with contextlib.suppress(BaseException):
            suspends(ctx)
        return "passed"

    return code


def finally_returns(suspends):
    def code(ctx):
        try:
            suspends(ctx)
        finally:
            return "passed"  # noqa: B012

    return code


def then_another_step(suspends):
    def code(ctx):
        try:
            suspends(ctx)
        except BaseException:  # noqa: BLE001
            ctx.step(lambda: "never recorded at the wrong time", name="after")
        return "passed"

    return code


PLACES = {
    "a branch": lambda code: lambda ctx: ctx.parallel([code, lambda child: child.step(lambda: 1)]).results[0],
    "a flat item": lambda code: lambda ctx: ctx.map(lambda child, n: code(child), [1], nesting="FLAT").results[0],
    "with_retry": lambda code: lambda ctx: ctx.with_retry(code, retry=ONCE),
    "a virtual child": lambda code: lambda ctx: ctx.run_in_child_context(code, virtual=True),
    "the handler": lambda code: code,
}


@pytest.mark.parametrize("suspends", [waits, is_retried, polls, waits_in_branches], ids=lambda f: f.__name__)
@pytest.mark.parametrize(
    "gesture", [swallowed, suppressed, finally_returns, then_another_step], ids=lambda f: f.__name__
)
@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_row_50_whatever_suspends_and_whatever_swallows_it_the_result_is_that_of_its_end(place, gesture, suspends):
    invocations = []
    code = place(gesture(suspends))

    @durable
    def handler(event, ctx: DurableContext):
        invocations.append(1)
        return code(ctx)

    run = finish(handler)
    fails = suspends is is_retried and gesture in {swallowed, then_another_step}
    assert (run.status, run.result) == ("SUCCEEDED", "swallowed" if fails and gesture is swallowed else "passed")
    assert len(invocations) >= 2
    assert [op for op in run.operations if op.name == "after"] == [] or fails


def test_row_50_a_thread_pool_of_the_user_s_hands_no_suspension_past_us():
    """The call is refused there, so there is nothing to swallow; who swallows the refusal has failed all the same."""

    @durable
    def handler(event, ctx):
        kept = []

        def in_thread():
            try:
                ctx.wait(60)
            except BaseException as error:  # noqa: BLE001
                kept.append(type(error).__name__)

        thread = threading.Thread(target=ctx.bind(in_thread))
        thread.start()
        thread.join()
        ctx.wait(60)
        return kept

    run = finish(handler)
    assert (run.status, run.error.error_type, run.operations) == ("FAILED", "ValidationError", [])
    assert "is called from another thread" in run.error.error_message


# -- row 55 to 57: values and policies --------------------------------------------------------------------------


async def async_generator():
    yield 1


def no_result_yet(make):
    made = []

    @durable
    def handler(event, ctx):
        def body():
            made.append(make())
            return made[-1]

        return ctx.step(body, retry=Retry(max_attempts=3, initial_delay=1))

    return finish(handler), len(made)


@pytest.mark.parametrize("make", [async_generator, lambda: (n for n in "ab"), lambda: map(str, "ab")])
def test_row_55_what_is_no_result_yet_is_a_typed_error_before_success_and_no_retry_helps(make):
    run, attempts = no_result_yet(make)
    assert (run.status, run.error.error_type, attempts) == ("FAILED", "SerDesError", 1)
    assert [op.status.value for op in run.operations] == ["FAILED"]


class Writes:
    def __init__(self, text, seen=None):
        self.text, self.seen = text, seen

    def serialize(self, value, context):
        return self.text

    def deserialize(self, text, context):
        if isinstance(self.seen, Exception):
            raise self.seen
        return text


@pytest.mark.parametrize("where", ["step", "child", "condition", "map"])
@pytest.mark.parametrize(
    ("serdes", "error"),
    [
        (Writes("x" * 1_048_577), "PayloadTooLargeError"),
        (Writes("é" * 524_289), "PayloadTooLargeError"),
        (Writes(b"bytes"), "SerDesError"),
        (Writes({"a": 1}), "SerDesError"),
        (Writes("x", seen=KeyError("canary")), "SerDesError"),
    ],
    ids=["huge", "huge in UTF-8", "bytes", "dict", "raises when read"],
)
def test_row_56_what_a_serializer_does_wrong_is_a_typed_error_wherever_it_is_used(serdes, error, where):
    calls = {
        "step": lambda ctx: ctx.step(lambda: 1, serdes=serdes, retry=Retry(max_attempts=3, initial_delay=1)),
        "child": lambda ctx: ctx.run_in_child_context(lambda child: 1, serdes=serdes),
        "condition": lambda ctx: ctx.wait_for_condition(
            lambda n: 1, initial=0, polling=Polling(until=bool), serdes=serdes
        ),
        "map": lambda ctx: bool(ctx.map(lambda child, n: 1, [1], serdes=serdes)),
    }

    @durable
    def handler(event, ctx):
        return calls[where](ctx)

    run = finish(handler)
    if where in {"child", "map"} and error == "PayloadTooLargeError":  # these leave it out of the record, by design
        assert run.status == "SUCCEEDED"
        return
    assert run.status == "FAILED"
    assert run.error.error_type == error or error in (run.error.error_type, "PayloadTooLargeError")
    assert "canary" not in run.error.error_message


DELAYS = [
    (lambda error, attempt: 2.1, 3),
    (lambda error, attempt: 0, 1),
    (lambda error, attempt: 10**12, 31_622_400),
    (lambda error, attempt: timedelta(milliseconds=1), 1),
]


@pytest.mark.parametrize(("policy", "seconds"), DELAYS, ids=["float", "zero", "huge", "a millisecond"])
def test_row_57_a_policy_s_delay_is_rounded_up_and_brought_into_the_service_s_limits(policy, seconds):
    attempts = []

    @durable
    def handler(event, ctx):
        def body():
            attempts.append(1)
            if len(attempts) == 1:
                raise ValueError
            return "ok"

        return ctx.step(body, retry=policy)

    run = Simulator(handler).start()
    began = run.now
    assert run.finish().result == "ok"
    assert (run.now - began).total_seconds() == seconds


def raising(error, attempt):
    raise LookupError("policy")


@pytest.mark.parametrize(
    ("policy", "error"),
    [
        (raising, "StepError"),
        (lambda e, n: float("nan"), "ValidationError"),
        (lambda e, n: float("inf"), "ValidationError"),
        (lambda e, n: -5, "ValidationError"),
        (lambda e, n: "soon", "ValidationError"),
    ],
    ids=["raises", "NaN", "infinity", "negative", "text"],
)
def test_row_57_a_policy_that_raises_gives_up_and_one_that_answers_nonsense_is_a_usage_error(policy, error):
    @durable
    def handler(event, ctx):
        return ctx.step(lambda: {}["x"], retry=policy)

    run = finish(handler)
    assert (run.status, run.error.error_type) == ("FAILED", error)


# -- row 58 to 60: exceptions -----------------------------------------------------------------------------------


class Wide(Exception):  # noqa: N818
    """A class with a long name and large data."""

    data = "x" * 2_000_000


Wide.__qualname__ = "W" * 100_000

NASTY = [
    lambda: Wide("m" * 2_000_000),
    lambda: ValueError("\ud800" * 1000, b"\xff"),
    lambda: ExceptionGroup("several", [ExceptionGroup("in one", [ValueError("a" * 100_000)])]),
    lambda: ValueError("\x00\x1b[31m\u202e"),
    lambda: UnicodeDecodeError("utf-8", b"\xff", 0, 1, "no"),
]


@pytest.mark.parametrize("make", NASTY, ids=["2 MB and data", "surrogates", "groups", "control characters", "args"])
@pytest.mark.parametrize("where", ["step", "child", "branch", "handler"])
def test_row_58_every_exception_is_recorded_within_the_limits_wherever_it_is_raised(make, where):
    def body(*_):
        raise make()

    calls = {
        "step": lambda ctx: ctx.step(body, retry=ONCE),
        "child": lambda ctx: ctx.run_in_child_context(body),
        "branch": lambda ctx: ctx.parallel([body]).raise_if_failed(),
        "handler": body,
    }

    @durable
    def handler(event, ctx):
        return calls[where](ctx)

    run = finish(handler)
    assert run.status == "FAILED"
    assert run.error.error_message
    assert len(run.error.error_message) < 20_000
    run.error.error_message.encode()  # text, and no half of a character


ENDINGS = [SystemExit, KeyboardInterrupt, MemoryError]


@pytest.mark.parametrize("ending", ENDINGS, ids=lambda e: e.__name__)
@pytest.mark.parametrize("where", ["handler", "step", "child", "branch", "with_retry", "condition"])
def test_row_59_what_ends_the_process_passes_through_and_nothing_is_recorded_as_failed(ending, where):
    attempts = []

    def dies(*_):
        attempts.append(1)
        if len(attempts) == 1:
            raise ending
        return 7

    calls = {
        "handler": lambda ctx: dies(),
        "step": lambda ctx: ctx.step(dies, retry=ONCE),
        "child": lambda ctx: ctx.run_in_child_context(dies),
        "branch": lambda ctx: ctx.parallel([dies]).results[0],
        "with_retry": lambda ctx: ctx.with_retry(dies, retry=ONCE),
        "condition": lambda ctx: ctx.wait_for_condition(dies, initial=0, polling=Polling(until=bool)),
    }

    @durable
    def handler(event, ctx):
        return calls[where](ctx)

    simulator = Simulator(handler)
    if ending is KeyboardInterrupt:  # a developer's: it reaches the developer
        with pytest.raises(KeyboardInterrupt):
            simulator.start()
        return
    run = simulator.start()
    assert [op for op in run.operations if op.status.value == "FAILED"] == []
    assert (run.finish().status, run.result, len(attempts)) == ("SUCCEEDED", 7, 2)


@pytest.mark.parametrize("where", ["handler", "step", "child", "branch"])
def test_row_60_endless_recursion_fails_the_execution_with_no_retry(where):
    attempts = []

    def recurse(*_):
        attempts.append(1)

        def deeper(n):
            return deeper(n + 1)

        return deeper(0)

    calls = {
        "handler": recurse,
        "step": lambda ctx: ctx.step(recurse, retry=Retry(max_attempts=5, initial_delay=1)),
        "child": lambda ctx: ctx.run_in_child_context(recurse),
        "branch": lambda ctx: ctx.parallel([recurse]).raise_if_failed(),
    }

    @durable
    def handler(event, ctx):
        return calls[where](ctx)

    run = finish(handler)
    assert (run.status, run.error.error_type) == ("FAILED", "RecursionError")
    assert "recursion" in run.error.error_message
    assert attempts == [1]


# -- row 61: what only a look at the history against the code can find --------------------------------------------


def test_row_61_a_retargeted_invoke_keeps_its_recorded_answer():
    """Records hold no target, so the engine can't see it (G6); `replay` can: a history does."""
    target = ["old"]

    @durable
    def handler(event, ctx):
        answer = ctx.invoke(target[0], {}, name="call")
        ctx.wait(60)
        return answer

    run = Simulator(handler, functions={"old": lambda event: "of old", "new": lambda event: "of new"}).start()
    target[0] = "new"
    assert run.finish().result == "of old"
