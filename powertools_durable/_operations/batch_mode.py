"""Send what batch mode holds back."""

from __future__ import annotations

from powertools_durable._replay.effects import Flush, Series

__all__ = ["flush"]


def flush() -> Series[None]:
    """Wait until the service has all that was held back."""
    yield Flush()
