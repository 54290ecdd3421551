"""The options of ``aws_durable_execution_sdk_python.config``: its classes, defaults and checks."""

from __future__ import annotations

import math
import random
import string
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from powertools_durable.compat.aws.exceptions import ValidationError

if TYPE_CHECKING:
    from powertools_durable.compat.aws.retries import RetryDecision
    from powertools_durable.compat.aws.serdes import SerDes

__all__ = [
    "BatchItemStatus",
    "CallbackConfig",
    "ChildConfig",
    "CompletionConfig",
    "CompletionDecision",
    "CompletionItemStatus",
    "CompletionOutcome",
    "CompletionStatus",
    "Duration",
    "InvokeConfig",
    "JitterStrategy",
    "MapConfig",
    "NestingType",
    "Numeric",
    "ParallelBranch",
    "ParallelConfig",
    "StepConfig",
    "StepSemantics",
    "WaitForCallbackConfig",
    "complete_batch",
    "continue_batch",
]

P = TypeVar("P")
R = TypeVar("R")
T = TypeVar("T")
Numeric = int | float

_LETTERS_OF_SUB_TYPES = frozenset(string.ascii_letters + string.digits + "-_")
_LONGEST_SUB_TYPE = 32


@dataclass(frozen=True)
class Duration:
    """A time span in whole seconds; fractions are cut off."""

    seconds: int = 0

    def __post_init__(self) -> None:
        if self.seconds < 0:
            raise ValidationError("Duration seconds must be positive")

    def to_seconds(self) -> int:
        """Return the seconds."""
        return self.seconds

    @classmethod
    def from_seconds(cls, value: float) -> Duration:
        """Build it from seconds."""
        return cls(int(value))

    @classmethod
    def from_minutes(cls, value: float) -> Duration:
        """Build it from minutes."""
        return cls(int(value * 60))

    @classmethod
    def from_hours(cls, value: float) -> Duration:
        """Build it from hours."""
        return cls(int(value * 3600))

    @classmethod
    def from_days(cls, value: float) -> Duration:
        """Build it from days."""
        return cls(int(value * 86400))


class DelaysInSeconds:
    """What the options of retries and of polling have in common: their delays in seconds."""

    initial_delay: Duration
    max_delay: Duration

    @property
    def initial_delay_seconds(self) -> int:
        """The first delay in seconds."""
        return self.initial_delay.to_seconds()

    @property
    def max_delay_seconds(self) -> int:
        """The longest delay in seconds."""
        return self.max_delay.to_seconds()


class JitterStrategy(StrEnum):
    """How much of a delay is left to chance: nothing, all of it, or its second half."""

    NONE = "NONE"
    FULL = "FULL"
    HALF = "HALF"

    def apply_jitter(self, delay: float) -> float:
        """Return a delay of at most *delay*."""
        match self:
            case JitterStrategy.NONE:
                return delay
            case JitterStrategy.HALF:
                return delay / 2 + random.random() * delay / 2  # noqa: S311 - no secret
            case _:
                return random.random() * delay  # noqa: S311

    def finalize_delay(self, base_delay: float) -> int:
        """Return a delay of at most *base_delay* in whole seconds, rounded up, at least one."""
        return max(1, math.ceil(self.apply_jitter(base_delay)))


class StepSemantics(Enum):
    """What happens to a step whose invocation ended inside its function: run it again, or count it as failed."""

    AT_MOST_ONCE_PER_RETRY = "AT_MOST_ONCE_PER_RETRY"
    AT_LEAST_ONCE_PER_RETRY = "AT_LEAST_ONCE_PER_RETRY"


class NestingType(Enum):
    """Whether each branch has its own record."""

    NESTED = "NESTED"
    FLAT = "FLAT"


# -- operations -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class StepConfig:
    """The options of a step."""

    retry_strategy: Callable[[Exception, int], RetryDecision] | None = None
    step_semantics: StepSemantics = StepSemantics.AT_LEAST_ONCE_PER_RETRY
    serdes: SerDes[Any] | None = None
    sub_type: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        _check_sub_type(self.sub_type)


@dataclass(frozen=True)
class ChildConfig(Generic[T]):
    """The options of a child context."""

    serdes: SerDes[Any] | None = None
    sub_type: str | None = None
    summary_generator: Callable[[T], str] | None = None
    is_virtual: bool = False

    def __post_init__(self) -> None:
        _check_sub_type(self.sub_type)


@dataclass(frozen=True)
class InvokeConfig(Generic[P, R]):
    """The options of an invocation of another function."""

    serdes_payload: SerDes[P] | None = None
    serdes_result: SerDes[R] | None = None
    tenant_id: str | None = None


@dataclass(frozen=True)
class CallbackConfig:
    """The options of a callback; a timeout of zero is none."""

    timeout: Duration = field(default_factory=Duration)
    heartbeat_timeout: Duration = field(default_factory=Duration)
    serdes: SerDes[Any] | None = None
    sub_type: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        _check_sub_type(self.sub_type)

    @property
    def timeout_seconds(self) -> int:
        """The timeout in seconds."""
        return self.timeout.to_seconds()

    @property
    def heartbeat_timeout_seconds(self) -> int:
        """The timeout between heartbeats in seconds."""
        return self.heartbeat_timeout.to_seconds()


