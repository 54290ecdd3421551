"""Reads what an exception carried as a model."""

from __future__ import annotations

from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from powertools_durable.errors import OperationError, SerDesError

__all__ = ["read_data"]

M = TypeVar("M")


def read_data(failure: OperationError, model: type[M]) -> M:
    """Read the data of *failure* as a *model*; see `OperationError.data_as`."""
    if failure.data is None:
        message = f"{type(failure).__name__} of {failure.operation!r} carries no data"
        raise SerDesError(message)
    try:
        return TypeAdapter(model).validate_json(failure.data)
    except ValidationError as error:
        message = f"the data of {failure.operation!r} is not a {model!r}: {error.error_count()} errors"
        raise SerDesError(message) from None
