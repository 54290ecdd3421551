"""What a fan-out returns, as ``aws_durable_execution_sdk_python.concurrency.models`` has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Generic, TypeVar, cast

import powertools_durable
from powertools_durable.compat.aws.config import (
    BatchItemStatus,
    CompletionConfig,
    CompletionItemStatus,
    CompletionOutcome,
    CompletionStatus,
)
from powertools_durable.compat.aws.elsewhere import elsewhere
from powertools_durable.compat.aws.lambda_service import ErrorObject
from powertools_durable.compat.aws.operation_errors import (
    OFFICIAL,
    ChildContextError,
    DurableOperationError,
    qualified,
    register_operation_error,
)
from powertools_durable.errors import BatchError, OperationError

__all__ = [
    "BatchCompletionError",
    "BatchItem",
    "BatchItemStatus",
    "BatchResult",
    "CompletionReason",
]
__getattr__ = elsewhere(
    __name__,
    {
        "exceptions": "InvalidStateError",
        "config": "CompletionDecision",
    },
)

R = TypeVar("R")


class CompletionReason(Enum):
    """Why a fan-out ended."""

    ALL_COMPLETED = "ALL_COMPLETED"
    MIN_SUCCESSFUL_REACHED = "MIN_SUCCESSFUL_REACHED"
    FAILURE_TOLERANCE_EXCEEDED = "FAILURE_TOLERANCE_EXCEEDED"
    CUSTOM_COMPLETION_SUCCEEDED = "CUSTOM_COMPLETION_SUCCEEDED"
    CUSTOM_COMPLETION_FAILED = "CUSTOM_COMPLETION_FAILED"


class BatchCompletionError(DurableOperationError, BatchError):
    """A rule of your own ended the fan-out as failed, although no branch failed."""

    __module__ = f"{OFFICIAL}.concurrency.models"

    def __init__(
        self,
        completion_reason: CompletionReason = CompletionReason.CUSTOM_COMPLETION_FAILED,
        message: str | None = None,
        error_type: str | None = None,
        data: str | None = None,
        stack_trace: list[str] | None = None,
    ) -> None:
        message = message or f"Batch completed as failed by should_complete ({completion_reason.value})"
        super().__init__(message, error_type, data, stack_trace)
        self.completion_reason = completion_reason


register_operation_error(BatchCompletionError)


@dataclass(frozen=True)
class BatchItem(Generic[R]):
    """What became of one branch."""

    index: int
    status: BatchItemStatus
    result: R | None = None
    error: ErrorObject | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return it as it is recorded."""
        return {
            "index": self.index,
            "status": self.status.value,
            "result": self.result,
            "error": self.error.to_dict() if self.error else None,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> BatchItem[R]:
        """Read what `to_dict` returned."""
        error = data.get("error")
        return cls(
            data["index"],
            BatchItemStatus(data["status"]),
            data.get("result"),
            ErrorObject.from_dict(error) if error else None,
        )


@dataclass(frozen=True)
class BatchResult(Generic[R]):
    """What became of the branches that were started, in index order."""

    all: list[BatchItem[R]]
    completion_reason: CompletionReason

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], completion_config: CompletionConfig | None = None) -> BatchResult[R]:
        """Read what `to_dict` returned; without a reason it is derived from the items."""
        items: list[BatchItem[R]] = [BatchItem.from_dict(item) for item in data["all"]]
        reason = data.get("completionReason")
        if reason is None:
            return cls.from_items(items, completion_config)
        return cls(items, CompletionReason(reason))

    @classmethod
    def from_items(cls, items: list[BatchItem[R]], completion_config: CompletionConfig | None = None) -> BatchResult[R]:
        """Derive the reason from the statuses of all branches."""
        return cls(items, _reason(items, completion_config or CompletionConfig()))

    def to_dict(self) -> dict[str, Any]:
        """Return it as it is recorded."""
        return {"all": [item.to_dict() for item in self.all], "completionReason": self.completion_reason.value}

    def succeeded(self) -> list[BatchItem[R]]:
        """Return the branches that succeeded."""
        return self._having(BatchItemStatus.SUCCEEDED)

    def failed(self) -> list[BatchItem[R]]:
        """Return the branches that failed."""
        return self._having(BatchItemStatus.FAILED)

    def started(self) -> list[BatchItem[R]]:
        """Return the branches that had not ended."""
        return self._having(BatchItemStatus.STARTED)

    def _having(self, status: BatchItemStatus) -> list[BatchItem[R]]:
        return [item for item in self.all if item.status is status]

    @property
    def status(self) -> BatchItemStatus:
        """Failed if a branch failed, unless a rule of your own decided."""
        match self.completion_reason:
            case CompletionReason.CUSTOM_COMPLETION_FAILED:
                return BatchItemStatus.FAILED
            case CompletionReason.CUSTOM_COMPLETION_SUCCEEDED:
                return BatchItemStatus.SUCCEEDED
            case _:
                return BatchItemStatus.FAILED if self.has_failure else BatchItemStatus.SUCCEEDED

    @property
    def has_failure(self) -> bool:
        """Whether a branch failed."""
        return self.failure_count > 0

    def throw_if_error(self) -> None:
        """Raise the failure of the first branch that failed.

        Raises
        ------
        ChildContextError
            A branch failed.
        BatchCompletionError
            None did, but a rule of your own ended the fan-out as failed.
        """
        for item in self.failed():
            if item.error is None:
                raise ChildContextError(f"Batch item {item.index} failed without an ErrorObject.")
            item.error.raise_as_operation_error(ChildContextError)
        if self.completion_reason is CompletionReason.CUSTOM_COMPLETION_FAILED:
            raise BatchCompletionError(self.completion_reason)

    def get_results(self) -> list[R]:
        """Return the results of the branches that succeeded; failures are left out."""
        return [cast("R", item.result) for item in self.succeeded()]

    def get_errors(self) -> list[ErrorObject | None]:
        """Return the errors of the branches that failed."""
        return [item.error for item in self.failed()]

    @property
    def success_count(self) -> int:
        """How many branches succeeded."""
        return len(self.succeeded())

    @property
    def failure_count(self) -> int:
        """How many branches failed."""
        return len(self.failed())

    @property
    def started_count(self) -> int:
        """How many branches had not ended."""
        return len(self.started())

    @property
    def total_count(self) -> int:
        """How many branches were started."""
        return len(self.all)


