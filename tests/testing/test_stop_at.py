"""``replay(stop_at=...)``: a debugger at the line of the user's that calls an operation, and nothing else happens."""

from __future__ import annotations

import inspect
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from powertools_durable import durable
from powertools_durable.errors import ValidationError
from powertools_durable.testing import Simulator, replay
from powertools_durable.testing.replays.debugger import post_mortem
from powertools_durable.testing.replays.replayer import replay_until
from tests.testing.stops import COMMANDS, HISTORIES

ROOT = Path(__file__).parents[2]

# No replay calls these: branches that were cut off, and what a compensation did.
NEVER_CALLED = {
    "ours": {
        "large_map_early_running all > double",
        "large_map_early_running all > map-item-1 > wait #1",
        "saga ship > phone",
    },
    "official": {"mapped_large_early all > map-item-1 > wait #1"},
}
# The package calls these, at no line of the handler: where the handler has ended, or on a task of its own.
WITHOUT_A_LINE = {
    ("ours", "def"): {"deferred double", "deferred double #2"},
    ("ours", "async"): {
        *("deferred double", "deferred double #2", "saga ship #2", "saga charge #2"),
        "with_retry attempts > attempts-backoff-1",
    },
    ("official", "def"): set(),
    ("official", "async"): {"retried_together attempts > attempts-backoff-1"},
}


def blocks(text):
    """Yield what was printed at each address: address, lines."""
    _, *parts = re.split(r"^AT ", text, flags=re.MULTILINE)
    for part in parts:
        address, *lines = part.splitlines()
        yield address, [line for line in lines if line]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["def", "async"])
@pytest.mark.parametrize("folder", ["ours", "official"])
def test_it_stops_at_every_operation_of_every_golden_history(folder, kind):
    done = subprocess.run(
        [sys.executable, "-m", "tests.testing.stops", folder, kind],
        cwd=ROOT,
        input=COMMANDS * 400,
        capture_output=True,
        text=True,
        check=True,
    )
    never, without_a_line, stops = set(), set(), 0
    for address, lines in blocks(done.stdout):
        if lines[0].startswith("NOT REACHED"):
            (without_a_line if "no line of the handler calls it" in lines[0] else never).add(address)
            continue
        stopped, place, _code, variables, *_ = lines
        assert stopped.startswith("stopped at "), address
        assert re.match(rf"> {re.escape(str(HISTORIES))}/\w+\.py\(\d+\)[\w<>]+\(\)", place), address
        assert re.match(r"\(Pdb\) \('?locals:'?, \[.*'\w+'.*\]\)", variables), address
        assert lines[-1] == "END SAFE", address
        stops += 1
    assert (never, without_a_line) == (NEVER_CALLED[folder], WITHOUT_A_LINE[folder, kind])
    assert stops > 150


# -- one by one ------------------------------------------------------------------------------------------------

RAN = []


def load(n):
    RAN.append(n)
    return n * 10


def extract(child, n):
    first = child.step(load, n, name="load")
    return first + child.step(load, n + 1, name="load")


@durable
def etl(event, ctx):
    start = ctx.step(load, event["n"])
    parts = ctx.map(extract, [1, 2], name="parts")
    ctx.wait(5)
    ctx.wait(7)
    return [start, *parts.results]


async def extract_async(child, n):
    first = await child.step(load, n, name="load")
    return first + await child.step(load, n + 1, name="load")


@durable
async def etl_async(event, ctx):
    start = await ctx.step(load, event["n"])
    parts = await ctx.map(extract_async, [1, 2], name="parts")
    await ctx.wait(5)
    await ctx.wait(7)
    return [start, *parts.results]


both = pytest.mark.parametrize("handler", [etl, etl_async], ids=["def", "async"])


@pytest.fixture
def history(handler):
    run = Simulator(handler).start({"n": 7}).finish()
    assert run.status == "SUCCEEDED"
    RAN.clear()
    return run.history()


def stopped(handler, history, address):
    """Return the variables at the stop, and the operation's label."""
    seen = []
    replay_until(
        handler, history, stop_at=address, on_stop=lambda frame, label: seen.append((dict(frame.f_locals), label))
    )
    assert RAN == []
    (stop,) = seen
    return stop


