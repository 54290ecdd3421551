"""The error of a store."""

from __future__ import annotations

from powertools_durable.errors import BackendError

__all__ = ["StoreError"]


class StoreError(BackendError):
    """The store can't be read or written."""
