"""The polling strategies of ``aws_durable_execution_sdk_python.waits``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from powertools_durable.compat.aws.config import DelaysInSeconds, Duration, JitterStrategy, Numeric
from powertools_durable.compat.aws.exceptions import WaitForConditionError
from powertools_durable.compat.aws.serdes import SerDes

__all__ = [
    "Numeric",
    "WaitForConditionConfig",
    "WaitForConditionDecision",
    "WaitStrategyConfig",
    "create_wait_strategy",
]

T = TypeVar("T")


@dataclass
class WaitStrategyConfig(DelaysInSeconds, Generic[T]):
    """The options of a strategy; ``should_continue_polling`` is True as long as the condition is *not* met."""

    should_continue_polling: Callable[[T], bool]
    max_attempts: int = 60
    initial_delay: Duration = field(default_factory=lambda: Duration(5))
    max_delay: Duration = field(default_factory=lambda: Duration.from_minutes(5))
    backoff_rate: Numeric = 1.5
    jitter_strategy: JitterStrategy = JitterStrategy.FULL


@dataclass(frozen=True)
class WaitForConditionDecision:
    """Whether there is another check, and after which delay."""

    should_continue: bool
    delay: Duration

    @property
    def delay_seconds(self) -> int:
        """The delay in seconds."""
        return self.delay.to_seconds()

    @classmethod
    def continue_waiting(cls, delay: Duration) -> WaitForConditionDecision:
        """Check again after *delay*."""
        return cls(should_continue=True, delay=delay)

    @classmethod
    def stop_polling(cls) -> WaitForConditionDecision:
        """End: the condition is met."""
        return cls(should_continue=False, delay=Duration())


def create_wait_strategy(config: WaitStrategyConfig[T]) -> Callable[[T, int], WaitForConditionDecision]:
    """Return a strategy whose delays are multiplied by ``backoff_rate`` each time.

    It raises `WaitForConditionError` if the condition is not met by check number ``max_attempts``.
    """

    def wait_strategy(result: T, attempts_made: int) -> WaitForConditionDecision:
        if not config.should_continue_polling(result):
            return WaitForConditionDecision.stop_polling()
        if attempts_made >= config.max_attempts:
            message = f"wait_for_condition exhausted {config.max_attempts} attempts before the condition was met"
            raise WaitForConditionError(message)
        delay = min(config.initial_delay_seconds * config.backoff_rate ** (attempts_made - 1), config.max_delay_seconds)
        return WaitForConditionDecision.continue_waiting(Duration(config.jitter_strategy.finalize_delay(delay)))

    return wait_strategy


@dataclass(frozen=True)
class WaitForConditionConfig(Generic[T]):
    """The options of `DurableContext.wait_for_condition`."""

    wait_strategy: Callable[[T, int], WaitForConditionDecision]
    initial_state: T
    serdes: SerDes[Any] | None = None


def polling_of(strategy: Callable[[Any, int], WaitForConditionDecision]) -> Callable[[Any, int], int | None]:
    """Return a strategy in the form in which this package takes one."""

    def polling(state: Any, number: int) -> int | None:
        decision = strategy(state, number)
        return decision.delay_seconds if decision.should_continue else None

    return polling
