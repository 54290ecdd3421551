"""Runs a context on the thread of the test alone: whoever waits for an answer sends the request himself.

A test sees the same requests in every run then, nothing outlives it, and a breakpoint in a backend or in the branch
of a fan-out stops where the test stands. What is sent, in which order and with which company, is the engine's
decision as ever; only an update that nobody waits for is not sent after a second, but with the next one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import Context
from dataclasses import replace
from typing import Any

from powertools_durable._replay.engine import ReplayEngine
from powertools_durable._replay.frame import Frame
from powertools_durable._runtime.checkpointer import Acknowledged, Checkpointer
from powertools_durable._runtime.deadline import Deadline
from powertools_durable._runtime.driver import BlockingDriver
from powertools_durable._runtime.environment import Environment
from powertools_durable._runtime.scopes import Scopes
from powertools_durable.backends.base import DurableBackend
from powertools_durable.scope import ReplayState, ScopeInfo

__all__ = ["inline_driver"]


class InlineCheckpointer(Checkpointer):
    """Has no sender of its own."""

    def __init__(
        self, engine: ReplayEngine, backend: DurableBackend, deadline: Deadline, environment: Environment
    ) -> None:
        super().__init__(engine, backend, deadline, environment)
        self._sending = threading.Lock()  # a context made by hand is bound to no thread

    def _start_sender(self) -> None:
        """Start nothing: `await_` sends."""

    def await_(self, waiter: Acknowledged) -> None:
        """Send what is queued until *waiter* is complete."""
        with self._sending:
            while not waiter.done and (batch := self._engine.next_batch()) is not None:
                Context().run(self._perform, batch)
        if waiter.error is not None:
            raise waiter.error


class Speaking:
    """A context whose log lines and metrics count, though it may stand in front of its records."""

    replay_state = ReplayState.LIVE

    def __init__(self, frame: Frame) -> None:
        self.frame = frame


class SpeakingScopes(Scopes):
    """What a test prepares happens for the first time: whatever the code says meanwhile is no repetition."""

    def of_context(self, frame: Frame) -> ScopeInfo:
        """The code of a child context runs."""
        return replace(super().of_context(frame), where=Speaking(frame))


class InlineDriver(BlockingDriver):
    """Runs branches where their fan-out was called, one after the other, for it has no threads of its own."""

    def __init__(
        self,
        engine: ReplayEngine,
        sender: Checkpointer,
        deadline: Deadline,
        scopes: Scopes,
        *,
        environment: Environment,
    ) -> None:
        super().__init__(engine, sender, deadline, scopes, environment=environment, max_threads=0)
        self.pool.appetite = 1


def inline_driver(backend: DurableBackend) -> Callable[..., BlockingDriver]:
    """Return what makes the driver of a context: see `Environment.driver`."""

    def make(
        engine: ReplayEngine,
        _checkpointer: Checkpointer,
        deadline: Deadline,
        _scopes: Scopes,
        *,
        environment: Environment,
        **_others: Any,
    ) -> BlockingDriver:
        sender = InlineCheckpointer(engine, backend, deadline, environment)
        scopes = SpeakingScopes(engine.state.durable_execution_arn, "")
        return InlineDriver(engine, sender, deadline, scopes, environment=environment)

    return make
