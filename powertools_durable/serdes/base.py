"""What turns a value into text and back, and the two ways in which the engine uses it."""

from __future__ import annotations

import inspect
import json
from typing import Any, Never, Protocol, TypeVar

from powertools_durable._protocol.record import record
from powertools_durable.errors import RetryableSerDesError, SerDesError

__all__ = ["PassThrough", "PlainJson", "SerDes", "SerDesContext", "prove", "read", "write"]

T = TypeVar("T")


@record
class SerDesContext:
    """Whose value it is; a serdes that stores values elsewhere makes its keys of this."""

    operation_id: str
    execution_arn: str


class SerDes(Protocol[T]):
    """Turns values of one kind into text and back.

    Both methods may raise `SerDesError`, which fails the operation, or `RetryableSerDesError`, which asks for
    another invocation; anything else they raise is wrapped in `SerDesError`. A value that is written as None
    has no text and reads back as None without a call.
    """

    def serialize(self, value: T, context: SerDesContext) -> str | None:
        """Write *value* as text."""
        ...

    def deserialize(self, text: str, context: SerDesContext) -> T:
        """Read *text*, which `serialize` wrote."""
        ...


@record
class PassThrough:
    """Text as it is: what callbacks are answered with, unless something else is asked for."""

    def serialize(self, value: str, context: SerDesContext) -> str:  # noqa: ARG002 - the protocol's signature
        """Return *value*, which must be text."""
        return value

    def deserialize(self, text: str, context: SerDesContext) -> str:  # noqa: ARG002
        """Return *text*."""
        return text


@record
class PlainJson:
    """JSON as everybody writes it: what goes to, and comes from, other functions."""

    def serialize(self, value: Any, context: SerDesContext) -> str:  # noqa: ARG002
        """Write *value* as JSON; NaN and infinities have none."""
        return json.dumps(value, allow_nan=False)

    def deserialize(self, text: str, context: SerDesContext) -> Any:  # noqa: ARG002
        """Read JSON; Python's own words for NaN and infinities are none (reliability.md 5.3)."""
        return _STRICT.decode(text)


def _no_constant(name: str) -> Never:
    message = f"a recorded value holds {name}, which is no JSON: have its sender send null, or text"
    raise SerDesError(message)


_STRICT = json.JSONDecoder(parse_constant=_no_constant)


def prove(value: Any, serdes: SerDes[Any], context: SerDesContext) -> tuple[str | None, Any]:
    """Write *value*, and read it back as every replay will.

    Returns
    -------
    tuple[str | None, Any]
        The text, and what it reads back as.

    Raises
    ------
    SerDesError
        It can't be written or read, or, in a format of ours, reads back as something else: writing that again
        gives another text (api.md 11), or a user's class became another. The message names types, never values.
    """
    proven = getattr(serdes, "proven", None)
    if proven is not None:  # a wrapping serdes: what is inside is proven, not what is around it
        return _proven_inside(value, serdes, context)
    exact_text = getattr(serdes, "exact_text", None)
    exact: str | None = exact_text(value) if exact_text is not None else None
    text = exact if exact is not None else write(value, serdes, context)
    if text is None:
        return None, None
    ours = getattr(serdes, "keeps", None)
    if ours is not None and ours(value):  # immutable, and nothing in it can change on the way
        return text, value
    if ours is None or exact is not None:
        return text, read(text, serdes, context)
    try:
        seen = read(text, serdes, context)
    except SerDesError as error:
        problem = f": {error}"
    else:
        if write(seen, serdes, context) == text and not _loses(serdes, value, seen):
            return text, seen
        problem = "" if type(seen) is type(value) else f", but as a {_name_of(type(seen))}"
    advice = getattr(serdes, "advice", "annotate the function's return type, or return something simpler")
    message = f"a {_name_of(type(value))} does not read back as what it was{problem}; {advice}"
    raise SerDesError(message)


def _proven_inside(value: Any, serdes: Any, context: SerDesContext) -> tuple[str | None, Any]:
    try:
        found: tuple[str | None, Any] = serdes.proven(value, context)
    except (SerDesError, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001 - a preview may raise anything
        failure = f"a {_name_of(type(value))} can't be written by {_name_of(type(serdes))}: {type(error).__name__}"
    else:
        return found
    raise SerDesError(failure)


def _loses(serdes: SerDes[Any], value: Any, seen: Any) -> bool:
    loses = getattr(serdes, "loses", None)
    return loses is not None and bool(loses(value, seen))


def read(text: str | None, serdes: SerDes[Any], context: SerDesContext) -> Any:
    """Read a recorded text; None reads back as None.

    Raises
    ------
    SerDesError
        The text is not what *serdes* writes.
    """
    if text is None:
        return None
    try:
        return serdes.deserialize(text, context)
    except (SerDesError, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001 - a serdes may raise anything, and show anything in its words
        failure = f"a recorded value can't be read by {_name_of(type(serdes))}: {type(error).__name__}"
    raise SerDesError(failure)


def write(value: Any, serdes: SerDes[Any], context: SerDesContext) -> str | None:
    """Write *value* as text.

    Raises
    ------
    SerDesError
        It can't be written.
    """
    name = _name_of(type(value))
    if inspect.isgenerator(value) or inspect.iscoroutine(value) or inspect.isasyncgen(value):
        message = f"a {name} can't be recorded: it is not a result yet. Return list(...) of it, or await it"
        raise SerDesError(message)
    try:
        text: object = serdes.serialize(value, context)
    except (SerDesError, RetryableSerDesError, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001
        failure = f"a {name} can't be written by {_name_of(type(serdes))}: {type(error).__name__}"
    else:
        if text is None or isinstance(text, str):
            return text
        failure = f"{_name_of(type(serdes))}.serialize() returned {_name_of(type(text))}; it must return text or None"
    raise SerDesError(failure)


def _name_of(cls: type) -> str:
    return cls.__qualname__
