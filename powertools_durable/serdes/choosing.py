"""Chooses the text format of a value: the call's ``serdes``, else the format for its type, else the default format.

The decorator's serdes takes the place of the default format, `TaggedJson`, or wraps the format that is chosen.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import is_dataclass
from types import FunctionType
from typing import Any, TypeVar, cast

from powertools_durable._frozen import frozen
from powertools_durable.errors import ValidationError
from powertools_durable.errors.wording import class_name
from powertools_durable.serdes.base import PassThrough, PlainJson, SerDes, SerDesContext, write
from powertools_durable.serdes.models import ModelSerDes, answered_for, serdes_of
from powertools_durable.serdes.wrapping import WrappingSerDes, bound, for_payload, in_place_of, refuse_for_answer

__all__ = ["RESULT", "answer_serdes", "answered_serdes", "event_serdes", "json_serdes", "result_serdes", "write_result"]

T = TypeVar("T")
RESULT = "result"
"""Stands for the operation's id in the `SerDesContext` of a handler's result."""

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


def write_result(value: object, serdes: SerDes[Any], text_of: Callable[[object], str], execution_arn: str) -> str:
    """Write the handler's result, which is JSON: a text, if *serdes* compresses, encrypts or stores it.

    A wrapping serdes without an inner one goes around the JSON that *text_of* writes.

    Raises
    ------
    SerDesError
        It can't be written.
    """
    text = write(value, bound(serdes, _Json(text_of)), SerDesContext(RESULT, execution_arn))
    if text is None:
        return "null"
    return json.dumps(text) if isinstance(serdes, WrappingSerDes) and not serdes.portable else text


@frozen
class _Json:
    """The JSON of handlers' results, as a format."""

    text_of: Callable[[object], str]

    def serialize(self, value: object, context: SerDesContext) -> str:  # noqa: ARG002 - the protocol's signature
        return self.text_of(value)

    def deserialize(self, text: str, context: SerDesContext) -> Any:
        return PlainJson().deserialize(text, context)


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
