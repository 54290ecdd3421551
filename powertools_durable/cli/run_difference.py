"""What differs between two runs of an execution, operation by operation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from powertools_durable._timeline import Failure, Operation, Timeline, read_events

__all__ = ["RunDifference", "run_differences"]

_NOT_CALLED = "not called"


@dataclass(frozen=True, slots=True)
class RunDifference:
    """One operation that came out differently.

    Attributes
    ----------
    operation : str
        Its path and number; ``the execution`` for the end of all.
    before, after : str
        How it ended in either run, without its result.
    """

    operation: str
    before: str
    after: str


def run_differences(before: Sequence[Any], after: Sequence[Any]) -> list[RunDifference]:
    """Return what differs between two histories; results are compared, but not shown."""
    one, other = read_events(before, values=True), read_events(after, values=True)
    return [*_operations(one, other), *_ends(one, other)]


def _operations(one: Timeline, other: Timeline) -> Iterator[RunDifference]:
    olds = {(operation.path, operation.number): operation for operation in one.walk()}
    news = {(operation.path, operation.number): operation for operation in other.walk()}
    for key in dict.fromkeys([*olds, *news]):
        old, new = olds.get(key), news.get(key)
        if _outcome(old) == _outcome(new):
            if old is None or new is None or old.result == new.result:
                continue
            yield RunDifference(_name(*key), _outcome(old), f"{_outcome(new)} with another result")
        else:
            yield RunDifference(_name(*key), _outcome(old), _outcome(new))


def _ends(one: Timeline, other: Timeline) -> Iterator[RunDifference]:
    old, new = _with_failure(one.status, one.failure), _with_failure(other.status, other.failure)
    if old != new or one.result != other.result:
        yield RunDifference("the execution", old, new if old != new else f"{new} with another result")


def _name(path: str, number: int) -> str:
    return path if number == 1 else f"{path}#{number}"


def _outcome(operation: Operation | None) -> str:
    return _NOT_CALLED if operation is None else _with_failure(operation.status, operation.failure)


def _with_failure(status: str, failure: Failure | None) -> str:
    return status if failure is None else f"{status} {failure.short_type}".rstrip()
