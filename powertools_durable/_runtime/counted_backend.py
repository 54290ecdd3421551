"""Counts the API calls of an invocation for plugins, and marks them as calls of the engine."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextvars import copy_context
from dataclasses import replace
from typing import TypeVar

from powertools_durable._protocol.result import CheckpointResponse, StatePage
from powertools_durable._protocol.update import OperationUpdate
from powertools_durable._runtime.environment import Clock
from powertools_durable._runtime.error_origin import place_of
from powertools_durable.backends.base import DurableBackend
from powertools_durable.errors import BackendError
from powertools_durable.plugins import BackendCalls, PluginFactory, PluginSource
from powertools_durable.scope import BACKEND_CALL, SCOPE

__all__ = ["CountedBackend"]

logger = logging.getLogger(__name__)

R = TypeVar("R")


class CountedBackend:
    """Wraps the backend of the engine.

    Parameters
    ----------
    backend : DurableBackend
        The wrapped backend.
    clock : Clock
        Measures the calls.
    plugins : Sequence[PluginSource]
        Those that are a `PluginFactory` set context variables for the calls.
    """

    def __init__(self, backend: DurableBackend, clock: Clock, plugins: Sequence[PluginSource] = ()) -> None:
        self._backend = backend
        self._clock = clock
        self._factories = [source for source in plugins if isinstance(source, PluginFactory)]
        self.use_current_context()
        self.calls = BackendCalls()  # only one thread at a time makes calls

    def use_current_context(self) -> None:
        """Make calls with the current context variables from now on, without a scope: they belong to no operation."""
        self._context = copy_context()
        self._context.run(SCOPE.set, None)
        for factory in self._factories:
            try:
                self._context.run(factory.prepare_backend_calls)
            except Exception as error:  # noqa: BLE001 - a plugin cannot fail the execution
                name = type(factory).__name__
                logger.error("plugin %s failed in prepare_backend_calls; it is ignored: %s", name, place_of(error))  # noqa: TRY400

    def checkpoint(
        self, arn: str, checkpoint_token: str, updates: Sequence[OperationUpdate], client_token: str
    ) -> CheckpointResponse:
        """Apply *updates*; see `DurableBackend.checkpoint`."""
        began = self._clock.monotonic()
        response = self._call("checkpoint", self._backend.checkpoint, arn, checkpoint_token, updates, client_token)
        seconds = self._clock.monotonic() - began
        self.calls = replace(self.calls, checkpoints=self.calls.checkpoints + 1, seconds=self.calls.seconds + seconds)
        return response

    def get_execution_state(self, arn: str, checkpoint_token: str, marker: str, max_items: int) -> StatePage:
        """Return a page of records; see `DurableBackend.get_execution_state`."""
        page = self._call("state", self._backend.get_execution_state, arn, checkpoint_token, marker, max_items)
        self.calls = replace(self.calls, state_pages=self.calls.state_pages + 1)
        return page

    def _call(self, name: str, call: Callable[..., R], *arguments: object) -> R:
        context = self._context.copy()
        context.run(BACKEND_CALL.set, name)
        try:
            return context.run(call, *arguments)
        except BackendError as error:
            if error.throttled:
                self.calls = replace(self.calls, throttled=self.calls.throttled + 1)
            else:
                self.calls = replace(self.calls, failed=self.calls.failed + 1)
            raise
