"""Durable calls at the wrong place: refused at the call, and the execution fails with that error.

Each call is tried at each wrong place, and whatever is raised is swallowed there. What must come of it: the execution
is FAILED with the `ValidationError` that says what is wrong, at once, and nothing of the call is recorded.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from powertools_durable import Completion, DurableContext, Nesting, Polling, Retry, StepError, durable
from powertools_durable.errors import SuspendExecution, ValidationError
from powertools_durable.plugins import Plugin
from powertools_durable.testing import Simulator, explore

ONCE = Retry.none()
PATIENT = Retry(max_attempts=5, initial_delay=1)
UNTIL_DONE = Polling(until=bool)


def entered(block):
    """Enter a block as ``with`` or ``async with`` does."""
    if hasattr(block, "__aenter__"):
        return block.__aenter__().send(None)
    return block.__enter__()


# The parameter has no name of a context: in an ``async def`` handler, too, it is the call that is refused.
CALLS = {
    "step": lambda at: at.step(int, name="wrong"),
    "wait": lambda at: at.wait(1, name="wrong"),
    "wait_until": lambda at: at.wait_until(at.started_at, name="wrong"),
    "create_callback": lambda at: at.create_callback(name="wrong"),
    "wait_for_callback": lambda at: at.wait_for_callback(print, name="wrong"),
    "wait_for_condition": lambda at: at.wait_for_condition(int, initial=0, polling=UNTIL_DONE, name="wrong"),
    "invoke": lambda at: at.invoke("other", name="wrong"),
    "run_in_child_context": lambda at: at.run_in_child_context(lambda child: 1, name="wrong"),
    "virtual child": lambda at: at.run_in_child_context(lambda child: 1, virtual=True),
    "with_retry": lambda at: at.with_retry(lambda child: 1, retry=ONCE, name="wrong"),
    "map": lambda at: at.map(lambda child, n: 1, [1], name="wrong"),
    "parallel": lambda at: at.parallel([lambda child: 1], name="wrong"),
    "now": lambda at: at.now(),
    "step_with_compensation": lambda at: at.step_with_compensation(int, compensate=str, name="wrong"),
    "run_compensations": lambda at: at.run_compensations(),
    "saga": lambda at: entered(at.saga()),
    "defer": lambda at: at.defer(print),
    "patched": lambda at: at.patched("wrong"),
    "deprecate_patch": lambda at: at.deprecate_patch("wrong"),
    "flush_batch": lambda at: at.flush_batch(),
    "batch": lambda at: entered(at.batch()),
    "enable_batch_mode": lambda at: at.enable_batch_mode(),
    "uuid4": lambda at: at.uuid4(),
    "random": lambda at: at.random.random(),
    "randint": lambda at: at.random.randint(1, 6),
    "gauss": lambda at: at.random.gauss(),
    "shuffle": lambda at: at.random.shuffle([1, 2, 3]),
    "randbytes": lambda at: at.random.randbytes(4),
    "seed": lambda at: at.random.seed(1),
    "setstate": lambda at: at.random.setstate(at.random.getstate()),
}
BY_STATE = {
    "run_compensations",
    "saga",
    "defer",
    "patched",
    "batch",
    "uuid4",
    "random",
}  # no operation, or none at once


def swallowing(call):
    def swallows(*_):
        with contextlib.suppress(Exception):
            call()

    return swallows


def refuses(*_):
    raise KeyError("sku")


class Serdes:
    """Makes the wrong call while it writes or reads."""

    def __init__(self, wrong, when):
        self.wrong, self.when = wrong, when

    def serialize(self, value, context):
        if self.when == "writes":
            self.wrong()
        return "text"

    def deserialize(self, text, context):
        if self.when == "reads":
            self.wrong()
        return text


def policy(wrong):
    def decides(error, attempt):
        wrong()
        return 1 if attempt < 3 else None

    return decides


def after(wrong, answer):
    def does(*_):
        wrong()
        return answer

    return does


def on_a_thread(ctx, wrong, *, bound=False, pool=True):
    wrong = ctx.bind(wrong) if bound else wrong
    if pool:
        with ThreadPoolExecutor(1) as executor:
            executor.submit(wrong).exception()
        return
    thread = threading.Thread(target=swallowing_all(wrong))  # pytest fails for a thread that raises
    thread.start()
    thread.join()


def in_a_branch(run):
    """Two of them, so that one is on a thread of the pool."""
    return {"branches": [lambda child: child.step(int, name="fine"), run], "max_concurrency": 1}


STEP = "is called inside the body of step 'outer'"
THREAD = (  # of a 'def' handler, of an 'async def' handler
    "is called from another thread than the one its context belongs to",
    "is called from a thread without the handler's event loop",
)
OUTER = "use the context that was passed to this function"
BESIDE = "Such code runs any number of times, and not at all on a replay"
ENDED = "is called after its context has ended"


def kept_child(ctx):
    kept = []
    ctx.run_in_child_context(kept.append, name="child")
    return kept[0]


# Each place makes the call on *ctx*, which is `wrong(ctx)`, by way of what a user writes.
PLACES = {
    "a step": (STEP, lambda ctx, wrong: ctx.step(after(wrong, 1), name="outer", retry=PATIENT)),
    "an at-most-once step": (
        STEP,
        lambda ctx, wrong: ctx.step(after(wrong, 1), name="outer", retry=ONCE, semantics="AT_MOST_ONCE"),
    ),
    "a step with a timeout": (STEP, lambda ctx, wrong: ctx.step(after(wrong, 1), name="outer", timeout=30)),
    "a step with compensation": (
        STEP,
        lambda ctx, wrong: ctx.step_with_compensation(after(wrong, 1), compensate=print, name="outer"),
    ),
    "a condition's check": (
        STEP,
        lambda ctx, wrong: ctx.wait_for_condition(after(wrong, 1), initial=0, polling=UNTIL_DONE, name="outer"),
    ),
    "a submitter": (
        STEP.replace("outer", "outer submitter"),
        lambda ctx, wrong: ctx.wait_for_callback(after(wrong, 1), name="outer", timeout=60),
    ),
    "a batch mode's step": (STEP, lambda ctx, wrong: in_batch_mode(ctx, after(wrong, 1))),
    "a thread of a step that copies its context": (
        STEP,
        lambda ctx, wrong: ctx.step(lambda: on_a_thread(ctx, wrong, bound=True), name="outer"),
    ),
    "a thread of a step": (THREAD, lambda ctx, wrong: ctx.step(lambda: on_a_thread(ctx, wrong), name="outer")),
    "a thread": (THREAD, lambda ctx, wrong: on_a_thread(ctx, wrong, pool=False)),
    "a pool": (THREAD, on_a_thread),
    "a bound thread": (THREAD, partial(on_a_thread, bound=True, pool=False)),
    "a bound pool": (THREAD, partial(on_a_thread, bound=True)),
    "a child": (OUTER, lambda ctx, wrong: ctx.run_in_child_context(after(wrong, 1))),
    "a virtual child": (OUTER, lambda ctx, wrong: ctx.run_in_child_context(after(wrong, 1), virtual=True)),
    "a grandchild": (
        OUTER,
        lambda ctx, wrong: ctx.run_in_child_context(lambda child: child.run_in_child_context(after(wrong, 1))),
    ),
    "a retried child": (OUTER, lambda ctx, wrong: ctx.with_retry(after(wrong, 1), retry=PATIENT)),
    "a branch": (OUTER, lambda ctx, wrong: ctx.parallel(**in_a_branch(after(wrong, 1)))),
    "a flat branch": (OUTER, lambda ctx, wrong: ctx.parallel(**in_a_branch(after(wrong, 1)), nesting=Nesting.FLAT)),
    "an item": (
        OUTER,
        lambda ctx, wrong: ctx.map(after(wrong, 1), [1, 2], completion=Completion.all_completed(), name="fan"),
    ),
    "a branch in a branch": (
        OUTER,
        lambda ctx, wrong: ctx.parallel(**in_a_branch(lambda child: child.parallel(**in_a_branch(after(wrong, 1))))),
    ),
    "a compensation": (OUTER, lambda ctx, wrong: undone(ctx, after(wrong, 1))),
    "a retry policy": (BESIDE, lambda ctx, wrong: ctx.step(refuses, name="outer", retry=policy(wrong))),
    "the handler's policy": (BESIDE, lambda ctx, wrong: ctx.step(refuses, name="by default")),
    "a retry filter": (
        BESIDE,
        lambda ctx, wrong: ctx.step(refuses, name="outer", retry=Retry(retry_if=after(wrong, True))),
    ),
    "a retried child's policy": (OUTER, lambda ctx, wrong: ctx.with_retry(refuses, retry=policy(wrong))),
    "a polling condition": (
        BESIDE,
        lambda ctx, wrong: ctx.wait_for_condition(int, initial=1, polling=Polling(until=after(wrong, True))),
    ),
    "a serdes that writes": (BESIDE, lambda ctx, wrong: ctx.step(int, serdes=Serdes(wrong, "writes"))),
    "a serdes that reads": (BESIDE, lambda ctx, wrong: ctx.step(int, serdes=Serdes(wrong, "reads"))),
    "a child's serdes": (
        BESIDE,
        lambda ctx, wrong: ctx.run_in_child_context(lambda child: 1, serdes=Serdes(wrong, "reads")),
    ),
    "a state's serdes": (
        BESIDE,
        lambda ctx, wrong: ctx.wait_for_condition(
            lambda n: n, initial=1, polling=UNTIL_DONE, serdes=Serdes(wrong, "writes")
        ),
    ),
    "an invoke's serdes": (BESIDE, lambda ctx, wrong: ctx.invoke("other", 1, payload_serdes=Serdes(wrong, "writes"))),
    "a branch's serdes": (
        BESIDE,
        lambda ctx, wrong: ctx.map(lambda child, n: n, [1, 2], item_serdes=Serdes(wrong, "writes")),
    ),
    "a flat branch's serdes": (
        BESIDE,
        lambda ctx, wrong: ctx.parallel(**in_a_branch(len), item_serdes=Serdes(wrong, "reads"), nesting="FLAT"),
    ),
    "a fan-out's serdes": (
        BESIDE,
        lambda ctx, wrong: ctx.map(lambda child, n: n, [1], serdes=Serdes(wrong, "writes"), item_serdes=Plain()),
    ),
    "a name of an item": (
        "the item_name of ctx.map()",
        lambda ctx, wrong: ctx.map(lambda child, n: n, [1], item_name=after(wrong, "x")),
    ),
    "a completion rule": (
        BESIDE,
        lambda ctx, wrong: ctx.parallel([len], completion=Completion(when=after(wrong, "succeeded"))),
    ),
    "a summary": (
        BESIDE,
        lambda ctx, wrong: ctx.run_in_child_context(lambda child: "x" * 300_000, summary=after(wrong, "long")),
    ),
    "a fan-out's summary": (
        BESIDE,
        lambda ctx, wrong: ctx.map(lambda child, n: "x" * 300_000, [1], summary=after(wrong, "long")),
    ),
}


class Plain:
    def serialize(self, value, context):
        return "1"

    def deserialize(self, text, context):
        return 1


def in_batch_mode(ctx, body):
    with ctx.batch():
        ctx.step(int, name="before")
        ctx.step(body, name="outer")


def undone(ctx, compensate):
    ctx.step_with_compensation(int, compensate=lambda child, value: compensate(), name="charge")
    ctx.run_compensations()


def handler_of(place, call, around=swallowing):
    """Return a handler that makes *call* on its context at *place*, and goes on as if nothing had happened."""
    ways = {}

    def by_default(error, attempt):
        return policy(ways["wrong"])(error, attempt)

    @durable(retry=by_default)
    def handler(event, ctx: DurableContext):
        ctx.random  # noqa: B018 - made before, and kept by the context
        ways["wrong"] = around(partial(call, ctx))
        with contextlib.suppress(Exception):
            place(ctx, ways["wrong"])
        with contextlib.suppress(Exception):
            ctx.step(lambda: "went on", name="went on")
        return "wrong result"

    return handler


def failed_at_once(run, words):
    assert (run.status, run.error.error_type) == ("FAILED", "ValidationError"), run.result
    assert any(one in run.error.error_message for one in ([words] if isinstance(words, str) else words))
    assert len(run.invocations) == 1
    assert not {"wrong", "went on"} & {op.name for op in run.operations}
    assert not [op for op in run.operations if op.name == "outer" and op.status == "SUCCEEDED"]


# Every call at a place of each kind, and calls of each kind at every place.
KINDS = ("a step", "a bound pool", "a branch", "a retry policy", "a name of an item")
TRIED = [
    (place, call) for place in PLACES for call in CALLS if place in KINDS or call in {"step", "map", "uuid4", "batch"}
]


@pytest.mark.sampled(24)
@pytest.mark.parametrize(("place", "call"), TRIED)
def test_a_misplaced_call_fails_the_execution_whatever_swallows_it(place, call):
    words, where = PLACES[place]
    failed_at_once(Simulator(handler_of(where, CALLS[call]), functions={"other": len}).start().finish(), words)


def unswallowed(call):
    return lambda *_: call()


def swallowing_all(call):
    def swallows(*_):
        with contextlib.suppress(BaseException):
            call()

    return swallows


def twice(call):
    return lambda *_: [swallowing_all(call)(), call()]


@pytest.mark.sampled(30)
@pytest.mark.parametrize("around", [unswallowed, swallowing_all, twice], ids=lambda f: f.__name__)
@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_so_it_does_when_it_passes_and_when_everything_is_swallowed(place, around):
    words, where = place
    failed_at_once(
        Simulator(handler_of(where, CALLS["step"], around), functions={"other": len}).start().finish(), words
    )


@pytest.mark.sampled(1)
@pytest.mark.parametrize("place", [place for place in PLACES if place != "an at-most-once step"])
def test_explore_comes_to_the_same_wherever_the_process_dies(place):
    """An at-most-once step's body does not run again."""
    assert explore(handler_of(PLACES[place][1], CALLS["uuid4"])).failures == []


