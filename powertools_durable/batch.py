"""What a fan-out returns, and its compact form for results too large for their record."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Generic, Literal, TypeVar, overload

from powertools_durable._frozen import frozen
from powertools_durable._protocol.operation import ErrorObject
from powertools_durable.errors import BatchError, ChildContextError, OperationError
from powertools_durable.errors.rebuilding import rebuild
from powertools_durable.errors.recording import raised_type, recorded_type, to_error_object

__all__ = ["BatchItem", "BatchResult", "Compact", "ItemStatus"]

T = TypeVar("T")
ItemStatus = Literal["SUCCEEDED", "FAILED", "STARTED"]
_NOT_TOLERATED = frozenset({"FAILURE_TOLERANCE_EXCEEDED", "CUSTOM_COMPLETION_FAILED"})


@frozen(eq=False)
class BatchItem(Generic[T]):
    """What became of one branch.

    Attributes
    ----------
    index : int
        Its place among the inputs, from 0.
    name : str | None
        The branch's name.
    status : str
        ``"SUCCEEDED"``, ``"FAILED"``, or ``"STARTED"`` when the fan-out was complete before it.
    result : T | None
        What it returned.
    error : Exception | None
        `ChildContextError` with the type and message of what it raised. (A record of an earlier version may have
        a `SerDesError`; now one ends the fan-out.)
    """

    index: int
    name: str | None
    status: ItemStatus
    result: T | None = None
    error: Exception | None = None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, BatchItem):
            return NotImplemented
        mine = (self.index, self.name, self.status, self.result, _recorded(self.error))
        return mine == (other.index, other.name, other.status, other.result, _recorded(other.error))

    __hash__ = None  # type: ignore[assignment]


@frozen(repr=False)
class BatchResult(Sequence[BatchItem[T]]):
    """What `parallel` and `map` return: a sequence of the branches that were started, in index order.

    Attributes
    ----------
    items : tuple[BatchItem, ...]
        The branches.
    completion_reason : str
        ``ALL_COMPLETED``, ``MIN_SUCCESSFUL_REACHED``, ``FAILURE_TOLERANCE_EXCEEDED``,
        ``CUSTOM_COMPLETION_SUCCEEDED`` or ``CUSTOM_COMPLETION_FAILED``.
    """

    items: tuple[BatchItem[T], ...]
    completion_reason: str

    @overload
    def __getitem__(self, index: int) -> BatchItem[T]: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[BatchItem[T]]: ...
    def __getitem__(self, index: int | slice) -> BatchItem[T] | Sequence[BatchItem[T]]:
        return self.items[index]

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[BatchItem[T]]:
        return iter(self.items)

    def __repr__(self) -> str:
        counts = f"{self.success_count} succeeded, {self.failure_count} failed, {self.started_count} unfinished"
        return f"<BatchResult {self.completion_reason}: {counts}>"

    @property
    def results(self) -> list[T]:
        """The results of the branches that succeeded, in index order.

        Raises
        ------
        BatchError
            A branch failed that `Completion` did not tolerate: ``completion_reason`` is
            ``FAILURE_TOLERANCE_EXCEEDED`` or ``CUSTOM_COMPLETION_FAILED``. A shorter list would hide it.
            `succeeded` has what succeeded all the same.
        """
        if self.completion_reason in _NOT_TOLERATED and (failed := self.failed):
            raise self._failure(failed) from failed[0].error
        return [item.result for item in self.items if item.status == "SUCCEEDED"]  # type: ignore[misc]

    def _failure(self, failed: Sequence[BatchItem[T]]) -> BatchError:
        first = failed[0]
        match first.error:
            case None:
                reason = ""
            case OperationError() as error:
                reason = f" with {error.error_type}: {error.message}"
            case error:
                reason = f" with {type(error).__name__}: {error}"
        others = f", and {len(failed) - 1} more failed" if len(failed) > 1 else ""
        succeeded = tuple(self.succeeded)
        failure = BatchError(
            f"item {first.name or first.index!r} (index {first.index}) failed{reason}{others}; results would leave it "
            f"out. Use .succeeded for the {len(succeeded)} items that succeeded, or say with completion= how many "
            "failures are tolerated",
            error_type=raised_type(first.error) if first.error else None,
        )
        failure.succeeded = succeeded
        return failure

    @property
    def errors(self) -> list[Exception]:
        """The errors of the branches that failed, in index order."""
        return [item.error for item in self.items if item.error is not None]

    @property
    def succeeded(self) -> list[BatchItem[T]]:
        """The branches that succeeded."""
        return [item for item in self.items if item.status == "SUCCEEDED"]

    @property
    def failed(self) -> list[BatchItem[T]]:
        """The branches that failed."""
        return [item for item in self.items if item.status == "FAILED"]

    @property
    def started(self) -> list[BatchItem[T]]:
        """The branches that were started and cut off."""
        return [item for item in self.items if item.status == "STARTED"]

    @property
    def has_failure(self) -> bool:
        """True when a branch failed."""
        return any(item.status == "FAILED" for item in self.items)

    @property
    def success_count(self) -> int:
        """How many succeeded."""
        return len(self.succeeded)

    @property
    def failure_count(self) -> int:
        """How many failed."""
        return len(self.failed)

    @property
    def started_count(self) -> int:
        """How many were started and cut off."""
        return len(self.started)

    @property
    def total_count(self) -> int:
        """How many were started in all."""
        return len(self.items)

    @property
    def status(self) -> Literal["SUCCEEDED", "FAILED"]:
        """``"FAILED"`` when a branch failed, unless a rule of your own decided; else ``"SUCCEEDED"``."""
        match self.completion_reason:
            case "CUSTOM_COMPLETION_FAILED":
                return "FAILED"
            case "CUSTOM_COMPLETION_SUCCEEDED":
                return "SUCCEEDED"
            case _:
                return "FAILED" if self.has_failure else "SUCCEEDED"

    def raise_if_failed(self) -> None:
        """Raise the error of the first branch that failed.

        Raises
        ------
        ChildContextError
            A branch failed.
        BatchError
            None did, but ``Completion(when=...)`` said ``"failed"``.
        """
        for item in self.items:
            if item.status == "FAILED":
                raise item.error or ChildContextError(f"branch {item.name or item.index} failed")
        if self.status == "FAILED":
            message = "the rule of Completion(when=...) said 'failed'"
            raise BatchError(message)

    def named(self, names: Sequence[str | None]) -> BatchResult[T]:
        """Return it with the branches' names, which no record holds."""
        count = len(names)
        named = []
        for item in self.items:
            name = names[item.index] if item.index < count else None
            if isinstance(item.error, OperationError):
                item.error.named(name)
            named.append(BatchItem(item.index, name, item.status, item.result, item.error))
        return BatchResult(tuple(named), self.completion_reason)


