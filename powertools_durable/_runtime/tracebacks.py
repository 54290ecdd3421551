"""Prepares an exception for the log: with the user's lines, and without values that pydantic refused.

A user's exception class may have properties and a ``__str__`` that fail or return anything. An exception that can't be
logged unchanged, or whose text contains refused values, is replaced by a substitute with the same name and traceback,
and so are its causes. A group is always replaced, because the tracebacks of its members have frames of this package.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any, TypeAlias

from powertools_durable.errors.places import is_own, traceback_of
from powertools_durable.errors.recording import to_error_object
from powertools_durable.errors.validation import is_validation_error

__all__ = ["exc_info_of"]

ExcInfo: TypeAlias = tuple[type[BaseException], BaseException, TracebackType | None]

_MAX_CHAIN = 50  # exceptions of a chain
_MAX_TEXT = 8_192  # characters of a message
_ATTRIBUTES = ("__cause__", "__context__", "__suppress_context__", "__traceback__")


def exc_info_of(error: BaseException, *, include_input: bool = False) -> ExcInfo | None:
    """Return *error* as ``exc_info`` for `logging`; None if it passed no line of the user's code."""
    trace = users_traceback(traceback_of(error))
    if trace is None:
        return None
    logged = error
    if any(
        isinstance(each, BaseExceptionGroup) or _needs_substitute(each, include_input=include_input)
        for each in _chain(error)
    ):
        logged = _substitute(error, include_input=include_input, depth=0)
    return type(logged), logged, trace


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
    """Read an attribute of class *of* from *error*; a property of the same name in a user's class is bypassed."""
    return vars(of)[attribute].__get__(error)


def _chain(error: BaseException) -> list[BaseException]:
    """Return *error*, its causes and contexts, and the members of groups."""
    chain: list[BaseException] = []
    queue: list[BaseException | None] = [error]
    while queue and len(chain) < _MAX_CHAIN:
        each = queue.pop(0)
        if each is None or any(each is known for known in chain):
            continue
        chain.append(each)
        queue += [_read(each, "__cause__"), _read(each, "__context__")]
        if isinstance(each, BaseExceptionGroup):
            queue += each.exceptions
    return chain


def _needs_substitute(error: BaseException, *, include_input: bool) -> bool:
    if is_validation_error(error):
        return not include_input
    cls = type(error)
    if hasattr(cls, "__notes__") or any(getattr(cls, name) is not vars(BaseException)[name] for name in _ATTRIBUTES):
        return True
    try:
        text = str(error)
        text.encode()  # most handlers can't write a lone surrogate, and would lose the line
        return type(text) is not str or len(text) > _MAX_TEXT
    except Exception:  # noqa: BLE001 - the user's __str__ may do anything
        return True


def _substitute(error: BaseException, *, include_input: bool, depth: int) -> BaseException:
    source = error  # for a group its own message: the number of members is added again
    if isinstance(error, BaseExceptionGroup):
        source = Exception(_read(error, "message", BaseExceptionGroup))
    text = to_error_object(source, include_input=include_input).error_message or ""
    cls = type(error)
    names = {"__module__": str(cls.__module__), "__qualname__": str(cls.__qualname__)}
    members = error.exceptions if isinstance(error, BaseExceptionGroup) and depth < _MAX_CHAIN else ()
    substitute: BaseException
    if members:
        group = type(cls.__name__, (BaseExceptionGroup,), names)
        substitute = group(text, [_substitute(each, include_input=include_input, depth=depth + 1) for each in members])
    else:
        substitute = type(cls.__name__, (Exception,), names)(text)
    if depth < _MAX_CHAIN:
        cause, context = _read(error, "__cause__"), _read(error, "__context__")
        if cause is not None:
            substitute.__cause__ = _substitute(cause, include_input=include_input, depth=depth + 1)
        elif context is not None and not _read(error, "__suppress_context__"):
            substitute.__context__ = _substitute(context, include_input=include_input, depth=depth + 1)
    if not _needs_substitute(error, include_input=include_input):
        substitute.__notes__ = [note for note in getattr(error, "__notes__", ()) if isinstance(note, str)]
    substitute.__suppress_context__ = _read(error, "__suppress_context__")
    return substitute.with_traceback(users_traceback(traceback_of(error)))
