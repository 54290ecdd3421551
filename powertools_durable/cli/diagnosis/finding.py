"""What was looked at, whether it is good, and what to do if it is not."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Finding", "Level"]


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the diagnosis.

    Attributes
    ----------
    level : Level
        An error keeps the handler from working; a warning is something that surprises later.
    subject : str
        What was looked at, in a word or two.
    words : str
        What was found.
    advice : str
        What to do; empty when there is nothing to do.
    """

    level: Level
    subject: str
    words: str
    advice: str = ""

    @classmethod
    def ok(cls, subject: str, words: str) -> Finding:
        """Say that something is as it should be."""
        return cls(Level.OK, subject, words)

    @classmethod
    def warning(cls, subject: str, words: str, advice: str) -> Finding:
        """Say that something will surprise."""
        return cls(Level.WARNING, subject, words, advice)

    @classmethod
    def error(cls, subject: str, words: str, advice: str) -> Finding:
        """Say that something can't work."""
        return cls(Level.ERROR, subject, words, advice)
