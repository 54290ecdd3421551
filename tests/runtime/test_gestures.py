"""What users do around durable calls, and what must not come of it (docs/reliability.md#fault-rows, rows 50-60).

Each handler runs in the simulator. The shape is always the same: whatever the code does with the signal or the
error, the execution ends as it would have without that.
"""

from __future__ import annotations

import contextlib
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from powertools_durable import ChildContextError, DurableContext, Retry, StepError, durable
from powertools_durable.errors import SuspendExecution, ValidationError
from powertools_durable.testing import Simulator

ONCE = Retry.none()


def finish(handler, event=None):
    return Simulator(handler).start(event or {}).finish()


# -- row 50: the suspension survives whatever catches it ------------------------------------------------------


def bare(ctx):
    try:
        ctx.wait(60)
    except:  # noqa: E722
        return "swallowed"


def base_exception(ctx):
    try:
        ctx.wait(60)
    except BaseException:  # noqa: BLE001
        return "swallowed"


def suppressed(ctx):
    with contextlib.suppress(BaseException):
        ctx.wait(60)
    return "waited"


def returned_in_finally(ctx):
    try:
        ctx.wait(60)
    finally:
        return "finally"  # noqa: B012


def raised_instead(ctx):
    try:
        ctx.wait(60)
    except BaseException as signal:
        raise ValueError("instead") from signal


def raised_in_finally(ctx):
    try:
        ctx.wait(60)
    finally:
        if ctx.is_replaying is None:
            raise KeyError


def misused_on_the_way_out(ctx):
    try:
        ctx.wait(60)
    finally:
        ctx.step("not a function")


@pytest.mark.parametrize(
    "gesture",
    [bare, base_exception, suppressed, returned_in_finally, raised_instead, raised_in_finally],
    ids=lambda f: f.__name__,
)
@pytest.mark.parametrize("where", ["handler", "child", "grandchild"])
def test_row_50_a_swallowed_suspension_never_becomes_a_result(gesture, where):
    runs = []

    @durable
    def handler(event, ctx: DurableContext):
        runs.append(1)
        if where == "handler":
            gesture(ctx)
        elif where == "child":
            ctx.run_in_child_context(gesture)
        else:
            ctx.run_in_child_context(lambda child: child.run_in_child_context(gesture))
        return "done"

    run = finish(handler)
    assert (run.status, run.result) == ("SUCCEEDED", "done")
    assert len(runs) == 2  # the wait ended the first invocation, and only the wait


def test_row_51_a_call_on_the_way_out_raises_the_signal_again_and_takes_no_id():
    seen = []

    @durable
    def handler(event, ctx):
        try:
            ctx.wait(60, name="first")
        finally:
            try:
                ctx.step(lambda: "cleanup", name="cleanup")
            except BaseException as signal:
                seen.append(type(signal))
                raise
        return ctx.step(lambda: "after", name="after")

    run = finish(handler)
    assert run.status == "SUCCEEDED", run.error
    assert seen == [SuspendExecution]
    assert [op.name for op in run.operations] == ["first", "cleanup", "after"]


# -- what was done to the signal is told ----------------------------------------------------------------------


def fails_on_the_way_out(ctx):
    try:
        ctx.wait(60, name="pause")
    finally:
        if open_waits(ctx):
            raise KeyError(SECRET)


def open_waits(ctx):
    return [op.name for op in ctx.state.operations.values() if op.type == "WAIT" and not op.status.is_terminal]


def misused_on_the_way_out_once(ctx):
    try:
        ctx.wait(60, name="pause")
    finally:
        if open_waits(ctx):
            raise ValidationError("that is no step")


