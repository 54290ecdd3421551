"""Changes an execution from outside: answers its callbacks, stops it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from powertools_durable._service.clock import SkippingClock
from powertools_durable._service.execution import ServiceExecution
from powertools_durable.local.store import SqliteStore, StoreError

__all__ = ["changing", "clock_of"]


def clock_of(store: SqliteStore, arn: str) -> SkippingClock:
    """Return a clock that is not behind the execution's history: skipped waits took no real time."""
    clock = SkippingClock()
    execution = store.load(arn)
    if execution is not None and execution.history:
        last = execution.history[-1]["EventTimestamp"] / 1000
        clock.move_to(datetime.fromtimestamp(last, UTC))
    return clock


@contextmanager
def changing(store: SqliteStore, arn: str) -> Iterator[tuple[ServiceExecution, datetime]]:
    """Lock an execution while it is changed from outside; yield it and its time."""
    with store.transaction():
        execution = store.load(arn)
        if execution is None:
            message = f"execution {arn.rpartition('/')[2]} is no longer in {store.path}"
            raise StoreError(message, retryable=False)
        now = clock_of(store, arn).now()
        execution.advance(now)
        yield execution, now
        store.save(execution)
        execution.saved()
