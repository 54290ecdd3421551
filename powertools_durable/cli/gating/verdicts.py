"""What is said of each history, and the same grouped by cause. Nothing here holds a payload."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from powertools_durable.cli.gating.history_sources import HistorySource
from powertools_durable.cli.usage import UsageError
from powertools_durable.errors import ValidationError
from powertools_durable.errors.places import users_location
from powertools_durable.testing import ReplayVerdict, replay

__all__ = ["Cause", "GateVerdict", "Judgement", "Tally", "judge"]

_ENDED = ("ExecutionSucceeded", "ExecutionFailed", "ExecutionTimedOut", "ExecutionStopped")
_OF_VALUES = frozenset({"input", "result", "outcome"})  # what differs in the same operation
_OUR_WORDS = "a recorded value "  # how this package says that a result is not of the type, without the value
_MOST_NAMED = 5  # executions that a group names; all are in the JSON output


class GateVerdict(Enum):
    """What the new code means for an execution."""

    SAFE = "safe"
    BROKEN = "broken"
    UNKNOWN = "unknown"
    ENDED = "ended"
    """It ended after it was listed, so it meets no new code."""


@dataclass(frozen=True, slots=True)
class Cause:
    """Why executions break, or why nothing is known of them.

    Attributes
    ----------
    operation : str
        The operation, as ``step 'charge' (#3)``; empty if there is none.
    location : str
        ``file:line`` in the user's code; empty if there is none.
    recorded, asked : tuple of pairs
        The fields that differ.
    reason : str
        All of it in a sentence.
    """

    operation: str = ""
    location: str = ""
    recorded: tuple[tuple[str, str | None], ...] = ()
    asked: tuple[tuple[str, str | None], ...] = ()
    reason: str = field(default="", compare=False)

    @property
    def advice(self) -> str:
        """What to do, and where."""
        at = f" at {self.location}" if self.location else ""
        asked, recorded = dict(self.asked), dict(self.recorded)
        match next(iter(asked), ""):
            case "input":
                return "Accept the recorded input too: give new fields a default, and keep the old ones optional."
            case "result":
                return (
                    f"Read the recorded results too{at}: give new fields a default, or make the changed step a new one "
                    'under `if ctx.patched("...")`.'
                )
            case "outcome":
                return f"The recorded execution succeeded there: see why the code raises{at}."
            case "order":
                return f'Keep the recorded order{at}, and use the new one under `if ctx.patched("...")`.'
            case "operation" if asked["operation"] is None:
                return (
                    f"Keep the call of {recorded['operation']} for executions that recorded it: after the call{at}, "
                    'put it under `if not ctx.patched("...")`.'
                )
            case _:
                return f'Put the new call{at} under `if ctx.patched("...")`, and keep the old one in its `else`.'

    def fields(self) -> dict[str, Any]:
        """Return the cause as JSON."""
        parts = {
            "operation": self.operation,
            "location": self.location,
            "recorded": dict(self.recorded),
            "asked": dict(self.asked),
            "reason": self.reason,
        }
        return {key: value for key, value in parts.items() if value}


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the new code means for one execution.

    Attributes
    ----------
    source : HistorySource
        The execution.
    outcome : GateVerdict
        Safe, broken, unknown, or ended.
    cause : Cause
        Why it is broken or unknown.
    breaks_at_once : bool
        The code asks for something else than its first operation.
    """

    source: HistorySource
    outcome: GateVerdict
    cause: Cause = Cause()
    breaks_at_once: bool = False


@dataclass
class Tally:
    """How many executions are safe, broken, unknown and ended, and the causes.

    Attributes
    ----------
    counts : dict
        By outcome.
    groups, sizes : dict
        Some names of the executions with a cause, and how many there are.
    pinned : int
        Executions that run on a numbered version.
    broken_at_once : int
        Executions that break at their first operation.
    """

    counts: dict[GateVerdict, int] = field(default_factory=lambda: dict.fromkeys(GateVerdict, 0))
    groups: dict[tuple[GateVerdict, Cause], list[str]] = field(default_factory=dict)
    sizes: dict[tuple[GateVerdict, Cause], int] = field(default_factory=dict)
    pinned: int = 0
    broken_at_once: int = 0

    @property
    def may_be_of_another_handler(self) -> bool:
        """All that could be judged break at their first operation."""
        return 0 < self.broken_at_once == self.counts[GateVerdict.BROKEN] and not self.counts[GateVerdict.SAFE]

    def add(self, judgement: Judgement) -> None:
        """Count one."""
        self.counts[judgement.outcome] += 1
        self.broken_at_once += judgement.breaks_at_once
        self.pinned += judgement.source.version.isdigit()
        if judgement.outcome in {GateVerdict.BROKEN, GateVerdict.UNKNOWN}:
            key = judgement.outcome, judgement.cause
            names = self.groups.setdefault(key, [])
            self.sizes[key] = self.sizes.get(key, 0) + 1
            if len(names) < _MOST_NAMED:
                names.append(judgement.source.name)

    def causes(self, outcome: GateVerdict) -> list[tuple[Cause, int, list[str]]]:
        """Return the causes of an outcome with the number of executions and some names; the most frequent first."""
        found = [(key[1], self.sizes[key], names) for key, names in self.groups.items() if key[0] is outcome]
        return sorted(found, key=lambda group: -group[1])


def judge(
    handler: Callable[..., Any], source: HistorySource, history: Any, *, shorten: Callable[[str], str]
) -> Judgement:
    """Replay one history against the new code.

    Parameters
    ----------
    handler : Callable
        The new code.
    source : HistorySource
        Where *history* came from.
    history : Any
        What the source read, or the exception that reading raised.
    shorten : Callable
        Shortens the paths in a text.
    """
    if isinstance(history, BaseException):
        return Judgement(source, GateVerdict.UNKNOWN, Cause(reason=shorten(_why_unread(history))))
    if source.runs and _has_ended(history):
        return Judgement(source, GateVerdict.ENDED)
    try:
        verdict = replay(handler, history)
    except ValidationError as error:
        return Judgement(source, GateVerdict.UNKNOWN, Cause(reason=_without_name(shorten(str(error)), source)))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the code of the user outside of steps
        location = shorten(users_location(error))
        reason = f"{type(error).__name__} left the replay, so nothing is known"  # its message may hold a payload
        return Judgement(source, GateVerdict.UNKNOWN, Cause(location=location, reason=reason))
    return _judged(source, verdict, shorten)


def _judged(source: HistorySource, verdict: ReplayVerdict, shorten: Callable[[str], str]) -> Judgement:
    if verdict.raised:
        reason = f"where the history ends, the code raises {verdict.raised}"
        return Judgement(source, GateVerdict.UNKNOWN, Cause(location=shorten(verdict.location), reason=reason))
    if verdict:
        return Judgement(source, GateVerdict.SAFE)
    asked, reason = verdict.asked, verdict.reason
    if not (asked.get("result") or _OUR_WORDS).startswith(_OUR_WORDS):  # a serdes of the user's says what it likes
        asked = {"result": "a text that its serdes can't read"}
        reason = f"{verdict.operation}: the recorded result can't be read"
    cause = Cause(
        operation=verdict.operation,
        location=shorten(verdict.location),
        recorded=_pairs(verdict.recorded),
        asked=_pairs(asked),
        reason=shorten(reason),
    )
    outcome = GateVerdict.BROKEN if verdict.breaks else GateVerdict.UNKNOWN
    is_of_another = verdict.breaks and verdict.replayed <= 1 and not _OF_VALUES & verdict.asked.keys()
    return Judgement(source, outcome, cause, breaks_at_once=is_of_another)


def _pairs(fields: Mapping[str, str | None]) -> tuple[tuple[str, str | None], ...]:
    return tuple((key, None if value is None else str(value)) for key, value in fields.items())


def _why_unread(error: BaseException) -> str:
    if isinstance(error, UsageError | ValidationError):
        return str(error)
    return f"its history can't be read: {type(error).__name__}"


def _without_name(message: str, source: HistorySource) -> str:
    """Return a message without the name of its history, so that equal causes are equal."""
    return message if source.runs else message.replace(source.name, "the history")


def _has_ended(history: Any) -> bool:
    events = history.get("Events") if isinstance(history, Mapping) else None
    return any(event.get("EventType") in _ENDED for event in events or ())
