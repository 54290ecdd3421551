"""Checks the arguments of durable calls, before a call takes an id and before anything is recorded.

Nothing else checks them: our client skips botocore's validation, which has no maximum lengths and no patterns anyway. A
wrong name would reach the service and fail the execution (docs/contributing/protocol.md#sub-types-and-names, #limits).
"""

from __future__ import annotations

import inspect
import re
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from powertools_durable import _functions
from powertools_durable._contexts.binding import bind
from powertools_durable._functions import below_partials, fits
from powertools_durable._operations.semantics import Nesting, StepSemantics
from powertools_durable._protocol.duration import Duration, seconds_of, whole_seconds
from powertools_durable._protocol.limits import (
    MAX_CALLBACK_SECONDS,
    MAX_NAME_LENGTH,
    MAX_SUB_TYPE_LENGTH,
    MAX_TIMER_SECONDS,
    MIN_TIMER_SECONDS,
)
from powertools_durable.errors import ValidationError
from powertools_durable.errors.wording import call_name, class_name

if TYPE_CHECKING:
    from powertools_durable.retry import Polling, PollingPolicy

__all__ = [
    "at_most_once",
    "body_timeout",
    "branch_names",
    "branches",
    "callback_seconds",
    "check_callable",
    "check_completion",
    "check_count",
    "check_retry",
    "check_serdes",
    "function_name",
    "is_flat",
    "item_names",
    "items",
    "name_of",
    "patch_name",
    "polling_of",
    "require_retry",
    "sub_type_or",
    "tenant",
    "timer_seconds",
    "until_seconds",
]

_NAMELESS = frozenset({"defer", "saga.undo"})  # these take no name=
_EXAMPLES = {"compensate": "compensate=refund", "item_name": "item_name=lambda parcel, index: f'parcel-{index}'"}
_FUNCTION_NAME = re.compile(r"[A-Za-z0-9_.:$-]+")
_AT_LEAST_ONCE = StepSemantics.AT_LEAST_ONCE
_SUB_TYPE_ALPHABET = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")


def check_callable(function: object, call: str, *args: object, role: str = "") -> None:
    """Refuse what can't be called, for example a function's *result*, or a name before the function.

    *role* is the option that holds the function, for example ``compensate``; empty for the first argument.
    """
    method = call_name(call)
    if callable(function):
        if getattr(function, "__durable__", None) is not None:
            message = (
                f"{method}() takes a plain function, but {_functions.name_of(function)}() is a durable handler: "
                "invoke it by the name of its Lambda function, ctx.invoke('payments:1', order), or take @durable off it"
            )
            raise ValidationError(message)
        return
    if args and callable(args[0]):
        rest = f": {method}({'ship, parcels' if call == 'map' else 'charge'})"
        if isinstance(function, str) and call not in _NAMELESS:
            rest = f", and its name as an option: {method}(charge, name=...)"
        raise ValidationError(f"{method}() takes the function first{rest}")
    if inspect.iscoroutine(function):
        function.close()
    call_text = f"{method}({role}=)" if role else f"{method}()"
    rest = "" if role else ", and the items after it" if call == "map" else ", and its arguments after it"
    example = _EXAMPLES.get(role, f"{method}({'ship, parcels' if call == 'map' else 'charge, order'})")
    message = (
        f"{call_text} takes a function, not {class_name(function)}, which may be what it returned: pass the function "
        f"itself, without calling it{rest}: {example}"
    )
    raise ValidationError(message)


def name_of(function: Callable[..., Any] | None, name: object) -> str | None:
    """Return the operation's name: *name*, or else the function's; a lambda has none.

    Raises
    ------
    ValidationError
        The name is longer than 256 characters, or not printable ASCII.
    """
    if name is None:
        if function is None:
            return None
        name = getattr(below_partials(function), "__name__", "")
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


def sub_type_or(default: str, sub_type: object) -> str:
    """Return *sub_type*, 1 to 32 letters, digits, hyphens or underscores; *default* if it is empty."""
    if not sub_type:
        return default
    if not isinstance(sub_type, str):
        message = f"sub_type is text, not {type(sub_type).__name__}"
        raise ValidationError(message)
    if len(sub_type) > MAX_SUB_TYPE_LENGTH or not _SUB_TYPE_ALPHABET.issuperset(sub_type):
        message = (
            f"sub_type {sub_type[:60]!r} is not 1 to {MAX_SUB_TYPE_LENGTH} letters, digits, hyphens or underscores"
        )
        raise ValidationError(message)
    return sub_type


