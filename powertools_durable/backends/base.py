"""The two calls we need of the service."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from powertools_durable._protocol.result import CheckpointResponse, StatePage
from powertools_durable._protocol.update import OperationUpdate

__all__ = ["CheckpointResponse", "DurableBackend", "OperationUpdate", "StatePage"]


class DurableBackend(Protocol):
    """Where an execution's records live.

    Calls come one at a time, never concurrently for one execution: further pages of an event's records from the
    thread that Lambda called, all others from one thread of the library, which is left behind with a call that hangs
    when the invocation must end. Both raise `BackendError`, whose ``retryable`` says whether another invocation may
    succeed; anything else counts as retryable.
    """

    def checkpoint(
        self, arn: str, checkpoint_token: str, updates: Sequence[OperationUpdate], client_token: str
    ) -> CheckpointResponse:
        """Apply *updates* together and return what changed (docs/contributing/protocol.md#request-and-response).

        Parameters
        ----------
        arn : str
            The durable execution's ARN.
        checkpoint_token : str
            The newest token of this invocation; an accepted call consumes it.
        updates : Sequence[OperationUpdate]
            At most 250; none asks only for what changed.
        client_token : str
            The same for a repetition of the same call.

        Returns
        -------
        CheckpointResponse
            The next token and the changed records.
        """
        ...

    def get_execution_state(self, arn: str, checkpoint_token: str, marker: str, max_items: int) -> StatePage:
        """Return the page at *marker*; the token stays valid (docs/contributing/protocol.md#loading-all-pages)."""
        ...
