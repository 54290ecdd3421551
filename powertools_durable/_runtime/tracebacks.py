"""Prepares an exception for the log: with the user's lines, and without values that pydantic refused.

Attributes of a user's exception class may do anything when they are read. An exception that can't be shown as it is, or
whose text holds refused values, is replaced by one with the same name and traceback, and so are its causes. So is a
group, because the tracebacks of its members have frames of this package.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any, TypeAlias

from powertools_durable.errors.places import is_own, traceback_of
from powertools_durable.errors.recording import to_error_object
from powertools_durable.errors.validation import is_validation_error

__all__ = ["exc_info_of"]

ExcInfo: TypeAlias = tuple[type[BaseException], BaseException, TracebackType | None]

_MOST = 50  # exceptions of a chain
_LONGEST = 8_192  # characters of a text
_ATTRIBUTES = ("__cause__", "__context__", "__suppress_context__", "__traceback__")


def exc_info_of(error: BaseException, *, include_input: bool = False) -> ExcInfo | None:
    """Return *error* as ``exc_info`` for `logging`; None if it passed no line of the user's code."""
    trace = users_traceback(traceback_of(error))
    if trace is None:
        return None
    shown = error
    if any(
        isinstance(one, BaseExceptionGroup) or _must_stand_in(one, include_input=include_input) for one in _chain(error)
    ):
        shown = _stand_in(error, include_input=include_input, depth=0)
    return type(shown), shown, trace


def users_traceback(trace: TracebackType | None) -> TracebackType | None:
    """Return *trace* without the frames of this package."""
    kept = []
    while trace is not None:
        if not is_own(trace.tb_frame):
            kept.append(trace)
        trace = trace.tb_next
    below: TracebackType | None = None
    for one in reversed(kept):
        below = TracebackType(below, one.tb_frame, one.tb_lasti, one.tb_lineno)
    return below


def _read(error: BaseException, attribute: str, of: type[BaseException] = BaseException) -> Any:
    """Read an attribute that every exception has, or every group, past any property of a user's class."""
    return vars(of)[attribute].__get__(error)


def _chain(error: BaseException) -> list[BaseException]:
    """Return *error*, its causes and contexts, and the members of groups."""
    found: list[BaseException] = []
    queue: list[BaseException | None] = [error]
    while queue and len(found) < _MOST:
        one = queue.pop(0)
        if one is None or any(one is known for known in found):
            continue
        found.append(one)
        queue += [_read(one, "__cause__"), _read(one, "__context__")]
        if isinstance(one, BaseExceptionGroup):
            queue += one.exceptions
    return found


def _must_stand_in(error: BaseException, *, include_input: bool) -> bool:
    if is_validation_error(error):
        return not include_input
    cls = type(error)
    if hasattr(cls, "__notes__") or any(getattr(cls, name) is not vars(BaseException)[name] for name in _ATTRIBUTES):
        return True
    try:
        text = str(error)
        text.encode()  # most handlers can't write a lone surrogate, and would lose the line
        return type(text) is not str or len(text) > _LONGEST
    except Exception:  # noqa: BLE001 - the user's __str__ may do anything
        return True


def _stand_in(error: BaseException, *, include_input: bool, depth: int) -> BaseException:
    worded = error  # a group's own message, without the number of its members, which its text gets again
    if isinstance(error, BaseExceptionGroup):
        worded = Exception(_read(error, "message", BaseExceptionGroup))
    text = to_error_object(worded, include_input=include_input).error_message or ""
    cls = type(error)
    names = {"__module__": str(cls.__module__), "__qualname__": str(cls.__qualname__)}
    members = error.exceptions if isinstance(error, BaseExceptionGroup) and depth < _MOST else ()
    made: BaseException
    if members:
        own = type(cls.__name__, (BaseExceptionGroup,), names)
        made = own(text, [_stand_in(one, include_input=include_input, depth=depth + 1) for one in members])
    else:
        made = type(cls.__name__, (Exception,), names)(text)
    if depth < _MOST:
        cause, context = _read(error, "__cause__"), _read(error, "__context__")
        if cause is not None:
            made.__cause__ = _stand_in(cause, include_input=include_input, depth=depth + 1)
        elif context is not None and not _read(error, "__suppress_context__"):
            made.__context__ = _stand_in(context, include_input=include_input, depth=depth + 1)
    if not _must_stand_in(error, include_input=include_input):
        made.__notes__ = [note for note in getattr(error, "__notes__", ()) if isinstance(note, str)]
    made.__suppress_context__ = _read(error, "__suppress_context__")
    return made.with_traceback(users_traceback(traceback_of(error)))