def test_the_message_names_the_line_of_the_call():
    def uses():
        with contextlib.suppress(ValidationError):
            ctx_of[0].uuid4()  # this line

    ctx_of = []

    @durable
    def handler(event, ctx):
        ctx_of.append(ctx)
        ctx.step(uses)

    message = Simulator(handler).start().error.error_message
    line = next(n for n, text in enumerate(Path(__file__).read_text().splitlines(), 1) if "# this line" in text)
    assert f"test_misuse.py:{line}" in message


@pytest.mark.parametrize("call", [CALLS["step"], CALLS["map"], CALLS["uuid4"]], ids=["step", "map", "uuid4"])
def test_in_a_serdes_that_reads_what_an_earlier_invocation_recorded(call):
    runs, kept = [], []

    class Later:
        def serialize(self, value, context):
            return "text"

        def deserialize(self, text, context):
            if len(runs) == 2:
                swallowing(lambda: call(kept[-1]))()
            return text

    @durable
    def handler(event, ctx):
        runs.append(1)
        kept.append(ctx)
        ctx.step(int, serdes=Later(), name="fine")
        ctx.wait(60, name="nap")
        return "wrong result"

    run = Simulator(handler).start().finish()
    assert (run.status, run.error.error_type) == ("FAILED", "ValidationError"), run.result
    assert BESIDE in run.error.error_message
    assert {op.name for op in run.operations} == {"fine", "nap"}


