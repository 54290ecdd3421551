"""Prints an execution as JSON lines while it runs."""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Self

from rich.text import Text

from powertools_durable._timeline import Kind, Operation, Sightings, Timeline, TimelineReader
from powertools_durable.cli.describe import failure_fields, outcome_fields
from powertools_durable.cli.moments import format_left
from powertools_durable.cli.options import answer_command, store_option
from powertools_durable.cli.output import console, print_json
from powertools_durable.cli.sample_answers import sample_answer
from powertools_durable.cli.trace import Trace
from powertools_durable.local import LocalExecution

__all__ = ["JsonLines"]

_LONG = 60  # seconds; a longer wait is announced
_CALLBACKS = (Kind.CALLBACK, Kind.WAIT_FOR_CALLBACK)


class JsonLines:
    """Prints an execution as JSON lines.

    Parameters
    ----------
    store : Path
        Where the execution is.
    output : IO[str]
        Where to print them.
    skips_time : bool
        Waits take no time, so none is announced.
    """

    def __init__(self, store: Path, output: IO[str], *, skips_time: bool = False) -> None:
        self.output = output
        self.sightings = Sightings()
        self._store = store
        self._skips_time = skips_time
        self._reader = TimelineReader(sources=self.sightings.sources)
        self._announced: datetime | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def begin(self, one: LocalExecution) -> None:
        """Print which execution this is."""
        for event in one.history():
            self._reader.add(event)
        self._print({"event": "Running", "execution": one.name, "id": one.id, "invocations": one.invocations})

    def watch(self, one: LocalExecution, events: list[dict[str, Any]]) -> None:
        """Print new events; the open callbacks and a long wait once the handler is suspended."""
        with self._lock:
            for event in events:
                self._reader.add(event)
                self._print(_event_fields(self._reader, event))
            if any(event["EventType"] == "InvocationCompleted" for event in events):
                self._reader.expect(one.deadlines)
                self._suspended(one, self._reader.timeline())

    def _suspended(self, one: LocalExecution, timeline: Timeline) -> None:
        waiting = timeline.waiting
        if any(each.kind in _CALLBACKS for each in waiting) and (records := one.open_callbacks):
            options = store_option(self._store)
            callbacks = [
                {
                    "name": one.label(record),
                    "answer": answer_command(
                        one, record, options, sample_answer(self.sightings.answers.get(record.id))
                    ),
                }
                for record in records
            ]
            self._print({"event": "Waiting", "callbacks": callbacks})
        due = min((each.due for each in waiting if each.due is not None), default=None)
        now = datetime.now(UTC)
        if due is None or due == self._announced or self._skips_time or (due - now).total_seconds() <= _LONG:
            return
        self._announced = due
        names = ", ".join(dict.fromkeys(each.label for each in waiting if each.due == due))
        print(f"waits for {names} {format_left(due, now)}; --skip-time skips it", file=sys.stderr, flush=True)

    def trace(self, trace: Trace) -> None:
        """Print the trace of an invocation."""
        fields = {"function": trace.function, "traceId": trace.trace_id, "segmentId": trace.segment_id}
        with self._lock:
            self._print({"event": "Trace", **fields, "documents": list(trace.documents)})

    def note(self, text: str) -> None:
        """Print a remark about the run."""
        print(text, file=sys.stderr, flush=True)

    def interrupted(self, name: str, command: str) -> None:
        """Print how to resume. May be called by a signal handler while another method runs on the same thread."""
        self._print({"event": "Interrupted", "execution": name, "resume": command})
        page = console(sys.stderr)
        page.print(Text(f"stopped; nothing of {name} is lost. Continue with:"), style="yellow")
        page.print(Text(f"  {command}"), soft_wrap=True)

    def end(self, one: LocalExecution) -> None:
        """Print how it ended."""
        outcome = outcome_fields(self._reader.timeline(), one.result)
        self._print({"execution": one.name, "id": one.id, "status": one.status} | outcome)

    def _print(self, value: dict[str, Any]) -> None:
        print_json(value, self.output)


def _event_fields(reader: TimelineReader, event: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of an event's line, without payloads and without those that have no value."""
    kind = event["EventType"]
    timeline_time = reader.last.isoformat(timespec="milliseconds")
    fields: dict[str, Any] = {"time": timeline_time, "event": kind, "name": event.get("Name"), "id": event.get("Id")}
    node = reader.nodes.get(event.get("Id", ""))
    failure = None
    if node is not None:
        one = node.frozen()
        failure = None if kind.endswith("Started") else one.failure
        fields |= {"parent": event.get("ParentId"), "path": one.path, **_numbers(one, kind)}
    elif kind.startswith("Execution"):
        failure = reader.failure
    elif kind == "InvocationCompleted":
        failure = reader.invocations[-1].failure
    fields["error"] = failure_fields(failure) or None if failure is not None else None
    return {key: value for key, value in fields.items() if value is not None}


def _numbers(one: Operation, event: str) -> dict[str, Any]:
    """Return an attempt and the seconds until the next, or the seconds of what has begun to wait."""
    if event.endswith("Started"):
        return {"seconds": round((one.due - one.started).total_seconds()) if one.due is not None else None}
    last = one.attempts[-1] if one.attempts and not event.startswith("Context") else None
    if last is None:
        return {}
    retry_in = (last.retry_at - last.ended).total_seconds() if last.retry_at and last.ended else None
    return {"attempt": last.number, "retryIn": round(retry_in) if retry_in is not None else None}
