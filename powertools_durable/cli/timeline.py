"""Shows an execution while it runs: a line for each event with a footer on a terminal, JSON lines elsewhere."""

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

from powertools_durable.cli.describe import (
    AnyExecution,
    EventSummary,
    describe_event,
    describe_outcome,
    outcome_fields,
    summarize_event,
)
from powertools_durable.cli.options import answer_command, store_option
from powertools_durable.cli.output import console, harmless, one_line, print_json
from powertools_durable.cli.trace import Trace, tree_of
from powertools_durable.local import LocalExecution

__all__ = ["EventLines", "JsonLines", "TerminalTimeline", "render_outcome"]

_SIGNS = {"ok": "✓", "bad": "✗", "again": "↻", "open": "▸", "wait": "…"}
_PLAIN_SIGNS = {"ok": "+", "bad": "x", "again": "~", "open": ">", "wait": "."}
_NARROW = 40  # columns; a narrower terminal has no separate column for the time
_STYLES = {"ok": "green", "bad": "red", "again": "yellow", "open": "cyan", "wait": "cyan"}


def render_outcome(one: AnyExecution) -> Text:
    """Return how an execution ended, or what it waits for, as coloured text."""
    style = "bold green" if one.status == "SUCCEEDED" else "bold red" if one.ended else "bold yellow"
    status, details = describe_outcome(one)
    return Text.assemble((status, style), f"  {harmless(details)}" if details else "")


# -- for people ------------------------------------------------------------------------------------------------


class TerminalTimeline:
    """Draws an execution on a terminal."""

    def __init__(self, store: Path, output: IO[str]) -> None:
        self.output = output
        self._store = store
        self._footer: list[Text] = []
        self._console = console(output)
        # Started before the handler is imported: loggers that keep sys.stdout then write above the footer.
        self._live = Live(
            console=self._console, get_renderable=self._render_footer, refresh_per_second=8, transient=True
        )
        self._lock = threading.Lock()
        self._lines = EventLines(self._console)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def begin(self, one: LocalExecution) -> None:
        """Print which execution this is."""
        title = Text.assemble((one.name, "bold"), (f"  {one.id[:8]}", "dim"))
        if one.invocations and one.status == "RUNNING":
            title.append(f"  continues after {one.invocations} invocation{'s' * (one.invocations != 1)}", "dim")
        self._console.print(title)
        self._lines.skip(map(summarize_event, one.history()))

    def watch(self, one: LocalExecution, events: list[dict[str, Any]]) -> None:
        """Print new events, and update the footer."""
        with self._lock:
            if one.is_invoked and one.invocations != self._lines.invocation:
                self._lines.add_invocation(one)
            for event in events:
                self._lines.add(summarize_event(event))
            self._footer = list(_footer_lines(one, self._store))

    def trace(self, trace: Trace) -> None:
        """Print the trace of an invocation."""
        with self._lock:
            self._console.print(Padding(tree_of(trace), (0, 0, 0, 2)))

    def interrupted(self, name: str, command: str) -> None:
        """Print how to resume. May be called by a signal handler while another method runs on the same thread."""
        self._footer = []
        self._live.stop()  # a second Ctrl-C would leave the cursor hidden
        _print_resume_command(self._console, name, command)

    def end(self, one: LocalExecution) -> None:
        """Print how it ended."""
        self._footer = []
        self._console.print(render_outcome(one))

    def _render_footer(self) -> Text:
        return Text("\n").join(self._footer)


