"""Plugins that another package offers: loaded when the environment names them, and never otherwise."""

from __future__ import annotations

import sys

import pytest

from powertools_durable import durable
from powertools_durable.errors import DurableConfigError
from powertools_durable.plugins import Plugin
from powertools_durable.testing import Simulator

CODE = """
from powertools_durable.plugins import Plugin

class Hears(Plugin):
    heard = []

    def on_invocation_start(self, info):
        self.heard.append(type(self).__name__)

class HearsToo(Hears):
    pass

nothing = object()
"""
OFFERS = """
[powertools_durable.plugins]
hears = offered_plugins:Hears
hears-too = offered_plugins:HearsToo
broken = offered_plugins:missing
nothing = offered_plugins:nothing
"""


def install(folder, name="offering", offers=OFFERS):
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(offers)


@pytest.fixture
def offered(tmp_path, monkeypatch):
    (tmp_path / "offered_plugins.py").write_text(CODE)
    install(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    sys.modules.pop("offered_plugins", None)


def handler(event, ctx):
    return "done"


def test_without_a_name_in_the_environment_nothing_is_loaded(offered):
    durable(handler)
    assert "offered_plugins" not in sys.modules


def test_what_the_environment_names_comes_behind_what_is_listed(offered, monkeypatch):
    monkeypatch.setenv("POWERTOOLS_DURABLE_PLUGINS", "hears-too, hears")
    order = []

    class Listed(Plugin):
        def on_invocation_start(self, info):
            import offered_plugins

            order.append(list(offered_plugins.Hears.heard))

    Simulator(durable(plugins=[Listed()])(handler)).start()
    heard = sys.modules["offered_plugins"].Hears.heard
    assert (order, heard) == ([[]], ["HearsToo", "Hears"])


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("unknown", r"lists 'unknown', which no installed package offers .* offered: .*hears"),
        ("hears,hears", "lists 'hears' twice"),
        ("broken", r"loading offered_plugins:missing failed: AttributeError"),
        ("nothing", "a plugin is a Plugin of powertools_durable.plugins or makes one; object is none"),
    ],
)
def test_a_name_that_can_not_be_loaded_is_refused_when_the_module_loads(offered, monkeypatch, names, message):
    monkeypatch.setenv("POWERTOOLS_DURABLE_PLUGINS", names)
    with pytest.raises(DurableConfigError, match=message) as refused:
        durable(handler)
    assert "test_entry_points.py" in str(refused.value)


def test_a_name_that_two_packages_offer_is_refused(offered, monkeypatch):
    install(offered, "other", "[powertools_durable.plugins]\nhears = offered_plugins:HearsToo\n")
    monkeypatch.setenv("POWERTOOLS_DURABLE_PLUGINS", "hears")
    with pytest.raises(DurableConfigError, match="which several packages offer: offering, other"):
        durable(handler)


def test_the_same_plugin_twice_is_heard_once_and_warned_of():
    plugin = Plugin()
    with pytest.warns(UserWarning, match="listed twice"):
        durable(plugins=[plugin, plugin])(handler)


@pytest.mark.parametrize("wrong", ["text", 42, [object()], [int]])
def test_what_is_no_plugin_is_refused(wrong):
    listed = wrong if isinstance(wrong, list) else [wrong]
    with pytest.raises(DurableConfigError, match="is none"):
        durable(plugins=listed)(handler)


def test_a_single_plugin_is_asked_for_as_a_list():
    with pytest.raises(DurableConfigError, match=r"takes a list"):
        durable(plugins=Plugin())(handler)
