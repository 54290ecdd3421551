"""What a test says about recorded requests and operations, as functions and of a `MockRun`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import NamedTuple

from powertools_durable._contexts.blocking import DurableContext
from powertools_durable.testing.mocks.prepared import ANY_NAME
from powertools_durable.testing.mocks.recording_backend import CheckpointCall, OperationRecord

__all__ = [
    "MockRun",
    "assert_checkpoint_count",
    "assert_no_checkpoints",
    "assert_operation_count",
    "assert_operation_names",
    "assert_operations",
]


def assert_no_checkpoints(calls: Sequence[CheckpointCall]) -> None:
    """Fail if any request was made: everything must have come from records."""
    if calls:
        message = f"expected no checkpoint, recorded {_listed(calls)}"
        raise AssertionError(message)


def assert_checkpoint_count(calls: Sequence[CheckpointCall], expected: int) -> None:
    """Fail unless exactly so many requests were made.

    The engine lets updates share a request, as it does in Lambda: the START and the end of a short step are one.
    """
    if len(calls) != expected:
        message = f"expected {_counted(expected, 'checkpoint')}, recorded {_listed(calls)}"
        raise AssertionError(message)


def assert_operations(operations: Sequence[OperationRecord], expected: Sequence[str]) -> None:
    """Fail unless exactly these operations were started, in this order, each as ``type:name``.

    Examples
    --------
    >>> assert_operations([OperationRecord("charge", "step")], ["step:charge"])
    """
    _compare([str(operation) for operation in operations], list(expected), "operations")


def assert_operation_names(operations: Sequence[OperationRecord], expected: Sequence[str | None]) -> None:
    """Fail unless operations of exactly these names were started, in this order; one without a name is None."""
    _compare([operation.name for operation in operations], list(expected), "operation names")


def assert_operation_count(operations: Sequence[OperationRecord], expected: int) -> None:
    """Fail unless exactly so many operations were started."""
    if len(operations) != expected:
        recorded = [str(operation) for operation in operations]
        message = f"expected {_counted(expected, 'operation')}, recorded {len(operations)}: {recorded}"
        raise AssertionError(message)


def _compare(recorded: Sequence[str | None], expected: Sequence[str | None], what: str) -> None:
    if recorded == expected:
        return
    nothing = object()
    pairs = enumerate(zip_longest(recorded, expected, fillvalue=nothing))
    index, (found, wanted) = next((index, pair) for index, pair in pairs if pair[0] != pair[1])
    shown_found, shown_wanted = ("nothing" if part is nothing else repr(part) for part in (found, wanted))
    message = (
        f"{what} differ first at index {index}: expected {shown_wanted}, recorded {shown_found}\n"
        f"  expected: {list(expected)}\n"
        f"  recorded: {list(recorded)}"
    )
    raise AssertionError(message)


def _listed(calls: Sequence[CheckpointCall]) -> str:
    lines = "".join(f"\n  {number}. {call}" for number, call in enumerate(calls, 1))
    return f"{len(calls)}{':' if calls else ''}{lines}"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


class MockRun(NamedTuple):
    """A prepared context, and what is recorded while it is used; unpacks as ``ctx, calls, operations``.

    Attributes
    ----------
    ctx : DurableContext
        Give it to the function under test.
    calls : list[CheckpointCall]
        The requests so far. Prepared operations make none.
    operations : list[OperationRecord]
        The operations that those requests started.
    """

    ctx: DurableContext
    calls: list[CheckpointCall]
    operations: list[OperationRecord]

    @property
    def unused(self) -> list[str]:
        """What was prepared and not asked for so far, in order, as ``STEP charge``; a name that was not said is *."""
        left = self.ctx.replay_engine.uncalled()
        return [f"{record.type.value} {'*' if record.name is ANY_NAME else record.name or ''}" for record in left]

    def assert_no_checkpoints(self) -> None:
        """Fail if any request was made."""
        assert_no_checkpoints(self.calls)

    def assert_checkpoint_count(self, expected: int) -> None:
        """Fail unless exactly so many requests were made."""
        assert_checkpoint_count(self.calls, expected)

    def assert_operations(self, expected: Sequence[str]) -> None:
        """Fail unless exactly these operations were started, each as ``type:name``."""
        assert_operations(self.operations, expected)

    def assert_operation_names(self, expected: Sequence[str | None]) -> None:
        """Fail unless operations of exactly these names were started."""
        assert_operation_names(self.operations, expected)

    def assert_operation_count(self, expected: int) -> None:
        """Fail unless exactly so many operations were started."""
        assert_operation_count(self.operations, expected)
