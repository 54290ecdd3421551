"""Simulators at once, on threads or one inside of another: output and logs are kept apart, or the second is refused."""

from __future__ import annotations

import io
import json
import logging
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from powertools_durable import ValidationError, durable
from powertools_durable.testing import Ledger, Simulator, explore
from powertools_durable.testing.fixtures.captured_logs import capturing

log = logging.getLogger("shop.side_by_side")
AT_ONCE = 4


@pytest.fixture(autouse=True)
def as_it_was():
    log.setLevel(logging.INFO)
    before = (sys.stdout, list(logging.root.handlers), logging.Handler.handle)
    yield
    assert (sys.stdout, list(logging.root.handlers), logging.Handler.handle) == before
    log.setLevel(logging.NOTSET)


def say(words):
    log.info(words)
    sys.stdout.write(json.dumps({"_aws": {}, "order": words}) + "\n")


def made(barrier=None):
    """Make a handler that says its event in each place where code runs, beside others that do."""

    @durable
    def handler(event, ctx):
        say(f"{event} in the handler")
        if barrier is not None:
            barrier.wait(timeout=60)  # all are inside of an invocation now
        ctx.step(lambda: say(f"{event} in a step"), name="step")
        ctx.step(lambda: say(f"{event} on a thread"), name="thread", timeout=60)
        ctx.map(lambda child, n: child.step(lambda: say(f"{event} in branch {n}"), name="s"), [1, 2, 3], name="map")
        ctx.wait(1)

    return handler


def said(run):
    return [record.getMessage() for record in run.logs if record.name == log.name]


def expected(event):
    places = ["in a step", "in branch 1", "in branch 2", "in branch 3", "in the handler", "on a thread"]
    return [f"{event} {place}" for place in places]


def test_on_threads_each_run_has_its_own_lines_and_metrics():
    handler = made(threading.Barrier(AT_ONCE))

    def go(event):
        run = Simulator(handler).start(event).finish()
        return said(run), [metric["order"] for metric in run.metrics], run.status

    # The barrier is met in the first invocations; in the second nobody waits for others.
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = list(pool.map(go, range(AT_ONCE)))
    for event, (lines, metrics, status) in enumerate(found):
        assert status == "SUCCEEDED"
        assert sorted(set(lines)) == expected(event)
        assert sorted(set(metrics)) == expected(event)


def test_one_inside_of_another_is_heard_by_both():
    inner = []

    def fake(event):
        inner.append(Simulator(made()).start(event).finish())

    @durable
    def handler(event, ctx):
        say("outside")
        ctx.invoke("inner", event)

    run = Simulator(handler, functions={"inner": fake}).start("x").finish()
    assert sorted(set(said(inner[0]))) == expected("x")
    assert set(expected("x")) | {"outside"} == set(said(run))


def test_what_a_thread_of_the_handler_s_own_says_is_of_the_run_that_is_at_work():
    @durable
    def handler(event, ctx):
        thread = threading.Thread(target=say, args=("by itself",))
        thread.start()
        thread.join()

    run = Simulator(handler).start().finish()
    assert (said(run), run.metrics[0]["order"]) == (["by itself"], "by itself")


def test_captured_lines_are_kept_apart_too():
    barrier = threading.Barrier(2)

    def go(name):
        with capturing() as lines:
            barrier.wait(timeout=60)
            log.info("of %s", name)
            barrier.wait(timeout=60)
            return [line["message"] for line in lines if line.get("logger") == log.name]

    handler = logging.StreamHandler(io.StringIO())
    log.addHandler(handler)
    try:
        with ThreadPoolExecutor(2) as pool:
            assert list(pool.map(go, ["a", "b"])) == [["of a"], ["of b"]]
    finally:
        log.removeHandler(handler)


@pytest.mark.parametrize("second", ["a simulator", "an exploration"])
def test_nothing_runs_beside_an_exploration(second):
    refusals = []
    handler = made()

    def beside():
        try:
            Simulator(handler).start(1) if second == "a simulator" else explore(handler, 1)
        except ValidationError as refusal:
            refusals.append(str(refusal))

    def look():
        if not refusals:
            thread = threading.Thread(target=beside)
            thread.start()
            thread.join()

    @durable
    def explored(event, ctx):
        ctx.step(look)

    explore(explored)
    assert len(refusals) == 1
    assert "explore() is running" in refusals[0]
    assert Simulator(handler).start(1).finish().status == "SUCCEEDED"


def test_no_exploration_begins_beside_a_simulator():
    @durable
    def handler(event, ctx):
        with ThreadPoolExecutor(1) as pool, pytest.raises(ValidationError, match="a simulator is running"):
            pool.submit(explore, made(), 1).result()

    assert Simulator(handler).start().finish().status == "SUCCEEDED"


# -- arguments ------------------------------------------------------------------------------------------------

WRONG = {
    "a class for a ledger": (lambda h: explore(h, ledger=Ledger), r"explore\(ledger=...\) takes a Ledger, .*: call it"),
    "a list for a ledger": (lambda h: explore(h, ledger=[]), r"takes a Ledger, not a list"),
    "a text for callbacks": (
        lambda h: explore(h, callbacks="approval"),
        r"callbacks=...\) takes a mapping .* not a str",
    ),
    "half a crash": (lambda h: explore(h, crashes=1.5), r"crashes=...\) takes a number .* not a float"),
    "crashes as a bool": (lambda h: explore(h, crashes=True), r"not a bool"),
    "a list of functions": (lambda h: Simulator(h, functions=[h]), r"functions=...\) takes a mapping .* not a list"),
    "a number for a function": (lambda h: Simulator(h, functions={"a": 1}), r"takes a function, not an int"),
    "a number for a name": (lambda h: Simulator(h, functions={1: h}), r"takes names of functions, not an int"),
    "a text for a seed": (lambda h: Simulator(h, seed="7"), r"seed=...\) takes an integer, not a str"),
}


@pytest.mark.parametrize("mistake", WRONG)
def test_an_argument_of_the_wrong_kind_is_refused_in_words(mistake):
    call, words = WRONG[mistake]
    with pytest.raises(ValidationError, match=words):
        call(made())