class EventLines:
    """Prints a line for each event."""

    def __init__(self, page: Console) -> None:
        self._page = page
        self._signs = _SIGNS if "utf" in (page.encoding or "").lower() else _PLAIN_SIGNS
        self._depths: dict[str, int] = {}
        self._started: dict[str, EventSummary] = {}
        self.invocation = 0

    def skip(self, events: Iterable[EventSummary]) -> None:
        """Take note of earlier events without printing them."""
        for event in events:
            self._note(event)

    def add_invocation(self, one: LocalExecution) -> None:
        """Print that the handler was invoked."""
        self.invocation = one.invocations
        done = sum(record.status.is_terminal for record in one.operations)
        replays = f", replays {done} operation{'s' if done != 1 else ''}" if done else ""
        self._page.print(Text(f"  invocation {one.invocations}{replays}", "dim"))

    def add(self, event: EventSummary) -> None:
        """Print an event, unless it needs no line."""
        start = self._started.get(event.id)
        self._note(event)
        kind, text = describe_event(event, start)
        if not kind:
            return
        indent = "  " * self._depths.get(event.id, 0)
        clock = Text(f"{event.time.astimezone():%H:%M:%S}", "dim")
        escaped = one_line if self._page.soft_wrap else harmless  # a program gets one line per event
        line = Text.assemble((f"{indent}{self._signs[kind]} {escaped(event.label)}", _STYLES[kind]), " ", escaped(text))
        if self._page.width < _NARROW or self._page.soft_wrap:
            self._page.print(Text.assemble(clock, " ", line), overflow="fold")
            return
        grid = Table.grid(padding=(0, 1))
        grid.add_column(width=len(clock))
        grid.add_column(overflow="fold")  # nothing is cut
        grid.add_row(clock, line)
        self._page.print(grid)

    def _note(self, event: EventSummary) -> None:
        if event.parent is not None:
            self._depths[event.id] = self._depths.get(event.parent, 0) + 1
        if event.event.endswith("Started"):
            self._started[event.id] = event


def _footer_lines(one: LocalExecution, store: Path) -> Iterable[Text]:
    if one.status != "RUNNING":
        return
    if one.is_invoked:
        running = [record.name or record.id[:8] for record in one.operations if record.status.value == "STARTED"]
        steps = f": {', '.join(running[-3:])}" if running else ""
        yield Text(f"  running{steps}", "dim")
        return
    for record in one.open_callbacks:
        yield Text.assemble(("  waits for ", "dim"), (one.label(record), "bold"), ("; answer with:", "dim"))
        yield Text(f"    {answer_command(one, record, store_option(store))}")


# -- for programs ----------------------------------------------------------------------------------------------


class JsonLines:
    """Prints an execution as JSON lines."""

    def __init__(self, store: Path, output: IO[str]) -> None:
        self.output = output
        self._store = store
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def begin(self, one: LocalExecution) -> None:
        """Print which execution this is."""
        self._print({"event": "Running", "execution": one.name, "id": one.id, "invocations": one.invocations})

    def watch(self, one: LocalExecution, events: list[dict[str, Any]]) -> None:
        """Print new events, and the open callbacks once the handler is suspended."""
        with self._lock:
            for event in events:
                self._print(summarize_event(event).as_json())
            if one.open_callbacks and any(event["EventType"] == "InvocationCompleted" for event in events):
                options = store_option(self._store)
                waiting = [
                    {"name": one.label(record), "answer": answer_command(one, record, options)}
                    for record in one.open_callbacks
                ]
                self._print({"event": "Waiting", "callbacks": waiting})

    def trace(self, trace: Trace) -> None:
        """Print the trace of an invocation."""
        fields = {"function": trace.function, "traceId": trace.trace_id, "segmentId": trace.segment_id}
        with self._lock:
            self._print({"event": "Trace", **fields, "documents": list(trace.documents)})

    def interrupted(self, name: str, command: str) -> None:
        """Print how to resume. May be called by a signal handler while another method runs on the same thread."""
        self._print({"event": "Interrupted", "execution": name, "resume": command})
        _print_resume_command(console(sys.stderr), name, command)

    def end(self, one: LocalExecution) -> None:
        """Print how it ended."""
        self._print({"execution": one.name, "id": one.id, "status": one.status} | outcome_fields(one))

    def _print(self, value: dict[str, Any]) -> None:
        print_json(value, self.output)


def _print_resume_command(page: Console, name: str, command: str) -> None:
    page.print(Text(f"stopped; nothing of {name} is lost. Continue with:"), style="yellow")
    page.print(Text(f"  {command}"), soft_wrap=True)
