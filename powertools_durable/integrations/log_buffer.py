"""Buffered lines are judged when they are buffered: at the flush, other code runs than the code that said them.

Powertools buffers a description of a call and makes the record when the buffer is flushed. Unaided, a line that
was buffered on replay would come out with a later error, and a live one would be thrown away by an error in a
replaying branch. A child logger's buffer can't be reached from outside, so the class is wrapped, once a process.
Code that only repeats neither fills, nor flushes, nor empties a buffer. See docs/powertools/logger.md#buffering.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

from powertools_durable.integrations.instrumentation import on_reset, report
from powertools_durable.integrations.replay_filter import FILTER, Judged, keys_of, suppresses
from powertools_durable.scope import SCOPE, ScopeInfo

__all__ = ["instrument_buffers"]

_MODULE = "aws_lambda_powertools.logging.buffer.cache"
_JUDGE = "_powertools_durable"
_WANTED = {"add": ["self", "key", "item"], "get": ["self", "key"], "clear": ["self", "key"]}


class _BufferState:
    """What the function that runs wants."""

    keep_replayed = False
    reported = False


def instrument_buffers(*, keep_replayed: bool) -> None:
    """Wrap Powertools' buffer; does nothing without Powertools, or when it was done before.

    Parameters
    ----------
    keep_replayed : bool
        Store replayed lines too, marked ``isReplay``.
    """
    _BufferState.keep_replayed = keep_replayed
    cls = _buffer_class()
    if cls is None or getattr(cls.__dict__.get("add"), _JUDGE, None) is judged_add:
        return
    _restore(cls)  # what this module wrapped before it was loaded anew
    if not _is_known(cls):
        if not _BufferState.reported:
            _BufferState.reported = True
            report(
                "this version of Powertools buffers log lines in another way; buffered lines are judged when they are "
                "flushed, so some may be repeated or lost"
            )
        return
    for name, judge in (("add", judged_add), ("get", judged_get), ("clear", judged_clear)):
        setattr(cls, name, _wrapped(getattr(cls, name), judge))


def judged_add(scope: ScopeInfo, add: Callable[..., Any], self: Any, key: str, item: Any) -> Any:
    """Store a line with what is decided about it, if it is to come out at all."""
    if not isinstance(item, dict) or not isinstance(item.get("function"), str):
        return add(self, key, item)  # judged when flushed
    stamps = keys_of(scope)
    if suppresses(scope):
        if not (_BufferState.keep_replayed and scope.replaying):
            return None
        stamps["isReplay"] = True
    return add(self, key, item | {"function": Judged(item["function"], stamps)})


def judged_get(scope: ScopeInfo, get: Callable[..., Any], self: Any, key: str) -> Any:
    """Return what is buffered; nothing to code that only repeats."""
    return [] if suppresses(scope) else get(self, key)


def judged_clear(scope: ScopeInfo, clear: Callable[..., Any], self: Any, key: str | None = None) -> Any:
    """Empty the buffer, unless code asks that only repeats: the lines are those of other code."""
    return None if suppresses(scope) else clear(self, key)


def _wrapped(original: Callable[..., Any], judge: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        scope = SCOPE.get()
        if scope is None or FILTER.pauses:
            return original(*args, **kwargs)
        return judge(scope, original, *args, **kwargs)

    setattr(wrapper, _JUDGE, judge)
    return wrapper


def _buffer_class() -> type | None:
    cls = getattr(sys.modules.get(_MODULE), "LoggerBufferCache", None)
    return cls if isinstance(cls, type) else None


def _is_known(cls: type) -> bool:
    return all(
        inspect.isfunction(method := getattr(cls, name, None))
        and list(inspect.signature(method).parameters) == parameters
        for name, parameters in _WANTED.items()
    )


def _restore(cls: type) -> None:
    for name in _WANTED:
        wrapper: Any = cls.__dict__.get(name)
        if hasattr(wrapper, _JUDGE):
            setattr(cls, name, inspect.unwrap(wrapper))


@on_reset
def _remove_wrappers() -> None:
    cls = _buffer_class()
    if cls is not None:
        _restore(cls)
    _BufferState.keep_replayed = _BufferState.reported = False
