"""One model of an execution, for every picture of it: the terminal, JSON, the HTML report.

`read_execution` reads an execution of the simulator, of a local store or of an AWS account. `read_events` reads a
history from anywhere. `TimelineReader` reads the events of an execution that still runs, one by one. All three return
a `Timeline`: invocations, and a tree of operations. Nothing here draws, and nothing else reads a history to draw it.

What an operation is made of is folded into it (`Operation.parts`), an operation of a FLAT branch belongs to its branch,
and one without a name is called ``wait #2``. Payloads are left out unless they are asked for. All texts are as they
were recorded: they may contain anything, and whatever prints them has to escape them.

::

    Timeline                       name, status, started, ended, failure
    ├── invocations: Invocation    number, started, ended, replayed, failure
    └── operations: Operation      kind, label, path, status, started, ended, due, failure, sizes, source
        ├── attempts: Attempt      number, started, ended, failure, retry_at
        ├── children: Operation    in a context, a fan-out or a branch
        └── parts: Operation       what it is made of
"""

from __future__ import annotations

from powertools_durable._service.naming import Kind
from powertools_durable._timeline.failure import TimelineFailure as Failure
from powertools_durable._timeline.model import Counts, Timeline
from powertools_durable._timeline.model import TimelineAttempt as Attempt
from powertools_durable._timeline.model import TimelineInvocation as Invocation
from powertools_durable._timeline.model import TimelineOperation as Operation
from powertools_durable._timeline.reader import TimelineReader, read_events
from powertools_durable._timeline.sightings import Sightings
from powertools_durable._timeline.views import read_execution

__all__ = [
    "Attempt",
    "Counts",
    "Failure",
    "Invocation",
    "Kind",
    "Operation",
    "Sightings",
    "Timeline",
    "TimelineReader",
    "read_events",
    "read_execution",
]
