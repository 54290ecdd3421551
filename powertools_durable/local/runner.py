"""Runs a handler on this machine: real clock, SQLite, one process at a time."""

from __future__ import annotations

import json
import logging
import os
import re
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from random import Random
from typing import Any

from powertools_durable._hosting import durable_inside, invoker_of, target_of
from powertools_durable._protocol.operation import Operation
from powertools_durable._runtime.environment import Environment
from powertools_durable._runtime.error_origin import place_of
from powertools_durable._service.clock import SkippingClock, WallClock
from powertools_durable._service.execution import ServiceExecution
from powertools_durable._service.history import HistoryEvent
from powertools_durable._service.host import Host
from powertools_durable._service.invocations import Family
from powertools_durable._timeline import Sightings
from powertools_durable.backends.service import ServiceBackend
from powertools_durable.errors import ValidationError
from powertools_durable.errors.wording import class_name
from powertools_durable.local.change import clock_of
from powertools_durable.local.executions import LocalExecution, LocalExecutions
from powertools_durable.local.ids import SystemIds
from powertools_durable.local.lock import running
from powertools_durable.local.store import SqliteStore, StoreError
from powertools_durable.parser.stored import check_execution_name, input_text

__all__ = ["LocalRunner"]

logger = logging.getLogger(__name__)

_LOOK_EVERY = 0.1  # seconds between two checks for changes by other processes
_TICKS = 0.005  # seconds after which any clock has moved
_real_sleep = time.sleep  # bound at import: a test that patches it means the handler's

Watcher = Callable[[LocalExecution, list[HistoryEvent]], None]
OnDeadline = Callable[[list[tuple[LocalExecution, Operation]], datetime], None]


