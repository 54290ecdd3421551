"""Plug-ins of the official SDK hear the same here, hook by hook; and what is no plug-in is refused."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from powertools_durable.compat.aws import PluginLoadError, durable_execution
from powertools_durable.compat.aws.plugin_discovery import load_configured_plugins
from powertools_durable.plugins import Plugin
from powertools_durable.testing import Simulator
from tests.compat import twin

SOURCE = Path(__file__).with_name("plugged.py")
OFFICIAL = importlib.util.find_spec("aws_durable_execution_sdk_python") is not None
PROGRAMS = ["steps", "retried", "failed", "waited", "called_back", "nested", "mapped", "flat", "large", "invoked"]
PLACE = re.compile(r',"StackTrace":\{"t":"l","v":\[\{"t":"s","v":"[^"]*"\}\]\}')  # official records have none


def heard(name, *, official):
    module = twin.load(SOURCE, official=official)
    run = twin.run(name, [module], {"n": 2}, functions=["stock"])
    if name == "called_back":
        callback = next(record for record in run.operations if record.callback_details is not None)
        with run.host.changing(run.arn) as execution:
            execution.complete_callback(callback.callback_details.callback_id, run.now, result="yes")
        run.settle()
    run.finish()
    return run.status, [
        [PLACE.sub("", part) if isinstance(part, str) else part for part in line] for line in module.HEARD
    ]


@pytest.mark.skipif(not OFFICIAL, reason="the official SDK is not installed (dependency group e2e)")
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_plug_in_hears_the_same_on_both_sdks(name):
    ours, theirs = heard(name, official=False), heard(name, official=True)
    if name == "flat":  # here the start of a branch without a record is heard, too
        ours[1][:] = [line for line in ours[1] if line[0] != "start" or line[3] != "ParallelBranch"]
    assert ours == theirs


def test_a_plug_in_itself_is_taken_too_and_one_of_this_package():
    module = twin.load(SOURCE, official=False)
    calls = []

    class Mine(Plugin):
        def on_invocation_end(self, info):
            calls.append(info.outcome)

    handler = durable_execution(plugins=[module.Recorder(), Mine()])(lambda event, context: 1)
    assert Simulator(handler).start().finish().result == 1
    assert [line[0] for line in module.HEARD] == ["invocation", "invocation end"]
    assert calls == ["SUCCEEDED"]


@pytest.mark.parametrize("plugin", [object(), twin.load(SOURCE, official=False).Recorder, "otel"])
def test_what_is_no_plug_in_is_refused(plugin):
    with pytest.raises(PluginLoadError, match=r"takes objects with create_plugin\(info\), or plug-ins; \w+ is neither"):
        durable_execution(plugins=[plugin])(lambda event, context: 1)


@pytest.mark.parametrize(
    ("named", "words"),
    [
        ("nothing", "lists 'nothing', which no installed package offers"),
        ("a,a", "lists 'a' twice"),
        ("a,,b", "an empty name"),
    ],
)
def test_a_wrong_name_in_the_environment_is_refused(monkeypatch, named, words):
    monkeypatch.setenv("DURABLE_EXECUTION_PLUGINS", named)
    if named == "a,,b":
        monkeypatch.setattr("powertools_durable.compat.aws.plugin_discovery._load", lambda name: name)
    with pytest.raises(PluginLoadError, match=words):
        durable_execution(lambda event, context: 1)


def test_without_a_name_nothing_is_looked_for():
    mine = object()
    assert load_configured_plugins([mine], environment={}) == [mine]