@pytest.mark.parametrize("place", ["a child", "a branch", "a flat branch", "an item", "a retried child"])
def test_a_callback_of_the_outer_context_is_to_be_created_inside(place):
    @durable
    def handler(event, ctx):
        callback = ctx.create_callback(name="approval")
        PLACES[place][1](ctx, swallowing(callback.result))
        return "wrong result"

    run = Simulator(handler).start().finish()
    assert (run.status, run.error.error_type) == ("FAILED", "ValidationError")
    assert run.error.error_message.startswith("callback.result() is called on a callback of a context other than")
    assert "create the callback inside the branch" in run.error.error_message


def test_a_callback_s_result_inside_a_step():
    @durable
    def handler(event, ctx):
        callback = ctx.create_callback(name="approval")
        ctx.step(swallowing(callback.result), name="outer", retry=PATIENT)

    run = Simulator(handler).start().finish()
    assert run.error.error_message.startswith("callback.result() is called inside the body of step 'outer'")


@pytest.mark.sampled(15)
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_on_a_child_s_context_after_its_end(call):
    @durable
    def handler(event, ctx):
        swallowing(partial(call, kept_child(ctx)))()
        return "wrong result"

    failed_at_once(Simulator(handler).start().finish(), ENDED)


@pytest.mark.sampled(15)
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_in_a_deferred_call(call):
    @durable
    def handler(event, ctx):
        ctx.random  # noqa: B018
        ctx.defer(after(swallowing(partial(call, ctx)), 1))

    failed_at_once(Simulator(handler).start().finish(), STEP.replace("outer", "does"))


