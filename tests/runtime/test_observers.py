"""What plugins hear, and that they change nothing (docs/contributing/protocol.md#plugin-hooks)."""

from __future__ import annotations

import logging
import threading
from contextvars import ContextVar

import pytest

from powertools_durable import (
    Completion,
    Nesting,
    Polling,
    Retry,
    StepError,
    current_scope,
    current_step,
    durable,
)
from powertools_durable.errors import BackendError
from powertools_durable.plugins import Around, Plugin
from powertools_durable.scope import BACKEND_CALL
from powertools_durable.testing import Simulator
from tests.runtime.rig import Served

QUIET = "on_operation_replayed"  # told of everything that happens not; it has a test of its own
HOOKS = [name for name in vars(Plugin) if name.startswith("on_") and name != QUIET]
SOON = Retry(max_attempts=3, initial_delay=5, jitter="none")


class Notes(Plugin):
    """Writes down each hook; a subclass decides what else happens in it."""

    def __init__(self):
        self.heard = []

    def said(self, *hooks):
        return [words for hook, words, _ in self.heard if not hooks or hook in hooks]


def _noting(hook):
    def method(self, info):
        self.heard.append((hook, _words(hook, info), info))

    return method


def _words(hook, info):
    short = hook.removeprefix("on_")
    match short:
        case "invocation_start":
            return f"{short} first={info.is_first}"
        case "invocation_end":
            return f"{short} {info.outcome}"
        case "replay_end":
            return f"{short} {info.operations}"
        case "operation_change":
            return f"{short} {' '.join(f'{r.name}={r.status}' for r in info.updated.values())}"
        case "operation_start":
            return f"{short} {info.name}{' again' if info.is_replayed else ''}"
        case "user_function_start":
            return f"{short} {info.name} {info.attempt}"
        case "user_function_end":
            return f"{short} {info.name} {info.attempt} {info.outcome}"
        case _:
            return f"{short} {info.name} {info.status}"


for _hook in HOOKS:
    setattr(Notes, _hook, _noting(_hook))


def heard(handler, event=None, *, drop=("on_operation_change",), callbacks=None):
    """Run *handler* to its end; return the run and what a plugin heard, invocation by invocation."""
    notes = Notes()
    run = Simulator(durable(plugins=[notes])(handler)).start(event).finish()
    for name, value in (callbacks or {}).items():
        run.callback(name).succeed(value)
        run.finish()
    invocations, lines = [], []
    for hook, words, _ in notes.heard:
        if hook in drop:
            continue
        lines.append(words)
        if hook == "on_invocation_end":
            invocations.append(lines)
            lines = []
    assert not lines, "nothing is heard behind the last hook"
    return run, invocations


# -- what is heard -------------------------------------------------------------------------------------------------


def test_a_step_is_heard_from_its_start_to_its_recorded_end():
    def handler(event, ctx):
        return ctx.step(lambda: 1, name="one")

    _, invocations = heard(handler, drop=())
    assert invocations == [
        [
            "invocation_start first=True",
            "operation_start one",
            "user_function_start one 1",
            "user_function_end one 1 SUCCEEDED",
            "operation_change one=SUCCEEDED",
            "operation_end one SUCCEEDED",
            "invocation_end SUCCEEDED",
        ]
    ]


def test_a_wait_that_ended_between_two_invocations_is_heard_where_it_is_seen():
    def handler(event, ctx):
        ctx.step(lambda: 1, name="one")
        ctx.wait(60, name="pause")
        return ctx.step(lambda: 2, name="two")

    _, (first, second) = heard(handler)
    assert first[-2:] == ["operation_start pause", "invocation_end PENDING"]
    assert second == [
        "invocation_start first=False",
        "operation_end pause SUCCEEDED",
        "replay_end 2",
        "operation_start two",
        "user_function_start two 1",
        "user_function_end two 1 SUCCEEDED",
        "operation_end two SUCCEEDED",
        "invocation_end SUCCEEDED",
    ]


