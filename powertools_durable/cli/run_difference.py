"""What differs between two runs of an execution, operation by operation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from powertools_durable._timeline import Failure, Operation, Timeline

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
    id : str
        The operation's id; empty for the end of all.
    """

    operation: str
    before: str
    after: str
    id: str = ""

    def __str__(self) -> str:
        return f"{self.operation}: {self.before} -> {self.after}"


def run_differences(one: Timeline, other: Timeline) -> list[RunDifference]:
    """Return what differs between two runs that were read with their values; these are compared, but not shown."""
    return [*_operations(one, other), *_ends(one, other)]


def _operations(one: Timeline, other: Timeline) -> Iterator[RunDifference]:
    olds = {(operation.path, operation.number): operation for operation in one.walk()}
    news = {(operation.path, operation.number): operation for operation in other.walk()}
    for key in dict.fromkeys([*olds, *news]):
        old, new = olds.get(key), news.get(key)
        identifier = new.id if new is not None else old.id if old is not None else ""
        if _outcome(old) == _outcome(new):
            if old is None or new is None or old.result == new.result:
                continue
            yield RunDifference(_name(*key), _outcome(old), f"{_outcome(new)} with another result", identifier)
        else:
            yield RunDifference(_name(*key), _outcome(old), _outcome(new), identifier)


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