@both
@pytest.mark.parametrize(
    ("address", "name", "value", "label"),
    [
        ("load", "event", {"n": 7}, "step 'load' (#1)"),
        ("parts", "start", 70, "context 'parts' (#2)"),
        ("parts > map-item-1 > load#2", "first", 20, "step 'load' (#2)"),
        ("parts>map-item-1>load #2", "first", 20, "step 'load' (#2)"),
        ("wait#2", "start", 70, "wait #4"),
        ("parts > map-item-1", "start", 70, "context 'parts' (#2)"),
    ],
)
def test_it_stops_with_the_variables_of_the_caller(handler, history, address, name, value, label):
    variables, at = stopped(handler, history, address)
    assert (variables[name], at) == (value, label)


@both
def test_a_context_that_has_ended_is_entered_if_the_stop_is_inside(handler, history):
    running = history[:-2]
    assert replay(handler, running)
    variables, _ = stopped(handler, running, "parts > map-item-0 > load#2")
    assert variables["first"] == 10


@both
def test_the_replay_goes_on_to_its_verdict(handler, history):
    assert replay_until(handler, history, stop_at="load", on_stop=lambda frame, label: None).status == "SAFE"


UNKNOWN = [
    ("lood", "has no operation 'lood'; write PATH or PATH#N, of: load, parts, parts > map-item-0, parts"),
    ("load#2", "has no operation 'load#2'; write PATH or PATH#N, of: load, parts > map-item-"),
    ("wait#3", "of: wait #1, wait #2"),
    ("", "has no operation ''"),
    ("#1", "has no operation '#1'"),
]


@both
@pytest.mark.parametrize(("address", "says"), UNKNOWN)
def test_an_unknown_operation_is_answered_with_those_that_there_are(handler, history, address, says):
    with pytest.raises(ValidationError) as caught:
        replay(handler, history, stop_at=address)
    assert says in str(caught.value)


def test_code_that_does_not_come_there_is_an_error_that_says_why():
    history = Simulator(etl).start({"n": 7}).finish().history()

    @durable
    def changed(event, ctx):
        ctx.step(load, 1, name="loads")

    with pytest.raises(
        ValidationError, match=r"wait#2 of the history: the code did not come to it: BREAKS, step 'loads'"
    ):
        replay(changed, history, stop_at="wait#2")


def test_another_debugger_is_opened_at_the_same_line_with_the_same_variables(monkeypatch):
    seen = []

    def hook():
        frame = inspect.currentframe().f_back
        seen.append((frame.f_code.co_filename, frame.f_lineno, frame.f_locals["start"]))

    monkeypatch.setattr(sys, "breakpointhook", hook)
    history = Simulator(etl).start({"n": 7}).finish().history()
    assert replay(etl, history, stop_at="parts")
    line = etl.__wrapped__.__code__.co_firstlineno + 3
    assert seen == [(__file__, line, 70)]


def test_breakpoints_can_be_switched_off(monkeypatch):
    monkeypatch.setenv("PYTHONBREAKPOINT", "0")
    history = Simulator(etl).start({"n": 7}).finish().history()
    assert replay(etl, history, stop_at="parts")


def test_an_error_without_a_line_of_the_users_is_not_opened():
    assert not post_mortem(ValueError("nobody raised it"))


# -- the command, in a process of its own ----------------------------------------------------------------------

CODE = """
from powertools_durable import Retry, durable

def charge(order):
    open("charged", "a").write("charged")
    return {"receipt": order["id"] * 2}

def fails():
    raise ValueError("no stock")

def pack(ctx, order):
    boxes = order["id"] + 1
    ctx.step(fails, name="pick", retry=Retry.none())

@durable
def handler(order, ctx):
    paid = ctx.step(charge, order)
    total = paid["receipt"] + 1
    ctx.run_in_child_context(pack, order, name="pack")
"""


def as_async(code):
    code = re.sub(r"def (handler|pack)", r"async def \1", code)
    return re.sub(r"(ctx\.(step|run_in_child_context)\()", r"await \1", code)


@pytest.fixture(params=["def", "async"])
def orders(request, tmp_path):
    code = CODE if request.param == "def" else as_async(CODE)
    (tmp_path / "orders.py").write_text(code)
    names: dict = {"__name__": "orders_as_they_ran"}
    exec(compile(code.replace('open("charged", "a").write("charged")', "pass"), "was.py", "exec"), names)
    run = Simulator(names["handler"]).start({"id": 21}).finish()
    assert run.status == "FAILED"
    (tmp_path / "order.json").write_text(json.dumps({"Events": run.history()}))
    return tmp_path


