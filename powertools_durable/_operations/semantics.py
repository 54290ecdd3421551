"""What a step promises about an invocation that dies inside its body."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Nesting", "StepSemantics"]


class StepSemantics(StrEnum):
    """How often the body of one attempt may start.

    Neither is exactly once: for that, the service you call must recognise ``current_step().idempotency_key``.
    """

    AT_LEAST_ONCE = "AT_LEAST_ONCE"
    """An interrupted attempt runs again."""

    AT_MOST_ONCE = "AT_MOST_ONCE"
    """An interrupted attempt counts as failed; with ``Retry.none()`` the body runs at most once at all."""


class Nesting(StrEnum):
    """Whether each branch of a fan-out has a record of its own."""

    NESTED = "NESTED"
    """It has: its result is written down and it does not run again."""

    FLAT = "FLAT"
    """It has none: two updates less a branch, but its code runs again on every replay."""
