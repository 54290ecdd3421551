"""The HTML report of an execution, and what the execution costs."""

from __future__ import annotations

__all__: list[str] = []