def _reason(items: Sequence[BatchItem[Any]], config: CompletionConfig) -> CompletionReason:
    total = len(items)
    succeeded = sum(item.status is BatchItemStatus.SUCCEEDED for item in items)
    failed = sum(item.status is BatchItemStatus.FAILED for item in items)
    if config.should_complete is not None:
        statuses = tuple(CompletionItemStatus(item.index, status=item.status) for item in items)
        decision = config.should_complete(CompletionStatus(succeeded, failed, succeeded + failed, total, statuses))
        if decision.complete:
            is_failure = decision.outcome is CompletionOutcome.FAILED
            return (
                CompletionReason.CUSTOM_COMPLETION_FAILED
                if is_failure
                else CompletionReason.CUSTOM_COMPLETION_SUCCEEDED
            )
        return CompletionReason.ALL_COMPLETED
    count, share, least = config.tolerated_failure_count, config.tolerated_failure_percentage, config.min_successful
    exceeds = failed > 0 if (count, share, least) == (None, None, None) else count is not None and failed > count
    if exceeds or (share is not None and total > 0 and failed * 100 / total > share):
        return CompletionReason.FAILURE_TOLERANCE_EXCEEDED
    if succeeded + failed < total and least is not None and succeeded >= least:
        return CompletionReason.MIN_SUCCESSFUL_REACHED
    return CompletionReason.ALL_COMPLETED


def batch_of(result: powertools_durable.BatchResult[Any]) -> BatchResult[Any]:
    """Return the result of a fan-out of this package as the official one."""
    items = [BatchItem(item.index, BatchItemStatus(item.status), item.result, _error_of(item.error)) for item in result]
    return BatchResult(items, CompletionReason(result.completion_reason))


def _error_of(error: Exception | None) -> ErrorObject | None:
    if error is None:
        return None
    if isinstance(error, OperationError):
        return ErrorObject(error.message, error.error_type, error.data, list(error.stack_trace) or None)
    return ErrorObject(str(error), qualified(type(error)), None, None)
