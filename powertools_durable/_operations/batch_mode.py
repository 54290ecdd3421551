"""Batch mode: send the updates that it holds back."""

from __future__ import annotations

from powertools_durable._replay.effects import Flush, Series

__all__ = ["flush"]


def flush() -> Series[None]:
    """Send the updates that batch mode holds back, and wait until the service has acknowledged them."""
    yield Flush()
