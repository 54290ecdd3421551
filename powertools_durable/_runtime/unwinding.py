"""Says what code did to a suspension that passed through it, for nobody else would: the execution suspends anyway.

Source: protocol.md 10.4; powertools.md 9.
"""

from __future__ import annotations

import logging

from powertools_durable._replay.frame import Frame
from powertools_durable._runtime.places import place_of

__all__ = ["tell_dropped", "tell_swallowed"]

logger = logging.getLogger(__name__)


def tell_dropped(error: Exception) -> None:
    """Warn of an error that was raised on the way out; its words may be payload."""
    logger.warning(
        "an error was raised while the execution was being suspended, and counts for nothing: %s. 'finally' and 'with' "
        "blocks run at every suspension; ctx.defer() and ctx.saga() are for the execution's end",
        place_of(error),
    )


def tell_swallowed(frame: Frame) -> None:
    """Warn of code that returned although a suspension was raised in it."""
    where = "the handler" if frame.context_id is None else f"the context of operation {frame.context_id[:8]}"
    logger.warning(
        "code in %s caught the signal that suspends the execution, or returned in a 'finally'; the execution is "
        "suspended all the same. Write 'except Exception:', which lets the signal pass",
        where,
    )
