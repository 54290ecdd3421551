"""What turns a value into text and back, and the two ways in which the engine uses it."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from typing import Any, Never, Protocol, TypeVar

from powertools_durable._frozen import frozen
from powertools_durable.errors import RetryableSerDesError, RetryInvocation, SerDesError
from powertools_durable.errors.wording import class_name

__all__ = ["PassThrough", "PlainJson", "SerDes", "SerDesContext", "UnkeptError", "is_equal", "prove", "read", "write"]

T = TypeVar("T")


@frozen
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


@frozen
class PassThrough:
    """Text as it is: what callbacks are answered with, unless something else is asked for."""

    def serialize(self, value: str, context: SerDesContext) -> str:  # noqa: ARG002 - the protocol's signature
        """Return *value*, which must be text."""
        return value

    def deserialize(self, text: str, context: SerDesContext) -> str:  # noqa: ARG002
        """Return *text*."""
        return text


@frozen
class PlainJson:
    """JSON as everybody writes it: what goes to, and comes from, other functions."""

    def serialize(self, value: Any, context: SerDesContext) -> str:  # noqa: ARG002
        """Write *value* as JSON; NaN and infinities have none."""
        return json.dumps(value, allow_nan=False)

    def deserialize(self, text: str, context: SerDesContext) -> Any:  # noqa: ARG002
        """Read JSON; Python's own words for NaN and infinities are none (docs/reliability.md#security-list, item 3)."""
        return _STRICT.decode(text)


def _no_constant(name: str) -> Never:
    message = f"a recorded value holds {name}, which is no JSON: have its sender send null, or text"
    raise SerDesError(message)


_STRICT = json.JSONDecoder(parse_constant=_no_constant)


class UnkeptError(SerDesError):
    """A value that no record can keep; `about` says of which operation, once that is known."""

    def __init__(self, tail: str) -> None:
        super().__init__(f"the function{tail}")
        self._tail = tail

    def about(self, subject: str) -> str:
        """Return the message with *subject* in front."""
        return f"{subject}{self._tail}"


def prove(
    value: Any,
    serdes: SerDes[Any],
    context: SerDesContext,
    *,
    promised: bool = True,
    apart_from: Callable[[Any], bool] | None = None,
) -> tuple[str | None, Any]:
    """Write *value*, and read it back as every replay will.

    Parameters
    ----------
    value : object
        What shall be recorded.
    serdes : SerDes
        How. One that the library chose says so by ``compares``; any other is trusted.
    context : SerDesContext
        Whose value it is.
    promised : bool
        It was returned by the function whose annotation chose the format, so it must fit that.
    apart_from : Callable | None
        Tells of a path (`serdes.paths`) whether what is there may be lost.

    Returns
    -------
    tuple[str | None, Any]
        The text, and what it reads back as.

    Raises
    ------
    SerDesError
        It does not fit the annotation, it can't be written or read, or, in a format of the library's choice, it reads
        back as something else. The message names the place and classes, never values.
    """
    proven = getattr(serdes, "proven", None)
    if proven is not None:  # a wrapping serdes: what is inside is proven, not what is around it
        return _proven_inside(value, serdes, context, promised=promised)
    promise = getattr(serdes, "promise", None)
    if promise is not None and promised and not promise(value):
        raise _broken(value, serdes)
    exact_text = getattr(serdes, "exact_text", None)
    exact: str | None = exact_text(value) if exact_text is not None else None
    text = exact if exact is not None else write(value, serdes, context)
    if text is None:
        return None, None
    keeps = getattr(serdes, "keeps", None)
    if keeps is not None and keeps(value):  # immutable, and nothing in it can change on the way
        return text, value
    if exact is not None or not getattr(serdes, "compares", False):
        return text, read(text, serdes, context)
    try:
        seen = read(text, serdes, context)
    except SerDesError as error:
        problem = str(error)
    else:
        if type(seen) is type(value) and getattr(serdes, "is_equal", is_equal)(value, seen):
            return text, seen
        from powertools_durable.serdes.difference import first_difference  # nearly nobody needs it

        found = first_difference(value, seen, lambda: _writes_as(text, seen, serdes, context), apart_from=apart_from)
        if found is None:
            return text, seen
        problem = found.described(getattr(serdes, "type_names", frozenset()))
    advice = getattr(serdes, "advice", "annotate the function's return type, or return something simpler")
    raise UnkeptError(f" returned what its record can't keep: {problem}; {advice}")


def is_equal(value: object, seen: object) -> bool:
    """Tell whether ``==`` says yes; when it raises or says anything else, it does not."""
    try:
        return (value == seen) is True
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - ``==`` may be the user's code, or run out of stack
        return False


def _writes_as(text: str, seen: object, serdes: SerDes[Any], context: SerDesContext) -> bool:
    try:
        return write(seen, serdes, context) == text
    except SerDesError:
        return False


def _broken(value: object, serdes: SerDes[Any]) -> SerDesError:
    _check_finished(value)
    annotation = getattr(serdes, "annotation_name", "")
    return UnkeptError(
        f" is annotated -> {annotation} but returned {class_name(value)}; return what the annotation says, or "
        "annotate what is returned"
    )


def _proven_inside(value: Any, serdes: Any, context: SerDesContext, *, promised: bool) -> tuple[str | None, Any]:
    try:
        found: tuple[str | None, Any] = serdes.proven(value, context, promised=promised)
    except (SerDesError, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001 - a preview may raise anything
        failure = f"{class_name(value)} can't be written by {_name_of(type(serdes))}: {type(error).__name__}"
    else:
        return found
    raise SerDesError(failure)


def read(text: str | None, serdes: SerDes[Any], context: SerDesContext) -> Any:
    """Read a recorded text; None reads back as None, unless *serdes* always writes text.

    Raises
    ------
    SerDesError
        The text is not what *serdes* writes.
    """
    if text is None:
        if getattr(serdes, "requires_text", False):
            message = "its record succeeded without a text, where there must be one"
            raise SerDesError(message)
        return None
    try:
        return serdes.deserialize(text, context)
    except (SerDesError, RetryInvocation, MemoryError):
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
    _check_finished(value)
    try:
        text: object = serdes.serialize(value, context)
    except (SerDesError, RetryableSerDesError, RetryInvocation, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001
        failure = f"{class_name(value)} can't be written by {_name_of(type(serdes))}: {type(error).__name__}"
    else:
        if text is None or isinstance(text, str):
            return text
        failure = f"{_name_of(type(serdes))}.serialize() returned {_name_of(type(text))}; it must return text or None"
    raise SerDesError(failure)


def _check_finished(value: object) -> None:
    if inspect.isgenerator(value) or inspect.iscoroutine(value) or inspect.isasyncgen(value):
        remedy = (
            "await it, or call asyncio.run() on it" if inspect.iscoroutine(value) else "return a list of what it yields"
        )
        message = f"{class_name(value)} can't be recorded: it is not a result yet; {remedy}"
        raise SerDesError(message)


def _name_of(cls: type) -> str:
    return cls.__qualname__
