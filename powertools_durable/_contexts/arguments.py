"""Checks what a durable call is given, before it takes an id and before anything is recorded.

botocore checks types and minimum values, never maxima or patterns, so a bad name would reach the service and
fail the execution (protocol.md 7, 18).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from datetime import datetime
from typing import Any

from powertools_durable._protocol.duration import Duration, seconds_of, whole_seconds
from powertools_durable._protocol.limits import (
    MAX_CALLBACK_SECONDS,
    MAX_NAME_LENGTH,
    MAX_SUB_TYPE_LENGTH,
    MAX_TIMER_SECONDS,
    MIN_TIMER_SECONDS,
)
from powertools_durable.errors import ValidationError

__all__ = ["body_timeout", "callable_", "callback_seconds", "name_of", "sub_type_or", "timer_seconds", "until_seconds"]

_SUB_TYPE_ALPHABET = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")


def callable_(function: object, call: str) -> None:
    """Refuse what can't be called, such as the *result* of the function meant."""
    if not callable(function):
        message = (
            f"ctx.{call}() takes a function, not a {type(function).__name__}; pass the function itself, its arguments "
            f"behind it: ctx.{call}(charge, order)"
        )
        raise ValidationError(message)


def name_of(function: Callable[..., Any] | None, name: object) -> str | None:
    """Return the operation's name: as given, else the function's own; a lambda has none.

    Raises
    ------
    ValidationError
        Longer than 256, or not printable ASCII.
    """
    if name is None:
        if function is None:
            return None
        while isinstance(function, functools.partial):
            function = function.func
        name = getattr(function, "__name__", "")
        if name == "<lambda>":
            return None
    elif not isinstance(name, str):
        message = f"an operation's name is text, not {type(name).__name__}"
        raise ValidationError(message)
    text = str(name)
    if len(text) > MAX_NAME_LENGTH or not (text.isascii() and text.isprintable()):
        message = (
            f"{text[:60]!r} can't name an operation: up to {MAX_NAME_LENGTH} printable ASCII characters; give name="
        )
        raise ValidationError(message)
    return text or None


def sub_type_or(default: str, given: str | None) -> str:
    """Return the sub type: 1 to 32 letters, digits, hyphens or underscores; nothing given is the default."""
    if not given:
        return default
    if len(given) > MAX_SUB_TYPE_LENGTH or not _SUB_TYPE_ALPHABET.issuperset(given):
        message = f"sub_type {given[:60]!r} is not 1 to {MAX_SUB_TYPE_LENGTH} letters, digits, hyphens or underscores"
        raise ValidationError(message)
    return given


def timer_seconds(duration: Duration, call: str) -> int:
    """Return *duration* as the service counts it: 1 to 31,622,400 whole seconds, rounded up."""
    exact = _seconds(duration, f"ctx.{call}()")
    if exact < MIN_TIMER_SECONDS or exact > MAX_TIMER_SECONDS:
        message = f"ctx.{call}() takes {MIN_TIMER_SECONDS} second to 366 days, not {duration!r}"
        raise ValidationError(message)
    return whole_seconds(duration)


def until_seconds(moment: object, now: datetime) -> int:
    """Return the seconds from *now* to *moment*: a moment in the past, or nearly, is one second away.

    Raises
    ------
    ValidationError
        *moment* has no time zone, or lies more than 366 days ahead.
    """
    if not isinstance(moment, datetime) or moment.utcoffset() is None:
        message = (
            "ctx.wait_until() takes a datetime with a time zone, such as datetime.now(UTC) + timedelta(days=1); "
            f"this is {'one without' if isinstance(moment, datetime) else type(moment).__name__}"
        )
        raise ValidationError(message)
    seconds = max((moment - now).total_seconds(), float(MIN_TIMER_SECONDS))
    if seconds > MAX_TIMER_SECONDS:
        message = "ctx.wait_until() takes a moment at most 366 days ahead"
        raise ValidationError(message)
    return whole_seconds(seconds)


def callback_seconds(duration: Duration | None, option: str) -> int:
    """Return a callback's timeout in whole seconds; None and 0 are none."""
    if duration is None:
        return 0
    exact = _seconds(duration, option)
    if exact > MAX_CALLBACK_SECONDS:
        message = f"{option} is at most {MAX_CALLBACK_SECONDS:,} seconds"
        raise ValidationError(message)
    return whole_seconds(duration)


def body_timeout(duration: Duration | None) -> float | None:
    """Return a step's timeout in seconds; it must be more than none."""
    if duration is None:
        return None
    seconds = _seconds(duration, "timeout")
    if seconds <= 0:
        message = "timeout must be more than 0 seconds; leave it out for none"
        raise ValidationError(message)
    return seconds


def _seconds(duration: Duration, what: str) -> float:
    try:
        return seconds_of(duration)
    except (TypeError, ValueError) as error:
        message = f"{what}: {error}"
        raise ValidationError(message) from None
