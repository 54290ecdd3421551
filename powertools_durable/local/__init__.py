"""Run durable handlers on this machine: no AWS account, the real clock, nothing lost in a crash."""

from __future__ import annotations

from powertools_durable.local.executions import LocalCallback, LocalExecution, LocalExecutions
from powertools_durable.local.runner import LocalRunner
from powertools_durable.local.store import SqliteStore, StoreError

__all__ = ["LocalCallback", "LocalExecution", "LocalExecutions", "LocalRunner", "SqliteStore", "StoreError"]
