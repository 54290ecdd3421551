"""What tests count is their own, and a test that leaves a thread to the next one fails."""

from __future__ import annotations

import os
import re
import socket
import threading
import weakref
from contextlib import contextmanager
from pathlib import Path

import pytest

from powertools_durable import Retry
from tests import waiting
from tests.leaks import Objects, open_files, started_threads
from tests.waiting import await_end


def start(run, name):
    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    return thread


@contextmanager
def another_test_s_thread(work):
    """Run a thread that an earlier test left; it works, again and again, beside the block."""
    over, worked = threading.Event(), threading.Event()

    def run():
        while not over.is_set():
            work()
            worked.set()

    thread = start(run, "powertools-durable-step-of-another")
    try:
        assert worked.wait(60)
        worked.clear()
        yield worked
    finally:
        over.set()
        thread.join()


def test_a_thread_that_somebody_else_starts_is_not_counted():
    with (
        another_test_s_thread(lambda: start(lambda: None, "powertools-durable-branch-0").join()) as worked,
        started_threads() as started,
    ):
        assert worked.wait(60)
    assert started.names == []


def test_a_thread_that_ends_meanwhile_is_not_counted():
    go = threading.Event()
    other = start(go.wait, "powertools-durable-step-of-another")
    with started_threads() as started:
        go.set()
        other.join()
    assert (started.names, started.alive) == ([], [])


def test_its_own_threads_are_counted_and_those_that_they_start():
    go = threading.Event()

    def first():
        start(go.wait, "second")

    with started_threads() as started:
        start(first, "first").join()
    assert (started.names, started.alive) == (["first", "second"], ["second"])
    go.set()
    assert await_end(started) == []
    assert started.alive == []


def test_a_thread_that_has_ended_is_not_kept():
    with started_threads() as started:
        thread = start(lambda: None, "short")
        thread.join()
    gone = weakref.ref(thread)
    del thread
    assert gone() is None
    assert started.names == ["short"]


def test_files_that_are_closed_meanwhile_make_up_for_none_that_is_left_open():
    with socket.socket() as other:
        before = open_files()
    with open(os.devnull, "rb"):  # noqa: PTH123 - it may get the number of the socket
        assert len(open_files() - before) == 1
    assert open_files() - before == set()
    assert other.fileno() == -1


@pytest.mark.slow
def test_objects_that_were_there_are_not_counted_and_make_up_for_none_that_is_new():
    others = [Retry() for _ in range(5)]
    before = Objects()
    del others
    assert before.new() == []
    kept = Retry()
    assert before.new() == [kept]


WHOLE_PROCESS = re.compile(
    r"threading\.(enumerate|active_count)|gc\.get_objects|_current_frames|/(proc/self|dev)/fd|tracemalloc\.|psutil"
)
TESTS = Path(__file__).parents[1]
COUNTS_ITSELF = {"leaks.py", "guards/counts.py", "guards/test_counts.py", "guards/test_leaks.py"}


def test_no_other_test_counts_what_the_whole_process_has():
    found = {
        file.relative_to(TESTS).as_posix(): match[0]
        for file in TESTS.rglob("*.py")
        if (match := WHOLE_PROCESS.search(file.read_text()))
    }
    assert found.keys() <= COUNTS_ITSELF, "use tests/leaks.py: other tests have threads, files and objects too"
    assert "leaks.py" in found


# -- the fixture -----------------------------------------------------------------------------------------------

TEST = """
import threading
import pytest

go = threading.Event()

def start():
    thread = threading.Thread(target=go.wait, name="left-behind", daemon=True)
    thread.start()
    return thread

{marker}
def test_leaves_a_thread():
    start()
{ends}

def test_the_next():
    go.set()
"""
CONFTEST = "from tests.leaks import no_thread_outlives_a_test"
MARKER = '@pytest.mark.leaves_threads("it ends with the next test")'


@pytest.mark.parametrize(
    ("marker", "ends", "outcomes"),
    [
        ("", "", {"passed": 2, "errors": 1}),
        ("", "    threading.Timer(0.01, go.set).start()", {"passed": 2}),
        ("", "    go.set()", {"passed": 2}),
        (MARKER, "", {"passed": 2}),
    ],
    ids=["left", "ends by itself", "ended", "declared"],
)
def test_a_test_that_leaves_a_thread_without_saying_so_fails(marker, ends, outcomes, pytester, monkeypatch):
    if "errors" in outcomes:
        monkeypatch.setattr(waiting, "PATIENCE", 0.5)
    pytester.makeini("[pytest]\nmarkers = leaves_threads(why): it does")
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(TEST.format(marker=marker, ends=ends))
    result = pytester.runpytest_inprocess("-p", "no:randomly", "-p", "no:cacheprovider", "--strict-markers")
    result.assert_outcomes(**outcomes)
    if "errors" in outcomes:
        result.stdout.fnmatch_lines("*the test ended while its threads still run: left-behind*")
