"""The result of one check."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Finding", "Level"]


class Level(StrEnum):
    """The severity of a finding."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found.

    Attributes
    ----------
    level : Level
        An error keeps the handler from working; a warning is about behaviour that is easily overlooked.
    subject : str
        What was checked, in a word or two.
    message : str
        What was found.
    advice : str
        What to do; empty if nothing.
    """

    level: Level
    subject: str
    message: str
    advice: str = ""

    @classmethod
    def ok(cls, subject: str, message: str) -> Finding:
        """Make a finding that needs no action."""
        return cls(Level.OK, subject, message)

    @classmethod
    def warning(cls, subject: str, message: str, advice: str) -> Finding:
        """Make a warning."""
        return cls(Level.WARNING, subject, message, advice)

    @classmethod
    def error(cls, subject: str, message: str, advice: str) -> Finding:
        """Make an error."""
        return cls(Level.ERROR, subject, message, advice)
