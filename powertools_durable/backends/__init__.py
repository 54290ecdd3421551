"""Where an execution's records live: the Lambda service, or anything with the same two calls."""

from __future__ import annotations

from powertools_durable.backends.base import CheckpointResponse, DurableBackend, OperationUpdate, StatePage
from powertools_durable.backends.lambda_ import LambdaBackend

__all__ = ["CheckpointResponse", "DurableBackend", "LambdaBackend", "OperationUpdate", "StatePage"]
