"""What handlers of the corpus ask about the calendar."""

from __future__ import annotations

from datetime import UTC, datetime


def now():
    return datetime.now(UTC)


def quarter_of_today():
    moment = now()
    return f"{moment.month}-{moment.hour}"
