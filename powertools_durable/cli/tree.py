"""Draws an execution as a tree: what failed and what is open is unfolded, what succeeded is one line.

A fan-out is one line with a bar and counts, and a line for each branch that failed. The same lines are drawn once by
``show``, and again and again by ``run``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from powertools_durable._timeline import Attempt, Kind, Operation, Timeline
from powertools_durable.cli.failure_text import describe_failure
from powertools_durable.cli.moments import format_duration, format_left
from powertools_durable.cli.output import harmless, one_line

__all__ = ["Row", "Tree", "draw"]

_SIGNS: Final = {"ok": "✓", "bad": "✗", "again": "↻", "open": "▸", "wait": "…", "left": "-"}
_PLAIN_SIGNS: Final = {"ok": "+", "bad": "x", "again": "~", "open": ">", "wait": ".", "left": "-"}
_STYLES: Final = {"ok": "green", "bad": "red", "again": "yellow", "open": "cyan", "wait": "cyan", "left": "dim"}
_NARROW: Final = 40  # columns; a narrower terminal has no separate column for the time
_BAR: Final = 10  # characters
_MOST_SUCCESSES: Final = 12  # one after another; of more, the first and the last few are shown
_SHOWN_SUCCESSES: Final = 3
_MOST_FAILURES: Final = 6  # of one fan-out
_WITH_KIND: Final = frozenset({Kind.MAP, Kind.PARALLEL, Kind.COMPENSATION, Kind.PATCH, Kind.RACE})
_SHOW_ALL: Final = "--all shows them"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the tree.

    Attributes
    ----------
    depth : int
        How many operations it lies in.
    time : datetime
        What stands before it.
    kind : str
        Its sign and its colour: ``ok``, ``bad``, ``again``, ``open``, ``wait`` or ``left``.
    label : str
        What it is about.
    text : str
        What is said about that.
    """

    depth: int
    time: datetime
    kind: str
    label: str
    text: str


@dataclass(frozen=True, slots=True)
class Tree:
    """Makes the lines of a timeline.

    Attributes
    ----------
    timeline : Timeline
        What is drawn.
    now : datetime
        From when on what is left of a wait is counted.
    unfolds : bool
        Draw what succeeded, too, and every attempt.
    is_live : bool
        A process runs it.
    has_blocks : bool
        The bars may be drawn with blocks.
    """

    timeline: Timeline
    now: datetime
    unfolds: bool = False
    is_live: bool = False
    has_blocks: bool = True

    def rows(self) -> Iterator[Row]:
        """Yield the lines."""
        is_over = self.timeline.ended is not None
        return self._siblings(self.timeline.operations, 0, is_over=is_over)

    def _siblings(self, operations: Sequence[Operation], depth: int, *, is_over: bool) -> Iterator[Row]:
        for succeeded, group in groupby(operations, key=lambda one: one.status == "SUCCEEDED"):
            ones = list(group)
            if not succeeded or self.unfolds or len(ones) <= _MOST_SUCCESSES:
                for one in ones:
                    yield from self._rows(one, depth, is_over=is_over)
                continue
            first, folded, last = (
                ones[:_SHOWN_SUCCESSES],
                ones[_SHOWN_SUCCESSES:-_SHOWN_SUCCESSES],
                ones[-_SHOWN_SUCCESSES:],
            )
            for one in first:
                yield from self._rows(one, depth, is_over=is_over)
            yield Row(depth, folded[0].started, "ok", f"{len(folded):,} more", f"succeeded; {_SHOW_ALL}")
            for one in last:
                yield from self._rows(one, depth, is_over=is_over)

    def _rows(self, one: Operation, depth: int, *, is_over: bool) -> Iterator[Row]:
        kind, text = ("left", "abandoned") if is_over and one.is_open else self._describe(one)
        yield Row(depth, one.started, kind, _title(one), text)
        is_inner_over = is_over or not one.is_open
        if self.unfolds:
            yield from self._inside(one, depth + 1, is_over=is_inner_over)
        elif one.is_fan_out:
            yield from self._failures(one, depth + 1)
        elif one.status != "SUCCEEDED":
            yield from self._siblings(one.children, depth + 1, is_over=is_inner_over)

    def _inside(self, one: Operation, depth: int, *, is_over: bool) -> Iterator[Row]:
        """Yield failed attempts and inner operations, in the order in which they began."""
        attempts: list[Operation | Attempt] = [attempt for attempt in one.attempts if attempt.retry_at is not None]
        for inner in sorted((*one.children, *attempts), key=_when):
            if isinstance(inner, Operation):
                yield from self._rows(inner, depth, is_over=is_over)
            else:
                yield _attempt_row(inner, depth)

    def _failures(self, one: Operation, depth: int) -> Iterator[Row]:
        failed = [branch for branch in one.children if branch.has_failed]
        for branch in failed[:_MOST_FAILURES]:
            labels, culprit = _culprit(branch)
            yield Row(depth, culprit.ended or branch.started, "bad", labels, _failure_text(culprit))
        if len(failed) > _MOST_FAILURES:
            more = failed[_MOST_FAILURES:]
            yield Row(depth, more[0].started, "bad", f"{len(more):,} more", f"failed; {_SHOW_ALL}")

    # -- one operation -------------------------------------------------------------------------------------

    def _describe(self, one: Operation) -> tuple[str, str]:
        """Return the kind of an operation's line, and its text."""
        if one.is_fan_out:
            return self._describe_fan_out(one)
        if one.status == "SUCCEEDED":
            return "ok", self._effort(one)
        if one.has_failed:
            return "bad", _failure_text(one)
        last = one.attempts[-1] if one.attempts else None
        if one.status == "PENDING" or (one.kind is Kind.WITH_RETRY and one.due is not None):
            why = f": {last.failure.with_place}" if last is not None and last.failure is not None else ""
            what = f"; attempt {last.number}{' failed' if why else ''}{why}" if last is not None else ""
            return "again", f"retries {format_left(one.due, self.now)}{what}"
        match one.kind:
            case Kind.WAIT:
                return "wait", f"waits {format_left(one.due, self.now)}"
            case Kind.CALLBACK | Kind.WAIT_FOR_CALLBACK if one.is_waiting:
                return "wait", f"waits for an answer {format_left(one.due, self.now)}".rstrip()
            case Kind.INVOKE:
                return "wait", f"waits for {one.function or 'its function'}"
            case _ if one.children:
                return "open", ""
            case _:
                number = f", attempt {last.number}" if last is not None and last.number > 1 else ""
                return "open", f"{'runs' if self.is_live else 'was running'}{number}"

    def _describe_fan_out(self, one: Operation) -> tuple[str, str]:
        counts = one.counts
        assert counts is not None  # noqa: S101 - every fan-out has them
        total = one.branches
        done = f"{counts.ended:,}/{total:,}" if total is not None else f"{counts.ended:,} ended"
        states = ("failed", "running", "waiting", "abandoned")
        texts = [f"{number:,} {state}" for state in states if (number := getattr(counts, state))]
        bar = [self._bar(counts.ended, total)] if total else []
        took = [format_duration(one.seconds(self.now))] if one.ended and one.ended > one.started else []
        text = "  ".join([" ".join([*bar, done]), *texts, *took])
        if one.is_open:
            return ("wait" if one.is_waiting else "open"), text
        if one.status == "SUCCEEDED":
            return ("bad" if counts.failed else "ok"), text
        return "bad", f"{text}  {_failure_text(one)}"

    def _bar(self, done: int, total: int) -> str:
        full, empty = "█░" if self.has_blocks else "#."
        filled = _BAR * done // total
        return full * filled + empty * (_BAR - filled)

    def _effort(self, one: Operation) -> str:
        count = sum(1 for _ in one.walk()) - 1
        inside = f"{count} operation{'s' if count != 1 else ''}" if count and not self.unfolds else ""
        number = one.attempts[-1].number if one.attempts else 1
        attempt = f"attempt {number}" if number > 1 else ""
        took = format_duration(one.seconds(self.now)) if one.ended and one.ended > one.started else ""
        took = f"waited {took}" if took and one.kind is Kind.WAIT else took
        return ", ".join(filter(None, (one.function or "", inside, attempt, took)))