SECRET = "4000-0000-0000-0002"
AROUND = {
    "the handler": lambda gesture: gesture,
    "a child": lambda gesture: lambda ctx: ctx.run_in_child_context(gesture, name="child"),
    "a virtual child": lambda gesture: lambda ctx: ctx.run_in_child_context(gesture, name="child", virtual=True),
    "a grandchild": lambda gesture: lambda ctx: ctx.run_in_child_context(lambda c: c.run_in_child_context(gesture)),
    "a branch": lambda gesture: lambda ctx: ctx.parallel({"a": gesture, "b": lambda c: c.step(int)}).raise_if_failed(),
    "a saga": lambda gesture: lambda ctx: in_a_saga(ctx, gesture),
}


def in_a_saga(ctx, gesture):
    with ctx.saga():
        gesture(ctx)


def told_by(gesture, place, caplog):
    code = AROUND[place](gesture)

    @durable
    def handler(event, ctx):
        code(ctx)
        return "done"

    run = finish(handler)
    assert (run.status, run.result, len(run.invocations)) == ("SUCCEEDED", "done", 2)
    return [record for record in caplog.records if record.name == "powertools_durable._runtime.reports"]


@pytest.mark.parametrize("place", AROUND)
@pytest.mark.parametrize(
    ("gesture", "kind"), [(fails_on_the_way_out, "KeyError"), (misused_on_the_way_out_once, "ValidationError")]
)
def test_an_error_on_the_way_out_of_a_suspension_is_told_once_by_type_and_place(gesture, kind, place, caplog):
    (told,) = told_by(gesture, place, caplog)
    assert told.levelname == "WARNING"
    where = rf"{kind} at test_gestures\.py:\d+ in {gesture.__name__}"
    assert re.search(f"raised while the execution was being suspended, and is ignored: {where}", told.message)
    assert SECRET not in told.message
    assert told.exc_info is None  # a traceback ends with the error's words


@pytest.mark.parametrize("place", AROUND)
@pytest.mark.parametrize("gesture", [bare, base_exception, suppressed, returned_in_finally], ids=lambda f: f.__name__)
def test_a_swallowed_suspension_is_told_once_and_where(gesture, place, caplog):
    (told,) = told_by(gesture, place, caplog)
    assert told.levelname == "WARNING"
    assert "caught the signal that suspends the execution" in told.message
    assert ("in the handler" in told.message) is (place in {"the handler", "a saga"})


@pytest.mark.parametrize("place", AROUND)
def test_of_a_suspension_that_passes_nothing_is_told(place, caplog):
    def passes(ctx):
        with contextlib.suppress(ValueError):
            ctx.wait(60)

    assert told_by(passes, place, caplog) == []


def test_of_an_error_without_a_suspension_nothing_is_told(caplog):
    @durable
    def handler(event, ctx):
        with contextlib.suppress(ChildContextError):
            ctx.run_in_child_context(lambda child: child.step(lambda: 1 / 0, retry=ONCE))
        ctx.wait(60)
        raise KeyError(SECRET)

    assert finish(handler).status == "FAILED"
    assert [record for record in caplog.records if record.name.startswith("powertools_durable.")] == []


# -- row 52: a failure that was detected stays ----------------------------------------------------------------


def test_row_52_catching_the_determinism_error_does_not_save_the_execution():
    names = iter(["first", "second", "third"])

    @durable
    def handler(event, ctx):
        with contextlib.suppress(Exception):
            ctx.step(lambda: 1, name=next(names))
        ctx.wait(60)
        return "done"

    run = finish(handler)
    assert run.status == "FAILED"
    assert run.error.error_type == "NonDeterminismError"
    assert "first" in run.error.error_message
    assert "second" in run.error.error_message


# -- row 53: misuse is refused at the call --------------------------------------------------------------------


def refused(handler):
    run = finish(handler)
    assert run.status == "FAILED"
    assert run.error.error_type == "ValidationError"
    return run


def test_row_53_catching_a_misuse_does_not_save_the_execution():
    @durable
    def handler(event, ctx):
        def body():
            with contextlib.suppress(Exception):
                ctx.step(lambda: 1, name="inner")
            return "wrong"

        with contextlib.suppress(Exception):
            ctx.step(body, name="outer")
        with contextlib.suppress(Exception):
            ctx.wait(60)
        return "done"

    run = refused(handler)
    assert "inside the body of step 'outer'" in run.error.error_message
    assert [(op.name, op.status) for op in run.operations] == [("outer", "STARTED")]


