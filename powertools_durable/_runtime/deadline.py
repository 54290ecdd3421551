"""The deadline of an invocation: how long it may still wait."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from powertools_durable._runtime.environment import Clock

__all__ = ["Deadline"]

_MARGIN = 0.5  # seconds reserved for returning the answer to Lambda
_UNKNOWN = 900.0  # Lambda's longest invocation, used when the context does not say


class Deadline:
    """The end of this invocation, read from Lambda's context once.

    Parameters
    ----------
    lambda_context : object
        An object with ``get_remaining_time_in_millis()``; without that method the deadline is 15 minutes away.
    clock : Clock
        Measures the time from now on.
    """

    __slots__ = ("_clock", "_end", "_moment")

    def __init__(self, lambda_context: object, clock: Clock) -> None:
        self._clock = clock
        self._end = clock.monotonic() + _seconds_left(lambda_context)
        self._moment: datetime | None = None

    @property
    def left(self) -> float:
        """Seconds until the invocation ends; never negative."""
        return max(0.0, self._end - self._clock.monotonic())

    @property
    def patience(self) -> float:
        """Seconds that a wait may take, with time reserved to answer Lambda."""
        left = self._end - self._clock.monotonic()
        return max(0.0, left - min(_MARGIN, left / 10))

    @property
    def moment(self) -> datetime:
        """The end as a date and time, computed when this is first read."""
        if self._moment is None:
            self._moment = self._clock.now() + timedelta(seconds=self.left)
        return self._moment


def _seconds_left(lambda_context: Any) -> float:
    remaining = getattr(lambda_context, "get_remaining_time_in_millis", None)
    try:
        return float(remaining()) / 1000 if remaining is not None else _UNKNOWN
    except (TypeError, ValueError):
        return _UNKNOWN
