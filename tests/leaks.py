"""What a test's own code started and left, by identity: other tests' threads, files and objects are not counted.

Tests run in any order in one process, so a number of all threads (files, objects) says nothing about one invocation.
"""

from __future__ import annotations

import gc
import os
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from tests.waiting import await_end


class StartedThreads:
    """The threads that were started, in order. They are not kept: what a thread holds may be counted too.

    Attributes
    ----------
    names : list[str]
        What they are called.
    """

    def __init__(self) -> None:
        self.names: list[str] = []
        self._threads: list[weakref.ref[threading.Thread]] = []

    def add(self, thread: threading.Thread) -> None:
        self.names.append(thread.name)
        self._threads.append(weakref.ref(thread))

    def __iter__(self) -> Iterator[threading.Thread]:
        """Iterate over those that still run; the interpreter keeps them."""
        threads = (ref() for ref in self._threads)
        return iter([thread for thread in threads if thread is not None and thread.is_alive()])

    @property
    def alive(self) -> list[str]:
        """The names of those that still run."""
        return [thread.name for thread in self]


@contextmanager
def started_threads() -> Iterator[StartedThreads]:
    """Note each thread that the calling thread starts in the block, and each that those start."""
    started, start = StartedThreads(), threading.Thread.start
    family = weakref.WeakSet([threading.current_thread()])

    def noted(thread: threading.Thread) -> None:
        if threading.current_thread() in family:
            family.add(thread)
            started.add(thread)
        start(thread)

    threading.Thread.start = noted  # type: ignore[method-assign]
    try:
        yield started
    finally:
        threading.Thread.start = start  # type: ignore[method-assign]


@pytest.fixture(autouse=True)
def no_thread_outlives_a_test(request: pytest.FixtureRequest) -> Iterator[None]:
    """Wait for the threads that a test started, and fail the test if one of them does not end.

    The next test of this process would otherwise run beside it: it takes processor time, opens files, sends requests.
    A test that can't end one says so: ``@pytest.mark.leaves_threads("why")``.
    """
    before = set(threading.enumerate())
    yield
    if request.node.get_closest_marker("leaves_threads") is None:
        left = await_end(set(threading.enumerate()) - before)
        assert not left, f"the test ended while its threads still run: {', '.join(sorted(left))}"


def open_files() -> frozenset[tuple[int, int, int]]:
    """Return the open files and sockets, each with what it is open on; none where the system does not list them."""
    files = set()
    with suppress(OSError):
        for name in os.listdir("/dev/fd"):  # noqa: PTH208 - faster by half
            with suppress(OSError):  # the listing's own
                stat = os.fstat(int(name))
                files.add((int(name), stat.st_dev, stat.st_ino))
    return frozenset(files)


def left_open(before: frozenset[tuple[int, int, int]]) -> frozenset[tuple[int, int, int]]:
    """Return the files that were opened after *before* and are not garbage: an error may keep its socket in a cycle."""
    gc.collect()
    return open_files() - before


def is_ours(thing: object) -> bool:
    """True for an object of one of the package's classes."""
    module = type(thing).__module__  # of some classes it is no text
    return isinstance(module, str) and module.startswith("powertools_durable")


class Objects:
    """The objects that exist now and satisfy *chosen*, beside which later ones are new."""

    def __init__(self, chosen: Callable[[Any], bool] = is_ours) -> None:
        self._chosen = chosen
        gc.collect()
        # Held, so that no later object gets the id of one that has gone.
        self._old = {id(thing): thing for thing in gc.get_objects() if chosen(thing)}

    def new(self) -> list[Any]:
        """Return those that came later and are not garbage."""
        gc.collect()
        return [thing for thing in gc.get_objects() if self._chosen(thing) and id(thing) not in self._old]
