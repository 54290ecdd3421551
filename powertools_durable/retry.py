"""When to try again and after how long; and its sibling for conditions."""

from __future__ import annotations

import dataclasses
import functools
import logging
import math
from collections.abc import Callable
from random import Random
from typing import Any, Literal, Protocol, TypeAlias

from powertools_durable._frozen import frozen
from powertools_durable._functions import ANSWERS_AT_ONCE, require_finished
from powertools_durable._protocol.duration import Duration, seconds_of
from powertools_durable._protocol.limits import MAX_TIMER_SECONDS, MIN_TIMER_SECONDS
from powertools_durable.errors import RetryInvocation, ValidationError

__all__ = ["Jitter", "Polling", "PollingPolicy", "RandomFraction", "Retry", "RetryPolicy", "decide", "next_check"]

Jitter: TypeAlias = Literal["none", "half", "full"]
RetryPolicy: TypeAlias = Callable[[Exception, int], Duration | None]
"""What decides about another attempt: given the error and the attempt's number, the delay or None."""
PollingPolicy: TypeAlias = Callable[[Any, int], Duration | None]
"""What decides about another check: given the state and the check's number, the delay or None to end."""

logger = logging.getLogger(__name__)

_SPREAD: dict[str, float] = {"none": 0.0, "half": 0.5, "full": 1.0}
"""Which part of a delay is left to chance (docs/contributing/protocol.md#retry-policies)."""


class RandomFraction(Protocol):
    """Draws from 0 to 1; a `random.Random` does."""

    def random(self) -> float:
        """Return a number from 0 up to 1."""
        ...


_DRAW = Random()  # noqa: S311 - jitter is no secret; private, so that nobody's seed is disturbed


def _delay(base: float, maximum: float, jitter: str, draw: RandomFraction) -> int:
    """Return a delay as the service takes it: whole seconds, at least one."""
    capped = min(base, maximum)
    spread = capped * _SPREAD[jitter]
    return _within_limits(capped - spread + spread * draw.random())


def _within_limits(seconds: float) -> int:
    return max(MIN_TIMER_SECONDS, min(math.ceil(seconds), MAX_TIMER_SECONDS))


def _grown(initial: float, rate: float, attempt: int) -> float:
    try:
        return initial * float(rate) ** (attempt - 1)  # a whole number's power would be exact, and long in the making
    except OverflowError:
        return math.inf if initial else 0.0


class _Timing:
    """What `Retry` and `Polling` have in common: checks when built, and a short repr."""

    def _check(self, *durations: str) -> None:
        attempts, rate, jitter = (getattr(self, name) for name in ("max_attempts", "backoff_rate", "jitter"))
        if isinstance(attempts, bool) or not isinstance(attempts, int) or attempts < 1:
            self._refuse(f"max_attempts is a whole number of at least 1, not {attempts!r}")
        if isinstance(rate, bool) or not isinstance(rate, (int, float)) or not (1 <= rate < math.inf):
            self._refuse(f"backoff_rate is a number of at least 1, not {rate!r}")
        if not isinstance(jitter, str) or jitter not in _SPREAD:
            self._refuse(f"jitter is one of {', '.join(map(repr, _SPREAD))}, not {jitter!r}")
        for name in durations:
            try:
                seconds_of(getattr(self, name))
            except (TypeError, ValueError) as error:
                self._refuse(f"{name}: {error}")

    def _refuse(self, problem: str) -> None:
        message = f"{type(self).__name__}: {problem}"
        raise ValidationError(message)

    def __repr__(self) -> str:
        fields = dataclasses.fields(self)  # type: ignore[arg-type]
        given = (f for f in fields if getattr(self, f.name) != f.default)
        return f"{type(self).__name__}({', '.join(f'{f.name}={getattr(self, f.name)!r}' for f in given)})"