def test_row_53_an_operation_inside_a_step_is_refused_and_never_retried():
    attempts = []

    @durable
    def handler(event, ctx):
        def body():
            attempts.append(1)
            return ctx.step(lambda: 1)

        return ctx.step(body, name="outer", retry=Retry(max_attempts=5, initial_delay=1))

    run = refused(handler)
    assert "inside the body of step 'outer'" in run.error.error_message
    assert attempts == [1]


def test_row_53_the_outer_context_inside_a_child_is_refused():
    @durable
    def handler(event, ctx):
        return ctx.run_in_child_context(lambda child: ctx.step(lambda: 1, name="wrong"))

    run = refused(handler)
    assert "use the context that was passed" in run.error.error_message
    assert not [op for op in run.operations if op.name == "wrong"]


def test_row_53_a_child_s_context_after_its_end_is_refused():
    @durable
    def handler(event, ctx):
        kept = []
        ctx.run_in_child_context(kept.append)
        return kept[0].step(lambda: 1)

    assert "after its context has ended" in refused(handler).error.error_message


def test_row_53_another_thread_is_refused_also_with_the_scope_copied():
    @durable
    def handler(event, ctx):
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(ctx.bind(partial(ctx.step, lambda: 1))).result()

    assert "another thread" in refused(handler).error.error_message


def test_row_54_a_thread_that_outlives_the_handler_gets_an_error_and_writes_nothing():
    ended, raised = threading.Event(), []

    def late(ctx):
        assert ended.wait(60)
        try:
            ctx.step(lambda: 1, name="late")
        except ValidationError as error:
            raised.append(error)

    threads = []

    @durable
    def handler(event, ctx):
        threads.append(threading.Thread(target=late, args=(ctx,)))
        threads[0].start()
        return "done"

    run = finish(handler)
    ended.set()
    threads[0].join()
    assert run.status == "SUCCEEDED"
    assert raised
    assert run.operations == []


@pytest.mark.parametrize(
    "call",
    [
        lambda ctx: ctx.step("not a function"),
        lambda ctx: ctx.step(lambda: 1, name="ünïcode"),
        lambda ctx: ctx.step(lambda: 1, name="x" * 257),
        lambda ctx: ctx.step(lambda: 1, name="line\nbreak"),
        lambda ctx: ctx.step(lambda: 1, name=7),
        lambda ctx: ctx.step(lambda: 1, sub_type="with space"),
        lambda ctx: ctx.step(lambda: 1, sub_type="x" * 33),
        lambda ctx: ctx.step(lambda: 1, timeout=0),
        lambda ctx: ctx.step(lambda: 1, timeout=-1),
        lambda ctx: ctx.wait(0),
        lambda ctx: ctx.wait(0.5),
        lambda ctx: ctx.wait(-1),
        lambda ctx: ctx.wait(float("nan")),
        lambda ctx: ctx.wait("soon"),
        lambda ctx: ctx.wait(True),
        lambda ctx: ctx.wait(31_622_401),
        lambda ctx: ctx.wait_until("2030-01-01"),
        lambda ctx: ctx.create_callback(timeout=-1),
        lambda ctx: ctx.create_callback(timeout=100_000_000),
        lambda ctx: ctx.create_callback(heartbeat_timeout="x"),
        lambda ctx: ctx.run_in_child_context(None),
    ],
)
def test_g5_a_wrong_argument_is_refused_before_anything_is_recorded(call):
    @durable
    def handler(event, ctx):
        return call(ctx)

    assert refused(handler).operations == []


# -- row 55, 56: values ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [lambda: (n for n in ()), object, threading.Lock], ids=["generator", "object", "lock"])
def test_row_55_a_result_that_cannot_be_written_fails_that_step_for_good(make):
    attempts = []

    @durable
    def handler(event, ctx):
        def body():
            attempts.append(1)
            return make()

        return ctx.step(body, retry=Retry(max_attempts=3, initial_delay=1))

    run = finish(handler)
    assert (run.status, run.error.error_type, attempts) == ("FAILED", "SerDesError", [1])


