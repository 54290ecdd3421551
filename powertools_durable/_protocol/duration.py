"""Spans of time as users give them, and as the wire has them."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import TypeAlias

__all__ = ["Duration", "seconds_of", "whole_seconds"]

Duration: TypeAlias = timedelta | int | float
"""A `timedelta`, or a number of seconds."""


def seconds_of(value: object) -> float:
    """Return *value* in seconds.

    Raises
    ------
    TypeError
        Neither a timedelta nor a number.
    ValueError
        Negative, or no finite number.
    """
    match value:
        case timedelta():
            seconds = value.total_seconds()
        case bool():
            message = "a time span is a timedelta or a number of seconds, not a bool"
            raise TypeError(message)
        case int() | float():
            seconds = _as_float(value)
        case _:
            message = f"a time span is a timedelta or a number of seconds, not {type(value).__name__}"
            raise TypeError(message)
    if not math.isfinite(seconds) or seconds < 0:
        message = f"a time span is a finite number of seconds, 0 or more, not {seconds!r}"
        raise ValueError(message)
    return seconds


def _as_float(number: float) -> float:
    try:
        return float(number)
    except OverflowError:  # an integer may be larger than any float
        return math.inf


def whole_seconds(value: object) -> int:
    """Return *value* in whole seconds, rounded up."""
    return math.ceil(seconds_of(value))