@frozen(repr=False)
class Retry(_Timing):
    """Whether a step is tried again, and when.

    Parameters
    ----------
    max_attempts : int
        How often the body runs in all, the first time included.
    initial_delay : Duration
        Before the second attempt.
    max_delay : Duration
        The longest delay.
    backoff_rate : float
        What the delay is multiplied by each time.
    jitter : str
        ``"full"``: anything up to the delay; ``"half"``: the upper half of it; ``"none"``: exactly the delay.
    retry_on : tuple of exception classes
        Only these are tried again.
    retry_if : Callable | None
        And only if this, given the exception, says True. When it raises, there is no other attempt; a
        `ValidationError`, as of a durable call in it, is raised as what it is.
    increment : Duration | None
        What is added to the delay each time, in place of ``backoff_rate``.

    Raises
    ------
    ValidationError
        A value out of range.

    Notes
    -----
    Delays are rounded up to whole seconds, and are at least one.
    """

    max_attempts: int = 3
    initial_delay: Duration = 5
    max_delay: Duration = 300
    backoff_rate: float = 2.0
    jitter: Jitter = "full"
    retry_on: tuple[type[Exception], ...] = (Exception,)
    retry_if: Callable[[Any], bool] | None = None
    increment: Duration | None = None

    def __post_init__(self) -> None:
        self._check("initial_delay", "max_delay", *(("increment",) if self.increment is not None else ()))
        classes: object = self.retry_on
        if isinstance(classes, type):
            classes = (classes,)
            object.__setattr__(self, "retry_on", classes)
        if not isinstance(classes, tuple) or not all(
            isinstance(cls, type) and issubclass(cls, BaseException) for cls in classes
        ):
            self._refuse(f"retry_on is a tuple of exception classes, not {classes!r}")
        retry_if: object = self.retry_if
        if retry_if is not None and not callable(retry_if):
            self._refuse("retry_if is a function of the exception")

    def __call__(self, error: Exception, attempt: int) -> int | None:
        """Return the seconds to wait before the next attempt; None to give up.

        Parameters
        ----------
        error : Exception
            What the attempt raised.
        attempt : int
            Its number, from 1.
        """
        return self.delay(error, attempt, _DRAW)

    def delay(self, error: Exception, attempt: int, draw: RandomFraction) -> int | None:
        """Decide as `__call__` does, with chance taken from *draw*."""
        if attempt >= self.max_attempts or not self._applies_to(error):
            return None
        initial = seconds_of(self.initial_delay)
        if self.increment is not None:
            base = initial + seconds_of(self.increment) * (attempt - 1)
        else:
            base = _grown(initial, self.backoff_rate, attempt)
        return _delay(base, seconds_of(self.max_delay), self.jitter, draw)

    def _applies_to(self, error: Exception) -> bool:
        if not isinstance(error, self.retry_on):
            return False
        try:
            return self.retry_if is None or bool(require_finished(self.retry_if(error), self.retry_if, ANSWERS_AT_ONCE))
        except (ValidationError, RetryInvocation):  # a mistake in the filter is no answer
            raise
        except Exception:  # noqa: BLE001 - a filter that fails lets nothing through
            return False

    @classmethod
    def none(cls) -> Retry:
        """One attempt, no other."""
        return cls(max_attempts=1)

    @classmethod
    @functools.cache  # each step without a policy asks for it
    def default(cls) -> Retry:
        """What steps do that say nothing: six attempts, 5 to 60 seconds apart."""
        return cls(max_attempts=6, max_delay=60)

    @classmethod
    def transient(cls) -> Retry:
        """For faults that pass at once: three attempts."""
        return cls(jitter="half")

    @classmethod
    def resource_availability(cls) -> Retry:
        """For what must come up first: five attempts, up to five minutes apart."""
        return cls(max_attempts=5)

    @classmethod
    def critical(cls) -> Retry:
        """For what must not fail: ten attempts, close together."""
        return cls(max_attempts=10, initial_delay=1, max_delay=60, backoff_rate=1.5, jitter="none")

    @classmethod
    def linear(cls) -> Retry:
        """Six attempts, each delay a second longer."""
        return cls(max_attempts=6, initial_delay=1, increment=1, jitter="none")

    @classmethod
    def fixed(cls, interval: Duration = 5, max_attempts: int | None = None) -> Retry:
        """Attempts that are always the same time apart; five, unless *max_attempts* says otherwise."""
        attempts = 5 if max_attempts is None else max_attempts
        return cls(max_attempts=attempts, initial_delay=interval, max_delay=interval, backoff_rate=1, jitter="none")


