"""When a fan-out is done, and the reason's name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Literal

from powertools_durable._frozen import frozen
from powertools_durable._functions import ANSWERS_AT_ONCE, require_finished
from powertools_durable.errors import ValidationError

__all__ = ["BranchState", "Completion", "CompletionReason", "FanOutStatus"]


class BranchState(StrEnum):
    """How far one branch is; a branch that never started has no state."""

    STARTED = "STARTED"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


class CompletionReason(StrEnum):
    """Why a fan-out ended, in the words of the wire (docs/contributing/protocol.md#completion-rules)."""

    ALL_COMPLETED = "ALL_COMPLETED"
    MIN_SUCCESSFUL_REACHED = "MIN_SUCCESSFUL_REACHED"
    FAILURE_TOLERANCE_EXCEEDED = "FAILURE_TOLERANCE_EXCEEDED"
    CUSTOM_COMPLETION_SUCCEEDED = "CUSTOM_COMPLETION_SUCCEEDED"
    CUSTOM_COMPLETION_FAILED = "CUSTOM_COMPLETION_FAILED"


@frozen
class FanOutStatus:
    """What a custom rule may look at.

    Attributes
    ----------
    total : int
        How many branches there are, started or not.
    succeeded, failed : int
        How many have ended so.
    items : Mapping[int, BranchState | None]
        Each branch by its index; None when it has not started.
    """

    total: int
    succeeded: int
    failed: int
    items: Mapping[int, BranchState | None]


Rule = Callable[[FanOutStatus], Literal["succeeded", "failed"] | None]


@frozen
class Completion:
    """When a fan-out is done.

    Without any criterion the first failure ends it. Tolerances are exceeded by *more* than the given number;
    ``min_successful`` alone sets no limit to failures.

    Parameters
    ----------
    min_successful : int | None
        Done as soon as so many branches succeeded.
    tolerated_failure_count : int | None
        Done as soon as more branches failed.
    tolerated_failure_percentage : float | None
        Done as soon as more of a hundred failed; counted of all branches, started or not.
    when : Callable | None
        A rule of your own in place of the three: given a `FanOutStatus` it returns None to go on,
        ``"succeeded"`` or ``"failed"`` to end. It must be pure, and never take back what it said.

    Raises
    ------
    ValidationError
        A number out of range, or ``when`` beside another criterion or no function.
    """

    min_successful: int | None = None
    tolerated_failure_count: int | None = None
    tolerated_failure_percentage: float | None = None
    when: Rule | None = None

    def __post_init__(self) -> None:
        _check("min_successful", self.min_successful, least=1)
        _check("tolerated_failure_count", self.tolerated_failure_count, least=0)
        _check("tolerated_failure_percentage", self.tolerated_failure_percentage, least=0, most=100, whole=False)
        when: object = self.when
        if when is not None and not callable(when):
            message = f"Completion(when=...) takes a function of the status, not {when!r}"
            raise ValidationError(message)
        others = self.min_successful, self.tolerated_failure_count, self.tolerated_failure_percentage
        if when is not None and others != (None, None, None):
            message = "Completion(when=...) takes the place of the other criteria; give one or the other"
            raise ValidationError(message)

    def __repr__(self) -> str:
        given = ((name, getattr(self, name)) for name in self.__match_args__)
        return f"Completion({', '.join(f'{name}={value!r}' for name, value in given if value is not None)})"

    @classmethod
    def all_successful(cls) -> Completion:
        """Done with the first failure."""
        return cls(tolerated_failure_count=0, tolerated_failure_percentage=0)

    @classmethod
    def all_completed(cls) -> Completion:
        """Done when every branch has ended, however."""
        return cls(tolerated_failure_percentage=100)

    @classmethod
    def first_successful(cls) -> Completion:
        """Done with the first success."""
        return cls(min_successful=1)

    def check_total(self, total: int) -> None:
        """Refuse to ask for more successes than there are branches.

        Raises
        ------
        ValidationError
            ``min_successful`` is more than *total*.
        """
        if self.min_successful is not None and self.min_successful > total:
            message = f"min_successful={self.min_successful} can't be reached with {total} branches"
            raise ValidationError(message)

    def reason(self, status: FanOutStatus) -> CompletionReason | None:
        """Say why the fan-out is done; None while it is not."""
        if self.when is not None:
            return self._ruled(require_finished(self.when(status), self.when, ANSWERS_AT_ONCE), status)
        if self._exceeds(status):
            return CompletionReason.FAILURE_TOLERANCE_EXCEEDED
        if status.succeeded + status.failed >= status.total:
            return CompletionReason.ALL_COMPLETED
        if self.min_successful is not None and status.succeeded >= self.min_successful:
            return CompletionReason.MIN_SUCCESSFUL_REACHED
        return None

    def _ruled(self, answer: object, status: FanOutStatus) -> CompletionReason | None:
        match answer:
            case "succeeded":
                return CompletionReason.CUSTOM_COMPLETION_SUCCEEDED
            case "failed":
                return CompletionReason.CUSTOM_COMPLETION_FAILED
            case None:
                is_done = status.succeeded + status.failed >= status.total
                return CompletionReason.ALL_COMPLETED if is_done else None
            case _:
                message = f"Completion(when=...) returned {answer!r}; it returns None, 'succeeded' or 'failed'"
                raise ValidationError(message)

    def _exceeds(self, status: FanOutStatus) -> bool:
        count, percentage = self.tolerated_failure_count, self.tolerated_failure_percentage
        if count is None and percentage is None and self.min_successful is None:
            return status.failed > 0
        if count is not None and status.failed > count:
            return True
        # Divided last: 7 of 100 are 7 %, and not the 7.000000000000001 of 7 / 100 * 100.
        return percentage is not None and status.failed > 0 and status.failed * 100 / status.total > percentage


def _check(name: str, value: float | None, *, least: float, most: float | None = None, whole: bool = True) -> None:
    if value is None:
        return
    kinds = (int,) if whole else (int, float)
    in_range = isinstance(value, kinds) and not isinstance(value, bool) and value >= least
    if not in_range or (most is not None and value > most):
        limits = f"at least {least}" if most is None else f"{least} to {most}"
        message = f"Completion({name}=...) is {'a whole number' if whole else 'a number'}, {limits}, not {value!r}"
        raise ValidationError(message)
