"""Reads executions that are kept here: those of the simulator, of a local store, of an AWS account."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from powertools_durable._service.view import ExecutionView
from powertools_durable._timeline.model import Timeline
from powertools_durable._timeline.reader import TimelineReader
from powertools_durable._timeline.sightings import Sightings

__all__ = ["read_execution"]


def read_execution(view: ExecutionView, *, values: bool = False, now: datetime | None = None) -> Timeline:
    """Return the timeline of an execution.

    Parameters
    ----------
    view : ExecutionView
        A `SimulatedRun`, a `LocalExecution`, or one of an account.
    values : bool
        Keep the payloads.
    now : datetime | None
        Until when it is known what happened; by default until the last event.

    Raises
    ------
    UnreadableHistory
        Its history is malformed.
    """
    kept = view._execution  # noqa: SLF001 - what the views have in common
    sightings = getattr(view, "sightings", None) or Sightings()
    reader = TimelineReader(view.arn, values=values, sources=sightings.sources)
    for event in kept.history:
        reader.add(event)
    reader.sight(sightings)
    reader.expect(kept.header.deadlines)
    if kept.header.invoking_since is not None:
        reader.invoked(kept.header.invoking_since)
    timeline = reader.timeline(now)
    return timeline if timeline.name else replace(timeline, name=view.name)
