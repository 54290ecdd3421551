"""Spans and moments as text."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

__all__ = ["format_duration", "format_left", "format_moment"]

_UNITS: Final = (("d", 86_400), ("h", 3_600), ("min", 60))


def format_duration(seconds: float) -> str:
    """Return ``2 d 3 h``, ``45 s`` or ``80 ms``: at most two units."""
    if 0 < seconds < 1:
        return f"{round(seconds * 1000)} ms"
    left = round(timedelta(seconds=seconds).total_seconds())
    parts = []
    for unit, size in _UNITS:
        if left >= size:
            parts.append(f"{left // size} {unit}")
            left %= size
    if left or not parts:
        parts.append(f"{left} s")
    return " ".join(parts[:2])


def format_moment(moment: datetime, now: datetime) -> str:
    """Return the time of day of *moment*, with its date if that is another than that of *now*."""
    moment, now = moment.astimezone(), now.astimezone()
    return f"{moment:%H:%M:%S}" if moment.date() == now.date() else f"{moment:%Y-%m-%d %H:%M:%S}"


def format_left(moment: datetime | None, now: datetime) -> str:
    """Return ``until 10:29:35, 4 s left``; empty for None."""
    if moment is None:
        return ""
    left = max(0, round((moment - now).total_seconds()))
    return f"until {format_moment(moment, now)}, {format_duration(left)} left"
