"""Plugins that are made for an invocation, and what they may ask for: see docs/powertools/plugins.md."""

from __future__ import annotations

from contextvars import ContextVar

import pytest

from powertools_durable import Polling, durable
from powertools_durable.errors import DurableConfigError
from powertools_durable.plugins import Plugin, PluginFactory
from powertools_durable.testing import Simulator
from tests.reliability.rig import Run
from tests.reliability.wire import wired

SEEN = ContextVar("seen", default="the code's own")


class Makes(PluginFactory):
    """Makes a plugin for each invocation but those in ``without``; notes what it is told."""

    def __init__(self, make=Plugin, without=()):
        self.make, self.without, self.infos = make, without, []

    def create_plugin(self, info):
        self.infos.append(info)
        return None if len(self.infos) in self.without else self.make()


class Hears(Plugin):
    heard = []  # noqa: RUF012 - a test empties it

    def on_invocation_start(self, info):
        self.heard.append("start")

    def on_operation_start(self, info):
        self.heard.append(info.name)

    def on_invocation_end(self, info):
        self.heard.append(info.replayed)


@pytest.fixture(autouse=True)
def nothing_heard():
    Hears.heard.clear()


def two_invocations(event, ctx):
    ctx.step(lambda: 1, name="one")
    ctx.wait(60, name="pause")
    ctx.step(lambda: 2, name="two")


def test_a_factory_knows_the_invocation_that_it_makes_a_plugin_for():
    factory = Makes(Hears)
    run = Simulator(durable(plugins=[factory])(two_invocations)).start(name="order-7").finish()
    assert [info.is_first for info in factory.infos] == [True, False]
    assert {(info.execution_arn, info.execution_name) for info in factory.infos} == {(run.arn, "order-7")}
    assert [info.lambda_context.aws_request_id for info in factory.infos] == [one.request_id for one in run.invocations]
    assert "one" in {operation.name for operation in factory.infos[1].operations.values()}
    assert Hears.heard == ["start", "one", "pause", 0, "start", "two", 2]


def test_an_invocation_may_get_no_plugin(captured_logs):
    handler = durable(plugins=[Makes(Hears, without=[1])])(two_invocations)
    Simulator(handler).start().finish()
    assert Hears.heard == ["start", "two", 2]
    assert captured_logs.messages == []


def test_the_class_of_a_factory_can_be_listed():
    class Always(PluginFactory):
        def create_plugin(self, info):
            return Hears()

    Simulator(durable(plugins=[Always])(lambda event, ctx: None)).start().finish()
    assert Hears.heard == ["start", 0]


@pytest.mark.parametrize("made", [RuntimeError("no"), "no plugin"])
def test_a_factory_that_fails_is_left_out(made, captured_logs):
    def make():
        if isinstance(made, Exception):
            raise made
        return made

    handler = durable(plugins=[Makes(make), Hears()])(lambda event, ctx: 7)
    assert Simulator(handler).start().finish().result == 7
    assert Hears.heard == ["start", 0]
    (line,) = captured_logs.messages
    assert "plugin" in line


def test_a_factory_alone_is_no_list():
    with pytest.raises(DurableConfigError, match="takes a list"):
        durable(plugins=Makes())(two_invocations)


def test_without_interest_in_operations_none_is_observed(monkeypatch):
    from powertools_durable._runtime.observers import Observers

    class Ends(Plugin):
        observes_operations = False

        def on_invocation_end(self, info):
            Hears.heard.append(info.outcome)

    observed = []
    monkeypatch.setattr(Observers, "_observe", lambda self, op, flow: observed.append(op.name) or flow)
    monkeypatch.setattr(Observers, "check_replay_end", lambda self, frame: observed.append(frame))
    Simulator(durable(plugins=[Ends()])(two_invocations)).start().finish()
    assert (observed, Hears.heard) == ([], ["PENDING", "SUCCEEDED"])
    Simulator(durable(plugins=[Ends(), Hears()])(two_invocations)).start().finish()
    assert observed, "another plugin has an interest"


def test_an_attempt_names_its_function():
    functions = []

    class Attempts(Plugin):
        def on_user_function_start(self, info):
            functions.append(info.function)

    def charge(amount):
        return amount

    def check(state):
        return state + 1

    @durable(plugins=[Attempts()])
    def handler(event, ctx):
        ctx.step(charge, 5)
        ctx.wait_for_condition(check, initial=0, polling=Polling(until=bool))
        ctx.run_in_child_context(lambda child: None)

    Simulator(handler).start().finish()
    assert functions == [charge, check, None]


@pytest.mark.parametrize("pages", [1000, 1])
def test_api_calls_of_the_engine_have_variables_of_their_own(pages):
    calls, code = [], []

    class Prepares(PluginFactory):
        def create_plugin(self, info):
            return None

        def prepare_backend_calls(self):
            SEEN.set("the engine's")

    def look():
        code.append(SEEN.get())

    def note(model, **_):
        calls.append((model.name, SEEN.get()))

    @durable(plugins=[Prepares()])
    def handler(event, ctx):
        ctx.step(look)
        ctx.wait(60)
        ctx.step(look)
        look()

    with wired() as wire:
        execution = Run(handler, over=wire, page_items=pages)
        for call in ("CheckpointDurableExecution", "GetDurableExecutionState"):
            wire.client.meta.events.register(f"before-call.lambda.{call}", note)
        execution.settle()
        execution.finish()
    assert {operation for operation, _ in calls} == {"CheckpointDurableExecution", "GetDurableExecutionState"} - (
        {"GetDurableExecutionState"} if pages == 1000 else set()
    )
    assert {seen for _, seen in calls} == {"the engine's"}
    assert set(code) == {"the code's own"}


def test_variables_that_can_not_be_set_change_nothing(captured_logs):
    class Fails(PluginFactory):
        def create_plugin(self, info):
            return Hears()

        def prepare_backend_calls(self):
            raise RuntimeError("no")

    assert Simulator(durable(plugins=[Fails()])(lambda event, ctx: 7)).start().finish().result == 7
    assert all("plugin Fails failed in prepare_backend_calls" in line for line in captured_logs.messages)
    assert captured_logs.messages
