"""Buffered lines are judged when they are buffered: at the flush, other code runs than the code that said them.

Powertools buffers a description of a call and makes the record when the buffer is flushed. Unaided, a line that
was buffered on replay would come out with a later error, and a live one would be thrown away by an error in a
replaying branch. A child logger's buffer can't be reached from outside, so the class is wrapped, once a process.
Source: powertools.md 2.6.
"""

from __future__ import annotations

import inspect
import sys
import warnings
from functools import wraps
from typing import Any

from powertools_durable.integrations.replay_filter import JUDGED, keys_of, suppresses
from powertools_durable.scope import SCOPE

__all__ = ["instrument_buffers"]

_MODULE = "aws_lambda_powertools.logging.buffer.cache"
_WRAPPED = "_powertools_durable"


def instrument_buffers(*, keep_replayed: bool) -> None:
    """Wrap Powertools' buffer; does nothing without Powertools, or when it was done before.

    Parameters
    ----------
    keep_replayed : bool
        Store replayed lines too, marked ``isReplay``.
    """
    cls = getattr(sys.modules.get(_MODULE), "LoggerBufferCache", None)
    if cls is None or getattr(cls, _WRAPPED, False):
        return
    if not _is_known(cls):
        message = "this version of Powertools buffers log lines in another way; buffered lines are judged when flushed"
        warnings.warn(message, stacklevel=2)
        return
    add, get = cls.add, cls.get

    @wraps(add)
    def judged_add(self: Any, key: str, item: Any) -> None:
        scope = SCOPE.get()
        if scope is not None and isinstance(item, dict):
            replayed = suppresses(scope)
            if replayed and not (keep_replayed and scope.replaying):
                return
            stamps = keys_of(scope) | ({"isReplay": True} if replayed else {})
            item = item | {"extra": stamps | dict(item.get("extra") or {}) | {JUDGED: True}}
        add(self, key, item)

    @wraps(get)
    def judged_get(self: Any, key: str) -> Any:
        scope = SCOPE.get()
        return [] if scope is not None and suppresses(scope) else get(self, key)

    cls.add, cls.get = judged_add, judged_get
    setattr(cls, _WRAPPED, True)


def _is_known(cls: type) -> bool:
    wanted = {"add": ["self", "key", "item"], "get": ["self", "key"]}
    return all(
        callable(getattr(cls, name, None)) and list(inspect.signature(getattr(cls, name)).parameters) == parameters
        for name, parameters in wanted.items()
    )
