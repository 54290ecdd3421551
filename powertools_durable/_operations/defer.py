"""Run deferred calls at the end of the execution: each as a step, and all of them, even if one fails."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from powertools_durable._replay.effects import Call, Outcome, Perform, Raised, Series
from powertools_durable._replay.frame import Frame

__all__ = ["run_deferred"]


def run_deferred(frame: Frame, steps: Iterable[Callable[[], Call[Any]]]) -> Series[list[Exception]]:
    """Perform *steps* in order; return the errors. Stop when nothing more can be recorded."""
    failures: list[Exception] = []
    for begin in steps:
        if frame.engine.interruption is not None:  # it decides how the execution ends
            break
        outcome: Outcome = yield Perform("step", begin)
        if isinstance(outcome, Raised):
            failures.append(outcome.error)
    return failures
