"""What a thread waits at until the service has an update."""

from __future__ import annotations

from powertools_durable._runtime.environment import Signal

__all__ = ["Acknowledged"]


class Acknowledged:
    """Completed when the service has the update, or never will have it; changed under the checkpointer's lock.

    Attributes
    ----------
    done : bool
        It is complete.
    error : BaseException | None
        The exception to raise where it is waited for.
    blocks : bool
        A thread stands still for it.
    """

    __slots__ = ("blocks", "done", "error", "signal")

    def __init__(self) -> None:
        self.done = self.blocks = False
        self.error: BaseException | None = None
        self.signal: Signal | None = None

    def tell(self) -> None:
        """Wake what waits for it."""
        if self.signal is not None:
            self.signal.set()