@pytest.mark.sampled(15)
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_in_the_policy_of_a_retried_child_on_that_child(call):
    @durable
    def handler(event, ctx):
        def tried(child):
            child.random  # noqa: B018
            children.append(child)
            raise KeyError

        children = []
        wrong = swallowing(lambda: call(children[-1]))
        with contextlib.suppress(Exception):
            ctx.with_retry(tried, retry=policy(wrong))
        return "wrong result"

    failed_at_once(Simulator(handler).start().finish(), "is called by the retry policy of ctx.with_retry()")


def test_it_is_the_first_mistake_that_is_told():
    @durable
    def handler(event, ctx):
        ctx.step(swallowing(lambda: ctx.wait(1)), name="outer")
        kept_child(ctx).uuid4()

    failed_at_once(Simulator(handler).start().finish(), STEP)


def test_deferred_calls_are_not_run_and_not_blamed(caplog):
    ran = []

    @durable
    def handler(event, ctx):
        ctx.defer(ran.append, 1)
        ctx.step(swallowing(lambda: ctx.wait(1)), name="outer")

    failed_at_once(Simulator(handler).start().finish(), STEP)
    assert ran == []
    assert not [line for line in caplog.records if "deferred" in line.message]


def test_no_policy_is_asked_about_it_and_no_except_for_failures_of_operations_takes_it():
    asked = []

    @durable
    def handler(event, ctx):
        try:
            ctx.step(lambda: ctx.wait(1), name="outer", retry=lambda error, attempt: asked.append(error))
        except StepError:
            return "hidden"

    failed_at_once(Simulator(handler).start().finish(), STEP)
    assert asked == []


