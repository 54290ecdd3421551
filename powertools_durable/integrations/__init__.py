"""Powertools inside durable executions: each line logged once, each metric counted once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from powertools_durable.integrations import correlation_paths

if TYPE_CHECKING:
    from powertools_durable.integrations.metrics import ReplaySafeProvider

__all__ = ["ReplaySafeProvider", "correlation_paths"]


def __getattr__(name: str) -> Any:
    if name == "ReplaySafeProvider":  # it loads Powertools' Metrics
        from powertools_durable.integrations.metrics import ReplaySafeProvider

        return ReplaySafeProvider
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
