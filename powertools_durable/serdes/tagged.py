"""The default format, bit-exact with the official SDK's (protocol.md 15).

None, texts, numbers, booleans and lists of nothing else are plain JSON. Everything else is an envelope
``{"t": tag, "v": value}``, and inside an envelope every element is one, primitives too. Tags of one letter, and
two others, are the official SDK's, so its histories replay here; tags that begin with ``x`` are our own.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable
from dataclasses import dataclass, is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from json.scanner import make_scanner
from typing import Any, cast
from uuid import UUID

from powertools_durable.batch import BatchResult, from_mapping, to_mapping
from powertools_durable.errors import SerDesError
from powertools_durable.serdes.base import SerDesContext

__all__ = ["TaggedJson"]

_PRIMITIVE = frozenset({str, int, bool, type(None)})
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class TaggedJson:
    """Keeps the type of what Python has built in, and refuses what it would lose.

    Models, dataclasses and enums are not written here: a function that returns one says so by its annotation.
    """

    def keeps(self, value: object) -> bool:
        """True for values that need no proof: exactly an integer, a boolean, None, or a text of ASCII.

        Two surrogates side by side read back as the one character they stand for.
        """
        return type(value) in _PRIMITIVE and (type(value) is not str or value.isascii())

    def serialize(self, value: Any, context: SerDesContext) -> str:  # noqa: ARG002 - the protocol's signature
        """Write *value*.

        Raises
        ------
        SerDesError
            Something in it has no tag.
        """
        try:
            if type(value) in _PRIMITIVE:
                return json.dumps(value)
            data = value if _is_plain(value) else _envelope(value)
            return json.dumps(data, separators=(",", ":"))
        except RecursionError:
            message = "a value is nested too deeply, or contains itself"
        except ValueError:
            message = "a value contains a number with more digits than Python converts"
        raise SerDesError(message)

    def deserialize(self, text: str, context: SerDesContext) -> Any:  # noqa: ARG002
        """Read what `serialize`, or the official SDK, wrote.

        Raises
        ------
        SerDesError
            The text is not in this format.
        """
        try:
            data = _loads(text)
            return _decode(data) if isinstance(data, dict) else _plain(data)
        except RecursionError:
            message = "a recorded value is nested too deeply"
        except json.JSONDecodeError as error:
            message = f"a recorded value is no JSON, from position {error.pos} on"
        except (ValueError, TypeError, ArithmeticError, AttributeError, KeyError) as error:
            message = f"a recorded value is not in the tagged format: {type(error).__name__}"
        raise SerDesError(message)


# -- writing --------------------------------------------------------------------------------------------------


def _is_plain(value: object) -> bool:
    if type(value) in _PRIMITIVE:
        return True
    if isinstance(value, Enum):
        return False
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, list):
        return all(map(_is_plain, value))
    return isinstance(value, (str, int))  # of a subclass: written as its base


def _envelope(value: Any) -> dict[str, Any]:
    write = _WRITERS.get(type(value))
    if write is None:
        write = _writer_for(value)
    tag, body = write(value)
    return {"t": tag, "v": body}


def _writer_for(value: object) -> Callable[[Any], tuple[str, Any]]:
    """Find the writer of a subclass; an enum's member is more than its value, so it has none."""
    if not isinstance(value, Enum):
        for cls in type(value).__mro__[1:]:
            if cls in _WRITERS:
                return _WRITERS[cls]
    cls, name = type(value), type(value).__qualname__
    if isinstance(value, Enum) or is_dataclass(cls) or hasattr(cls, "__pydantic_core_schema__"):
        remedy = (
            f"annotate the function's return type with it ('-> {name}', '-> list[{name}]'), by a name that is "
            "known when the program runs"
        )
    else:
        remedy = "return something simpler"
    message = f"a {name} can't be recorded by default; {remedy}, or give serdes="
    raise SerDesError(message)


def _float(value: float) -> tuple[str, Any]:
    return ("f", float(value)) if math.isfinite(value) else ("xe", repr(float(value)))


def _mapping(value: dict[Any, Any]) -> tuple[str, Any]:
    if all(isinstance(key, str) and not isinstance(key, Enum) for key in value):
        return "m", {str.__str__(key): _envelope(item) for key, item in value.items()}
    return "xk", [[_envelope(key), _envelope(item)] for key, item in value.items()]


