"""Finds the loggers of the process, puts the filter on their handlers, and decides debug sampling an execution.

What Powertools registers is a logger of the standard library; the `Logger` that a module holds is a face of it. The
handlers are found by the former. The level that sampling falls back to is known to the latter alone, so that one is
looked for where its user has it: in ``logger=``, and among what the handler's own module names.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from hashlib import blake2b
from typing import Any
from weakref import WeakKeyDictionary

from powertools_durable._functions import innermost
from powertools_durable.config import DurableConfig
from powertools_durable.errors import DurableConfigError
from powertools_durable.errors.wording import class_name
from powertools_durable.integrations.instrumentation import on_reset
from powertools_durable.integrations.replay_filter import FILTER, filter_records_of

__all__ = ["LogIntegration", "logger_for", "logger_of_failures"]

_LEVELS: WeakKeyDictionary[logging.Logger, int] = WeakKeyDictionary()  # from before sampling raised them
_FACES: WeakKeyDictionary[logging.Logger, Any] = WeakKeyDictionary()


class LogIntegration:
    """Takes care of a function's loggers.

    Parameters
    ----------
    given : Logger | Sequence[Logger] | False | None
        Powertools or standard loggers; None is every Powertools logger of the process, False is none.
    config : DurableConfig
        What to filter, and what to let out.
    handler : Callable
        The user's function: its module may name loggers.

    Raises
    ------
    DurableConfigError
        *given* is something else.
    """

    def __init__(self, given: Any, config: DurableConfig, handler: Callable[..., Any]) -> None:
        self._leaves_alone = given is False
        self._given = None if given is None else () if given is False else _listed(given)
        for one in self._given or ():
            if not hasattr(one, "handlers"):
                message = f"durable(logger=...) takes a Logger, several, or False, not {class_name(one)}"
                raise DurableConfigError(message)
        self._config = config
        self._handler = handler
        for found in _registered():
            _learnt(found)

    def attach(self) -> None:
        """Put the filter where records pass; loggers may have been made since the last time."""
        if not self._leaves_alone:
            filter_records_of(self._handlers())

    def begin(self, execution_arn: str) -> None:
        """Prepare for an invocation."""
        FILTER.pauses = self._leaves_alone
        FILTER.log_replays = self._config.log_replays
        self.attach()
        if self._config.consistent_sampling and not self._leaves_alone:
            drawn = int.from_bytes(blake2b(execution_arn.encode(), digest_size=8).digest()) / 2**64
            self._sample(drawn)

    def _handlers(self) -> Iterator[logging.Handler]:
        for found in _registered() if self._given is None else self._given:
            yield from _passed_by(found)
        if self._config.instrument_root_logger:
            yield from logging.getLogger().handlers

    def _sample(self, drawn: float) -> None:
        """Set the level for *drawn*, the execution's own random number (docs/powertools/logger.md#sampling)."""
        faces = named_loggers(self._handler) if self._given is None else self._given
        known = set()
        for face in faces:
            if hasattr(face, "sampling_rate"):  # a logger of the standard library has none
                known.add(face.name)
                _set_level(face.name, face.sampling_rate, drawn, face.initial_log_level)
        if self._given is None:
            for found in _registered():
                if found.name not in known and hasattr(found, "powertools_handler"):
                    _set_level(found.name, _rate_of(found), drawn, _learnt(found))


def logger_for(handler: Callable[..., Any], given: Any) -> Any:
    """Return the logger for code that has none: the first given, else one of Powertools', else the module's.

    Parameters
    ----------
    handler : Callable
        The user's function.
    given : Logger | Sequence[Logger] | False | None
        The decorator's ``logger=``.
    """
    if given is not None and given is not False and (listed := _listed(given)):
        return listed[0]
    if (named := next(named_loggers(handler), None)) is not None:
        return named
    found = next((entry for entry in _registered() if hasattr(entry, "powertools_handler")), None)
    return logging.getLogger(innermost(handler).__module__) if found is None else _face_of(found)


def logger_of_failures(handler: Callable[..., Any], given: Any) -> Any:
    """Return the logger for what fails: as `logger_for`, but the module's own where ``logger=False``."""
    return logging.getLogger(innermost(handler).__module__) if given is False else logger_for(handler, given)


def named_loggers(handler: Callable[..., Any]) -> Iterator[Any]:
    """Yield the Powertools loggers that the handler's module names, or the function around it."""
    cls = _logger_class()
    if cls is None:
        return
    function = innermost(handler)
    cells = (cell.cell_contents for cell in getattr(function, "__closure__", None) or () if _is_filled(cell))
    for value in (*cells, *list(getattr(function, "__globals__", {}).values())):
        if isinstance(value, cls):
            yield value


def _is_filled(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018 - raises when the name behind it is not bound yet
    except ValueError:
        return False
    return True


def _listed(given: Any) -> tuple[Any, ...]:
    return tuple(given) if isinstance(given, list | tuple) else (given,)


def _logger_class() -> type | None:
    """Return Powertools' Logger, if anybody has imported it."""
    cls = getattr(sys.modules.get("aws_lambda_powertools.logging.logger"), "Logger", None)
    return cls if isinstance(cls, type) else None


def _registered() -> list[logging.Logger]:
    """Return Powertools' loggers, and loggers below one that have handlers of their own."""
    entries = list(logging.Logger.manager.loggerDict.values())  # some are placeholders
    return [
        entry
        for entry in entries
        if isinstance(entry, logging.Logger)
        and (hasattr(entry, "powertools_handler") or (entry.handlers and _is_below(entry)))
    ]


def _is_below(entry: logging.Logger) -> bool:
    parent = entry.parent
    while parent is not None:
        if hasattr(parent, "powertools_handler"):
            return True
        parent = parent.parent
    return False


def _passed_by(found: Any) -> Iterator[logging.Handler]:
    """Yield the handlers that a logger's records pass, but for the root's."""
    yield from found.handlers
    while found.propagate and found.parent is not None and found.parent.parent is not None:
        found = found.parent
        yield from found.handlers


def _face_of(found: logging.Logger) -> Any:
    """Return a Powertools Logger for one it has registered: its calls take keywords."""
    cls = _logger_class()
    if cls is None:
        return found
    if (face := _FACES.get(found)) is None:
        face = _FACES[found] = cls(service=found.name)
    return face


# -- sampling ----------------------------------------------------------------------------------------------


def _set_level(name: str, rate: object, drawn: float, otherwise: Any) -> None:
    target = logging.getLogger(name)  # that of Powertools would ask Lambda's own log level first
    try:
        share = float(rate)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return
    if not share:
        return
    if drawn < share:
        target.setLevel(logging.DEBUG)
    elif otherwise is not None:
        target.setLevel(otherwise)


def _rate_of(found: logging.Logger) -> object:
    """Return the sampling rate that Powertools shows in each line of a logger."""
    formatter = getattr(getattr(found, "powertools_handler", None), "formatter", None)
    keys: Mapping[str, object] = getattr(formatter, "get_current_keys", dict)()
    return keys.get("sampling_rate")


def _learnt(found: logging.Logger) -> int | None:
    """Return the level that a logger had when it was not raised to DEBUG; None when it never was seen so."""
    if found.level > logging.DEBUG:
        _LEVELS[found] = found.level
    return _LEVELS.get(found)


@on_reset
def _forget() -> None:
    _LEVELS.clear()
    _FACES.clear()