class LocalRunner:
    """Runs one handler on this machine, and resumes after any crash.

    Every acknowledged checkpoint is on disk before the handler gets its answer. If the process is killed, `resume` in
    a new one continues where it was.

    Parameters
    ----------
    handler : Callable
        A function decorated with `durable`; other decorators may stand above it.
    store : str | os.PathLike | SqliteStore
        The file that stores the executions.
    functions : Mapping[str, Callable] | None
        Functions that ``ctx.invoke`` may call, by name, with or without a version: durable handlers, Lambda handlers,
        or fakes that take the event alone.
    skip_time : bool
        Waits and delays take no time. A callback is waited for if it has no deadline; else the deadline comes at once
        when nothing else can happen.
    invocation_timeout : float
        Seconds that ``ctx.remaining_time`` starts from. The limit is not enforced.

    Attributes
    ----------
    sightings : Sightings
        What no record says of executions that run here, for pictures of them.
    on_deadline : Callable | None
        Called when the deadline of callbacks is skipped: with these callbacks, each as its execution and its record,
        and with the moment.

    Examples
    --------
    >>> runner = LocalRunner(handler, "orders.sqlite")  # doctest: +SKIP
    >>> runner.run({"id": "42"}, name="order-42").result  # doctest: +SKIP
    """

    def __init__(
        self,
        handler: Callable[..., Any],
        store: str | os.PathLike[str] | SqliteStore = "executions.sqlite",
        *,
        functions: Mapping[str, Callable[..., Any]] | None = None,
        skip_time: bool = False,
        invocation_timeout: float = 900,
    ) -> None:
        inner = durable_inside(handler)
        if inner is None:
            message = f"LocalRunner() takes a function decorated with @durable, not {class_name(handler)}"
            raise ValidationError(message)
        self.store = store if isinstance(store, SqliteStore) else SqliteStore(store)
        self._handler = handler
        self._functions = dict(functions or {})
        self._function = re.sub(r"[^A-Za-z0-9_-]+", "-", f"{inner.handler.__module__}-{inner.handler.__name__}").strip(
            "-"
        )[-48:]
        self.sightings = Sightings()
        self.on_deadline: OnDeadline | None = None
        self._skip_time = skip_time
        self._invocation_timeout = invocation_timeout

    @property
    def executions(self) -> LocalExecutions:
        """All executions of the store."""
        return LocalExecutions(self.store)

    def start(self, event: object = None, *, name: str | None = None) -> LocalExecution:
        """Store a new execution; `resume` runs it.

        Parameters
        ----------
        event : object
            The input: anything that JSON can express, a pydantic model or a dataclass. None for no input.
        name : str | None
            The execution's name. Another start with the same name and input returns the same execution.

        Raises
        ------
        ValidationError
            *event* can't be written as JSON, *name* is invalid, or an execution with another input has that name.
        StoreError
            The store can't be written.
        """
        payload = input_text(event)
        unique = SystemIds().execution_id()
        name = check_execution_name(name) if name is not None else f"{self._function[-40:]}-{unique[:8]}"
        function = f"arn:aws:lambda:us-east-1:000000000000:function:{self._function}:$LATEST"
        arn = f"{function}/durable-execution/{name}/{unique}"
        with self.store.transaction():  # of two processes that start one name, one inserts it
            known = self.store.named(arn)
            if known is None:
                execution = ServiceExecution.start(arn, name, payload, WallClock().now(), SystemIds())
                self.store.save(execution)
                execution.saved()
                return LocalExecution(self.store, arn)
            same = _same_json(self.store.input(known), payload)
        if not same:
            message = f"{self.store.path} has an execution named {name!r} with another input; choose another name"
            raise ValidationError(message)
        return LocalExecution(self.store, known)

    def run(
        self,
        event: object = None,
        *,
        name: str | None = None,
        answers: Mapping[str, object] | None = None,
        wait: bool = True,
        watch: Watcher | None = None,
    ) -> LocalExecution:
        """Start an execution and run it to its end; see `start` and `resume`."""
        return self.resume(self.start(event, name=name).id, answers=answers, wait=wait, watch=watch)

    def resume(
        self,
        execution: str | None = None,
        *,
        answers: Mapping[str, object] | None = None,
        wait: bool = True,
        watch: Watcher | None = None,
    ) -> LocalExecution:
        """Continue an execution and run it to its end.

        Parameters
        ----------
        execution : str | None
            Its id, a prefix of the id, or its name; by default the one started last that has not ended.
        answers : Mapping[str, object] | None
            Answers to callbacks, by name; sent as soon as the execution waits for them.
        wait : bool
            False to return when only an answer from outside can continue it.
        watch : Callable | None
            Called after each change with the execution and its new history events; on any thread, one call at a time.
            If it raises, a warning is logged and it is not called again; the execution is not affected. Only a
            `KeyboardInterrupt` that it raises stops the run, as Ctrl-C does.

        Returns
        -------
        LocalExecution
            Ended, or suspended with nothing left to do here.

        Raises
        ------
        LookupError
            There is none with that name or id, or there are several.
        ValidationError
            Another process runs it, or it waits and the clock does not move.
        StoreError
            The store can't be read or written.
        """
        one = self.executions.find(execution)
        with running(self.store, one.arn):
            feed = _HistoryFeed(one, watch)
            self.store.on_saved = feed.report
            try:
                self._drive(one, answers or {}, feed, wait=wait)
            finally:
                self.store.on_saved = None
        return one

    def _host(self, clock: SkippingClock) -> Host:
        return Host(
            self.store,
            clock,
            SystemIds(),
            invocation_timeout=self._invocation_timeout,
            interrupts=(KeyboardInterrupt, StoreError),  # a full disk is not the handler's failure
        )

    def _drive(self, one: LocalExecution, answers: Mapping[str, object], feed: _HistoryFeed, *, wait: bool) -> None:
        arn = one.arn
        clock = clock_of(self.store, arn)
        host = self._host(clock)
        backend = ServiceBackend(host)
        environment = Environment(clock, Random())  # noqa: S311 - jitter need not be secret
        watched = Environment(clock, environment.random, sights=self.sightings)

        functions = {
            name: target_of(function, backend=backend, environment=environment)
            for name, function in self._functions.items()
        }
        family = Family(host, arn, invoker_of(self._handler, backend=backend, environment=watched), functions)
        family.abandon()  # their process was killed
        while not host.execution(arn).is_terminal:
            feed.report_others()
            family.advance()
            if family.act() or self._answer(one, answers):
                continue
            if not self._let_time_pass(family, clock, wait=wait and family.waits_for_callbacks):
                break
        feed.report_others()

    def _answer(self, one: LocalExecution, answers: Mapping[str, object]) -> bool:
        """Send the prepared answers to the callbacks that wait for them; return False if none does."""
        waiting = [(callback, name) for name in answers for callback in one.callbacks(name)]
        for callback, name in waiting:
            self.sightings.check_answer(callback.record.id, name, input_text(answers[name], "the answer"))
            callback.succeed(answers[name])
        return bool(waiting)

    def _let_time_pass(self, family: Family, clock: SkippingClock, *, wait: bool) -> bool:
        """Wait a little, or skip to the next timer; return False if nothing can happen here any more."""
        timer = family.next_moment(callbacks=False)
        if timer is None and not wait:
            return False
        if timer is not None and self._skip_time:
            clock.move_to(timer)
            return True
        deadline = family.next_moment() if self._skip_time else None
        if deadline is not None:
            if self.on_deadline is not None:
                callbacks = family.callbacks_due(deadline)
                self.on_deadline([(LocalExecution(self.store, arn), record) for arn, record in callbacks], deadline)
            clock.move_to(deadline)
            return True
        before = clock.now()
        slept = _sleep(before, family.next_moment())
        if clock.now() == before and family.next_moment(callbacks=not self._skip_time) is not None:
            message = (
                f"the clock does not move: it is {before:%Y-%m-%d %H:%M:%S} before and after a sleep of {slept:.2g} s, "
                "so a wait would never end. Let it tick (freezegun and time-machine: tick=True), or skip the time "
                "(skip_time=True, --skip-time)"
            )
            raise ValidationError(message)
        return True


class _HistoryFeed:
    """Passes new history events to a watcher, whichever process wrote them."""

    def __init__(self, one: LocalExecution, watch: Watcher | None) -> None:
        self._one = one
        self._watch = watch
        self._reported = one.history_length

    def report(self) -> None:
        """Report a change; also one without an event, such as the start of an invocation."""
        if self._watch is not None:
            events = self._one.history_after(self._reported)
            self._reported += len(events)
            try:
                self._watch(self._one, events)
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # noqa: BLE001 - a watcher can't affect the execution
                self._watch = None
                logger.warning("watch= raised and is not called again: %s", place_of(error))

    def report_others(self) -> None:
        """Report events that another process wrote."""
        if self._watch is not None and self._one.history_length > self._reported:
            self.report()


def _same_json(one: str | None, other: str | None) -> bool:
    return one == other or (one is not None and other is not None and json.loads(one) == json.loads(other))


def _sleep(now: datetime, until: datetime | None) -> float:
    """Sleep until something may have happened; return the seconds slept."""
    left = (until - now).total_seconds() if until is not None else _LOOK_EVERY
    seconds = max(_TICKS, min(left, _LOOK_EVERY))
    _real_sleep(seconds)
    return seconds
