"""The handler's result as JSON text (docs/contributing/protocol.md#handler-result)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pydantic import TypeAdapter
from pydantic import ValidationError as PydanticValidationError
from pydantic_core import PydanticSerializationError

from powertools_durable.errors import SerDesError
from powertools_durable.errors.type_names import names_in
from powertools_durable.parser.annotations import adapter_of, is_plain, name_of
from powertools_durable.parser.validation_errors import places
from powertools_durable.parser.writing import RESULT, NotFiniteError, NotJsonError, has_twin_keys

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
        self._write = RESULT.text if is_plain(output) else _typed(adapter_of(output, "the output"))

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
        except NotJsonError as error:
            reason = f"is not JSON: {error}"
        except RecursionError:
            reason = "is nested too deeply, or contains itself"
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 - a user's serializer may raise anything
            reason = f"can't be written as {self.name}: {type(error).__name__} in one of its fields or serializers"
        raise SerDesError(f"the handler's result {reason}")


def _typed(adapter: TypeAdapter[Any]) -> Callable[[object], str]:
    def write(value: object) -> str:
        valid = adapter.validate_python(value)
        try:
            # Unexpected values are errors: as warnings they would be printed, value and all.
            text = adapter.dump_json(valid, by_alias=True, warnings="error")
        except PydanticSerializationError:
            problem = _problem_of(valid, adapter)
            if problem is None:
                raise
        else:
            # Pydantic writes NaN as null, which is another value, and one key twice.
            has_twins = has_twin_keys(adapter.dump_python(valid, by_alias=True, warnings=False))
            problem = _problem_of(valid, adapter) if has_twins or b"null" in text else None
            if problem is None or not (has_twins or isinstance(problem, NotFiniteError)):
                return text.decode()
        raise problem

    return write


def _problem_of(valid: object, adapter: TypeAdapter[Any]) -> NotJsonError | None:
    return replace(RESULT, names=names_in(adapter.core_schema)).problem_of(valid)
