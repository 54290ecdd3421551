"""Send the updates that batch mode holds back."""

from __future__ import annotations

from powertools_durable._replay.effects import Flush, Series

__all__ = ["flush"]


def flush() -> Series[None]:
    """Send them, and wait until the service has them."""
    yield Flush()
