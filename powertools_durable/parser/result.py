"""The handler's result as JSON text (protocol.md 3.1, powertools.md 4.5)."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from pydantic import BaseModel, TypeAdapter
from pydantic import ValidationError as PydanticValidationError
from pydantic_core import to_jsonable_python

from powertools_durable.errors import SerDesError
from powertools_durable.parser.annotations import adapter_of, is_plain, name_of
from powertools_durable.parser.unfit import places

__all__ = ["ResultWriter"]


class ResultWriter:
    """Writes what a handler returns.

    Parameters
    ----------
    output : type | TypeAdapter
        What the handler returns. ``Any``, ``dict`` and the like: plain JSON as `json.dumps` writes it, in which
        models, dataclasses, UUIDs, decimals, moments and enums may stand. Anything else: validated and written by
        pydantic, under aliases, so that the same type reads it back.

    Raises
    ------
    DurableConfigError
        Pydantic can't build a schema for *output*.
    """

    __slots__ = ("_write", "name")

    def __init__(self, output: Any = Any) -> None:
        self.name = name_of(output)
        self._write = _plain if is_plain(output) else _typed(adapter_of(output, "the output"))

    def write(self, value: object) -> str:
        """Write *value*.

        Parameters
        ----------
        value : object
            What the handler returned.

        Returns
        -------
        str
            JSON text; ``null`` for None.

        Raises
        ------
        SerDesError
            The value does not fit the annotation or is not JSON. The message names types and places, no values.
        """
        # Raised outside the except blocks: pydantic's own error holds the value.
        try:
            return self._write(value)
        except PydanticValidationError as error:
            reason = f"does not fit {self.name}: {places(error)}"
        except _NotJsonError as error:
            reason = str(error)
        except RecursionError:
            reason = "is nested too deeply, or contains itself"
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 - a user's serializer may raise anything
            reason = f"can't be written as {self.name}: {type(error).__name__} in one of its fields or serializers"
        raise SerDesError(f"the handler's result {reason}")


class _NotJsonError(Exception):
    pass


def _typed(adapter: TypeAdapter[Any]) -> Callable[[object], str]:
    def write(value: object) -> str:
        # Unexpected values are errors: as warnings they would be printed, value and all.
        return adapter.dump_json(adapter.validate_python(value), by_alias=True, warnings="error").decode()

    return write


def _plain(value: object) -> str:
    try:
        return json.dumps(value, default=_encoded, allow_nan=False)
    except TypeError as error:  # a key that is no text
        raise _NotJsonError(f"is not JSON: {error}") from None
    except ValueError as error:
        if isinstance(error, PydanticValidationError) or type(error) is not ValueError:
            raise
        raise _NotJsonError(f"is not JSON: {error}") from None


_ENCODED = (BaseModel, UUID, Decimal, date, time, timedelta, Enum, set, frozenset)


def _encoded(value: Any) -> Any:
    if isinstance(value, _ENCODED) or (dataclasses.is_dataclass(value) and not isinstance(value, type)):
        # Non-finite numbers stay what they are, so that `json.dumps` refuses them here as everywhere.
        return to_jsonable_python(value, by_alias=True, inf_nan_mode="constants")
    cls = type(value)
    raise _NotJsonError(
        f"holds a {cls.__module__}.{cls.__qualname__}, which is not JSON. Annotate the handler's return type with a "
        "type that pydantic knows, or return plain data"
    )
