"""Chooses the text format of a value: the call's ``serdes``, else the format for its type, else the default format.

The decorator's serdes takes the place of the default format, `TaggedJson`, or wraps the format that is chosen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import is_dataclass
from types import FunctionType
from typing import Any, TypeVar, cast

from powertools_durable.errors import ValidationError
from powertools_durable.errors.wording import class_name
from powertools_durable.serdes.base import PassThrough, PlainJson, SerDes
from powertools_durable.serdes.models import ModelSerDes, answered_for, serdes_of
from powertools_durable.serdes.wrapping import WrappingSerDes, bound, for_payload, in_place_of, refuse_for_answer

__all__ = ["answer_serdes", "answered_serdes", "event_serdes", "json_serdes", "result_serdes"]

T = TypeVar("T")
_VALUES = (str, bytes, int, float, list, tuple, dict, set, frozenset, FunctionType)


def result_serdes(
    func: Callable[..., Any] | None, returns: Any, serdes: SerDes[T] | None, default: SerDes[Any] | None
) -> SerDes[T]:
    """Return the format for the result of *func*; *default* is the decorator's serdes.

    The type is *returns*, else the return annotation (`serdes_of`).
    """
    _check_type(returns)
    if serdes is None:
        of_type: SerDes[Any] = serdes_of(func, returns)
        return of_type if default is None else in_place_of(of_type, default)
    if isinstance(serdes, WrappingSerDes):
        return cast("SerDes[T]", bound(serdes, serdes_of(func, returns)))
    return serdes


def answer_serdes(returns: Any, serdes: SerDes[T] | None) -> SerDes[T]:
    """Return the format of an external system's answer: raw text, or JSON for the type *returns*."""
    refuse_for_answer(serdes)
    _check_type(returns)
    if serdes is not None:
        return serdes
    return cast("SerDes[T]", PassThrough() if returns is None else ModelSerDes(returns))


def answered_serdes(returns: Any, default: SerDes[Any] | None) -> SerDes[T]:
    """Return the format in which `wait_for_callback` records an answer; without a payload that is None for any type."""
    of_type = answered_for(returns)
    return cast("SerDes[T]", of_type if default is None else in_place_of(of_type, default))


def json_serdes(returns: Any, serdes: SerDes[T] | None) -> SerDes[T]:
    """Return the format of another function's answer: JSON."""
    refuse_for_answer(serdes)
    _check_type(returns)
    if serdes is not None:
        return serdes
    return cast("SerDes[T]", PlainJson() if returns is None else ModelSerDes(returns))


def event_serdes(default: SerDes[Any], serdes: SerDes[Any] | None) -> SerDes[Any]:
    """Return the format of an event for another function: *serdes*, else *default*."""
    return default if serdes is None else for_payload(serdes, default)


def _check_type(returns: Any) -> None:
    """Refuse a value in place of a type."""
    if returns is None or isinstance(returns, type):
        return
    cls = type(returns)
    if not (isinstance(returns, _VALUES) or hasattr(cls, "__pydantic_core_schema__") or is_dataclass(cls)):
        return
    actual = "text" if isinstance(returns, str) else class_name(returns)
    message = f"returns= takes a type, such as returns=Order or returns=list[Order], not {actual}"
    raise ValidationError(message)
