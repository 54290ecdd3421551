"""What ``show`` shows: an execution of a store or an account, or a history in a file."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from powertools_durable._service.history_reader import UnreadableHistory
from powertools_durable._timeline import Operation, Timeline, read_events, read_execution
from powertools_durable.cli.describe import (
    AnyExecution,
    describe_outcome,
    display_status,
    operation_fields,
    outcome_fields,
)
from powertools_durable.cli.options import answer_commands
from powertools_durable.cli.output import console, harmless
from powertools_durable.cli.remote_execution import Summary
from powertools_durable.cli.sources import ExecutionSource
from powertools_durable.cli.tree import Tree, draw, has_symbols
from powertools_durable.cli.usage import UsageError, command_line
from powertools_durable.local import LocalExecution
from powertools_durable.local.executions import LocalSummary
from powertools_durable.testing.replays.history_file import read_history

__all__ = ["Shown", "common_fields", "follow_execution", "outcome_text"]

_LOOK_EVERY = 0.5  # seconds between two looks of --follow at a store
_LOOK_EVERY_REMOTE = 3.0  # and at an account, whose API is throttled


@dataclass(frozen=True)
class Shown:
    """An execution that is shown.

    Attributes
    ----------
    timeline : Timeline
        What happened.
    status : str
        Its display status.
    one : AnyExecution | None
        The execution; None if it is read from a file.
    source : ExecutionSource | None
        Where it was found.
    """

    timeline: Timeline
    status: str
    one: AnyExecution | None = None
    source: ExecutionSource | None = None

    @classmethod
    def of_execution(cls, one: AnyExecution, source: ExecutionSource, *, values: bool = True) -> Shown:
        """Read an execution, with its payloads if *values*."""
        now = datetime.now(UTC) if one.status == "RUNNING" else None
        try:
            return cls(read_execution(one, values=values, now=now), display_status(one), one, source)
        except UnreadableHistory as problem:
            raise UsageError(f"the history of {one.name} can't be read: {problem}") from None

    @classmethod
    def of_history(cls, path: Path, *, values: bool = True) -> Shown:
        """Read a history from a file, with its payloads if *values*.

        Raises
        ------
        UsageError
            It is not a history.
        """
        events, arn, _ = read_history(path)
        try:
            timeline = read_events(events, arn=arn, values=values)
        except UnreadableHistory as problem:
            raise UsageError(f"{path}: {problem}") from None
        return cls(timeline, timeline.status if timeline.ended else "SUSPENDED")

    def print_to(self, page: Console, *, unfolds: bool) -> None:
        """Print it: its name, the tree, how it ended or what it waits for, and what to type next."""
        timeline, one, source = self.timeline, self.one, self.source
        identifier = one.id if one is not None else timeline.arn.rpartition("/")[2]
        page.print(Text.assemble((harmless(timeline.name), "bold"), (f"  {harmless(identifier)}", "dim")))
        is_live = self.status == "RUNNING"
        now = datetime.now(UTC) if one is not None else timeline.until
        tree = Tree(timeline, now, unfolds=unfolds, is_live=is_live, has_blocks=has_symbols(page))
        draw(page, tree.rows())
        page.print(outcome_text(timeline, self.status))
        if one is None or source is None:
            return
        is_own = isinstance(one, LocalExecution) and "" in one.targets  # else another execution invoked it
        if is_own and not one.open_callbacks and self.status in {"KILLED", "SUSPENDED"}:
            command = command_line(f"resume {one.id[:8]}{source.options(one)}")
            page.print(Text(f"  continue with: {command}"), soft_wrap=True)
        for command in answer_commands(one, source.options(one)):
            page.print(Text(f"  answer with: {command}"), soft_wrap=True)

    def fields(self) -> dict[str, Any]:
        """Return what ``show --json`` prints."""
        timeline, one = self.timeline, self.one
        if one is not None:
            head = common_fields(one) | {"invocations": one.invocations, "input": one.input}
            head |= {"target": one.target} if isinstance(one, LocalExecution) else {}
            result = one.result
        else:
            head = {
                "name": timeline.name,
                "arn": timeline.arn,
                "status": timeline.status,
                "started": timeline.started.isoformat(timespec="milliseconds"),
                "ended": timeline.ended.isoformat(timespec="milliseconds") if timeline.ended else None,
                "invocations": len(timeline.invocations),
                "input": _value(timeline.input),
            }
            result = _value(timeline.result)
        operations = [
            operation_fields(inner, above) for top in timeline.operations for inner, above in _with_parents(top)
        ]
        return head | outcome_fields(timeline, result) | {"operations": operations}


def _with_parents(one: Operation, above: Operation | None = None) -> Iterator[tuple[Operation, Operation | None]]:
    yield one, above
    for child in one.children:
        yield from _with_parents(child, one)


def _value(text: str | None) -> Any:
    try:
        return json.loads(text) if text else None
    except ValueError:
        return text


def outcome_text(timeline: Timeline, status: str) -> Text:
    """Return how an execution ended, or what it waits for, as coloured text."""
    style = "bold green" if status == "SUCCEEDED" else "bold red" if timeline.ended else "bold yellow"
    return Text.assemble((status, style), f"  {harmless(describe_outcome(timeline, status))}")


def common_fields(one: AnyExecution | Summary | LocalSummary) -> dict[str, Any]:
    """Return the fields of an execution that ``list --json`` and ``show --json`` print."""
    return {
        "id": one.id,
        "name": one.name,
        "arn": one.arn,
        "status": one.status,
        "started": one.started.isoformat(timespec="milliseconds"),
        "ended": one.ended.isoformat(timespec="milliseconds") if one.ended else None,
    }


def follow_execution(
    one: AnyExecution, source: ExecutionSource, *, unfolds: bool, sleep: Callable[[float], None] = time.sleep
) -> None:
    """Print an execution, and again after each change, until it has ended.

    On a terminal what was printed before is replaced.
    """
    page = console()
    seen: tuple[int, str] | None = None
    while True:
        shown = Shown.of_execution(one, source)
        state = shown.timeline.events, shown.status
        if state != seen:
            seen = state
            if page.is_terminal:
                page.clear()
            shown.print_to(page, unfolds=unfolds)
        if shown.timeline.ended is not None:
            return
        is_local = isinstance(one, LocalExecution)
        sleep(_LOOK_EVERY if is_local else _LOOK_EVERY_REMOTE)
        one = one if is_local else source.executions().find(one.arn)
