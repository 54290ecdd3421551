"""Rules without side effects."""

from __future__ import annotations

LARGE = 1_000
ORDER = ("check", "reserve", "charge")


def is_large(amount):
    return amount > LARGE


def steps_of(event):
    skipped = set(event.get("skip", ()))
    return [name for name in ORDER if name not in skipped]


def describe(event):
    return ", ".join(f"{key}={event[key]}" for key in sorted(event))
