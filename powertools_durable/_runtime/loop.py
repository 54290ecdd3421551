"""The event loop of ``async def`` handlers: asyncio's own, which calls a watch when it is idle.

An event loop polls its selector with a timeout of 0 while callbacks are ready, and with another timeout when it is
idle. In that case the watch is called first; it may hand over the result of an operation, or end the invocation.
"""

from __future__ import annotations

import asyncio
import atexit
import inspect
import selectors
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Executor
from contextvars import Context
from functools import partial
from typing import Any, Protocol, TypeVar, TypeVarTuple

from powertools_durable._runtime.environment import LONGEST_WAIT, Environment, Signal
from powertools_durable.errors import ValidationError

__all__ = ["DurableLoop", "LoopWatch", "Loops", "Reserve", "silence"]

_MOST_TURNS = 1000  # turns of a loop that is never idle until it is treated as idle
_TIMEOUTS = ("_on_timeout", "_release_waiter")  # names of the callbacks of asyncio's timeouts
_REAL_POLL = 0.001  # seconds between two polls of real sockets while time is virtual
_BUSY = 0.05  # seconds of virtual time that so many turns take at first; twice as many each time, up to the longest
_LONGEST_BUSY = 60.0
_INSTANT = 1e-6  # the minimum of a pause in seconds: virtual time does not move by less

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
Select = Callable[[float | None], list[tuple[selectors.SelectorKey, int]]]


class LoopWatch(Protocol):
    """Decides what happens when a loop is idle."""

    def idle(self, timeout: float | None) -> float | None:
        """Return how many seconds the loop may sleep, 0 if something is ready now; without a watch it is *timeout*."""
        ...

    def busy_for_long(self) -> None:
        """Called after many turns without a pause."""
        ...

    def timeout_expires(self, limited: object) -> None:
        """Called before a timeout of asyncio ends a task's wait; *limited* is the task, or the future it awaits."""
        ...


class Reserve(Protocol):
    """Holds work of a test kit that runs only when nothing else can."""

    def release(self) -> bool:
        """Make a piece of work ready; return False if there is none."""
        ...


