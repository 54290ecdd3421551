"""Draws an execution while it runs: one line for each thing that happened, and below what it is at now."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any, Self

from rich.console import Console
from rich.live import Live
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from powertools_durable.cli.describe import Moment, Shown, ending, moment_of, said, told
from powertools_durable.cli.options import answer_command, store_option
from powertools_durable.cli.output import console, harmless, one_line, print_json
from powertools_durable.cli.trace import Trace, tree_of
from powertools_durable.local import LocalExecution

__all__ = ["JsonLines", "Lines", "Timeline", "outcome"]

_SIGNS = {"ok": "✓", "bad": "✗", "again": "↻", "open": "▸", "wait": "…"}
_PLAIN_SIGNS = {"ok": "+", "bad": "x", "again": "~", "open": ">", "wait": "."}
_NARROW = 40  # columns, where a column of its own for the time takes too many
_STYLES = {"ok": "green", "bad": "red", "again": "yellow", "open": "cyan", "wait": "cyan"}


def outcome(one: Shown) -> Text:
    """Say how an execution ended, or what it waits for."""
    style = "bold green" if one.status == "SUCCEEDED" else "bold red" if one.ended else "bold yellow"
    word, words = ending(one)
    return Text.assemble((word, style), f"  {harmless(words)}" if words else "")


# -- for people ------------------------------------------------------------------------------------------------


class Timeline:
    """For a terminal."""

    def __init__(self, store: Path, output: IO[str]) -> None:
        self.output = output
        self._store = store
        self._footer: list[Text] = []
        self._console = console(output)
        # It stands before the handler is imported: loggers that keep sys.stdout then write above the last lines.
        self._live = Live(console=self._console, get_renderable=self._now, refresh_per_second=8, transient=True)
        self._lock = threading.Lock()
        self._lines = Lines(self._console)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def begin(self, one: LocalExecution) -> None:
        """Say which execution this is."""
        title = Text.assemble((one.name, "bold"), (f"  {one.id[:8]}", "dim"))
        if one.invocations and one.status == "RUNNING":
            title.append(f"  goes on after {one.invocations} invocation{'s' * (one.invocations != 1)}", "dim")
        self._console.print(title)
        self._lines.learn(map(moment_of, one.history()))

    def watch(self, one: LocalExecution, events: list[dict[str, Any]]) -> None:
        """Show what happened."""
        with self._lock:
            if one.is_invoked and one.invocations != self._lines.invocation:
                self._lines.invoked(one)
            for event in events:
                self._lines.add(moment_of(event))
            self._footer = list(_footer(one, self._store))

    def trace(self, trace: Trace) -> None:
        """Show what was traced of an invocation."""
        with self._lock:
            self._console.print(Padding(tree_of(trace), (0, 0, 0, 2)))

    def interrupted(self, name: str, command: str) -> None:
        """Say how to go on. May be called in the midst of the other methods, on their thread."""
        self._footer = []
        self._live.stop()  # a second Ctrl-C would leave the cursor hidden
        _say_how_to_go_on(self._console, name, command)

    def end(self, one: LocalExecution) -> None:
        """Say how it ended."""
        self._footer = []
        self._console.print(outcome(one))

    def _now(self) -> Text:
        return Text("\n").join(self._footer)


class Lines:
    """One line for each thing that happened."""

    def __init__(self, page: Console) -> None:
        self._page = page
        self._signs = _SIGNS if "utf" in (page.encoding or "").lower() else _PLAIN_SIGNS
        self._depths: dict[str, int] = {}
        self._started: dict[str, Moment] = {}
        self.invocation = 0

    def learn(self, moments: Iterable[Moment]) -> None:
        """Take notice of what was before, and show nothing of it."""
        for moment in moments:
            self._note(moment)

    def invoked(self, one: LocalExecution) -> None:
        """Say that the handler was called."""
        self.invocation = one.invocations
        done = sum(record.status.is_terminal for record in one.operations)
        replays = f", replays {done} operation{'s' if done != 1 else ''}" if done else ""
        self._page.print(Text(f"  invocation {one.invocations}{replays}", "dim"))

    def add(self, moment: Moment) -> None:
        """Show a moment, if there is something to say."""
        began = self._started.get(moment.id)
        self._note(moment)
        kind, words = said(moment, began)
        if not kind:
            return
        indent = "  " * self._depths.get(moment.id, 0)
        clock = Text(f"{moment.time.astimezone():%H:%M:%S}", "dim")
        escaped = one_line if self._page.soft_wrap else harmless  # a line for each moment where programs read it
        line = Text.assemble(
            (f"{indent}{self._signs[kind]} {escaped(moment.label)}", _STYLES[kind]), " ", escaped(words)
        )
        if self._page.width < _NARROW or self._page.soft_wrap:
            self._page.print(Text.assemble(clock, " ", line), overflow="fold")
            return
        grid = Table.grid(padding=(0, 1))
        grid.add_column(width=len(clock))
        grid.add_column(overflow="fold")  # nothing is cut
        grid.add_row(clock, line)
        self._page.print(grid)

    def _note(self, moment: Moment) -> None:
        if moment.parent is not None:
            self._depths[moment.id] = self._depths.get(moment.parent, 0) + 1
        if moment.event.endswith("Started"):
            self._started[moment.id] = moment


def _footer(one: LocalExecution, store: Path) -> Iterable[Text]:
    if one.status != "RUNNING":
        return
    if one.is_invoked:
        running = [record.name or record.id[:8] for record in one.operations if record.status.value == "STARTED"]
        steps = f": {', '.join(running[-3:])}" if running else ""
        yield Text(f"  running{steps}", "dim")
        return
    for record in one.open_callbacks:
        yield Text.assemble(("  waits for ", "dim"), (one.label(record), "bold"), ("; answer with:", "dim"))
        yield Text(f"    {answer_command(one.label(record), store_option(store))}")


# -- for programs ----------------------------------------------------------------------------------------------


class JsonLines:
    """For a pipe: one JSON object a line."""

    def __init__(self, store: Path, output: IO[str]) -> None:
        self.output = output
        self._store = store
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def begin(self, one: LocalExecution) -> None:
        """Say which execution this is."""
        self._print({"event": "Running", "execution": one.name, "id": one.id, "invocations": one.invocations})

    def watch(self, one: LocalExecution, events: list[dict[str, Any]]) -> None:
        """Show what happened, and what must happen outside when the handler has stopped for it."""
        with self._lock:
            for event in events:
                self._print(moment_of(event).as_json())
            if one.open_callbacks and any(event["EventType"] == "InvocationCompleted" for event in events):
                names = map(one.label, one.open_callbacks)
                waiting = [{"name": name, "answer": answer_command(name, store_option(self._store))} for name in names]
                self._print({"event": "Waiting", "callbacks": waiting})

    def trace(self, trace: Trace) -> None:
        """Show what was traced of an invocation."""
        told = {"function": trace.function, "traceId": trace.trace_id, "segmentId": trace.segment_id}
        with self._lock:
            self._print({"event": "Trace", **told, "documents": list(trace.documents)})

    def interrupted(self, name: str, command: str) -> None:
        """Say how to go on. May be called in the midst of the other methods, on their thread."""
        self._print({"event": "Interrupted", "execution": name, "resume": command})
        _say_how_to_go_on(console(sys.stderr), name, command)

    def end(self, one: LocalExecution) -> None:
        """Say how it ended."""
        self._print({"execution": one.name, "id": one.id, "status": one.status} | told(one))

    def _print(self, value: dict[str, Any]) -> None:
        print_json(value, self.output)


def _say_how_to_go_on(page: Console, name: str, command: str) -> None:
    page.print(Text(f"stopped; nothing of {name} is lost. Go on with:"), style="yellow")
    page.print(Text(f"  {command}"), soft_wrap=True)
