"""The signals besides `SuspendExecution`, which derive from `BaseException`, and errors that no policy may handle."""

from __future__ import annotations

from typing import Final

from powertools_durable.errors import (
    DurableConfigError,
    InvalidStateError,
    NonDeterminismError,
    RetryableSerDesError,
    RetryInvocation,
    ValidationError,
)

__all__ = ["STOPS_SERIES", "UNRECOVERABLE", "BranchOrphaned", "CheckpointingStopped"]


class BranchOrphaned(BaseException):
    """Raised in code whose enclosing context has ended: nothing more may be recorded here, so the code stops."""

    _recorded = True
    _cause_id = "5755a9e7d0000000"


class CheckpointingStopped(BaseException):
    """No more checkpoints can be made in this invocation; ``reason`` decides how it ends.

    Not an `Exception`, because a fault of the service must not be handled as a failure of the user's code: by
    ``except Exception``, by a retry policy, or as the recorded failure of a context
    (docs/contributing/protocol.md#api-errors).
    """

    def __init__(self, reason: BaseException) -> None:
        super().__init__(f"checkpointing stopped: {type(reason).__name__}")
        self.reason = reason


UNRECOVERABLE: Final = (
    ValidationError,
    NonDeterminismError,
    InvalidStateError,
    DurableConfigError,
    RetryableSerDesError,
    RetryInvocation,
    MemoryError,
    RecursionError,
)
"""Errors that pass through steps and contexts unchanged: they are neither retried nor recorded."""

STOPS_SERIES: Final = (RetryableSerDesError, RetryInvocation, MemoryError, NonDeterminismError)
"""Errors that end any series at once, even the handler's, which otherwise still runs its deferred calls."""