def test_a_failed_attempt_is_no_end_of_its_operation():
    def flaky():
        if current_step().attempt < 3:
            raise ValueError("not yet")
        return "ok"

    def handler(event, ctx):
        return ctx.step(flaky, retry=SOON)

    _, invocations = heard(handler)
    assert [line for lines in invocations for line in lines if "operation_" in line] == [
        "operation_start flaky",
        "operation_start flaky again",
        "operation_start flaky again",
        "operation_end flaky SUCCEEDED",
    ]
    assert [line for lines in invocations for line in lines if "user_function_end" in line] == [
        "user_function_end flaky 1 FAILED",
        "user_function_end flaky 2 FAILED",
        "user_function_end flaky 3 SUCCEEDED",
    ]


def test_the_code_of_a_context_that_suspends_is_incomplete():
    def child(ctx):
        ctx.wait(5, name="inside")

    def handler(event, ctx):
        ctx.run_in_child_context(child)

    _, (first, second) = heard(handler)
    assert [line for line in first if "user_function" in line] == [
        "user_function_start child None",
        "user_function_end child None INCOMPLETE",
    ]
    assert second[-3:] == [
        "user_function_end child None SUCCEEDED",
        "operation_end child SUCCEEDED",
        "invocation_end SUCCEEDED",
    ]


def test_code_that_swallows_its_suspension_is_incomplete_too():
    def child(ctx):
        try:
            ctx.wait(5)
        except BaseException:  # noqa: BLE001
            return "wrong"

    def handler(event, ctx):
        ctx.run_in_child_context(child)

    _, (first, *_) = heard(handler)
    assert "user_function_end child None INCOMPLETE" in first


def test_branches_are_operations_with_functions_of_their_own():
    def handler(event, ctx):
        return ctx.parallel({"left": lambda _: 1, "right": lambda _: 2}, name="both", max_concurrency=1).results

    run, (lines,) = heard(handler)
    assert lines == [
        "invocation_start first=True",
        "operation_start both",
        "operation_start left",
        "user_function_start left None",
        "user_function_end left None SUCCEEDED",
        "operation_end left SUCCEEDED",
        "operation_start right",
        "user_function_start right None",
        "user_function_end right None SUCCEEDED",
        "operation_end right SUCCEEDED",
        "operation_end both SUCCEEDED",
        "invocation_end SUCCEEDED",
    ]
    assert run.result == [1, 2]


@pytest.mark.parametrize("nesting", list(Nesting))
def test_a_context_without_a_record_is_heard_each_time_it_runs(nesting):
    def handler(event, ctx):
        def branch(child, item):
            child.step(lambda: item, name="inner")
            return item

        ctx.map(branch, [1], nesting=nesting, name="fan")
        ctx.run_in_child_context(lambda child: child.step(lambda: 1, name="deep"), virtual=True, name="thin")
        ctx.wait(5)

    _, (first, second) = heard(handler)
    assert first.count("operation_end thin SUCCEEDED") == second.count("operation_end thin SUCCEEDED") == 1
    assert "operation_end fan SUCCEEDED" not in second


def test_a_large_context_is_heard_again_when_it_is_rebuilt():
    def big(child):
        return [child.step(lambda: "x" * 200_000, name=name) for name in "ab"]

    def handler(event, ctx):
        ctx.run_in_child_context(big)
        ctx.wait(5)

    notes = Notes()
    Simulator(durable(plugins=[notes])(handler)).start().finish()
    flags = [
        info.is_replay_children
        for hook, _, info in notes.heard
        if hook == "on_user_function_start" and info.name == "big"
    ]
    assert flags == [False, True]
    assert notes.said("on_operation_end").count("operation_end big SUCCEEDED") == 2


def test_conditions_callbacks_and_invokes_are_heard():
    def handler(event, ctx):
        ctx.wait_for_condition(
            lambda n: n + 1, initial=0, polling=Polling(lambda n: n == 2, jitter="none"), name="poll"
        )
        return ctx.wait_for_callback(lambda _: None, name="ask")

    run, invocations = heard(handler, callbacks={"ask": 1})
    lines = [line for lines in invocations for line in lines]
    assert run.status == "SUCCEEDED"
    assert [line for line in lines if "poll" in line and "user_function_end" in line] == [
        "user_function_end poll 1 SUCCEEDED",
        "user_function_end poll 2 SUCCEEDED",
    ]
    for end in ("poll", "ask create callback id", "ask submitter", "ask"):
        assert lines.count(f"operation_end {end} SUCCEEDED") == 1