def test_a_policy_s_own_mistake_is_not_told_as_a_policy_that_failed(caplog):
    run = Simulator(handler_of(PLACES["a retry policy"][1], CALLS["uuid4"], unswallowed)).start().finish()
    failed_at_once(run, BESIDE)
    assert not [line for line in caplog.records if "there is no other attempt" in line.message]


# -- what suspends already, wins -------------------------------------------------------------------------------

PASSING = {"def": SuspendExecution, "async": asyncio.CancelledError}


@pytest.mark.sampled(15)
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_while_a_suspension_passes_through_it_is_raised_again_and_nothing_is_recorded(call, kind):
    raised = []

    @durable
    def handler(event, ctx):
        try:
            ctx.create_callback(name="approval").result()
        finally:
            try:
                call(ctx)
            except BaseException as error:
                raised.append(type(error))
                raise

    run = Simulator(handler).start()
    assert (run.status, raised) == ("RUNNING", [PASSING[kind]])
    assert [op.name for op in run.operations] == ["approval"]


@pytest.mark.sampled(15)
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_so_it_is_for_a_call_on_the_outer_context(call, kind):
    raised = []

    @durable
    def handler(event, ctx):
        def code(child):
            try:
                child.create_callback(name="approval").result()
            finally:
                try:
                    call(ctx)
                except BaseException as error:
                    raised.append(type(error))
                    raise

        ctx.run_in_child_context(code, name="child")

    run = Simulator(handler).start()
    assert (run.status, raised) == ("RUNNING", [PASSING[kind]])


