"""The retry strategies of ``aws_durable_execution_sdk_python.retries``."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

from powertools_durable import Retry, errors
from powertools_durable.compat.aws.config import ChildConfig, DelaysInSeconds, Duration, JitterStrategy, Numeric
from powertools_durable.compat.aws.elsewhere import elsewhere
from powertools_durable.compat.aws.translation import StrategyFailure, original_of

if TYPE_CHECKING:
    from powertools_durable.compat.aws.context import DurableContext

__all__ = [
    "LinearRetryStrategyConfig",
    "Numeric",
    "RetryDecision",
    "RetryPresets",
    "RetryStrategyConfig",
    "WithRetryConfig",
    "create_linear_retry_strategy",
    "create_retry_strategy",
    "with_retry",
]
__getattr__ = elsewhere(
    __name__,
    {
        "exceptions": "SuspendExecution",
    },
)

T = TypeVar("T")
_Pattern: TypeAlias = "str | re.Pattern[str]"
_FIVE_MINUTES = Duration.from_minutes(5)


@dataclass
class RetryDecision:
    """Whether there is another attempt, and after which delay."""

    should_retry: bool
    delay: Duration

    @property
    def delay_seconds(self) -> int:
        """The delay in seconds."""
        return self.delay.to_seconds()

    @classmethod
    def retry(cls, delay: Duration) -> RetryDecision:
        """Try again after *delay*."""
        return cls(should_retry=True, delay=delay)

    @classmethod
    def no_retry(cls) -> RetryDecision:
        """Give up."""
        return cls(should_retry=False, delay=Duration())


RetryStrategy: TypeAlias = Callable[[Exception, int], RetryDecision]


@dataclass
class RetryStrategyConfig(DelaysInSeconds):
    """The options of a strategy whose delays are multiplied each time."""

    max_attempts: int = 3
    initial_delay: Duration = field(default_factory=lambda: Duration(5))
    max_delay: Duration = field(default_factory=lambda: _FIVE_MINUTES)
    backoff_rate: Numeric = 2.0
    jitter_strategy: JitterStrategy = JitterStrategy.FULL
    retryable_errors: list[_Pattern] | None = None
    retryable_error_types: list[type[Exception]] | None = None


@dataclass
class LinearRetryStrategyConfig(DelaysInSeconds):
    """The options of a strategy whose delays grow by the same span each time."""

    max_attempts: int = 6
    initial_delay: Duration = field(default_factory=lambda: Duration(1))
    increment: Duration = field(default_factory=lambda: Duration(1))
    max_delay: Duration = field(default_factory=lambda: _FIVE_MINUTES)
    jitter_strategy: JitterStrategy = JitterStrategy.FULL
    retryable_errors: list[_Pattern] | None = None
    retryable_error_types: list[type[Exception]] | None = None

    @property
    def increment_seconds(self) -> int:
        """What each delay is longer than the one before, in seconds."""
        return self.increment.to_seconds()


def create_retry_strategy(config: RetryStrategyConfig | None = None) -> RetryStrategy:
    """Return a strategy whose delays are multiplied by ``backoff_rate`` each time."""
    options = config or RetryStrategyConfig()

    def grown(attempts_made: int) -> float:
        return float(options.initial_delay_seconds * options.backoff_rate ** (attempts_made - 1))

    return _strategy(options, grown)


def create_linear_retry_strategy(config: LinearRetryStrategyConfig | None = None) -> RetryStrategy:
    """Return a strategy whose delays grow by ``increment`` each time."""
    options = config or LinearRetryStrategyConfig()

    def grown(attempts_made: int) -> float:
        return float(options.initial_delay_seconds + options.increment_seconds * (attempts_made - 1))

    return _strategy(options, grown)


def _strategy(options: RetryStrategyConfig | LinearRetryStrategyConfig, grown: Callable[[int], float]) -> RetryStrategy:
    def retry_strategy(error: Exception, attempts_made: int) -> RetryDecision:
        if attempts_made >= options.max_attempts:
            return RetryDecision.no_retry()
        if not _is_retryable(error, options.retryable_errors, options.retryable_error_types):
            return RetryDecision.no_retry()
        delay = min(grown(attempts_made), options.max_delay_seconds)
        return RetryDecision.retry(Duration(options.jitter_strategy.finalize_delay(delay)))

    return retry_strategy


def _is_retryable(
    error: Exception, patterns: Sequence[_Pattern] | None, types: Sequence[type[Exception]] | None
) -> bool:
    """Return whether one of the filters lets *error* through; without any filter everything passes."""
    if patterns is None and types is None:
        return True
    text = str(error)
    matches = (
        pattern.search(text) is not None if isinstance(pattern, re.Pattern) else pattern in text
        for pattern in patterns or ()
    )
    return any(matches) or isinstance(error, tuple(types or ()))


class RetryPresets:
    """Ready-made strategies."""

    @classmethod
    def none(cls) -> RetryStrategy:
        """One attempt."""
        return create_retry_strategy(RetryStrategyConfig(max_attempts=1))

    @classmethod
    def default(cls) -> RetryStrategy:
        """What a step without a strategy does: six attempts, 5 to 60 seconds apart."""
        return create_retry_strategy(RetryStrategyConfig(max_attempts=6, max_delay=Duration.from_minutes(1)))

    @classmethod
    def transient(cls) -> RetryStrategy:
        """Three attempts."""
        return create_retry_strategy(RetryStrategyConfig(jitter_strategy=JitterStrategy.HALF))

    @classmethod
    def resource_availability(cls) -> RetryStrategy:
        """Five attempts, up to five minutes apart."""
        return create_retry_strategy(RetryStrategyConfig(max_attempts=5))

    @classmethod
    def critical(cls) -> RetryStrategy:
        """Ten attempts, close together."""
        return create_retry_strategy(
            RetryStrategyConfig(
                max_attempts=10,
                initial_delay=Duration(1),
                max_delay=Duration.from_minutes(1),
                backoff_rate=1.5,
                jitter_strategy=JitterStrategy.NONE,
            )
        )

    @classmethod
    def linear(cls) -> RetryStrategy:
        """Six attempts, each delay one second longer."""
        return create_linear_retry_strategy(LinearRetryStrategyConfig(jitter_strategy=JitterStrategy.NONE))

    @classmethod
    def fixed(cls, interval: Duration | None = None) -> RetryStrategy:
        """Five attempts that are always the same time apart; default: five seconds."""
        delay = Duration(5) if interval is None else interval
        return create_retry_strategy(
            RetryStrategyConfig(
                max_attempts=5,
                initial_delay=delay,
                max_delay=delay,
                backoff_rate=1,
                jitter_strategy=JitterStrategy.NONE,
            )
        )


@dataclass(frozen=True)
class WithRetryConfig(Generic[T]):
    """The options of `with_retry`."""

    retry_strategy: RetryStrategy | None = None
    wrap_with_run_in_child_context: bool = True
    child_context_config: ChildConfig[T] | None = None


def with_retry(
    context: DurableContext,
    func: Callable[[DurableContext, int], T],
    config: WithRetryConfig[T],
    name: str | None = None,
) -> T:
    """Run several operations as one, and all of them again when one fails.

    Parameters
    ----------
    context : DurableContext
        The context to run them in.
    func : Callable
        Called as ``func(context, attempt)``.
    config : WithRetryConfig
        When to try again, and whether the attempts have a child context around them.
    name : str | None
        Name of the child context, and the beginning of the names of the waits between attempts.

    Returns
    -------
    T
        The result of the last attempt.

    Raises
    ------
    ChildContextError
        Every attempt failed. Without the child context: what the last attempt raised.
    """
    strategy = config.retry_strategy or create_retry_strategy()

    def attempts(inner: DurableContext) -> T:
        attempt = 0
        while True:
            attempt += 1
            try:
                return func(inner, attempt)
            except Exception as error:
                decision = strategy(error, attempt)
                if not decision.should_retry:
                    raise
            inner.wait(decision.delay, f"{name}-backoff-{attempt}" if name else None)

    if config.wrap_with_run_in_child_context:
        return context.run_in_child_context(attempts, name=name, config=config.child_context_config)
    return attempts(context)


def policy_of(strategy: RetryStrategy | None) -> Retry | Callable[[Exception, int], int | None] | None:
    """Return a strategy in the form in which this package takes one."""
    if strategy is None:
        return None

    def policy(error: Exception, attempt: int) -> int | None:
        try:
            decision: Any = strategy(original_of(error), attempt)
            delay: int | None = decision.delay_seconds if decision.should_retry else None
        except (errors.ValidationError, errors.RetryInvocation):
            raise  # these pass the engine as they are
        except Exception as problem:
            raise StrategyFailure(str(problem)) from problem
        else:
            return delay

    return policy
