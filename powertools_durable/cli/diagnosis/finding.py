"""The result of one check."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

__all__ = ["NOWHERE", "CodePlace", "Finding", "Level"]


class CodePlace(NamedTuple):
    """A line of a file of the user's."""

    file: str
    line: int


NOWHERE = CodePlace("", 0)


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
    rule : str
        The name of the rule, by which a comment ``# durable: ignore[rule]`` hides it; default: *subject*.
    file : str
        The path of the user's file; empty if the finding is about none.
    line : int
        The line, from 1.
    """

    level: Level
    subject: str
    message: str
    advice: str = ""
    rule: str = ""
    file: str = ""
    line: int = 0

    @classmethod
    def ok(cls, subject: str, message: str) -> Finding:
        """Make a finding that needs no action."""
        return cls(Level.OK, subject, message)

    @classmethod
    def warning(cls, subject: str, message: str, advice: str, at: CodePlace = NOWHERE, rule: str = "") -> Finding:
        """Make a warning."""
        return cls(Level.WARNING, subject, message, advice, rule or subject, *at)

    @classmethod
    def error(cls, subject: str, message: str, advice: str, at: CodePlace = NOWHERE, rule: str = "") -> Finding:
        """Make an error."""
        return cls(Level.ERROR, subject, message, advice, rule or subject, *at)
