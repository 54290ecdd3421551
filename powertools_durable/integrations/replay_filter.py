"""Lets each log line of a durable execution out once, and says which execution it is of.

The filter sits on handlers, because a logger's own filters miss what comes from its children. It looks at one
context variable, so users keep their loggers and their calls. When it can't tell, a line is let out: losing one
is worse than repeating one. Source: powertools.md 2.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from hashlib import blake2b
from typing import Any
from weakref import WeakSet

from powertools_durable.config import DurableConfig
from powertools_durable.errors import DurableConfigError
from powertools_durable.scope import SCOPE, ReplayState, ScopeInfo

__all__ = ["JUDGED", "LogIntegration", "ReplayFilter", "keys_of", "suppresses"]

JUDGED = "_powertools_durable_judged"
_OWN = "powertools_durable"
_SECRETS = ("CheckpointToken", "InitialExecutionState")

logger = logging.getLogger(__name__)


def suppresses(scope: ScopeInfo) -> bool:
    """Tell whether what the running code says was said before, or will be said again."""
    return scope.where.replay_state is not ReplayState.LIVE


def keys_of(scope: ScopeInfo) -> dict[str, Any]:
    """Return what a line of *scope* is stamped with: the official SDK's names; what is absent is left out."""
    keys = {
        "executionArn": scope.execution_arn,
        "executionName": scope.execution_name,
        "parentId": scope.context_id,
        "operationId": scope.operation_id,
        "operationName": scope.operation_name,
        "attempt": scope.attempt,
    }
    return {key: value for key, value in keys.items() if value is not None}


class ReplayFilter(logging.Filter):
    """Drops a record of replayed code, stamps a record of live code.

    Parameters
    ----------
    log_replays : bool
        Let replayed records out too, marked ``isReplay``.
    """

    def __init__(self, *, log_replays: bool = False) -> None:
        super().__init__()
        self.log_replays = log_replays
        self._judged: WeakSet[logging.LogRecord] = WeakSet()
        self._warned = False

    def filter(self, record: logging.LogRecord) -> bool:
        """Decide about *record*; it may pass several handlers."""
        if record.name == _OWN or record.name.startswith(f"{_OWN}."):
            return True
        if isinstance(record.msg, dict) and all(key in record.msg for key in _SECRETS):
            self._redact(record)
        scope = SCOPE.get()
        if self._was_judged(record) or scope is None:
            return True
        if suppresses(scope):
            if not self.log_replays or not scope.replaying:
                return False
            record.__dict__.setdefault("isReplay", True)
        for key, value in keys_of(scope).items():
            record.__dict__.setdefault(key, value)
        return True

    def _was_judged(self, record: logging.LogRecord) -> bool:
        """Look for the mark of a buffered line, which was judged when it was buffered; it does not go out."""
        if record.__dict__.pop(JUDGED, False):
            self._judged.add(record)
        return record in self._judged

    def _redact(self, record: logging.LogRecord) -> None:
        """Take payloads and the token out of the event that ``log_event=True`` above ``@durable`` logs."""
        event: Any = record.msg
        state = event.get("InitialExecutionState")
        operations = state.get("Operations") if isinstance(state, dict) else None
        record.msg = {
            "durableExecutionArn": event.get("DurableExecutionArn"),
            "operationCount": len(operations) if isinstance(operations, list) else 0,
            "redacted": True,
        }
        if not self._warned:
            self._warned = True
            logger.warning(
                "log_event=True stands above @durable, where the event holds every payload and the checkpoint token; "
                "only its ARN is logged. Put inject_lambda_context(log_event=True) below @durable to log the input"
            )


class LogIntegration:
    """Puts the filter where the records pass.

    Parameters
    ----------
    loggers : Logger | Iterable[Logger] | None
        Powertools or standard loggers; None is every Powertools logger of the process.
    config : DurableConfig
        What to filter, and what to let out.

    Raises
    ------
    DurableConfigError
        *loggers* is something else.
    """

    def __init__(self, loggers: Any, config: DurableConfig) -> None:
        self._loggers = tuple(loggers) if isinstance(loggers, (list, tuple)) else (loggers,) if loggers else None
        for given in self._loggers or ():
            if not hasattr(given, "handlers"):
                message = f"durable(logger=...) takes a Logger, several, or False, not a {type(given).__name__}"
                raise DurableConfigError(message)
        self._config = config
        self.filter = ReplayFilter(log_replays=config.log_replays)

    def attach(self) -> None:
        """Add the filter to handlers that lack one; loggers may have been made since the last time."""
        for handler in self._handlers():
            if not any(isinstance(present, ReplayFilter) for present in handler.filters):
                handler.addFilter(self.filter)

    def begin(self, execution_arn: str) -> None:
        """Prepare for an invocation."""
        self.attach()
        if self._config.consistent_sampling:
            self._sample(execution_arn)

    def _handlers(self) -> Iterable[logging.Handler]:
        if self._loggers is None:
            for entry in list(logging.Logger.manager.loggerDict.values()):  # some are placeholders
                if isinstance(entry, logging.Logger) and getattr(entry, "powertools_handler", None):
                    yield from entry.handlers
        else:
            for given in self._loggers:
                yield from given.handlers
        if self._config.instrument_root_logger:
            yield from logging.getLogger().handlers

    def _sample(self, execution_arn: str) -> None:
        """Decide debug sampling once for all invocations of an execution (powertools.md 2.5)."""
        for given in self._loggers or ():
            rate = getattr(given, "sampling_rate", None)
            if rate:
                drawn = int.from_bytes(blake2b(execution_arn.encode(), digest_size=8).digest()) / 2**64
                given.setLevel(logging.DEBUG if drawn < float(rate) else given.initial_log_level)
