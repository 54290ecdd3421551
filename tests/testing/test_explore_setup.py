"""What a test has set up before explore() is what its code sees, and what stands afterwards."""

from __future__ import annotations

import cProfile
import importlib.util
import io
import logging
import os
import random
import signal
import sys
import threading
import time
import uuid
import warnings
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import patch

import freezegun
import pytest
import time_machine

from powertools_durable import durable
from powertools_durable.testing import Simulator, explore
from tests.leaks import started_threads

SOURCE = """
import datetime, functools, os, sys, time, uuid
from powertools_durable import durable

ENDPOINT = "https://payments.example.com"
LIMITS = {"retries": 5}
REGIONS = ["eu"]
FLAGS = {"fast"}
MODE = None
CALLS = {}
COUNT = 0


class Settings:
    timeout = 30
    hosts = ["payments.example.com"]


def post():
    return "sent"


def charge(options={"currency": "EUR"}):
    return [ENDPOINT, LIMITS["retries"], list(REGIONS), sorted(FLAGS), MODE, Settings.timeout, list(Settings.hosts),
            options["currency"], post(), os.environ.get("STAGE"), os.path.basename(os.getcwd())]


def bytes_of_chance():
    return os.urandom(4).hex()


def year():
    return datetime.datetime.now(datetime.UTC).year, time.gmtime(time.time()).tm_year


def say():
    print("charged")


@durable
def handler(event, ctx):
    global COUNT, MODE
    COUNT += 1
    CALLS[event] = COUNT
    MODE = MODE or "first"
    ctx.wait(1)
    step = globals()[event]
    value = ctx.step(step)
    ctx.wait(1)
    return value


def make_a_mess():
    pass


@durable
def untidy(event, ctx):
    global COUNT
    ctx.step(make_a_mess)
    COUNT += 1
    ctx.wait(1)
    os.environ["LEFT_BEHIND"] = "again"
    ctx.wait_for_callback(lambda _: make_a_mess(), name="approval")
"""


@pytest.fixture
def shop(tmp_path):
    path = tmp_path / "shop_that_is_set_up.py"
    path.write_text(SOURCE)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[path.stem]


def results(shop, step):
    """Explore, and return what every run of the step came to."""
    seen = []
    function = getattr(shop, step)

    def noted():
        seen.append(function())
        return seen[-1]

    with patch.object(shop, step, noted):
        exploration = explore(shop.handler, step)
    assert exploration.runs > 5
    assert len(seen) >= exploration.runs
    return seen


SETUPS = {
    "a text": (lambda s: patch.object(s, "ENDPOINT", "http://localhost:9"), 0, "http://localhost:9"),
    "an item": (lambda s: patch.dict(s.LIMITS, retries=0), 1, 0),
    "a list": (lambda s: patch.object(s, "REGIONS", ["test"]), 2, ["test"]),
    "a set": (lambda s: patch.object(s, "FLAGS", {"slow"}), 3, ["slow"]),
    "a value that the code changes too": (lambda s: patch.object(s, "MODE", "test"), 4, "test"),
    "an attribute of a class": (lambda s: patch.object(s.Settings, "timeout", 1), 5, 1),
    "a list of a class": (lambda s: patch.object(s.Settings, "hosts", ["localhost"]), 6, ["localhost"]),
    "a default argument": (lambda s: patch.dict(s.charge.__defaults__[0], currency="XXX"), 7, "XXX"),
    "a function": (lambda s: patch.object(s, "post", lambda: "faked"), 8, "faked"),
    "a variable of the environment": (lambda s: patch.dict(os.environ, STAGE="test"), 9, "test"),
}


@pytest.mark.sampled(2)
@pytest.mark.parametrize("setup", SETUPS)
@pytest.mark.parametrize("ran_before", [False, True])
def test_the_code_sees_what_the_test_has_set_up(shop, setup, ran_before):
    if ran_before:
        Simulator(shop.handler).start("charge").finish()
    prepared, place, expected = SETUPS[setup]
    without = shop.charge()
    with prepared(shop):
        inside = shop.charge()
        assert {repr(seen[place]) for seen in results(shop, "charge")} == {repr(expected)}
        assert shop.charge() == inside
    assert shop.charge() == without