def _time(value: time) -> tuple[str, Any]:
    if value.tzinfo is not None and value.utcoffset() is None:
        message = "a time of day in a zone with summer time has no offset to record; return a datetime"
        raise SerDesError(message)
    return "xt", value.isoformat()


def _set_of(tag: str) -> Callable[[Any], tuple[str, Any]]:
    def write(value: set[Any]) -> tuple[str, Any]:
        # Sets have no order that lasts; the encoded text has one.
        return tag, sorted(map(_envelope, value), key=lambda item: json.dumps(item, sort_keys=True))

    return write


_WRITERS: dict[type, Callable[[Any], tuple[str, Any]]] = {
    type(None): lambda value: ("n", value),
    bool: lambda value: ("b", bool(value)),
    str: lambda value: ("s", str.__str__(value)),
    int: lambda value: ("i", int(value)),
    float: _float,
    bytes: lambda value: ("B", base64.b64encode(value).decode()),
    bytearray: lambda value: ("B", base64.b64encode(value).decode()),
    memoryview: lambda value: ("B", base64.b64encode(bytes(value)).decode()),  # it may have gaps
    UUID: lambda value: ("u", str(value)),
    Decimal: lambda value: ("d", str(value)),
    datetime: lambda value: ("dt", value.isoformat()),
    date: lambda value: ("D", value.isoformat()),
    tuple: lambda value: ("t", [_envelope(item) for item in value]),
    list: lambda value: ("l", [_envelope(item) for item in value]),
    dict: _mapping,
    set: _set_of("xs"),
    frozenset: _set_of("xfs"),
    time: _time,
    timedelta: lambda value: ("xtd", value // _MICROSECOND),
    BatchResult: lambda value: ("br", {key: _envelope(part) for key, part in to_mapping(value).items()}),
}


# -- reading --------------------------------------------------------------------------------------------------


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        message = "a recorded value has a key twice"
        raise SerDesError(message)
    return found


_DECODER = json.JSONDecoder(object_pairs_hook=_unique)
_scan: Callable[[str, int], tuple[Any, int]] = make_scanner(cast("Any", _DECODER))  # it asks for any decoder


def _loads(text: str) -> Any:
    """Read JSON as `json.loads` would, which makes a decoder each time and looks for white space."""
    try:
        data, end = _scan(text, 0)
    except StopIteration:
        end = -1
    return data if end == len(text) else _DECODER.decode(text)


def _plain(data: Any) -> Any:
    if isinstance(data, dict):
        message = "a recorded list holds an object without an envelope"
        raise SerDesError(message)
    if isinstance(data, list):
        for item in data:
            if isinstance(item, (dict, list)):
                _plain(item)
    return data


def _decode(data: Any) -> Any:
    try:
        tag, body = data["t"], data["v"]
        reader = _READERS[tag]
    except (KeyError, TypeError):
        message = "a recorded value has no envelope, or one with a tag that this version does not know"
        raise SerDesError(message) from None
    if len(data) != 2:
        message = "a recorded envelope has more than its tag and its value"
        raise SerDesError(message)
    return reader(body)


def _exactly(*kinds: type) -> Callable[[Any], Any]:
    def read(body: Any) -> Any:
        if type(body) not in kinds:
            message = f"expected {kinds[0].__name__}"
            raise TypeError(message)
        return body

    return read


def _listed(body: Any) -> list[Any]:
    if type(body) is not list:
        message = "expected a list"
        raise TypeError(message)
    return [_decode(item) for item in body]


_READERS: dict[str, Callable[[Any], Any]] = {
    "n": _exactly(type(None)),
    "s": _exactly(str),
    "i": _exactly(int),
    "f": lambda body: float(_exactly(float, int)(body)),
    "b": _exactly(bool),
    "B": lambda body: base64.b64decode(body, validate=True),
    "u": UUID,
    "d": lambda body: Decimal(_exactly(str)(body)),
    "dt": datetime.fromisoformat,
    "D": date.fromisoformat,
    "t": lambda body: tuple(_listed(body)),
    "l": _listed,
    "m": lambda body: {key: _decode(item) for key, item in body.items()},
    "br": lambda body: from_mapping({key: _decode(part) for key, part in body.items()}),
    "xk": lambda body: {_decode(key): _decode(item) for key, item in body},
    "xs": lambda body: set(_listed(body)),
    "xfs": lambda body: frozenset(_listed(body)),
    "xt": time.fromisoformat,
    "xtd": lambda body: timedelta(microseconds=_exactly(int)(body)),
    "xe": lambda body: float(_exactly(str)(body)),
}