@dataclass(frozen=True)
class WaitForCallbackConfig(CallbackConfig):
    """The options of a callback, and when its submitter is tried again."""

    retry_strategy: Callable[[Exception, int], RetryDecision] | None = None


def _check_sub_type(sub_type: str | None) -> None:
    if sub_type and (len(sub_type) > _LONGEST_SUB_TYPE or not set(sub_type) <= _LETTERS_OF_SUB_TYPES):
        message = (
            f"sub_type must be 1 to {_LONGEST_SUB_TYPE} characters from A-Z, a-z, 0-9, hyphen, and underscore, "
            f"got: {sub_type!r}"
        )
        raise ValidationError(message)


# -- fan-outs --------------------------------------------------------------------------------------------------------


class BatchItemStatus(Enum):
    """How far a branch is."""

    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    STARTED = "STARTED"


class CompletionOutcome(Enum):
    """What a rule of your own says of a fan-out that it ends."""

    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


@dataclass(frozen=True)
class CompletionDecision:
    """The answer of a rule: go on, or end the fan-out with an outcome."""

    complete: bool
    outcome: CompletionOutcome | None = None

    def __post_init__(self) -> None:
        if self.complete and self.outcome is None:
            raise ValidationError("outcome is required when complete is True")
        if not self.complete and self.outcome is not None:
            raise ValidationError("outcome must be None when complete is False")


def continue_batch() -> CompletionDecision:
    """Go on."""
    return CompletionDecision(complete=False)


def complete_batch(outcome: CompletionOutcome = CompletionOutcome.SUCCEEDED) -> CompletionDecision:
    """End the fan-out now."""
    return CompletionDecision(complete=True, outcome=outcome)


@dataclass(frozen=True)
class CompletionItemStatus:
    """One branch, as a rule sees it; its status is None before it starts."""

    index: int
    name: str | None = None
    status: BatchItemStatus | None = None


@dataclass(frozen=True)
class CompletionStatus:
    """A fan-out, as a rule sees it."""

    success_count: int
    failure_count: int
    completed_count: int
    total_count: int
    items: tuple[CompletionItemStatus, ...] = ()


@dataclass(frozen=True)
class CompletionConfig:
    """When a fan-out is complete; without any criterion the first failure ends it."""

    min_successful: int | None = None
    tolerated_failure_count: int | None = None
    tolerated_failure_percentage: int | float | None = None
    should_complete: Callable[[CompletionStatus], CompletionDecision] | None = None

    def __post_init__(self) -> None:
        least, count, share = self.min_successful, self.tolerated_failure_count, self.tolerated_failure_percentage
        rule: object = self.should_complete
        if least is not None and least < 1:
            raise ValidationError(f"min_successful must be at least 1, got: {least}")
        if count is not None and count < 0:
            raise ValidationError(f"tolerated_failure_count must be non-negative, got: {count}")
        if share is not None and not 0 <= share <= 100:
            raise ValidationError(f"tolerated_failure_percentage must be between 0 and 100, got: {share}")
        if rule is not None and not callable(rule):
            raise ValidationError("should_complete must be callable")
        if rule is not None and (least, count, share) != (None, None, None):
            message = (
                "should_complete cannot be combined with min_successful, tolerated_failure_count, or "
                "tolerated_failure_percentage"
            )
            raise ValidationError(message)

    @staticmethod
    def first_successful() -> CompletionConfig:
        """Complete with the first success."""
        return CompletionConfig(min_successful=1)

    @staticmethod
    def all_completed() -> CompletionConfig:
        """Complete when every branch has ended."""
        return CompletionConfig(tolerated_failure_percentage=100)

    @staticmethod
    def all_successful() -> CompletionConfig:
        """Complete with the first failure."""
        return CompletionConfig(tolerated_failure_count=0, tolerated_failure_percentage=0)


@dataclass(frozen=True)
class ParallelConfig:
    """The options of `DurableContext.parallel`."""

    max_concurrency: int | None = None
    completion_config: CompletionConfig = field(default_factory=CompletionConfig.all_successful)
    serdes: SerDes[Any] | None = None
    item_serdes: SerDes[Any] | None = None
    summary_generator: Callable[[Any], str] | None = None
    nesting_type: NestingType = NestingType.NESTED

    def __post_init__(self) -> None:
        _check_concurrency(self.max_concurrency)


@dataclass(frozen=True)
class MapConfig(Generic[T]):
    """The options of `DurableContext.map`."""

    max_concurrency: int | None = None
    completion_config: CompletionConfig = field(default_factory=CompletionConfig)
    serdes: SerDes[Any] | None = None
    item_serdes: SerDes[Any] | None = None
    summary_generator: Callable[[Any], str] | None = None
    nesting_type: NestingType = NestingType.NESTED
    item_namer: Callable[[T, int], str] | None = None

    def __post_init__(self) -> None:
        _check_concurrency(self.max_concurrency)


def _check_concurrency(limit: int | None) -> None:
    if limit is not None and limit < 1:
        raise ValidationError(f"max_concurrency must be at least 1, got: {limit}")


@dataclass(frozen=True)
class ParallelBranch(Generic[T]):
    """A branch with a name."""

    func: Callable[..., T]
    name: str | None = None

    def __call__(self, *args: Any, **kwargs: Any) -> T:
        """Call the branch's function."""
        return self.func(*args, **kwargs)