class Answers:
    def __init__(self, text):
        self.text = text

    def serialize(self, value, context):
        if isinstance(self.text, Exception):
            raise self.text
        return self.text

    def deserialize(self, text, context):
        return text


@pytest.mark.parametrize("answer", [b"bytes", {"a": 1}, 7, KeyError("canary")], ids=lambda a: type(a).__name__)
def test_row_56_a_serdes_that_answers_nonsense_is_a_typed_error(answer):
    @durable
    def handler(event, ctx):
        return ctx.step(lambda: 1, serdes=Answers(answer), retry=ONCE)

    run = finish(handler)
    assert (run.status, run.error.error_type) == ("FAILED", "SerDesError")
    assert "canary" not in run.error.error_message


# -- row 58: exceptions that are hard to write down -----------------------------------------------------------


class NoWordsError(Exception):
    def __str__(self):
        raise RuntimeError("even this fails")


@pytest.mark.parametrize(
    "error",
    [
        NoWordsError(),
        ValueError("x" * 2_000_000),
        ValueError("𝄞" * 100_000),
        ValueError("\ud800 alone"),
        ExceptionGroup("several", [ValueError("a"), KeyError("b")]),
        StopIteration(5),
    ],
    ids=["no str", "2 MB", "astral", "surrogate", "group", "StopIteration"],
)
def test_row_58_every_exception_is_recorded_within_the_limits(error):
    def body():
        raise error

    @durable
    def handler(event, ctx):
        try:
            ctx.step(body, retry=ONCE)
        except StepError as caught:
            return caught.error_type
        return None

    run = finish(handler)
    assert run.status == "SUCCEEDED", run.error
    assert run.result.endswith(type(error).__name__)


# -- row 59, 60 -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [SystemExit, MemoryError], ids=lambda e: e.__name__)
@pytest.mark.parametrize("where", ["handler", "step", "child"])
def test_row_59_what_ends_the_process_is_not_a_failure_of_the_operation(error, where):
    attempts = []

    def dies(*_):
        attempts.append(1)
        if len(attempts) == 1:
            raise error
        return "survived"

    @durable
    def handler(event, ctx):
        if where == "handler":
            return dies()
        return ctx.step(dies, retry=ONCE) if where == "step" else ctx.run_in_child_context(dies)

    run = finish(handler)
    assert (run.status, run.result) == ("SUCCEEDED", "survived"), run.error
    assert len(attempts) == 2


def test_row_60_endless_recursion_fails_the_execution_and_says_why():
    attempts = []

    def deeper(ctx):
        return ctx.run_in_child_context(deeper, virtual=True)

    @durable
    def handler(event, ctx):
        attempts.append(1)
        return deeper(ctx)

    run = finish(handler)
    assert (run.status, run.error.error_type) == ("FAILED", "RecursionError")
    assert "nest less deeply" in run.error.error_message
    assert attempts == [1]


# -- a suspension that nobody may make -----------------------------------------------------------------------


def test_a_suspension_raised_by_user_code_fails_instead_of_waiting_for_ever():
    @durable
    def handler(event, ctx):
        raise SuspendExecution

    run = finish(handler)
    assert run.status == "FAILED"


def test_an_error_in_a_child_can_be_caught_and_looks_the_same_on_every_replay():
    seen = []

    @durable
    def handler(event, ctx):
        def fails(child):
            raise LookupError("gone")

        try:
            ctx.run_in_child_context(fails)
        except ChildContextError as error:
            seen.append((type(error), str(error), error.error_type))
        ctx.wait(60)
        return "done"

    assert finish(handler).status == "SUCCEEDED"
    assert len(seen) == 2
    assert seen[0] == seen[1] == (ChildContextError, "gone", "LookupError")