def test_a_failed_execution_says_why():
    def handler(event, ctx):
        raise LookupError("no such order")

    notes = Notes()
    run = Simulator(durable(plugins=[notes])(handler)).start()
    ending = notes.heard[-1][2]
    assert (ending.outcome, ending.error.error_type, run.status) == ("FAILED", "LookupError", "FAILED")
    assert "no such order" not in repr(ending)


def test_a_rejected_payload_is_an_invocation_that_fails():
    notes = Notes()

    @durable(model=int, plugins=[notes])
    def handler(event, ctx):
        raise AssertionError

    Simulator(handler).start("secret")
    assert notes.said() == ["invocation_start first=True", "invocation_end FAILED"]
    assert notes.heard[0][2].input is None
    assert "secret" not in repr(notes.heard)


def test_an_invocation_that_lambda_shall_repeat_ends_as_retry():
    class Away:
        def checkpoint(self, *_):
            raise BackendError("away", retryable=True, stale_token=True)

        get_execution_state = checkpoint

    notes = Notes()

    @durable(plugins=[notes])
    def handler(event, ctx):
        ctx.step(lambda: 1)

    event = {
        "DurableExecutionArn": "arn:a/durable-execution/n/i",
        "CheckpointToken": "dG9rZW4=",
    }
    with pytest.raises(BackendError):
        handler.invoke(event, None, backend=Away())
    ending = notes.heard[-1][2]
    assert (ending.outcome, ending.error.error_type, ending.calls.failed) == ("RETRY", "BackendError", 1)


@pytest.mark.only(
    "def", "the body of a step runs on a thread of its own in an async handler, and START is sent meanwhile"
)
def test_the_end_tells_of_the_calls():
    def handler(event, ctx):
        for number in range(3):
            ctx.step(lambda: 1, name=f"s{number}")

    notes = Notes()
    Simulator(durable(plugins=[notes])(handler)).start()
    calls = notes.heard[-1][2].calls
    assert (calls.checkpoints, calls.state_pages, calls.throttled, calls.failed) == (3, 0, 0, 0)


def test_a_patch_is_no_operation():
    def handler(event, ctx):
        ctx.patched("by-air")

    _, (lines,) = heard(handler)
    assert lines == ["invocation_start first=True", "invocation_end SUCCEEDED"]


# -- where it is heard ---------------------------------------------------------------------------------------------


def test_hooks_of_a_body_run_on_its_thread_and_in_its_context():
    seen = ContextVar("seen", default=None)
    threads = {}

    class Sets(Plugin):
        def on_user_function_start(self, info):
            threads[info.name, "hook"] = threading.get_ident()
            seen.set(info.name)

    @durable(plugins=[Sets()])
    def handler(event, ctx):
        def branch(child, item):
            threads[f"map-item-{item}", "body"] = threading.get_ident()
            inside = seen.get()
            child.step(lambda: None, name=f"step-{item}")
            return inside

        return ctx.map(branch, [0, 1, 2]).results

    assert Simulator(handler).start().result == ["map-item-0", "map-item-1", "map-item-2"]
    for item in range(3):
        assert threads[f"map-item-{item}", "hook"] == threads[f"map-item-{item}", "body"]


def test_a_plugins_own_lines_are_never_taken_for_repeated_ones():
    scopes = []

    class Looks(Plugin):
        def on_invocation_start(self, info):
            scopes.append((current_scope().execution_name, current_scope().replaying))

        def on_operation_start(self, info):
            scopes.append((current_scope().operation_name, current_scope().replaying))

    @durable(plugins=[Looks()])
    def handler(event, ctx):
        ctx.step(lambda: 1, name="one")
        ctx.wait(5, name="pause")

    Simulator(handler).start(name="mine").finish()
    assert scopes == [("mine", False), ("one", False), ("pause", False), ("mine", False)]
    assert current_scope() is None


def test_the_engines_own_calls_are_marked_and_have_no_scope(monkeypatch):
    seen = []

    @durable(plugins=[Notes()])
    def handler(event, ctx):
        ctx.step(lambda: 1)
        return BACKEND_CALL.get()

    served = Served(handler)
    inner = served.backend.checkpoint

    def checkpoint(*arguments):
        seen.append((current_scope(), BACKEND_CALL.get()))
        return inner(*arguments)

    monkeypatch.setattr(served.backend, "checkpoint", checkpoint)
    assert served.settle().result is None
    assert seen == [(None, "checkpoint")]