def check_retry(policy: object) -> None:
    """Refuse what is neither a `Retry` nor a function of an error and an attempt, for example ``retry=Retry.none``."""
    from powertools_durable.retry import Retry

    if policy is None or isinstance(policy, Retry):
        return
    if isinstance(policy, type) or not callable(policy):
        actual = policy.__name__ if isinstance(policy, type) else type(policy).__name__
    elif fits(policy, 2):
        return
    else:
        name = getattr(policy, "__qualname__", type(policy).__name__)
        actual = f"function {name!r}, which does not take these two arguments"
    message = (
        "retry takes a Retry, such as Retry(max_attempts=3) or Retry.none(), or a function of the error and the "
        f"attempt's number that returns a delay or None; this is {actual}"
    )
    raise ValidationError(message)


def check_serdes(serdes: object) -> None:
    """Refuse what is not a serdes, for example a class in place of an instance."""
    if serdes is None:
        return
    methods = (getattr(serdes, "serialize", None), getattr(serdes, "deserialize", None))
    if not isinstance(serdes, type) and all(map(callable, methods)):
        return
    actual = type(serdes).__name__
    if isinstance(serdes, type):
        actual = f"the class {serdes.__name__}: pass an instance"
    message = f"serdes takes an object with serialize(value, context) and deserialize(text, context); this is {actual}"
    raise ValidationError(message)


def at_most_once(semantics: object) -> bool:
    """Return whether *semantics* is at most once; refuse a wrong value, which must not count as at least once."""
    if semantics is _AT_LEAST_ONCE:
        return False
    try:
        return StepSemantics(semantics) is StepSemantics.AT_MOST_ONCE  # type: ignore[arg-type]
    except ValueError:
        message = f"semantics is StepSemantics.AT_LEAST_ONCE or StepSemantics.AT_MOST_ONCE, not {semantics!r}"
        raise ValidationError(message) from None


def timer_seconds(duration: Duration, call: str) -> int:
    """Return *duration* in whole seconds, rounded up: 1 to 31,622,400."""
    exact = _seconds(duration, f"{call_name(call)}()")
    if exact < MIN_TIMER_SECONDS or exact > MAX_TIMER_SECONDS:
        message = f"{call_name(call)}() takes {MIN_TIMER_SECONDS} second to 366 days, not {duration!r}"
        raise ValidationError(message)
    return whole_seconds(duration)


def until_seconds(moment: object, now: datetime) -> int:
    """Return the seconds from *now* to *moment*, at least one.

    Raises
    ------
    ValidationError
        *moment* has no time zone, or is more than 366 days ahead.
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
    """Return a callback's timeout in whole seconds; None and 0 mean no timeout."""
    if duration is None:
        return 0
    exact = _seconds(duration, option)
    if exact > MAX_CALLBACK_SECONDS:
        message = f"{option} is at most {MAX_CALLBACK_SECONDS:,} seconds"
        raise ValidationError(message)
    return whole_seconds(duration)


def body_timeout(duration: Duration | None) -> float | None:
    """Return a step's timeout in seconds; it must be positive."""
    if duration is None:
        return None
    seconds = _seconds(duration, "timeout")
    if seconds <= 0:
        message = "timeout must be more than 0 seconds; leave it out for none"
        raise ValidationError(message)
    return seconds


def require_retry(policy: object, call: str) -> None:
    """Refuse a missing policy, because several operations are repeated only on explicit request."""
    if policy is None:
        message = f"{call_name(call)}() takes retry=, such as Retry(max_attempts=3)"
        raise ValidationError(message)
    check_retry(policy)


def branches(functions: object) -> dict[str, Callable[..., Any]]:
    """Return the branches of `parallel` by name."""
    if isinstance(functions, Mapping):
        named = dict(functions)
    elif _has_order(functions):
        listed: list[Any] = list(functions)  # type: ignore[call-overload]
        named = {f"parallel-branch-{index}": branch for index, branch in enumerate(listed)}
    else:
        raise _without_order("parallel", functions, "a list of functions, or a dict of names and functions")
    for name, branch in named.items():
        if callable(branch):
            check_callable(branch, "parallel")
        else:
            message = (
                f"branch {name!r} of ctx.parallel() is {class_name(branch)}, which may be what a function "
                "returned: pass functions of a context, without calling them, such as lambda child: child.step(charge)"
            )
            raise ValidationError(message)
    return named