def debug(folder, *words, commands="", **variables):
    return subprocess.run(
        [sys.executable, "-m", "powertools_durable", "debug", *words],
        cwd=folder,
        env=os.environ | variables,
        input=commands,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.slow
def test_debug_opens_pdb_at_an_operation_and_nothing_runs(orders):
    done = debug(orders, "orders.py:handler", "order.json", "--at", "pack", commands="p total\nw\nup\nc\n")
    assert done.returncode == 0, done.stderr
    assert "stopped at context 'pack' (#2)" in done.stdout
    assert "orders.py(19)handler()" in done.stdout
    assert "(Pdb) 43" in done.stdout
    assert "powertools_durable/" not in done.stdout  # no frame of this package is in the way
    assert not (orders / "charged").exists()


@pytest.mark.slow
def test_one_can_go_on_step_by_step(orders):
    done = debug(orders, "orders.py:handler", "order.json", "--at", "charge", commands="n\nn\np total\nc\n")
    assert done.returncode == 0, done.stderr
    assert "-> total = paid" in done.stdout
    assert "(Pdb) 43" in done.stdout
    assert not (orders / "charged").exists()


@pytest.mark.slow
def test_debug_goes_to_where_it_failed_inside_a_context(orders):
    done = debug(orders, "orders.py:handler", "order.json", "--crash", commands="p boxes\nw\nc\n")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("failed with StepError: no stock")
    assert "orders.py(13)pack()" in done.stdout
    assert "(Pdb) 22" in done.stdout


@pytest.mark.slow
def test_debug_goes_to_the_line_that_asks_for_something_else(orders):
    file = orders / "orders.py"
    file.write_text(file.read_text().replace("ctx.step(charge, order)", 'ctx.step(charge, order, name="pay")'))
    done = debug(orders, "orders.py:handler", "order.json", "--crash", commands="p order\nc\n")
    assert done.returncode == 0, done.stderr
    assert "failed with NonDeterminismError: step 'pay' (#1)" in done.stdout
    assert "orders.py(17)handler()" in done.stdout
    assert "(Pdb) {'id': 21}" in done.stdout


WRONG = [
    (["orders.py:handler", "order.json"], "debug needs a place: --at OPERATION, or --crash"),
    (["orders.py:handler", "order.json", "--at", "a", "--crash"], "debug needs a place: --at OPERATION, or --crash"),
    (["orders.py:handler", "-", "--crash"], "write the history to a file and name that"),
    (["orders.py:nobody", "order.json", "--crash"], "orders.py has no 'nobody'; its durable functions: handler"),
    (["nowhere.py:handler", "order.json", "--crash"], "there is no file nowhere.py"),
    (["orders.py:handler", "missing.json", "--crash"], "the history missing.json can't be read: No such file"),
    (["orders.py:handler", "half.json", "--crash"], "half.json goes on at NextMarker"),
    (["orders.py:handler", "orders.py", "--crash"], "orders.py is no JSON at line 2"),
    (
        ["orders.py:handler", "order.json", "--at", "chargo"],
        "order.json has no operation 'chargo'; write PATH or PATH#N",
    ),
    (["other.py:handler", "order.json", "--at", "pack"], "pack of order.json: the code did not come to it: BREAKS"),
    (["other.py:works", "begun.json", "--crash"], "other.py:works does not fail with begun.json: SAFE"),
]


@pytest.mark.sampled(3)
@pytest.mark.parametrize(("words", "says"), WRONG, ids=lambda part: " ".join(part) if isinstance(part, list) else "")
def test_a_wrong_call_says_what_to_do(orders, words, says, request):
    other = "from powertools_durable import durable\n@durable\ndef handler(event, ctx):\n    ctx.wait(5)\n"
    (orders / "other.py").write_text(f"{other}\n@durable\ndef works(event, ctx):\n    ctx.wait(5)\n")
    events = json.loads((orders / "order.json").read_text())["Events"]
    (orders / "half.json").write_text(json.dumps({"Events": events, "NextMarker": "more"}))
    (orders / "begun.json").write_text(json.dumps({"Events": events[:1]}))
    done = debug(orders, *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_variable_that_turns_breakpoints_off_is_named(orders):
    done = debug(orders, "orders.py:handler", "order.json", "--at", "pack", PYTHONBREAKPOINT="0")
    assert (done.returncode, done.stdout) == (2, "")
    assert "PYTHONBREAKPOINT=0 turns breakpoints off: unset it" in done.stderr
