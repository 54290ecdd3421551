"""What a host keeps and starts from, as JSON text."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import Generic, TypeVar

from pydantic import TypeAdapter
from pydantic import ValidationError as PydanticValidationError

from powertools_durable.errors import ValidationError
from powertools_durable.parser.unfit import places

__all__ = ["Stored", "check_execution_name", "input_text"]

T = TypeVar("T")

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

    def write(self, value: T) -> str:
        """Return *value* as text."""
        return self._adapter.dump_json(value, exclude_none=True).decode()

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
        Anything JSON has, a pydantic model or a dataclass; None is no input.
    role : str
        What to call it in an error.

    Raises
    ------
    ValidationError
        *event* has no JSON.
    """
    if event is None:
        return None
    dump = getattr(event, "model_dump_json", None)
    if dump is not None:
        return str(dump(by_alias=True))
    if dataclasses.is_dataclass(event) and not isinstance(event, type):
        event = dataclasses.asdict(event)
    try:
        return json.dumps(event)
    except (TypeError, ValueError) as error:
        message = f"{role} has no JSON: {error}"
        raise ValidationError(message) from None


def check_execution_name(name: str) -> str:
    """Return *name* if it can name an execution (protocol.md 18.3).

    Raises
    ------
    ValidationError
        It is not 1 to 64 letters, digits, hyphens or underscores.
    """
    if not _NAME.fullmatch(name):
        message = f"{name!r} can't name an execution: 1 to 64 letters, digits, hyphens or underscores"
        raise ValidationError(message)
    return name
