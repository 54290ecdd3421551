"""What an execution is charged for.

Source: https://docs.aws.amazon.com/lambda/latest/dg/durable-execution-sdk.html#durable-operations-checkpoint-consumption
"""

from __future__ import annotations

from powertools_durable._report.prices import Usage
from powertools_durable._timeline import Kind, Operation, Timeline

__all__ = ["usage_of"]


def usage_of(timeline: Timeline) -> Usage:
    """Return what an execution is charged for, up to the moment that its timeline shows."""
    operations, written = 1, (timeline.input_bytes or 0) + (timeline.result_bytes or 0)
    if timeline.failure is not None:
        written += timeline.failure.size
    for operation in timeline.walk():
        for one in (operation, *operation.parts):
            operations += _charged(one)
            written += _written(one)
    failed = [one.failure for one in timeline.invocations[:-1] if one.failure is not None]
    return Usage(
        operations=operations + len(failed),  # each was tried again
        invocations=len(timeline.invocations),
        written=written + sum(failure.size for failure in failed),
        lasted=max(timeline.until - timeline.started, timeline.started - timeline.started),
        active=tuple(one.ended - one.started for one in timeline.invocations if one.ended is not None),
    )


def _charged(operation: Operation) -> int:
    if operation.is_virtual:
        return 0
    match operation.kind:
        case Kind.STEP | Kind.COMPENSATION:
            return 1 + sum(attempt.retry_at is not None for attempt in operation.attempts)
        case Kind.WAIT_FOR_CONDITION:
            return 1 + len(operation.attempts)
        case _:
            return 1


def _written(operation: Operation) -> int:
    """Return the size of the payloads that it wrote: a step and a condition write one with each attempt."""
    if operation.is_virtual:  # it has no record: its failure is that of the operation in it
        return 0
    written = operation.input_bytes or 0
    if operation.kind in {Kind.STEP, Kind.WAIT_FOR_CONDITION} and operation.attempts:
        return written + sum(
            (attempt.result_bytes or 0) + (attempt.failure.size if attempt.failure is not None else 0)
            for attempt in operation.attempts
        )
    if operation.failure is not None:
        written += operation.failure.size
    return written + (operation.result_bytes or 0)
