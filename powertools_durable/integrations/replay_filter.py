"""Lets each log line of a durable execution out once, and says which execution it is of.

The filter sits on handlers, because a logger's own filters miss what comes from its children. It looks at one
context variable, so users keep their loggers and their calls. When it can't tell, a line is let out: losing one
is worse than repeating one. See docs/powertools/logger.md#which-line-comes-out.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any, Self
from weakref import WeakSet

from powertools_durable.errors.wording import class_name
from powertools_durable.integrations.instrumentation import develops, on_reset
from powertools_durable.scope import SCOPE, ReplayState, ScopeInfo

__all__ = ["FILTER", "Judged", "ReplayFilter", "filter_records_of", "keys_of", "suppresses"]

_LIVE = ReplayState.LIVE  # an enum's member costs a look-up by its metaclass, line by line
_OWN = "powertools_durable"
_BELOW = f"{_OWN}."
_EVENTS = (  # Lambda's event, and the same as a model that an @event_parser above made of it
    ("CheckpointToken", "InitialExecutionState", "DurableExecutionArn", "Operations"),
    ("checkpoint_token", "initial_execution_state", "durable_execution_arn", "operations"),
)

logger = logging.getLogger(__name__)


def suppresses(scope: ScopeInfo) -> bool:
    """Tell whether what the running code says was said before, or will be said again."""
    return scope.where.replay_state is not _LIVE


def keys_of(scope: ScopeInfo) -> dict[str, Any]:
    """Return what a line of *scope* is stamped with: the official SDK's names; what is absent is left out."""
    keys: dict[str, Any] = {"executionArn": scope.execution_arn, "executionName": scope.execution_name}
    if scope.context_id is not None:
        keys["parentId"] = scope.context_id
    if scope.operation_id is not None:
        keys["operationId"] = scope.operation_id
        if scope.operation_name:
            keys["operationName"] = scope.operation_name
    if scope.attempt is not None:
        keys["attempt"] = scope.attempt
    return keys


class Judged(str):
    """The name of the function that said a buffered line; it carries what was decided about the line.

    A buffered line becomes a record when it is flushed, and all that a record keeps of the buffer's item are its
    attributes. This one is no key of the output.

    Attributes
    ----------
    stamps : Mapping[str, object]
        The keys of the moment in which the line was said.
    """

    __slots__ = ("stamps",)

    stamps: Mapping[str, Any]

    def __new__(cls, function: str, stamps: Mapping[str, Any]) -> Self:
        """Make the name; a text is complete when it is made."""
        judged = super().__new__(cls, function)
        judged.stamps = stamps
        return judged


class ReplayFilter(logging.Filter):
    """Drops a record of replayed code, stamps a record of live code. One is enough for a process.

    Attributes
    ----------
    log_replays : bool
        Let replayed records out too, marked ``isReplay``.
    pauses : bool
        The function that runs wants its loggers left alone.
    """

    powertools_durable = True  # so that a filter of this kind is known for one after this module was loaded anew

    def __init__(self) -> None:
        super().__init__()
        self.forget()

    def forget(self) -> None:
        """Be as new."""
        self.log_replays = False
        self.pauses = False
        self._judged: WeakSet[logging.LogRecord] = WeakSet()
        self._judges = False  # no line was buffered yet, so none need be looked for
        self._warned: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        """Decide about *record*; it may pass several handlers. A failure here lets it pass."""
        try:
            scope = SCOPE.get()
            if (  # what is asked most often, and costs a replay most: a plain line of code that repeats itself
                scope is not None
                and scope.where.replay_state is not _LIVE
                and not (self.pauses or self.log_replays or self._judges)
                and type(record.funcName) is str
                and not record.name.startswith(_OWN)
            ):
                return False
            return self._passes(record, scope)
        except Exception as error:
            if develops():
                raise
            self._warn(
                "filter",
                f"the filter of log lines failed with {class_name(error)}; lines pass as they are, replayed ones "
                "too. Set POWERTOOLS_DEV=true to see where",
            )
            return True

    def _passes(self, record: logging.LogRecord, scope: ScopeInfo | None) -> bool:
        if record.name.startswith(_OWN) and (record.name == _OWN or record.name.startswith(_BELOW)):
            return True
        if isinstance(record.msg, dict):
            self._redact(record)
        if type(record.funcName) is Judged:
            self._judges = True
            self._judged.add(record)
            self._stamp(record, record.funcName.stamps)
            record.funcName = str(record.funcName)  # a plain one again
        if scope is None or self.pauses or (self._judges and record in self._judged):
            return True
        if suppresses(scope):
            if not self.log_replays or not scope.replaying:
                return False
            record.__dict__.setdefault("isReplay", True)
        self._stamp(record, keys_of(scope))
        return True

    def _stamp(self, record: logging.LogRecord, keys: Mapping[str, Any]) -> None:
        attributes = record.__dict__
        for key, value in keys.items():
            attributes.setdefault(key, value)

    def _redact(self, record: logging.LogRecord) -> None:
        """Take payloads and the token out of the event that ``log_event=True`` above ``@durable`` logs."""
        event: Any = record.msg
        for token, state, arn, operations in _EVENTS:
            if token in event and state in event:
                page = event[state]
                records = page.get(operations) if isinstance(page, dict) else None
                record.msg = {
                    "durableExecutionArn": event.get(arn),
                    "operationCount": len(records) if isinstance(records, list | tuple) else 0,
                    "redacted": True,
                }
                self._warn(
                    "log_event",
                    "log_event=True stands above @durable, where the event holds every payload and the checkpoint "
                    "token; only its ARN is logged. Put inject_lambda_context(log_event=True) below @durable to log "
                    "the input",
                )
                return

    def _warn(self, about: str, text: str) -> None:
        if about not in self._warned:
            self._warned.add(about)
            logger.warning(text)


FILTER = ReplayFilter()
_FILTERED: WeakSet[logging.Handler] = WeakSet()


def filter_records_of(handlers: Iterable[logging.Handler]) -> None:
    """Put the filter on those handlers that lack it; one of this module before it was loaded anew gives way."""
    for handler in handlers:
        if FILTER not in handler.filters:
            _remove_from(handler)
            handler.addFilter(FILTER)
            _FILTERED.add(handler)


def _remove_from(handler: logging.Handler) -> None:
    for present in handler.filters[:]:
        if getattr(present, "powertools_durable", False):
            handler.removeFilter(present)


@on_reset
def _remove_filters() -> None:
    for handler in list(_FILTERED):
        _remove_from(handler)
    _FILTERED.clear()
    FILTER.forget()
