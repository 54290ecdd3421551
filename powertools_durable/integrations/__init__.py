"""Powertools inside durable executions: each line logged once, each metric counted once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from powertools_durable._lazy import lazy

if TYPE_CHECKING:
    from powertools_durable.integrations import correlation_paths as correlation_paths
    from powertools_durable.integrations.metrics import ReplaySafeProvider as ReplaySafeProvider
else:
    __all__, __getattr__ = lazy(__name__, {"metrics": "ReplaySafeProvider"}, modules="correlation_paths")
