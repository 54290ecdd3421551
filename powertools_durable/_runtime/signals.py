"""Signals besides `SuspendExecution`, which are `BaseException`s, and the errors that no policy may handle."""

from __future__ import annotations

from typing import Final

from powertools_durable.errors import (
    DurableConfigError,
    InvalidStateError,
    NonDeterminismError,
    RetryableSerDesError,
    ValidationError,
)

__all__ = ["NO_END", "UNRECOVERABLE", "BranchOrphaned", "CheckpointingStopped"]


class BranchOrphaned(BaseException):
    """The context around this code has ended: nothing more may be recorded here, so the code stops."""

    _recorded = True
    _cause_id = "5755a9e7d0000000"


class CheckpointingStopped(BaseException):
    """No more checkpoints can be made in this invocation; ``reason`` decides how it ends.

    Not an `Exception`: a user's ``except Exception``, a step's retry policy and a context's failure must not
    turn a fault of the service into a result (docs/contributing/protocol.md#api-errors).
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
    MemoryError,
    RecursionError,
)
"""Errors that pass through steps and contexts unchanged: no retry, no failed operation, no record."""

NO_END: Final = (RetryableSerDesError, MemoryError, NonDeterminismError)
"""Errors after which the execution has no recorded end."""