# -- what a mistake does not concern is not harmed ---------------------------------------------------------------


@pytest.mark.sampled(15)
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_on_the_handler_s_context_after_the_invocation(call):
    kept = []

    @durable
    def handler(event, ctx):
        ctx.random  # noqa: B018
        kept.append(ctx)

    Simulator(handler).start()
    with pytest.raises(ValidationError, match="after its context has ended: its invocation is over"):
        call(kept[0])


@pytest.mark.parametrize("suspends", [False, True], ids=["ended", "suspended"])
@pytest.mark.parametrize("place", ["the handler", "a step", "a child", "a branch", "a retry policy", "a bound pool"])
@pytest.mark.parametrize("call", [CALLS["step"], CALLS["uuid4"], CALLS["flush_batch"]], ids=["step", "uuid4", "flush"])
def test_a_context_kept_over_an_invocation_harms_neither_execution(call, place, suspends):
    kept, raised = [], []

    @durable
    def first(event, ctx):
        ctx.random  # noqa: B018
        kept.append(ctx)
        if suspends:
            ctx.create_callback(name="approval").result()
        return "first"

    @durable
    def second(event, ctx):
        def wrong(*_):
            try:
                call(kept[0])
            except ValidationError as error:
                raised.append(str(error))

        if place == "the handler":
            wrong()
        else:
            with contextlib.suppress(StepError):
                PLACES[place][1](ctx, wrong)
        return ctx.step(lambda: "second", name="after")

    before = Simulator(first).start()
    run = Simulator(second).start().finish()
    assert (run.status, run.result) == ("SUCCEEDED", "second"), run.error
    assert raised
    assert {"after its context has ended: its invocation is over" in text for text in raised} == {True}
    if suspends:
        assert before.callback("approval").succeed().result == "first"


@pytest.mark.sampled(15)
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_context_of_an_earlier_invocation_of_the_same_execution(call):
    kept, raised = [], []

    @durable
    def handler(event, ctx):
        ctx.random  # noqa: B018
        kept.append(ctx)
        ctx.wait(60, name="nap")
        try:
            call(kept[0])
        except ValidationError as error:
            raised.append(str(error))
        return "done"

    run = Simulator(handler).start().finish()
    assert (run.status, run.result) == ("SUCCEEDED", "done")
    assert "its invocation is over" in raised[0]


@pytest.mark.sampled(20)
@pytest.mark.parametrize("where", ["the handler", "a step"])
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_on_the_context_of_another_execution(call, where):
    kept, raised = [], []

    @durable
    def outer(event, ctx):
        ctx.random  # noqa: B018
        kept.append(ctx)
        Simulator(inner).start()
        return ctx.step(lambda: "outer", name="after")

    def wrong():
        try:
            call(kept[0])
        except ValidationError as error:
            raised.append(str(error))

    @durable
    def inner(event, ctx):
        if where == "a step":
            ctx.step(wrong)
        else:
            wrong()

    run = Simulator(outer).start()
    assert (run.status, run.result) == ("SUCCEEDED", "outer")
    assert [op.name for op in run.operations] == ["after"]
    assert "on a context of another execution than the one whose code is running" in raised[0]


@pytest.mark.sampled(15)
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_thread_that_outlives_the_handler(call):
    ended, raised, threads = threading.Event(), [], []

    def late(kept):
        assert ended.wait(10)
        try:
            call(kept)
        except ValidationError as error:
            raised.append(str(error))

    @durable
    def handler(event, ctx):
        ctx.random  # noqa: B018
        threads.append(threading.Thread(target=ctx.bind(late), args=(ctx,)))
        threads[0].start()
        return "done"

    run = Simulator(handler).start()
    ended.set()
    threads[0].join()
    assert (run.status, run.operations) == ("SUCCEEDED", [])
    assert "its invocation is over" in raised[0]


