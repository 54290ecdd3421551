"""A serdes around another one: the inner one makes text of a value, the outer one changes the text."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar, Never, Self

from powertools_durable.errors import ValidationError
from powertools_durable.serdes.base import SerDes, SerDesContext, prove, read, write
from powertools_durable.serdes.chain import ChainLayer, check_order
from powertools_durable.serdes.tagged import AnnotatedTaggedJson, TaggedJson

__all__ = ["WrappingSerDes", "as_read", "bound", "for_payload", "in_place_of", "innermost_of", "refuse_for_answer"]

_TAGGED = AnnotatedTaggedJson()


class WrappingSerDes(ABC):
    """What the serdes that mask, compress, encrypt and store have in common.

    Parameters
    ----------
    inner : SerDes | None
        Writes and reads the value; None is the format that ``returns`` or the annotation of the function asks for.

    Raises
    ------
    DurableConfigError
        *inner* can't be inside this one (`chain.check_order`).
    """

    layer: ClassVar[ChainLayer | None] = None
    """What it does to the text; None can be anywhere in a chain."""

    portable: ClassVar[bool] = False
    """Whether others than this execution can read its text."""

    is_remote: ClassVar[bool] = False
    is_read_back: ClassVar[bool] = False

    def __init__(self, inner: SerDes[Any] | None = None) -> None:
        self.inner = inner
        inside = self.links()
        next(inside)
        check_order(type(self).__name__, self.layer, ((type(each).__name__, each.layer) for each in inside))

    def links(self) -> Iterator[WrappingSerDes]:
        """Yield this serdes and those inside it that wrap others, the outermost first."""
        link: SerDes[Any] | None = self
        while isinstance(link, WrappingSerDes):
            yield link
            link = link.inner

    @property
    def uses_network(self) -> bool:
        """Whether writing or reading may wait for another machine, so it must not block an event loop."""
        return any(link.is_remote for link in self.links())

    @property
    def reads_back(self) -> bool:
        """Whether a value is read from its record at once after it was recorded, to show that it can be."""
        return any(link.is_read_back for link in self.links())

    @property
    def innermost(self) -> SerDes[Any] | None:
        """The serdes that meets the value; None when it is still to be chosen."""
        return self.inner.innermost if isinstance(self.inner, WrappingSerDes) else self.inner

    def around(self, innermost: SerDes[Any]) -> Self:
        """Return the same wrapping around another innermost serdes."""
        made = copy.copy(self)
        made.inner = self.inner.around(innermost) if isinstance(self.inner, WrappingSerDes) else innermost
        return made

    def around_batch(self, batch: SerDes[Any]) -> SerDes[Any]:
        """Return how the record of a whole fan-out is written, when its branches' results are written by this."""
        made = copy.copy(self)
        made.inner = self.inner.around_batch(batch) if isinstance(self.inner, WrappingSerDes) else batch
        return made

    @abstractmethod
    def wrap(self, text: str, context: SerDesContext) -> str:
        """Return what is recorded in place of *text*."""

    @abstractmethod
    def unwrap(self, text: str, context: SerDesContext) -> str:
        """Return what `wrap` was given."""

    def wrap_value(self, value: Any, text: str, context: SerDesContext) -> str:  # noqa: ARG002 - for whom it helps
        """Return what is recorded in place of *text*, which the inner serdes wrote of *value*."""
        return self.wrap(text, context)

    @property
    def _format(self) -> SerDes[Any]:
        return self.inner or _TAGGED

    def serialize(self, value: object, context: SerDesContext) -> str | None:
        """Write *value*."""
        text = write(value, self._format, context)
        return None if text is None else self.wrap_value(value, text, context)

    if TYPE_CHECKING:

        def deserialize(self, text: str, context: SerDesContext) -> Never:
            """For a type checker: a serdes for values of every type, so an operation keeps the type of its own."""
            raise NotImplementedError

    else:

        def deserialize(self, text: str, context: SerDesContext) -> Any:
            """Read what `serialize` wrote."""
            return read(self.unwrap(text, context), self._format, context)

    @property
    def requires_text(self) -> bool:
        """True when the inner serdes writes text for every value."""
        return getattr(self._format, "requires_text", False)

    def text_in(self, text: str, context: SerDesContext) -> str:
        """Return the text that the innermost serdes wrote, of the recorded *text*."""
        for link in self.links():
            text = link.unwrap(text, context)
        return text

    def as_read(self, value: Any, context: SerDesContext, *, promised: bool = True) -> Any:
        """Return *value* as every replay will see it, without encrypting or storing it."""
        return as_read(value, self._format, context, promised=promised)

    def proven(self, value: Any, context: SerDesContext, *, promised: bool = True) -> tuple[str | None, Any]:
        """Write *value* and return it as every replay will see it: what the inner serdes proves, wrapped.

        What is wrapped is not unwrapped again: ciphertext differs from call to call, and each call may cost.
        """
        text, seen = prove(value, self._format, context, promised=promised)
        return None if text is None else self.wrap_value(value, text, context), seen


def bound(serdes: SerDes[Any], asked: SerDes[Any]) -> SerDes[Any]:
    """Return *serdes*; a wrapping one that has no inner one yet, around the format *asked* for."""
    return serdes.around(asked) if isinstance(serdes, WrappingSerDes) and serdes.innermost is None else serdes


def in_place_of(asked: SerDes[Any], instead: SerDes[Any] | None) -> SerDes[Any]:
    """Return what the decorator's serdes makes of the format *asked* for.

    A wrapping one wraps every format: what is encrypted must not depend on an annotation. Any other takes the
    place of the tagged format only.
    """
    if instead is None:
        return asked
    if isinstance(instead, WrappingSerDes):
        return bound(instead, asked) if isinstance(asked, TaggedJson) else instead.around(asked)
    return instead if isinstance(asked, TaggedJson) else asked


def for_payload(serdes: SerDes[Any], asked: SerDes[Any]) -> SerDes[Any]:
    """Return how an event is written for another function.

    Raises
    ------
    ValidationError
        The other function could not read it.
    """
    if isinstance(serdes, WrappingSerDes) and not serdes.portable:
        message = (
            f"{type(serdes).__name__} writes for this execution only: no other function can read it. Leave out "
            "payload_serdes, or encrypt the payload in the handler with a key that both sides have"
        )
        raise ValidationError(message)
    return bound(serdes, asked)


def as_read(value: Any, serdes: SerDes[Any], context: SerDesContext, *, promised: bool = True) -> Any:
    """Return *value* as every replay will see it, for a place that records nothing; see `prove`."""
    if isinstance(serdes, WrappingSerDes):
        return serdes.as_read(value, context, promised=promised)
    return prove(value, serdes, context, promised=promised)[1]


def innermost_of(serdes: SerDes[Any]) -> SerDes[Any]:
    """Return what meets the value: *serdes* itself, unless it wraps another."""
    return (serdes.innermost or _TAGGED) if isinstance(serdes, WrappingSerDes) else serdes


def refuse_for_answer(serdes: SerDes[Any] | None) -> None:
    """Refuse to read by a wrapping serdes what others write (docs/reliability.md#security-list, item 4).

    Raises
    ------
    ValidationError
        It is one.
    """
    if isinstance(serdes, WrappingSerDes):
        message = (
            f"{type(serdes).__name__} reads only what this execution wrote, and an answer comes from outside. Leave "
            "out serdes= here; give it to @durable(serdes=...) to cover what the execution records of the answer"
        )
        raise ValidationError(message)