def _when(inner: Operation | Attempt) -> datetime:
    """Return when an operation began, or an attempt failed."""
    return inner.started if isinstance(inner, Operation) else inner.ended or inner.started


def _title(one: Operation) -> str:
    return f"{one.kind} {one.label}" if one.name and one.kind in _WITH_KIND else one.label


def _attempt_row(attempt: Attempt, depth: int) -> Row:
    after = (attempt.retry_at - (attempt.ended or attempt.started)).total_seconds() if attempt.retry_at else 0
    why = f"failed: {attempt.failure.with_place}; " if attempt.failure is not None else ""
    again = f"retried after {format_duration(after)}"
    return Row(depth, _when(attempt), "again", f"attempt {attempt.number}", f"{why}{again}")


def _culprit(branch: Operation) -> tuple[str, Operation]:
    """Return the innermost operation that made a branch fail, and the labels on the way to it."""
    labels, one = [branch.label], branch
    while len(failed := [child for child in one.children if child.has_failed]) == 1 and _is_cause(failed[0], one):
        one = failed[0]
        labels.append(one.label)
    return " > ".join(labels), one


def _is_cause(inner: Operation, outer: Operation) -> bool:
    if inner.failure is None or outer.failure is None or inner.is_fan_out:
        return False
    return inner.failure.message == outer.failure.message


def _failure_text(one: Operation) -> str:
    text = describe_failure(one.failure, one.attempts[-1].number if one.attempts else None)
    if one.status in {"TIMED_OUT", "STOPPED", "CANCELLED"} and text == "failed":
        text = one.status.lower().replace("_", " ")
    place = one.failure.place if one.failure is not None else None
    return f"{text} ({place})" if place else text


# -- drawing ---------------------------------------------------------------------------------------------------


def draw(page: Console, rows: Iterable[Row]) -> None:
    """Print rows, each with its time. Nothing is cut; a program gets one line for each."""
    signs = _SIGNS if has_symbols(page) else _PLAIN_SIGNS
    for row in rows:
        clock, line = _texts(row, signs, is_for_program=page.soft_wrap)
        if page.width < _NARROW or page.soft_wrap:
            page.print(Text.assemble(clock, " ", line), overflow="fold")
            continue
        grid = Table.grid(padding=(0, 1))
        grid.add_column(width=len(clock))
        grid.add_column(overflow="fold")
        grid.add_row(clock, line)
        page.print(grid)


def has_symbols(page: Console) -> bool:
    """Tell whether the output can encode signs that are not ASCII."""
    return "utf" in (page.encoding or "").lower()


def line_of(row: Row, page: Console) -> Text:
    """Return a row as one line."""
    clock, line = _texts(row, _SIGNS if has_symbols(page) else _PLAIN_SIGNS, is_for_program=True)
    return Text.assemble(clock, " ", line)


def _texts(row: Row, signs: dict[str, str], *, is_for_program: bool) -> tuple[Text, Text]:
    escaped = one_line if is_for_program else harmless
    clock = Text(f"{row.time.astimezone():%H:%M:%S}", "dim")
    head = f"{'  ' * row.depth}{signs[row.kind]} {escaped(row.label)}"
    return clock, Text.assemble((head, _STYLES[row.kind]), f" {escaped(row.text)}" if row.text else "")
