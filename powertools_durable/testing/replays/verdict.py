"""What replaying a history came to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["ReplayVerdict"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayVerdict:
    """Whether code can go on with an execution that other code recorded. True when it can.

    Attributes
    ----------
    breaks : bool
        It can't.
    too_deep : bool
        Nobody can say: contexts lie so deep in each other that a replay, which takes more frames for each than an
        execution does, has no room for them on the stack.
    operation : str
        The operation in question, as ``step 'charge' (#3)``.
    location : str
        ``file:line`` of the call that asks for something else; of the last call before, when nobody asks.
    recorded, asked : Mapping[str, str | None]
        The fields that differ; None where one side has nothing.
    reason : str
        All of it in a sentence.
    replayed : int
        How many recorded operations the code asked for.
    stopped_at : str
        Where history ended, and what the code would do next; empty when the code came to its end, or waits for
        something that is recorded.
    raised : str
        The type of the error that the code raises where the history of a running execution ends. Nothing that is
        recorded says whether it is meant to.
    history : str
        Where the history was read from, if it was a file.
    """

    breaks: bool
    too_deep: bool = False
    operation: str = ""
    location: str = ""
    recorded: Mapping[str, str | None] = field(default_factory=dict)
    asked: Mapping[str, str | None] = field(default_factory=dict)
    reason: str = ""
    replayed: int = 0
    stopped_at: str = ""
    raised: str = ""
    history: str = ""

    def __bool__(self) -> bool:
        return not self.breaks and not self.too_deep

    def __repr__(self) -> str:
        return f"<{self.status}: {self.summary}>"

    @property
    def status(self) -> str:
        """``SAFE``, ``BREAKS`` or ``TOO DEEP``."""
        return "BREAKS" if self.breaks else "TOO DEEP" if self.too_deep else "SAFE"

    @property
    def summary(self) -> str:
        """The verdict in a line, for people."""
        if self.too_deep:
            return self.reason
        if not self.breaks:
            ends = f"; then {self.stopped_at}" if self.stopped_at else ""
            return f"{self.replayed} recorded operation{'s' * (self.replayed != 1)} asked for{ends}"
        where = f" at {_short(self.location)}" if self.location else ""
        return f"{self.operation or 'the execution'}{where}: {self.difference or self.reason}"

    @property
    def difference(self) -> str:
        """What was recorded and what is asked."""
        return "; ".join(
            f"{name}: recorded {_quoted(self.recorded.get(name))}, asked {_quoted(self.asked.get(name))}"
            for name in {**self.recorded, **self.asked}
        )

    def assert_safe(self) -> None:
        """Do nothing when the code can go on.

        Raises
        ------
        AssertionError
            It can't, or nobody can say; the message says where, what was recorded and what is asked.
        """
        if not self:
            read = f" ({self.history})" if self.history else ""
            says = "BREAKS" if self.breaks else "is TOO DEEP to judge"
            message = f"replaying the history{read} {says}: {self.summary}\n{self.reason}"
            raise AssertionError(message)


def _quoted(value: str | None) -> str:
    return "nothing" if value is None else repr(str(value))  # an enum's member is its text


def _short(location: str) -> str:
    """Show a path from here on, if it lies below."""
    file, colon, line = location.rpartition(":")
    path = Path(file)
    here = Path.cwd()
    return f"{path.relative_to(here)}{colon}{line}" if path.is_absolute() and path.is_relative_to(here) else location