HOOKS = [name for name in vars(Plugin) if name.startswith("on_")]


@pytest.mark.parametrize("hook", HOOKS)
def test_a_plugin_s_hook_is_refused_and_changes_no_outcome(hook, caplog):
    kept, raised = [], []

    def meddles(plugin, info):
        try:
            kept[-1].step(int, name="wrong")
        except ValidationError as error:
            raised.append(str(error))
            raise

    meddling = type("Meddling", (Plugin,), {hook: meddles})

    @durable(plugins=[meddling])
    def handler(event, ctx):
        kept.append(ctx)
        ctx.run_in_child_context(lambda child: child.step(lambda: 1, name="below"), name="child")
        ctx.wait(60, name="nap")
        return ctx.step(lambda: 1, name="fine")

    run = Simulator(handler).start().finish()
    assert (run.status, run.result) == ("SUCCEEDED", 1), run.error
    assert {op.name for op in run.operations} == {"child", "below", "nap", "fine"}
    if hook not in {"on_invocation_start", "on_invocation_end"}:  # then there is no context, or one that has ended
        assert "ctx.step() is called by a hook of a plugin" in caplog.text
    assert all("by a hook of a plugin" in text or "its invocation is over" in text for text in raised), raised


@pytest.mark.only("def", "an async mock belongs to the loop of its run")
@pytest.mark.parametrize("place", ["a step", "a child", "a retry policy", "a retry filter", "a polling condition"])
@pytest.mark.parametrize("call", [CALLS["step"], CALLS["uuid4"], CALLS["random"]], ids=["step", "uuid4", "random"])
def test_a_context_made_by_hand_only_raises(call, place):
    from powertools_durable.testing import MockDurableContext

    raised = []

    def wrong(*_):
        try:
            call(ctx)
        except ValidationError as error:
            raised.append(str(error))

    ctx = MockDurableContext().build().ctx
    try:
        PLACES[place][1](ctx, wrong)
        assert ctx.step(lambda: "went on", name="went on") == "went on"
    except SuspendExecution:  # the policy's answer
        assert "retry" in place
    assert raised
    assert PLACES[place][0] in raised[0]


# -- where the calls are right ---------------------------------------------------------------------------------


def test_what_is_drawn_is_what_python_draws_and_the_same_on_every_replay():
    from random import Random

    drawn = []

    @durable
    def handler(event, ctx):
        plain = Random(ctx._core._seed("random", 32))  # noqa: SLF001 - what it begins with
        mine = ctx.random
        for draw in (
            lambda r: r.random(),
            lambda r: r.randint(1, 10**9),
            lambda r: r.gauss(),
            lambda r: r.gauss(),
            lambda r: r.sample(range(1000), 5),
            lambda r: r.choices("abcdef", k=4),
            lambda r: r.randbytes(9),
            lambda r: r.normalvariate(),
            lambda r: r.betavariate(1, 2),
        ):
            drawn.append(draw(mine))
            assert drawn[-1] == draw(plain)
        drawn.append(ctx.uuid4())
        ctx.wait(60)

    assert Simulator(handler).start().finish().status == "SUCCEEDED"
    half = len(drawn) // 2
    assert drawn[:half] == drawn[half:]


def test_a_copy_of_the_source_belongs_to_no_context():
    import copy
    import pickle

    @durable
    def handler(event, ctx):
        copies = [copy.copy(ctx.random), copy.deepcopy(ctx.random), pickle.loads(pickle.dumps(ctx.random))]
        drawn = [ctx.step(each.random) for each in copies]
        return [number == ctx.random.random() for number in drawn[:1]] + [drawn[0] == drawn[1] == drawn[2]]

    assert Simulator(handler).start().finish().result == [True, True]