def branch_names(functions: Mapping[str, object]) -> list[str | None]:
    """Check the names of branches, and return them."""
    return [name_of(None, name) for name in functions]


def items(inputs: object) -> Sequence[Any]:
    """Return the inputs of `map` as a sequence; refuse a collection without a fixed order."""
    if isinstance(inputs, Mapping) or not _has_order(inputs):
        raise _without_order("map", inputs, "a list")
    return inputs if isinstance(inputs, Sequence) else list(inputs)  # type: ignore[call-overload]


def item_names(inputs: Sequence[Any], item_name: Callable[[Any, int], str] | None) -> list[str | None]:
    """Return the name of each input."""
    if item_name is None:
        return [f"map-item-{index}" for index in range(len(inputs))]
    check_callable(item_name, "map", role="item_name")
    bind(item_name, 2, "map", role="item_name", before="the item")
    names = (item_name(item, index) for index, item in enumerate(inputs))
    return [name_of(None, _functions.require_finished(name, item_name, _functions.ANSWERS_AT_ONCE)) for name in names]


def check_completion(completion: object, call: str) -> None:
    """Refuse what is not a `Completion`, for example ``Completion.all_completed`` without parentheses."""
    from powertools_durable.completion import Completion

    if not isinstance(completion, Completion):
        message = f"{call_name(call)}() takes completion=Completion(...), such as Completion.all_completed()"
        raise ValidationError(message)


def check_count(number: object, option: str) -> None:
    """Refuse a number of branches that is not a positive integer."""
    if number is None or (isinstance(number, int) and not isinstance(number, bool) and number >= 1):
        return
    message = f"{option} is a whole number of at least 1, or None for all, not {number!r}"
    raise ValidationError(message)


def is_flat(nesting: object) -> bool:
    """Return whether *nesting* is flat: branches have no records."""
    try:
        return Nesting(nesting) is Nesting.FLAT  # type: ignore[arg-type]
    except ValueError:
        message = f"nesting is Nesting.NESTED or Nesting.FLAT, not {nesting!r}"
        raise ValidationError(message) from None


def _has_order(collection: object) -> bool:
    if isinstance(collection, (str, bytes, bytearray)):
        return False
    return isinstance(collection, (Sequence, enumerate, zip, deque))


def _without_order(call: str, collection: object, expected: str) -> ValidationError:
    if hasattr(type(collection), "__await__"):
        return ValidationError(f"{call_name(call)}() takes {expected}, not {class_name(collection)}: await it first")
    return ValidationError(
        f"{call_name(call)}() takes {expected}, not {class_name(collection)}: branches are identified by their "
        "position, which must be the same on every replay. Pass a list, sorted if the collection has no fixed order"
    )


def polling_of(polling: object) -> Polling | PollingPolicy:
    """Return *polling*; refuse what is neither a `Polling` nor a function."""
    from powertools_durable.retry import Polling

    if isinstance(polling, Polling) or (callable(polling) and not isinstance(polling, type)):
        return polling
    actual = f"the class {polling.__name__}" if isinstance(polling, type) else class_name(polling)
    message = (
        "ctx.wait_for_condition() takes polling=Polling(until), or a function of the state and the check's number "
        f"that returns a delay, or None when the condition is met; not {actual}"
    )
    raise ValidationError(message)


def function_name(name: object) -> str:
    """Return the name of a Lambda function to invoke."""
    if isinstance(name, str) and len(name) <= MAX_NAME_LENGTH and _FUNCTION_NAME.fullmatch(name):
        return name
    message = (
        "ctx.invoke() takes the function's name or ARN first, with a version or alias if it is durable: "
        "ctx.invoke('payments:1', order)"
    )
    raise ValidationError(message)


def patch_name(name: object) -> str:
    """Return the name of a patch."""
    text = name_of(None, name)
    if text is None:
        message = "a patch needs a name of its own: ctx.patched('ship-by-air')"
        raise ValidationError(message)
    return text


def tenant(tenant_id: object) -> str | None:
    """Return a tenant id."""
    if tenant_id is None or (isinstance(tenant_id, str) and 1 <= len(tenant_id) <= MAX_NAME_LENGTH):
        return tenant_id
    message = f"tenant_id is text of 1 to {MAX_NAME_LENGTH} characters"
    raise ValidationError(message)


def _seconds(duration: Duration, option: str) -> float:
    try:
        return seconds_of(duration)
    except (TypeError, ValueError) as error:
        message = f"{option}: {error}"
        raise ValidationError(message) from None
