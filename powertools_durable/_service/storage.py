"""Where executions are kept."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from powertools_durable._service.execution import ServiceExecution

__all__ = ["MemoryStore", "Store"]


class Store(Protocol):
    """Keeps executions between calls.

    Each change is made inside `transaction`: `load`, change, `save`. When the transaction ends, and before any answer
    goes out, ``execution.changed``, ``execution.events`` and ``execution.header`` are stored; when it raises, none is.
    """

    def transaction(self) -> AbstractContextManager[object]:
        """Keep others from changing anything meanwhile."""
        ...

    def save(self, execution: ServiceExecution) -> None:
        """Store what changed since the last call."""
        ...

    def load(self, arn: str) -> ServiceExecution | None:
        """Return an execution as it was last saved; None if there is none."""
        ...

    def __iter__(self) -> Iterator[str]:
        """Yield the ARNs of all executions, the oldest first."""
        ...


class MemoryStore:
    """Keeps executions for as long as the process lives."""

    def __init__(self) -> None:
        self._executions: dict[str, ServiceExecution] = {}

    def transaction(self) -> AbstractContextManager[object]:
        """Do nothing: the host's lock is enough."""
        return nullcontext()

    def save(self, execution: ServiceExecution) -> None:
        """Keep the execution itself."""
        self._executions[execution.header.arn] = execution

    def load(self, arn: str) -> ServiceExecution | None:
        """Return the execution itself."""
        return self._executions.get(arn)

    def __iter__(self) -> Iterator[str]:
        """Yield the ARNs in the order of their start."""
        return iter(list(self._executions))
