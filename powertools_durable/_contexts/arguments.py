"""Checks what a durable call is given, before it takes an id and before anything is recorded.

botocore checks types and minimum values, never maxima or patterns, so a bad name would reach the service and
fail the execution (protocol.md 7, 18).
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from datetime import datetime
from typing import Any

from powertools_durable._operations.semantics import StepSemantics
from powertools_durable._protocol.duration import Duration, seconds_of, whole_seconds
from powertools_durable._protocol.limits import (
    MAX_CALLBACK_SECONDS,
    MAX_NAME_LENGTH,
    MAX_SUB_TYPE_LENGTH,
    MAX_TIMER_SECONDS,
    MIN_TIMER_SECONDS,
)
from powertools_durable.errors import ValidationError
from powertools_durable.retry import Retry

__all__ = [
    "at_most_once",
    "body_timeout",
    "callable_",
    "callback_seconds",
    "check_retry",
    "check_serdes",
    "name_of",
    "sub_type_or",
    "timer_seconds",
    "until_seconds",
]

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


def sub_type_or(default: str, given: object) -> str:
    """Return the sub type: 1 to 32 letters, digits, hyphens or underscores; nothing given is the default."""
    if not given:
        return default
    if not isinstance(given, str):
        message = f"sub_type is text, not {type(given).__name__}"
        raise ValidationError(message)
    if len(given) > MAX_SUB_TYPE_LENGTH or not _SUB_TYPE_ALPHABET.issuperset(given):
        message = f"sub_type {given[:60]!r} is not 1 to {MAX_SUB_TYPE_LENGTH} letters, digits, hyphens or underscores"
        raise ValidationError(message)
    return given


def check_retry(policy: object) -> None:
    """Refuse what is neither a `Retry` nor a function of an error and an attempt, such as ``retry=Retry.none``."""
    if policy is None or isinstance(policy, Retry):
        return
    if isinstance(policy, type) or not callable(policy):
        shown = policy.__name__ if isinstance(policy, type) else type(policy).__name__
    elif _takes(policy, 2):
        return
    else:
        shown = f"function {getattr(policy, '__qualname__', type(policy).__name__)!r}, which does not take the two"
    message = (
        "retry takes a Retry, such as Retry(max_attempts=3) or Retry.none(), or a function of the error and the "
        f"attempt's number that returns a delay or None; this is {shown}"
    )
    raise ValidationError(message)


def check_serdes(serdes: object) -> None:
    """Refuse what can't write and read, such as a serdes' class in place of an instance."""
    if serdes is None:
        return
    methods = (getattr(serdes, "serialize", None), getattr(serdes, "deserialize", None))
    if not isinstance(serdes, type) and all(map(callable, methods)):
        return
    shown = f"the class {serdes.__name__}: make one" if isinstance(serdes, type) else type(serdes).__name__
    message = f"serdes takes an object with serialize(value, context) and deserialize(text, context); this is {shown}"
    raise ValidationError(message)


def at_most_once(semantics: object) -> bool:
    """Tell which of the two promises a step makes; a wrong one must not pass for the weaker."""
    try:
        return StepSemantics(semantics) is StepSemantics.AT_MOST_ONCE  # type: ignore[arg-type]
    except ValueError:
        message = f"semantics is StepSemantics.AT_LEAST_ONCE or StepSemantics.AT_MOST_ONCE, not {semantics!r}"
        raise ValidationError(message) from None


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


def _takes(function: Callable[..., Any], count: int) -> bool:
    try:
        inspect.signature(function).bind(*range(count))
    except TypeError:
        return False
    except ValueError:  # some builtins tell nothing
        return True
    return True