# -- as it is recorded: docs/contributing/protocol.md#batch-results ------------------------------------------------

_KEYS = {
    "ErrorMessage": "error_message",
    "ErrorType": "error_type",
    "ErrorData": "error_data",
    "StackTrace": "stack_trace",
}


def to_mapping(result: BatchResult[Any]) -> dict[str, Any]:
    """Return the record's shape; results are still values."""
    items = [
        {"index": item.index, "status": item.status, "result": item.result, "error": _error_mapping(item.error)}
        for item in result.items
    ]
    return {"all": items, "completionReason": str(result.completion_reason)}


def from_mapping(data: Mapping[str, Any]) -> BatchResult[Any]:
    """Read what `to_mapping` returned.

    Raises
    ------
    KeyError, TypeError, ValueError
        It is something else.
    """
    return BatchResult(tuple(map(_item, data["all"])), str(data["completionReason"]))


def _item(data: Mapping[str, Any]) -> BatchItem[Any]:
    status = data["status"]
    if status not in {"SUCCEEDED", "FAILED", "STARTED"}:
        message = "an item of a fan-out has a status that this version does not know"
        raise ValueError(message)
    error = data.get("error")
    return BatchItem(int(data["index"]), None, status, data.get("result"), None if error is None else _error(error))


def _error_mapping(error: Exception | None) -> dict[str, Any] | None:
    recorded = _recorded(error)
    if recorded is None:
        return None
    values = {key: getattr(recorded, field) for key, field in _KEYS.items()}
    return {key: list(v) if isinstance(v, tuple) else v for key, v in values.items() if v is not None}


def _recorded(error: Exception | None) -> ErrorObject | None:
    """Write an item's error down: with the type of what the branch raised, not that of its wrapper."""
    if error is None:
        return None
    if isinstance(error, OperationError):
        below = error.__cause__
        return ErrorObject(
            error_message=error.message,
            error_type=recorded_type(below) if isinstance(below, OperationError) else raised_type(error),
            error_data=error.data,
            stack_trace=tuple(error.stack_trace) or None,
        )
    return to_error_object(error)


def _error(data: Mapping[str, Any]) -> Exception:
    stack = data.get("StackTrace")
    fields = {field: data.get(key) for key, field in _KEYS.items() if key != "StackTrace"}
    return rebuild(ErrorObject(**fields, stack_trace=tuple(stack) if stack else None), ChildContextError)


# -- as it is recorded when it is too large: docs/contributing/protocol.md#large-results ---------------------------


@frozen
class Compact:
    """Which branches had ended, and why that was enough: what replay needs to rebuild the result.

    Attributes
    ----------
    total : int
        How many branches were started: always the first ones.
    cut_off : frozenset[int]
        Which of them had not ended.
    reason : str
        Why the fan-out was complete.
    """

    total: int
    cut_off: frozenset[int]
    reason: str

    @classmethod
    def text_of(cls, result: BatchResult[Any], kind: str, summary: str | None = None) -> str:
        """Write *result* without its results; *kind* is ``Map`` or ``Parallel``."""
        cut_off = [item.index for item in result.started]
        ended = [item.index for item in result if item.status != "STARTED"]
        shorter = {"startedIndexes": cut_off} if len(cut_off) <= len(ended) else {"completedIndexes": ended}
        return json.dumps(
            {
                "type": f"{kind}Result",
                "totalCount": result.total_count,
                "completionReason": str(result.completion_reason),
                **shorter,
                "startedCount": result.started_count,
                "successCount": result.success_count,
                "failureCount": result.failure_count,
                "status": result.status,
                **({} if summary is None else {"summary": summary}),
            }
        )

    @classmethod
    def read(cls, text: str | None, inputs: int) -> Compact | None:
        """Read the record's payload; None when it is no such thing, or not one of so many *inputs*. Never raises."""
        try:
            data = json.loads(text or "")
            total, reason = data["totalCount"], data["completionReason"]
            if type(total) is not int or not 0 <= total <= inputs or not isinstance(reason, str):
                return None
            if "startedIndexes" in data:
                return cls(total, _indexes(data["startedIndexes"], total), reason)
            return cls(total, frozenset(range(total)) - _indexes(data["completedIndexes"], total), reason)
        except (ValueError, KeyError, TypeError, RecursionError):
            return None


def _indexes(values: Iterable[Any], total: int) -> frozenset[int]:
    found = frozenset(values)
    if not all(type(index) is int and 0 <= index < total for index in found):
        message = "not the indexes of branches"
        raise ValueError(message)
    return found
