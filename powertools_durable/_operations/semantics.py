"""Options of steps and fan-outs as enums."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Nesting", "StepSemantics"]


class StepSemantics(StrEnum):
    """How often the body of one attempt may start.

    Neither means exactly once: for that, the service you call must recognise ``current_step().idempotency_key``.
    """

    AT_LEAST_ONCE = "AT_LEAST_ONCE"
    """An interrupted attempt runs again."""

    AT_MOST_ONCE = "AT_MOST_ONCE"
    """An interrupted attempt counts as failed; with ``Retry.none()`` the body runs at most once at all."""


class Nesting(StrEnum):
    """Whether each branch of a fan-out has a record of its own."""

    NESTED = "NESTED"
    """Each branch has a record with its result, and does not run again."""

    FLAT = "FLAT"
    """Branches have no record. This saves two updates for each, but their code runs again on every replay."""
