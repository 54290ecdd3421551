"""What a host keeps and starts from, as JSON text."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Generic, TypeVar

from pydantic import TypeAdapter
from pydantic import ValidationError as PydanticValidationError

from powertools_durable.errors import ValidationError
from powertools_durable.parser.validation_errors import places
from powertools_durable.parser.writing import JsonWriter, NotJsonError

__all__ = ["Stored", "check_execution_name", "input_text"]

T = TypeVar("T")

_REMEDY = "Give plain data, or a model that has a serializer for it"
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


class Stored(Generic[T]):
    """Writes a record as JSON text and reads it back equal.

    Parameters
    ----------
    cls : type
        A dataclass of `_protocol` or `_service`.
    """

    def __init__(self, cls: type[T]) -> None:
        self._cls = cls
        self._adapter = TypeAdapter(cls)

    def write(self, value: T, *, without: Iterable[str] = ()) -> str:
        """Return *value* as text; the fields *without* are kept elsewhere."""
        return self._adapter.dump_json(value, exclude_none=True, exclude=set(without)).decode()

    def read(self, text: str) -> T:
        """Return what `write` was given.

        Raises
        ------
        ValueError
            *text* is something else; the message does not show it.
        """
        problem = ""
        try:
            return self._adapter.validate_json(text)
        except PydanticValidationError as error:
            problem = places(error)
        message = f"no {self._cls.__name__}: {problem}"
        raise ValueError(message)


def input_text(event: object, role: str = "the event") -> str | None:
    """Return an execution's input as its service gets it.

    Parameters
    ----------
    event : object
        Anything JSON has; models, dataclasses, moments, decimals, UUIDs and enums may stand anywhere in it. None is no
        input.
    role : str
        What to call it in an error.

    Raises
    ------
    ValidationError
        *event* has no JSON.
    """
    if event is None:
        return None
    try:
        return JsonWriter(role.removeprefix("the "), _REMEDY).text(event)
    except NotJsonError as error:
        message = f"{role} has no JSON: {error}"
    raise ValidationError(message)


def check_execution_name(name: str) -> str:
    """Return *name* if it can name an execution (docs/contributing/protocol.md#starting-an-execution).

    Raises
    ------
    ValidationError
        It is not 1 to 64 letters, digits, hyphens or underscores.
    """
    if not _NAME.fullmatch(name):
        message = f"{name!r} can't name an execution: 1 to 64 letters, digits, hyphens or underscores"
        raise ValidationError(message)
    return name
