"""What all integrations share: how a problem is told, and how everything they put into the process is taken out."""

from __future__ import annotations

import os
from collections.abc import Callable

from powertools_durable.errors import DurableConfigError
from powertools_durable.errors.places import warn_the_user

__all__ = ["develops", "on_reset", "report", "reset"]

_TRUE = frozenset({"1", "true", "t", "yes", "y", "on"})  # what Powertools reads as true
_UNDO: list[Callable[[], None]] = []


def on_reset(undo: Callable[[], None]) -> Callable[[], None]:
    """Have *undo* called by `reset`; what it undid may be done again later."""
    _UNDO.append(undo)
    return undo


def reset() -> None:
    """Take every filter and wrapper out of the process."""
    for undo in _UNDO:
        undo()


def develops() -> bool:
    """True when ``POWERTOOLS_DEV`` says that a developer looks: problems raise instead of warning."""
    return os.environ.get("POWERTOOLS_DEV", "").strip().lower() in _TRUE


def report(problem: str) -> None:
    """Tell that an integration is off, because this version of Powertools is not one it knows.

    Raises
    ------
    DurableConfigError
        ``POWERTOOLS_DEV`` is true.
    """
    if develops():
        raise DurableConfigError(problem)
    warn_the_user(problem, _category())


def _category() -> type[Warning]:
    try:
        from aws_lambda_powertools.warnings import PowertoolsUserWarning
    except ImportError:  # it has moved: the warning matters more than its class
        return UserWarning
    return PowertoolsUserWarning
