"""Refuses arguments of the wrong kind, in words."""

from __future__ import annotations

from powertools_durable.errors import ValidationError
from powertools_durable.errors.wording import class_name

__all__ = ["expect"]


def expect(value: object, kind: type, argument: str, wanted: str) -> None:
    """Raise unless *value* is of *kind*.

    Parameters
    ----------
    argument : str
        The call and the argument, such as ``explore(ledger=...)``.
    wanted : str
        What it takes, in words.

    Raises
    ------
    ValidationError
        It is of another kind; a bool is no integer.
    """
    if isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
        return
    # A class was probably meant to be called.
    shown = f"the class {value.__name__}: call it" if isinstance(value, type) else f"{class_name(value)}"
    message = f"{argument} takes {wanted}, not {shown}"
    raise ValidationError(message)
