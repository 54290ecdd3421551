"""Draws an execution on a terminal while it runs: a tree, below what the user's code prints."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Self

from rich.text import Text

from powertools_durable._timeline import Kind, Sightings, Timeline, TimelineReader
from powertools_durable.cli.options import answer_command, store_option
from powertools_durable.cli.output import console, harmless
from powertools_durable.cli.region import Region
from powertools_durable.cli.sample_answers import sample_answer
from powertools_durable.cli.showing import outcome_text
from powertools_durable.cli.trace import Trace, tree_of
from powertools_durable.cli.tree import Row, Tree, draw, has_symbols, line_of
from powertools_durable.local import LocalExecution

__all__ = ["LiveTree"]

_REDRAW_EVERY = 0.125  # seconds
_COUNT_EVERY = 1.0  # seconds between two drawings when only time has passed
_MOST_COMMANDS = 3
_CALLBACKS = (Kind.CALLBACK, Kind.WAIT_FOR_CALLBACK)


class LiveTree:
    """Draws an execution on a terminal.

    Parameters
    ----------
    store : Path
        Where the execution is.
    output : IO[str]
        The terminal.
    quiet : bool
        Drop what the user's code prints.
    unfolds : bool
        Draw what succeeded, too.

    Attributes
    ----------
    sightings : Sightings
        What no record says, noted while the code runs.
    """

    def __init__(self, store: Path, output: IO[str], *, quiet: bool = False, unfolds: bool = False) -> None:
        self.output = output
        self.sightings = Sightings()
        self._store = store
        self._unfolds = unfolds
        self._page = console(output)
        self._region = Region(output, self._page, drops=quiet)
        self._reader = TimelineReader(sources=self.sightings.sources)
        self._one: LocalExecution | None = None
        self._has_changed = False
        self._ended = threading.Event()
        self._commands: tuple[tuple[int, int], Sequence[str]] = ((-1, 0), ())
        self._stack = ExitStack()
        self._ticker = threading.Thread(target=self._tick, name="powertools-durable-tree", daemon=True)

    def __enter__(self) -> Self:
        # Opened before the handler is imported: loggers that keep sys.stdout then write above the tree.
        self._stack.enter_context(self._region.opened())
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()
        self._stack.close()

    def begin(self, one: LocalExecution) -> None:
        """Print which execution this is."""
        details = f"  {one.id[:8]}  pid {os.getpid()}  {_short(self._store)}"
        title = Text.assemble((harmless(one.name), "bold"), (details, "dim"))
        if one.invocations and one.status == "RUNNING":
            title.append(f"\n  continues after {one.invocations} invocation{'s' * (one.invocations != 1)}", "dim")
        self._region.print(title, soft_wrap=True)
        for event in one.history():
            self._reader.add(event)
        self._one, self._has_changed = one, True
        self._ticker.start()

    def watch(self, one: LocalExecution, events: list[dict[str, Any]]) -> None:
        """Take new events; they are drawn a little later."""
        with self._region.lock:
            for event in events:
                self._reader.add(event)
            if not events and one.is_invoked:
                self._reader.invoked(datetime.now(UTC))
            self._has_changed = True

    def trace(self, trace: Trace) -> None:
        """Print the trace of an invocation."""
        self._region.print(tree_of(trace))

    def note(self, text: str) -> None:
        """Print a remark about the run."""
        self._region.print(Text(harmless(text), "yellow"), soft_wrap=True)

    def interrupted(self, name: str, command: str) -> None:
        """Print how to resume. May be called by a signal handler while another method runs on the same thread."""
        self._ended.set()
        self._region.close()  # a second Ctrl-C would leave the cursor hidden
        self._page.print(Text(f"stopped; nothing of {name} is lost. Continue with:"), style="yellow")
        self._page.print(Text(f"  {command}"), soft_wrap=True)

    def end(self, one: LocalExecution) -> None:
        """Print the whole tree, and how the execution ended."""
        self._stop()
        self._region.close()
        timeline = replace(self._timeline(), result=one.result_text)
        status = one.status if timeline.ended else "SUSPENDED"
        draw(self._page, self._tree(timeline).rows())
        self._page.print(outcome_text(timeline, status))
        for command in self._answer_commands(timeline):
            self._page.print(Text(f"  answer with: {command}"), soft_wrap=True)

    def _stop(self) -> None:
        self._ended.set()
        if self._ticker.is_alive() and self._ticker is not threading.current_thread():
            self._ticker.join()

    # -- drawing -------------------------------------------------------------------------------------------

    def _tick(self) -> None:
        since = 0.0
        while not self._ended.wait(_REDRAW_EVERY):
            since += _REDRAW_EVERY
            if self._has_changed or since >= _COUNT_EVERY:
                since = 0.0
                self._draw()

    def _draw(self) -> None:
        self._has_changed = False
        timeline = self._timeline()
        if timeline.ended is not None:
            return
        commands = self._answer_commands(timeline)
        below = [f"  answer with: {command}" for command in commands]
        width = max(1, self._page.width)
        room = self._page.height - 3 - sum(max(1, -(-len(text) // width)) for text in below)
        rows = _fit(list(self._tree(timeline).rows()), max(1, room))
        lines = [line if isinstance(line, Text) else line_of(line, self._page) for line in rows]
        whole = [part for line in lines for part in line.wrap(self._page, width)]
        lines = whole if len(whole) <= room else lines  # else each is cut to one line
        last = timeline.invocations[-1] if timeline.invocations else None
        if last is not None:
            replays = f", replays {last.replayed:,} operation{'s' * (last.replayed != 1)}" if last.replayed else ""
            state = "" if last.ended is None else ", suspended"
            lines.append(Text(f"  invocation {last.number}{replays}{state}", "dim"))
        self._region.draw(lines, below)

    def _timeline(self) -> Timeline:
        deadlines = self._one.deadlines if self._one is not None else {}  # heartbeats may have moved them
        with self._region.lock:
            self._reader.sight(self.sightings)
            self._reader.expect(deadlines)
            timeline = self._reader.timeline()
        return replace(timeline, until=max(timeline.until, datetime.now(UTC))) if timeline.ended is None else timeline

    def _tree(self, timeline: Timeline) -> Tree:
        return Tree(timeline, timeline.until, unfolds=self._unfolds, is_live=True, has_blocks=has_symbols(self._page))

    def _answer_commands(self, timeline: Timeline) -> Sequence[str]:
        """Return the commands that answer open callbacks; they are looked for again after new events only."""
        one = self._one
        known = timeline.events, len(self.sightings.answers)
        if one is None or known == self._commands[0]:
            return self._commands[1]
        commands: list[str] = []
        if any(waiting.kind in _CALLBACKS for waiting in timeline.waiting):
            for record in one.open_callbacks[:_MOST_COMMANDS]:
                sample = sample_answer(self.sightings.answers.get(record.id))
                commands.append(answer_command(one, record, store_option(self._store), sample))
        self._commands = known, commands
        return commands


def _fit(rows: Sequence[Row], room: int) -> Sequence[Row | Text]:
    """Return as many rows as there is room for: what is open or failed rather than what succeeded, the last ones."""
    if len(rows) <= room:
        return rows
    must = [number for number, row in enumerate(rows) if row.kind != "ok"][-(room - 1) :] if room > 1 else []
    spare = room - 1 - len(must)
    may = [number for number, row in enumerate(rows) if row.kind == "ok"][-spare:] if spare > 0 else []
    kept = sorted({*must, *may})
    return [Text(f"  {len(rows) - len(kept):,} more lines", "dim"), *(rows[number] for number in kept)]


def _short(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(path)
