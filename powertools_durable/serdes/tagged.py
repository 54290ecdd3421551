"""The default format, bit-exact with the official SDK's (docs/contributing/protocol.md#text-formats).

None, texts, numbers, booleans and lists of nothing else are plain JSON. Everything else is an envelope
``{"t": tag, "v": value}``, and inside an envelope every element is one, primitives too. Tags of one letter, and
two others, are the official SDK's, so its histories replay here; tags that begin with ``x`` are our own.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import time, timedelta
from decimal import Decimal
from json.scanner import make_scanner
from typing import Any, ClassVar, cast
from uuid import UUID

from powertools_durable._frozen import frozen
from powertools_durable._protocol.genuine import GENUINE
from powertools_durable.batch import from_mapping
from powertools_durable.errors import SerDesError
from powertools_durable.serdes.base import SerDesContext
from powertools_durable.serdes.exact import MOST_PLAIN, exact_text, is_plain
from powertools_durable.serdes.promises import classes_of, fits, named
from powertools_durable.serdes.tagging import TooDeepError, UnwritableError, depth_refusal, refusal, tagged_text

__all__ = ["AnnotatedTaggedJson", "TaggedJson"]

_PRIMITIVE = frozenset({str, int, bool, type(None)})


@frozen
class TaggedJson:
    """Keeps the type of what Python has built in, and refuses what it would lose.

    Models, dataclasses and enums are not written here: a function that returns one says so by its annotation.
    """

    def keeps(self, value: object) -> bool:
        """True for values that need no proof: exactly an integer, a boolean, None, or a text of ASCII."""
        return type(value) in _PRIMITIVE and (type(value) is not str or value.isascii())

    def exact_text(self, value: object) -> str | None:
        """Write *value* if each part of it is exactly of a type that comes back equal; None says nothing about it."""
        return exact_text(value)

    strict: ClassVar = False

    def serialize(self, value: Any, context: SerDesContext) -> str:  # noqa: ARG002 - the protocol's signature
        """Write *value*.

        Raises
        ------
        SerDesError
            Something in it has no tag, or lies deeper than 300 containers; a list of nothing but plain values and
            lists may have 480.
        """
        if (text := exact_text(value)) is not None:
            return text
        try:
            if is_plain(value, MOST_PLAIN):
                return json.dumps(value, separators=(",", ":"))
            return tagged_text(value, strict=self.strict)
        except UnwritableError:
            message = refusal(value)
        except (TooDeepError, RecursionError):
            message = depth_refusal(value)
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
            return data[0] if type(data) is tuple else _plain(data)
        except RecursionError:
            message = "a recorded value is nested too deeply"
        except json.JSONDecodeError as error:
            message = f"a recorded value is no JSON, from position {error.pos} on"
        except (ValueError, TypeError, ArithmeticError, AttributeError, KeyError) as error:
            message = f"a recorded value is not in the tagged format: {type(error).__name__}"
        raise SerDesError(message)


class AnnotatedTaggedJson(TaggedJson):
    """The tagged format where the library chose it: what is written is proven, and must fit the annotation.

    Parameters
    ----------
    annotation : object
        What the function is annotated to return; ``Any`` when it is not.
    """

    __slots__ = ("_annotation", "promise")

    compares: ClassVar = True
    strict: ClassVar = True
    _annotation: Any
    promise: Callable[[object], bool] | None  # tells whether a value is what the annotation says; None for any is

    __eq__ = object.__eq__  # the base class has no fields, and would take all of these for one
    __hash__ = object.__hash__

    def __init__(self, annotation: Any = Any) -> None:
        # A `TaggedJson` is frozen.
        object.__setattr__(self, "_annotation", annotation)
        classes = classes_of(annotation)
        object.__setattr__(self, "promise", None if classes is None else lambda value: fits(value, classes))

    @property
    def annotation_name(self) -> str:
        """The annotation, for messages."""
        return named(self._annotation)


# -- reading --------------------------------------------------------------------------------------------------

# Envelopes are read from the inside out, as the scanner meets them. What an envelope holds travels in a tuple of
# one, which JSON has none of, until the value around it takes it out: so nothing passes without an envelope.


def _object(pairs: list[tuple[str, Any]]) -> tuple[Any] | dict[str, Any]:
    """Read an envelope; or the body of one, whose values were read before."""
    if len(pairs) == 2:
        (first, tag), (second, body) = pairs
        if first == "v" and second == "t":
            tag, body = body, tag
        elif first != "t" or second != "v":
            tag = None
        if type(tag) is str:
            if type(body) is _LEAVES.get(tag):  # as it is
                return (body,)
            reader = _READERS.get(tag)
            if reader is None:
                raise _not_enveloped()
            return (reader(body),)
    shared = _KEYS.get
    found = {shared(key) or _share(key): part[0] for key, part in pairs if type(part) is tuple}
    if len(found) != len(pairs):
        raise _broken(pairs)
    return found


# Each record brings its keys anew, and most bring the same ones: a long history would hold a thousand copies.
_KEYS: dict[str, str] = {}
_MOST_KEYS = 1024


def _share(key: str) -> str:
    if len(_KEYS) < _MOST_KEYS:
        _KEYS[key] = key
    return key


def _broken(pairs: list[tuple[str, Any]]) -> SerDesError:
    keys = {key for key, _ in pairs}
    if len(keys) != len(pairs):
        return SerDesError("a recorded value has a key twice")
    if keys > {"t", "v"}:
        return SerDesError("a recorded envelope has more than its tag and its value")
    return _not_enveloped()


def _not_enveloped() -> SerDesError:
    return SerDesError("a recorded value has no envelope, or one with a tag that this version does not know")


_DECODER = json.JSONDecoder(object_pairs_hook=_object)
_scan: Callable[[str, int], tuple[Any, int]] = make_scanner(cast("Any", _DECODER))  # it asks for any decoder


def _loads(text: str) -> Any:
    """Read JSON as `json.loads` would, which makes a decoder each time and looks for white space."""
    try:
        data, end = _scan(text, 0)
    except StopIteration:
        end = -1
    except RecursionError:
        from powertools_durable.serdes import deep  # nearly nobody needs it

        return deep.decode(text, _object)
    return data if end == len(text) else _DECODER.decode(text)


def _plain(data: Any) -> Any:
    if isinstance(data, dict):
        raise _not_enveloped()
    if isinstance(data, list):
        for item in data:
            if isinstance(item, (dict, tuple)):
                message = "a recorded list holds an object without an envelope"
                raise SerDesError(message)
            if isinstance(item, list):
                _plain(item)
    return data


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
    found = [part[0] for part in body if type(part) is tuple]
    if len(found) != len(body):
        raise _not_enveloped()
    return found


def _mapped(body: Any) -> dict[str, Any]:
    if type(body) is not dict:
        message = "expected an object"
        raise TypeError(message)
    return body


def _paired(body: Any) -> dict[Any, Any]:
    if any(type(pair) is not list for pair in body):
        raise _not_enveloped()
    return dict(map(_listed, body))


_LEAVES: dict[str, type] = {"n": type(None), "s": str, "i": int, "f": float, "b": bool}
_READERS: dict[str, Callable[[Any], Any]] = {
    "n": _exactly(type(None)),
    "s": _exactly(str),
    "i": _exactly(int),
    "f": lambda body: float(_exactly(float, int)(body)),
    "b": _exactly(bool),
    "B": lambda body: base64.b64decode(body, validate=True),
    "u": UUID,
    "d": lambda body: Decimal(_exactly(str)(body)),
    "dt": GENUINE.datetime.fromisoformat,
    "D": GENUINE.date.fromisoformat,
    "t": lambda body: tuple(_listed(body)),
    "l": _listed,
    "m": _mapped,
    "br": lambda body: from_mapping(_mapped(body)),
    "xk": _paired,
    "xs": lambda body: set(_listed(body)),
    "xfs": lambda body: frozenset(_listed(body)),
    "xt": time.fromisoformat,
    "xtd": lambda body: timedelta(microseconds=_exactly(int)(body)),
    "xe": lambda body: float(_exactly(str)(body)),
}
