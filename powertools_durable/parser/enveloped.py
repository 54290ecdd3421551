"""Payloads inside a Powertools envelope: what each record should be, and which one does not fit.

An envelope of messages makes a list. There a handler's annotation says what the handler gets, ``list[Order]``, while
the envelope asks for the type of one record.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable, MutableSequence, Sequence
from contextlib import suppress
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from powertools_durable.errors import DurableConfigError
from powertools_durable.parser.annotations import adapter_of, name_of

__all__ = ["MisfitError", "items_of", "opener"]

_MANY = (list, tuple, Sequence, MutableSequence, Collection, Iterable)

_BARE_TUPLES = {"<class 'tuple'>", "typing.Tuple"}


class MisfitError(Exception):
    """Why an input was refused, and where: *envelope*, and the number of the *record*, from 0, if that is known."""

    def __init__(self, reason: Exception, envelope: str, record: int | None) -> None:
        super().__init__(envelope)
        self.reason = reason
        self.envelope = envelope
        self.record = record


def items_of(annotation: Any, envelope: Any) -> tuple[Any, Any]:
    """Return what each record of *envelope* should be, when the handler gets what *annotation* says.

    Parameters
    ----------
    annotation : type
        Of the handler's first parameter.
    envelope : type | None
        Powertools' envelope class, or one like it.

    Returns
    -------
    tuple[Any, Any]
        The type of one record, and what is to be made of their list; None where the list stays what it is.

    Raises
    ------
    DurableConfigError
        *annotation* is a tuple of so many parts, and the envelope makes a list of as many records as there are.
    """
    makes = _makes(envelope)
    bare = get_args(annotation)[0] if get_origin(annotation) is Annotated else _without_none(annotation)
    kind, parts = get_origin(bare) or bare, get_args(bare)
    if not makes.startswith("list") or kind not in _MANY:
        return annotation, None
    if kind is tuple and parts[1:] != (...,) and repr(bare) not in _BARE_TUPLES:
        each = " | ".join(dict.fromkeys(map(name_of, parts))) or "Order"
        raise DurableConfigError(
            f"a tuple of {len(parts)} can't be what {name_of(envelope)} makes, which is a list of as many records as "
            f"come: annotate the handler's first parameter list[{each}], or list[tuple[...]] if each record is a tuple"
        )
    item = parts[0] if parts else Any
    if makes.startswith("list[dict[") and get_origin(item) is dict and len(get_args(item)) == 2:
        item = get_args(item)[1]  # a DynamoDB stream: two images a record, by name; one that is missing is None
        return _without_none(item), None
    return item, annotation if kind is tuple or get_origin(annotation) is Annotated else None


def _without_none(annotation: Any) -> Any:
    """Return ``T`` for ``T | None``, and anything else as it is."""
    rest = [part for part in get_args(annotation) if part is not type(None)]
    return rest[0] if len(rest) == 1 and get_origin(annotation) in {Union, UnionType} else annotation


def _makes(envelope: Any) -> str:
    """Return the annotation of what *envelope* makes, as text: ``list[T | None]``."""
    parse = getattr(envelope, "parse", None)
    found = getattr(inspect.unwrap(parse) if callable(parse) else None, "__annotations__", {}).get("return", "")
    return found if isinstance(found, str) else repr(found).replace("typing.", "").lower()


def opener(envelope: Any, model: Any, whole: Any = None) -> Callable[[Any], Any]:
    """Return what opens *envelope* and validates what is inside.

    Parameters
    ----------
    envelope : type
        Powertools' envelope class, or one like it.
    model : type | TypeAdapter
        Of one record.
    whole : type | None
        What the list of records is made into at the end.

    Returns
    -------
    Callable
        Takes loaded JSON; raises `MisfitError`.

    Raises
    ------
    DurableConfigError
        *envelope* or *model* can't be used.
    """
    name = name_of(envelope)
    if getattr(envelope, "reads_durable_events", False):
        raise DurableConfigError(
            f"envelope={name} reads whole durable events; @durable has opened the event already: give "
            "the plain envelope, such as SqsEnvelope"
        )
    if not callable(getattr(envelope, "parse", None)) or not isinstance(envelope, type):
        raise DurableConfigError(f"envelope={name} is no envelope class of Powertools' parser")
    adapter = adapter_of(model, "the model")
    # Powertools caches adapters by identity: a class or our one adapter is one entry, a fresh alias is one per call.
    inner = model if isinstance(model, type) else adapter
    container = None if whole is None else adapter_of(whole, "the model")
    makes = _makes(envelope)
    calls_a_record = 2 if makes.startswith("list[dict[") else 1
    try:
        envelope()
    except Exception as error:
        raise DurableConfigError(f"envelope={name} can't be made without arguments: {error}") from error

    def open_and_validate(data: Any) -> Any:
        opened = envelope()
        validated = _count_calls(opened)
        failure: MisfitError
        try:
            records = opened.parse(data, inner)
            return records if container is None else container.validate_python(records)
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 - envelopes and validators may raise anything
            inside = makes.startswith("list") and validated and not validated[-1]
            failure = MisfitError(error, name, (len(validated) - 1) // calls_a_record if inside else None)
        raise failure

    return open_and_validate


def _count_calls(opened: Any) -> list[bool]:
    """Have an envelope note each part that it validates: whether that fitted."""
    calls: list[bool] = []
    parse = getattr(opened, "_parse", None)
    if parse is None:
        return calls

    def counting(*args: Any, **named: Any) -> Any:
        calls.append(False)
        result = parse(*args, **named)
        calls[-1] = True
        return result

    with suppress(AttributeError):  # of one with slots; then the record is not named
        opened._parse = counting  # noqa: SLF001 - the method that Powertools tells envelopes to call for each part
    return calls