def test_the_folder_that_the_test_is_in_is_that_of_the_code(shop, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert {seen[10] for seen in results(shop, "charge")} == {tmp_path.name}


def test_chance_that_the_test_decides_is_that_of_the_code(shop, monkeypatch):
    monkeypatch.setattr(os, "urandom", lambda size: b"\7" * size)
    mine = os.urandom
    assert set(results(shop, "bytes_of_chance")) == {"07070707"}
    assert os.urandom is mine
    assert uuid.uuid4() == uuid.UUID(bytes=b"\7" * 16, version=4)


@pytest.mark.parametrize(
    "held",
    [
        freezegun.freeze_time("2019-05-05", ignore=["aws_lambda_powertools"]),
        time_machine.travel("2019-05-05", tick=False),
    ],
    ids=["freezegun", "time-machine"],
)
def test_a_clock_that_the_test_holds_is_that_of_the_code(shop, held):
    with held:
        assert set(results(shop, "year")) == {(2019, 2019)}
        assert (datetime.now(UTC).year, time.gmtime().tm_year) == (2019, 2019)
    assert abs(time.time() - time.clock_gettime(time.CLOCK_REALTIME)) < 5


def test_an_exploration_says_that_the_test_holds_the_clock():
    @durable
    def handler(event, ctx):
        time.time()
        return ctx.step(str, 1, name="a")

    with time_machine.travel("2019-05-05"):
        assert any("the test holds it" in warning for warning in explore(handler).warnings)


def test_what_is_printed_goes_where_the_test_has_sent_it(shop):
    mine = io.StringIO()
    with patch.object(sys, "stdout", mine):
        explore(shop.handler, "say")
        assert sys.stdout is mine
    assert mine.getvalue().startswith("charged\n")


# -- what simulated runs have left ----------------------------------------------------------------------------


def test_what_simulated_runs_left_is_not_what_an_exploration_begins_with(shop):
    for event in ("charge", "say", "charge"):
        Simulator(shop.handler).start(event).finish()
    left = (shop.COUNT, dict(shop.CALLS), shop.MODE)
    assert left[0] > 3
    counts = []
    charge = shop.charge

    def noted():
        counts.append((shop.COUNT, shop.MODE, sorted(shop.CALLS)))
        return charge()

    with patch.object(shop, "charge", noted):
        explore(shop.handler, "charge")
    assert counts[0] == (2, "first", ["charge"])
    assert left == (shop.COUNT, shop.CALLS, shop.MODE)


def test_of_a_dict_that_both_have_changed_what_the_test_has_put_in_stays(shop):
    Simulator(shop.handler).start("charge").finish()
    seen = []
    charge = shop.charge

    def noted():
        seen.append(dict(shop.CALLS))
        return charge()

    with patch.dict(shop.CALLS, other="mine"), patch.object(shop, "charge", noted):
        explore(shop.handler, "charge")
        assert shop.CALLS == {"charge": 3, "other": "mine"}
    assert seen[0] == {"other": "mine", "charge": 2}


# -- all is as it was -----------------------------------------------------------------------------------------


def state_of_the_process(shop):
    """Return all that the whole process shares, by kind."""
    root = logging.getLogger()
    loggers = {None: root, **{n: o for n, o in root.manager.loggerDict.items() if isinstance(o, logging.Logger)}}
    handlers = [handler for one in loggers.values() for handler in one.handlers]
    return {
        "modules": {name: id(module) for name, module in sys.modules.items() if name in MODULES},
        "names": {name: value for name, value in vars(shop).items() if not name.startswith("__")},
        "data": repr([shop.COUNT, shop.CALLS, shop.MODE, shop.LIMITS, shop.Settings.timeout, shop.Settings.hosts]),
        "environment": dict(os.environ),
        "folder": Path.cwd(),
        "hooks": [sys.getprofile(), threading.getprofile(), sys.gettrace(), threading.gettrace(), sys.excepthook],
        "more hooks": [threading.excepthook, sys.unraisablehook, sys.displayhook, sys.breakpointhook],
        "import": [list(sys.path), list(sys.meta_path), list(sys.path_hooks), list(sys.argv)],
        "streams": [sys.stdin, sys.stdout, sys.stderr],
        "warnings": [list(warnings.filters), warnings.showwarning],
        "signals": {number: signal.getsignal(number) for number in signal.valid_signals()},
        "loggers": {
            name: (list(one.handlers), list(one.filters), one.level, one.propagate, one.disabled)
            for name, one in loggers.items()
            if name in LOGGERS
        },
        "handlers": [(id(one), list(one.filters), one.level, one.formatter) for one in handlers],
        "logging": [logging.Handler.handle, logging.raiseExceptions, root.manager.disable],
        "clocks": [
            time.time,
            time.monotonic,
            time.sleep,
            datetime.now,
            time.tzname,
            time_machine.escape_hatch.is_travelling(),
        ],
        "chance": [random.getstate(), os.urandom, vars(random)["_urandom"]],
    }


MODULES = set(sys.modules)
LOGGERS = (None, "shop.untidy")


def make_a_mess(shop):
    shop.LIMITS.clear()
    shop.Settings.hosts.append("elsewhere")
    shop.NEW = "name"
    os.environ["LEFT_BEHIND"] = "yes"
    os.environ["TZ"] = "Asia/Tokyo"
    time.tzset()
    os.environ.pop("STAGE", None)
    os.chdir("/")
    sys.excepthook = sys.unraisablehook = sys.displayhook = threading.excepthook = print
    sys.path.insert(0, "/nowhere")
    sys.argv.append("--more")
    sys.meta_path.append(None)
    sys.meta_path.pop()
    sys.stdout, sys.stderr = io.StringIO(), io.StringIO()
    warnings.simplefilter("ignore")
    warnings.showwarning = print
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    log = logging.getLogger("shop.untidy")
    log.addHandler(logging.NullHandler())
    log.setLevel(logging.CRITICAL)
    log.addFilter(lambda record: True)
    log.propagate = False
    for handler in logging.getLogger().handlers:
        handler.setLevel(logging.CRITICAL)
    logging.getLogger().setLevel(logging.DEBUG)
    logging.disable(logging.DEBUG)
    random.seed(1)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("profiles", [False, True])
@pytest.mark.parametrize("fails", [False, True], ids=["it ends", "it is broken off"])
def test_an_exploration_leaves_the_process_as_it_found_it(shop, monkeypatch, tmp_path, profiles, fails):
    monkeypatch.setenv("STAGE", "test")
    monkeypatch.chdir(tmp_path)
    logging.getLogger("shop.untidy")

    def break_off(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(shop, "make_a_mess", lambda: make_a_mess(shop))
    calls = []
    if profiles:
        sys.setprofile(lambda *call: calls.append(call[1]))
        threading.setprofile(lambda *_: None)
    try:
        before = state_of_the_process(shop)
        with started_threads() as started:
            try:
                explore(shop.untidy, callbacks={"approval": break_off if fails else 1})
            except KeyboardInterrupt:
                assert fails
        after = state_of_the_process(shop)
    finally:
        if profiles:
            sys.setprofile(None)
            threading.setprofile(None)
    for kind in before:
        assert after[kind] == before[kind], kind
    assert started.alive == []
    assert bool(calls) is profiles


def test_the_profiler_of_the_standard_library_goes_on_afterwards(shop):
    profiler = cProfile.Profile()
    profiler.enable()
    try:
        explore(shop.handler, "charge")
        shop.post()
    finally:
        profiler.disable()
    profiler.create_stats()
    assert any(function == "post" for _, _, function in profiler.stats)
