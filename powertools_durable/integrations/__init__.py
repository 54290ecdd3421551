"""Powertools' Logger inside durable executions: correlation paths, and what makes each line appear once."""

from __future__ import annotations

from powertools_durable.integrations import correlation_paths

__all__ = ["correlation_paths"]