# -- that nothing is changed ---------------------------------------------------------------------------------------


class Broken(Plugin):
    """Fails wherever it can."""


def _breaking(hook):
    def method(self, info):
        raise RuntimeError(f"{hook} is broken")

    return method


for _hook in [*HOOKS, QUIET, "provide_propagation_metadata"]:
    setattr(Broken, _hook, _breaking(_hook))


def everything(event, ctx):
    def flaky():
        if current_step().attempt == 1:
            raise ValueError("first")
        return 1

    def branch(child, item):
        child.wait(item + 1)
        if item == 1:
            raise ValueError("branch")
        return child.step(lambda: item, name="s")

    total = ctx.step(flaky, retry=SOON)
    ctx.invoke("echo", {"a": 1})
    items = ctx.map(branch, [0, 1, 2], completion=Completion.all_completed())
    try:
        ctx.step(lambda: 1 / 0, name="never", retry=Retry.none())
    except StepError as error:
        total += len(error.error_type)
    ctx.defer(lambda: None)
    return [total, items.results, [str(e) for e in items.errors]]


def test_law_8_a_plugin_that_fails_everywhere_changes_neither_outcome_nor_checkpoints(caplog):
    functions = {"echo": lambda event: event}
    plain = Simulator(durable(everything), functions=functions).start().finish()
    heard = Simulator(durable(plugins=[Broken(), Broken])(everything), functions=functions).start().finish()
    assert heard.status == plain.status == "SUCCEEDED"
    assert heard.result == plain.result

    def shape(run):
        return [(r.id, r.name, r.status, r.attempts) for r in sorted(run.operations, key=lambda r: r.id)]

    assert shape(heard) == shape(plain)
    ours = {record.name for record in caplog.records if record.name.startswith("powertools_durable")}
    assert ours == {"powertools_durable._runtime.observers"}  # beside what fails in the handler on purpose
    assert any("plugin Broken failed in on_operation_end; it is ignored" in r.getMessage() for r in caplog.records)


def test_keyboard_interrupt_in_a_hook_is_the_developers():
    class Interrupts(Plugin):
        def on_operation_start(self, info):
            raise KeyboardInterrupt

    @durable(plugins=[Interrupts()])
    def handler(event, ctx):
        ctx.step(lambda: 1)

    with pytest.raises(KeyboardInterrupt):
        Simulator(handler).start()


def test_a_factory_that_fails_is_reported_and_left_out(caplog):
    def broken():
        raise RuntimeError("no")

    @durable(plugins=[broken, lambda: "no plugin"])
    def handler(event, ctx):
        return ctx.step(lambda: 1)

    assert Simulator(handler).start().result == 1
    failure, *other = [r.getMessage() for r in caplog.records if r.levelno >= logging.ERROR]
    assert failure.startswith("a plugin could not be created; the execution continues without it: RuntimeError at ")
    assert other == [
        "a plugin factory returned a str, not a Plugin; it is ignored",
    ]


def test_a_class_makes_a_fresh_plugin_for_each_invocation():
    made = []

    class Fresh(Plugin):
        def __init__(self):
            made.append(self)

    @durable(plugins=[Fresh])
    def handler(event, ctx):
        ctx.wait(5)

    Simulator(handler).start().finish()
    assert len(set(map(id, made))) == len(made) == 2


# -- trace headers -------------------------------------------------------------------------------------------------


def test_the_first_plugin_with_a_trace_header_gives_it_to_an_invoked_function():
    asked = []

    class Header(Plugin):
        def __init__(self, header):
            self.header = header

        def provide_propagation_metadata(self, info):
            asked.append(info.function_name)
            return self.header

    @durable(plugins=[Header(None), Header("Root=1-a"), Header("Root=1-b")])
    def handler(event, ctx):
        return ctx.invoke("echo", 1, name="call")

    served = Served(handler).settle()
    sent = [u for u in served.backend.updates if u.chained_invoke_options]
    assert [u.chained_invoke_options.x_amzn_trace_id for u in sent] == ["Root=1-a"]
    assert asked == ["echo"] * 3


# -- Around --------------------------------------------------------------------------------------------------------