class _Selector(selectors.DefaultSelector):
    def __init__(self, loop: DurableLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        return self._loop.select(super().select, timeout)


class DurableLoop(asyncio.SelectorEventLoop):
    """An event loop that is reused by invocations; each one attaches its watch.

    Parameters
    ----------
    reserve : Reserve | None
        Called before the watch when the loop is idle.
    around : Callable | None
        Takes each callback and its arguments, and calls it.

    Attributes
    ----------
    watch : LoopWatch | None
        The watch of the current invocation.
    jobs : int
        Number of calls of `run_in_executor` that have not ended.
    task_factory : Callable | None
        Makes tasks; see `asyncio.loop.set_task_factory`.
    """

    def __init__(self, reserve: Reserve | None = None, around: Callable[..., None] | None = None) -> None:
        self.watch: LoopWatch | None = None
        self.reserve = reserve
        self.jobs = 0
        self.task_factory: object = None
        self._environment: Environment | None = None
        self._turns = 0
        self._pause = _BUSY
        self._bell: Signal | None = None  # wakes the loop while time is virtual
        self._own_selector = _Selector(self)
        super().__init__(self._own_selector)
        if around is not None:  # as an attribute, so that other loops keep the fast method
            self._around, self.call_soon = around, self._call_soon_around  # type: ignore[method-assign]
        _OPEN.add(self)
        self._own_files = len(self._own_selector.get_map())

    def attach(self, watch: LoopWatch, environment: Environment) -> None:
        """Set the watch and the environment of an invocation that begins."""
        self.watch, self._environment, self._turns = watch, environment, 0

    def detach(self) -> None:
        """Remove the watch of an invocation that has ended."""
        self.watch = None

    def time(self) -> float:
        """Return the time of the invocation's clock, in seconds."""
        return super().time() if self._environment is None else self._environment.clock.monotonic()

    @property
    def has_sources(self) -> bool:
        """True if a timer, a socket or a thread may still call something."""
        if self.jobs or len(self._own_selector.get_map()) > self._own_files:
            return True
        return any(not timer.cancelled() and not _is_of_a_timeout(timer) for timer in self._scheduled)  # type: ignore[attr-defined]

    @property
    def is_ready(self) -> bool:
        """True if callbacks are ready to run."""
        return bool(self._ready)  # type: ignore[attr-defined]

    def set_task_factory(self, factory: Any) -> None:
        """Have *factory* make tasks; see `asyncio.loop.set_task_factory`."""
        self.task_factory = factory
        super().set_task_factory(factory)

    def run_in_executor(self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts) -> asyncio.Future[T]:
        """Run *func* on a thread; see `asyncio.loop.run_in_executor`."""
        future = super().run_in_executor(executor, func, *args)
        self.jobs += 1
        future.add_done_callback(self._job_ended)
        return future

    def _job_ended(self, _: object) -> None:
        self.jobs -= 1

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Schedule *callback*; see `asyncio.loop.call_at`. The watch is called before a timeout expires."""
        if getattr(callback, "__name__", "") in _TIMEOUTS:
            return super().call_at(when, self._expire_timeout, callback, *args, context=context)
        return super().call_at(when, callback, *args, context=context)

    def _expire_timeout(self, callback: Callable[[*Ts], object], *args: *Ts) -> None:
        if self.watch is not None:
            limit = getattr(callback, "__self__", None)  # an `asyncio.timeout`; other callbacks get a future
            self.watch.timeout_expires(args[0] if args else getattr(limit, "_task", None))
        callback(*args)

    def call_soon_threadsafe(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """Schedule *callback* from another thread; see `asyncio.loop.call_soon_threadsafe`."""
        handle = super().call_soon_threadsafe(callback, *args, context=context)
        bell, self._bell = self._bell, None
        if bell is not None:
            bell.set()
        return handle

    def _call_soon_around(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        return super().call_soon(partial(self._around, callback, *args), context=context)

    def select(self, select: Select, timeout: float | None) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait for events; before a pause, ask the watch."""
        if self.watch is None:
            return select(timeout)
        if timeout is not None and timeout <= 0:
            self._turns += 1
            if self._turns >= _MOST_TURNS:
                self._turns = 0
                self.watch.busy_for_long()
                if self.reserve is not None:
                    self.reserve.release()
                if self._environment is not None and self._environment.threads.virtual:
                    pause, self._pause = self._pause, min(2 * self._pause, _LONGEST_BUSY)
                    return self._wait_virtually(select, pause)  # time and other threads move only in a pause
            return select(0)
        self._turns, self._pause = 0, _BUSY
        if self.reserve is not None and not self.is_ready and self.reserve.release():
            return select(0)
        timeout = self.watch.idle(timeout)
        if self.is_ready:  # the watch has made something ready, or another thread has
            timeout = 0
        if self._environment is None or not self._environment.threads.virtual:
            return select(LONGEST_WAIT if timeout is None else min(timeout, LONGEST_WAIT))
        if timeout is not None and timeout <= 0:
            return select(timeout)
        return self._wait_virtually(select, timeout)

    def _wait_virtually(self, select: Select, timeout: float | None) -> list[tuple[selectors.SelectorKey, int]]:
        """Let virtual time pass; as long as there are real sockets or executors, poll them in between."""
        threads = self._environment.threads if self._environment is not None else None
        ends = None if timeout is None else self.time() + max(timeout, _INSTANT)
        is_real = self.jobs > 0 or len(self._own_selector.get_map()) > self._own_files
        while threads is not None:
            bell = self._bell = threads.signal()
            if events := select(_REAL_POLL if is_real else 0):
                self._bell = None
                return events
            left = threading.TIMEOUT_MAX if ends is None else ends - self.time()
            if left <= 0:
                break
            bell.wait(min(max(left, _INSTANT), _REAL_POLL) if is_real else max(left, _INSTANT))
        self._bell = None
        return select(0)

    def __del__(self) -> None:
        if not self.is_closed() and not self.is_running():
            self.close()


_OPEN: weakref.WeakSet[DurableLoop] = weakref.WeakSet()


@atexit.register
def _silence_tasks_of_clients() -> None:
    """Let the process end without a warning for each task of a client, such as one that reads a connection."""
    for loop in list(_OPEN):
        for task in asyncio.all_tasks(loop):
            silence(task)


def silence(task: asyncio.Task[Any]) -> None:
    """Keep asyncio and Python from logging that *task* has not ended, or that its exception was not retrieved."""
    for name in ("_log_destroy_pending", "_log_traceback"):
        setattr(task, name, False)
    code = task.get_coro()
    if inspect.iscoroutine(code) and inspect.getcoroutinestate(code) == inspect.CORO_CREATED:
        code.close()  # it never started, because its task never ran


def _is_of_a_timeout(timer: asyncio.TimerHandle) -> bool:
    """Return whether *timer* only limits a wait: that of `asyncio.timeout`, `wait_for` or `asyncio.wait`."""
    callback = timer._callback  # type: ignore[attr-defined]  # noqa: SLF001 - asyncio has no public attribute for it
    return getattr(callback, "__func__", None) is DurableLoop._expire_timeout  # noqa: SLF001


class Loops(threading.local):
    """The loop of each thread that invokes handlers, closed with its thread."""

    def __init__(self) -> None:
        self._loop: DurableLoop | None = None

    def take(self) -> DurableLoop:
        """Return this thread's loop.

        Raises
        ------
        ValidationError
            A loop is running on this thread.
        """
        if asyncio._get_running_loop() is not None:  # noqa: SLF001 - the public function raises instead
            message = (
                "an async durable handler is called on a thread whose event loop is running; it needs a thread of its "
                "own: await asyncio.to_thread(handler, event, context)"
            )
            raise ValidationError(message)
        if self._loop is None or self._loop.is_closed():
            self._loop = DurableLoop()
        return self._loop

    def discard(self) -> None:
        """Close this thread's loop; the next invocation creates a new one."""
        loop, self._loop = self._loop, None
        if loop is not None and not loop.is_running():
            loop.close()