@frozen(repr=False)
class Polling(_Timing):
    """How often a condition is checked.

    Parameters
    ----------
    until : Callable
        Given the state that the check returned, True when the condition is met.
    max_attempts, initial_delay, max_delay, backoff_rate, jitter
        As in `Retry`.

    Raises
    ------
    ValidationError
        A value out of range.
    """

    until: Callable[[Any], bool]
    _: dataclasses.KW_ONLY
    max_attempts: int = 60
    initial_delay: Duration = 5
    max_delay: Duration = 300
    backoff_rate: float = 1.5
    jitter: Jitter = "full"

    def __post_init__(self) -> None:
        self._check("initial_delay", "max_delay")
        until: object = self.until
        if not callable(until):
            self._refuse("until is a function of the state")

    @classmethod
    def every(cls, interval: Duration, until: Callable[[Any], bool], *, max_attempts: int = 60) -> Polling:
        """Check at a fixed interval.

        Parameters
        ----------
        interval : Duration
            Between two checks; seconds, or a `timedelta`.
        until, max_attempts
            As of the class.
        """
        return cls(
            until,
            max_attempts=max_attempts,
            initial_delay=interval,
            max_delay=interval,
            backoff_rate=1,
            jitter="none",
        )

    def delay(self, attempt: int, draw: RandomFraction) -> int:
        """Return the seconds to wait after check number *attempt*."""
        base = _grown(seconds_of(self.initial_delay), self.backoff_rate, attempt)
        return _delay(base, seconds_of(self.max_delay), self.jitter, draw)


def decide(policy: RetryPolicy, error: Exception, attempt: int, draw: RandomFraction) -> int | None:
    """Ask a policy about another attempt, and bring its answer into the service's limits.

    Parameters
    ----------
    policy : Retry | Callable
        A `Retry`, or any function of the error and the attempt's number.
    error : Exception
        What the attempt raised.
    attempt : int
        Its number, from 1.
    draw : RandomFraction
        For jitter.

    Returns
    -------
    int | None
        Seconds, 1 to 31,622,400; None to give up.

    Raises
    ------
    ValidationError
        The policy's answer is no time span: negative, not a number, another type.
    """
    if isinstance(policy, Retry):
        return policy.delay(error, attempt, draw)
    name = getattr(policy, "__name__", type(policy).__name__)
    try:
        answer = require_finished(policy(error, attempt), policy, ANSWERS_AT_ONCE)
    except (ValidationError, RetryInvocation):  # a mistake in the policy is no answer
        raise
    except Exception as broken:  # noqa: BLE001 - the step's own error is what must be recorded
        logger.warning("retry policy %r raised %s, so there is no other attempt", name, type(broken).__name__)
        return None
    if answer is None:
        return None
    try:
        return _within_limits(seconds_of(answer))
    except (TypeError, ValueError) as problem:
        message = f"retry policy {name!r} must return a delay or None: {problem}"
        raise ValidationError(message) from None


def next_check(policy: PollingPolicy, state: object, number: int) -> int | None:
    """Ask a polling policy about another check, and bring its answer into the service's limits.

    Parameters
    ----------
    policy : Callable
        A function of the state and the number of the check that returned it.
    state : object
        The state as it was recorded.
    number : int
        The number of the check, from 1.

    Returns
    -------
    int | None
        Seconds, 1 to 31,622,400; None when the condition is met.

    Raises
    ------
    ValidationError
        The policy's answer is no time span: negative, not a number, another type.
    """
    answer = require_finished(policy(state, number), policy, ANSWERS_AT_ONCE)
    if answer is None:
        return None
    try:
        return _within_limits(seconds_of(answer))
    except (TypeError, ValueError) as problem:
        name = getattr(policy, "__name__", type(policy).__name__)
        message = f"polling function {name!r} must return a delay, or None when the condition is met: {problem}"
        raise ValidationError(message) from None
