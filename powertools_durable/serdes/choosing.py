"""Which format the value of an operation is written in: the one that was given, else what its type asks for."""

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
    func: Callable[..., Any] | None, returns: Any, given: SerDes[T] | None, instead: SerDes[Any] | None
) -> SerDes[T]:
    """How the result of *func* is written; *instead* is the decorator's serdes."""
    _check_type(returns)
    if given is None:
        asked: SerDes[Any] = serdes_of(func, returns)
        return asked if instead is None else in_place_of(asked, instead)
    if isinstance(given, WrappingSerDes):
        return cast("SerDes[T]", bound(given, serdes_of(func, returns)))
    return given


def answer_serdes(returns: Any, given: SerDes[T] | None) -> SerDes[T]:
    """How an answer from outside is read: never by the tagged format, which is our own."""
    refuse_for_answer(given)
    _check_type(returns)
    if given is not None:
        return given
    return cast("SerDes[T]", PassThrough() if returns is None else ModelSerDes(returns))


def answered_serdes(returns: Any, instead: SerDes[Any] | None) -> SerDes[T]:
    """How the context around a callback repeats its answer; one without a payload is None, whatever *returns* says."""
    asked = answered_for(returns)
    return cast("SerDes[T]", asked if instead is None else in_place_of(asked, instead))


def json_serdes(returns: Any, given: SerDes[T] | None) -> SerDes[T]:
    """How another function's answer is read: as JSON."""
    refuse_for_answer(given)
    _check_type(returns)
    if given is not None:
        return given
    return cast("SerDes[T]", PlainJson() if returns is None else ModelSerDes(returns))


def event_serdes(asked: SerDes[Any], given: SerDes[Any] | None) -> SerDes[Any]:
    """How an event for another function is written: as *asked*, unless something else was given."""
    return asked if given is None else for_payload(given, asked)


def _check_type(returns: Any) -> None:
    """Refuse a value in place of a type, which would be no promise of anything."""
    if returns is None or isinstance(returns, type):
        return
    cls = type(returns)
    if not (isinstance(returns, _VALUES) or hasattr(cls, "__pydantic_core_schema__") or is_dataclass(cls)):
        return
    what = "text" if isinstance(returns, str) else class_name(returns)
    message = f"returns= takes a type, such as returns=Order or returns=list[Order], not {what}"
    raise ValidationError(message)
