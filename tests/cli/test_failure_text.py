"""Whose failure it is, in the words of ``describe()``, wherever the command line tells of one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from powertools_durable.cli.app import app

SHOP = """
from powertools_durable import Nesting, Polling, Retry, durable

class Rejected(Exception):
    pass

def charge(*_):
    raise KeyError("sku")

def rejects(*_):
    raise Rejected("no")

@durable
def handler(code, ctx):
    globals()[code](ctx)

def step(ctx):
    ctx.step(charge, name="charge", retry=Retry(max_attempts=3, initial_delay=1, jitter="none"))

def child(ctx):
    ctx.run_in_child_context(step, name="order")

def own_child(ctx):
    ctx.run_in_child_context(charge, name="order")

def nested(ctx):
    ctx.run_in_child_context(child, name="outer")

def item(ctx):
    ctx.map(lambda child, item: step(child), [1], name="each").raise_if_failed()

def branch(ctx):
    ctx.parallel({"one": step}, name="both").raise_if_failed()

def check(ctx):
    ctx.wait_for_condition(charge, initial=None, name="ready", polling=Polling(until=bool))

def submitter(ctx):
    ctx.wait_for_callback(rejects, name="ask", retry=Retry.none())

def by_itself(ctx):
    charge()
"""
WORDS = {
    "step": "step 'charge' failed after 3 attempts: KeyError: 'sku'",
    "child": "child context 'order' failed: KeyError: 'sku'",
    "own_child": "child context 'order' failed: KeyError: 'sku'",
    "nested": "child context 'outer' failed: KeyError: 'sku'",
    "item": None,
    "branch": None,
    "check": "wait_for_condition 'ready' failed: KeyError: 'sku'",
    "submitter": "callback 'ask' failed: failing_shop.Rejected: no",
    "by_itself": "KeyError: 'sku'",
}


def cli(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture(params=WORDS)
def failed(request, tmp_path, monkeypatch):
    """What ``run`` printed of an execution that failed, the handler, and the words that are right."""
    monkeypatch.chdir(tmp_path)
    Path("failing_shop.py").write_text(SHOP)
    done = cli("run", "failing_shop.py:handler", "--event", json.dumps(request.param), "--skip-time", "--name", "it")
    assert done.exit_code == 1, done.output
    return done.stdout, WORDS[request.param]


@pytest.mark.sampled(2)
def test_run_list_and_show_name_what_failed_and_never_what_wrapped_it(failed):
    ran, words = failed
    shown = cli("show", "it").stdout
    told = json.loads(cli("show", "it", "--json").stdout.splitlines()[0])
    listed = cli("list", "--json").stdout
    for text in (ran, shown, listed, json.dumps(told["error"])):
        assert "Error(" not in text
    if words is not None:
        assert words in shown
        assert told["error"]["description"] == words
        assert json.loads(ran.splitlines()[-1])["error"]["description"] == words


def test_a_line_of_the_timeline_says_after_how_many_attempts(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("failing_shop.py").write_text(SHOP)
    cli("run", "failing_shop.py:handler", "--event", '"child"', "--skip-time", "--name", "it")
    lines = cli("show", "it").stdout.splitlines()
    assert [line for line in lines if "charge failed after 3 attempts: KeyError: 'sku' (failing_shop.py:" in line]
    assert [line for line in lines if "order failed: KeyError: 'sku'" in line]