class Lasting(Around):
    """Writes down when each thing began and ended."""

    def __init__(self):
        self.lines = []

    def invocation(self, info):
        self.lines.append("invocation begins")
        ending = yield
        self.lines.append(f"invocation {ending.outcome}")

    def operation(self, info):
        self.lines.append(f"{info.name} begins")
        ending = yield
        self.lines.append(f"{info.name} {ending.outcome if ending else 'goes on'}")

    def attempt(self, info):
        self.lines.append(f"attempt {info.attempt} begins")
        ending = yield
        self.lines.append(f"attempt {info.attempt} {ending.outcome}")


def test_around_stands_around_what_lasts():
    lasting = Lasting()

    @durable(plugins=[lasting])
    def handler(event, ctx):
        ctx.step(lambda: 1, name="one")
        ctx.wait(5, name="pause")

    Simulator(handler).start().finish()
    assert lasting.lines == [
        "invocation begins",
        "one begins",
        "attempt 1 begins",
        "attempt 1 SUCCEEDED",
        "one SUCCEEDED",
        "pause begins",
        "pause goes on",
        "invocation PENDING",
        "invocation begins",
        "invocation SUCCEEDED",
    ]


def test_a_generator_with_two_yields_is_reported_and_changes_nothing(caplog):
    class Twice(Around):
        def attempt(self, info):
            yield
            yield

    @durable(plugins=[Twice()])
    def handler(event, ctx):
        return ctx.step(lambda: 1)

    assert Simulator(handler).start().result == 1
    assert "has more than one yield" in caplog.text


def test_a_generator_closes_what_it_opened_also_when_the_body_fails():
    closed = []

    class Opens(Around):
        def attempt(self, info):
            try:
                ending = yield
                closed.append((ending.outcome, type(ending.exception)))
            finally:
                closed.append("closed")

    @durable(plugins=[Opens()])
    def handler(event, ctx):
        ctx.step(lambda: 1 / 0, retry=Retry.none())

    Simulator(handler).start()
    assert closed == [("FAILED", ZeroDivisionError), "closed"]


def test_what_is_only_repeated_is_told_by_a_hook_of_its_own_and_counted_at_the_end():
    class Repeated(Plugin):
        def __init__(self):
            self.heard = []

        def on_operation_replayed(self, info):
            self.heard.append((info.name, info.outcome, info.is_replayed))

        def on_user_function_start(self, info):
            self.heard.append((info.name, info.is_replaying))

        def on_invocation_end(self, info):
            self.heard.append(info.replayed)

    notes = Repeated()

    def around(child):
        child.step(lambda: 1, name="inner")
        child.wait(60, name="pause")
        child.wait(60, name="again")

    @durable(plugins=[notes])
    def handler(event, ctx):
        ctx.step(lambda: 1, name="one")
        ctx.run_in_child_context(around, name="around")

    Simulator(handler).start().finish()
    assert notes.heard == [
        *[("one", False), ("around", False), ("inner", False), 0],
        *[("one", "SUCCEEDED", True), ("around", True), ("inner", "SUCCEEDED", True), 3],
        *[("one", "SUCCEEDED", True), ("around", True), ("inner", "SUCCEEDED", True), ("pause", "SUCCEEDED", True), 4],
    ]


def test_operations_that_nobody_hears_of_are_not_followed():
    class Propagates(Plugin):
        def provide_propagation_metadata(self, info):
            return "Root=1"

    def follows(*_):
        raise AssertionError("an operation was followed for nobody")

    @durable(plugins=[Propagates()])
    def handler(event, ctx):
        ctx.step(lambda: 1, name="one")
        return ctx.invoke("other", 1)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("powertools_durable._runtime.observers.Observers._observe", follows)
        run = Served(handler)
        run.settle()
    assert run.backend.updates[-1].chained_invoke_options.x_amzn_trace_id == "Root=1"


def test_hooks_that_nobody_has_are_not_prepared():
    """A plugin that hears only the invocation costs nothing at an operation."""

    class Quiet(Plugin):
        pass

    def facts(*_):
        raise AssertionError("facts were gathered for nobody")

    @durable(plugins=[Quiet()])
    def handler(event, ctx):
        ctx.step(lambda: 1, name="one")
        ctx.wait(60)
        return ctx.step(lambda: 2, name="two")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("powertools_durable._runtime.observers.Observers._facts", facts)
        assert Simulator(handler).start().finish().result == 2
