"""What one simulated execution did, as plain data: texts, numbers, lists and dicts, no type of the engine.

Each event has the virtual second at which it happened, and the number of its invocation, from 1; invocations of
invoked functions count too. Records and updates are dicts as they go over the wire.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, TypeAlias

__all__ = [
    "Answered",
    "Asked",
    "Began",
    "BodyBegan",
    "BodyEnded",
    "Died",
    "Effect",
    "Ended",
    "Entered",
    "Event",
    "Line",
    "Owed",
    "Page",
    "Requested",
    "Seen",
    "Trace",
    "digest",
]

Wire: TypeAlias = dict[str, Any]


@dataclass(slots=True)
class Began:
    """Lambda calls the handler; ``ends`` is when it cuts the invocation off."""

    at: float
    invocation: int
    arn: str
    token: str
    operations: list[Wire]
    marker: str
    updated: list[str]
    ends: float
    fields: list[str]


@dataclass(slots=True)
class Requested:
    """A checkpoint leaves the process; ``number`` counts the requests of the run, repetitions too."""

    at: float
    invocation: int
    arn: str
    number: int
    token: str
    client_token: str
    updates: list[Wire]


@dataclass(slots=True)
class Answered:
    """What came of a request.

    ``answer`` is ``token``, ``none`` (answered, but without a token), ``refused``, ``stale`` or ``lost``;
    ``applied`` says whether the service has done what it was asked.
    """

    at: float
    invocation: int
    number: int
    answer: str
    applied: bool
    token: str = ""
    operations: list[Wire] = field(default_factory=list)
    fault: str = ""


@dataclass(slots=True)
class Page:
    """A page of records was asked for; ``answer`` is ``page``, ``refused``, ``stale`` or ``lost``."""

    at: float
    invocation: int
    arn: str
    token: str
    marker: str
    answer: str
    operations: list[Wire] = field(default_factory=list)
    following: str = ""
    fault: str = ""


@dataclass(slots=True)
class Asked:
    """The code asks for an operation: the ``position`` th of ``context``; branches of a fan-out count from 0.

    ``call`` is the half of a callback, or the kind: ``step``, ``wait``, ``create_callback``, ``callback_result`` ...
    ``status`` is that of the record in the process's own view.
    """

    at: float
    invocation: int
    operation: str
    call: str
    type: str
    sub_type: str
    name: str
    parent: str
    context: str
    position: int
    status: str
    at_most_once: bool = False


@dataclass(slots=True)
class Owed:
    """An operation wants an update sent."""

    at: float
    invocation: int
    operation: str
    action: str
    waits: bool


@dataclass(slots=True)
class Entered:
    """The code of a context, of a branch or of a fan-out begins."""

    at: float
    invocation: int
    operation: str
    status: str


@dataclass(slots=True)
class BodyBegan:
    """The body of a step, or the check of a condition, begins."""

    at: float
    invocation: int
    operation: str
    attempt: int
    thread: str


@dataclass(slots=True)
class BodyEnded:
    """It returned, or raised: ``outcome`` is ``returned`` or the name of the exception."""

    at: float
    invocation: int
    operation: str
    attempt: int
    outcome: str


@dataclass(slots=True)
class Seen:
    """What the code was given for an operation: ``value`` as its repr, or an error.

    ``cut_off`` says that a fan-out's result tells of branches that had not ended.
    """

    at: float
    invocation: int
    operation: str
    call: str
    status: str
    value: str | None
    error: str
    words: str
    cut_off: bool = False


@dataclass(slots=True)
class Line:
    """A log line was said; ``shown`` when it came out. ``state`` is the replay state of the code that said it."""

    at: float
    invocation: int
    logger: str
    level: str
    message: str
    context: str
    operation: str
    attempt: int
    state: str
    shown: bool


@dataclass(slots=True)
class Effect:
    """Something was done to the world outside; not when ``repeated``: it was recognised by its key."""

    at: float
    invocation: int
    effect: str
    operation: str
    attempt: int
    repeated: bool


@dataclass(slots=True)
class Died:
    """The process was killed at that moment; whatever its threads still do reaches nothing."""

    at: float
    invocation: int
    moment: int
    words: str


@dataclass(slots=True)
class Ended:
    """Lambda has the answer: ``SUCCEEDED``, ``FAILED``, ``PENDING``, ``raised`` or ``killed``.

    ``threads`` are those of the library that are still alive.
    """

    at: float
    invocation: int
    arn: str
    answer: str
    result: str | None
    error: str
    words: str
    threads: list[str]


Event: TypeAlias = (
    Began
    | Requested
    | Answered
    | Page
    | Asked
    | Owed
    | Entered
    | BodyBegan
    | BodyEnded
    | Seen
    | Line
    | Effect
    | Died
    | Ended
)


@dataclass(slots=True)
class Trace:
    """All that happened in one execution, in order, and what came of it.

    Attributes
    ----------
    arn : str
        The execution; events of invoked functions have others.
    seed : int
        Decided about all that chance decides.
    kills : tuple[int, ...]
        At which moments a process was to die.
    status, result, error, words : str
        The end, as the service has it; ``result`` is JSON.
    moments : list[str]
        All moments at which a process could die.
    faults : dict[str, int]
        How often each class of fault happened.
    skew : float
        Seconds that the process's clock is ahead of the service's.
    canaries : tuple[str, ...]
        What no log line of the library, no metric and no trace may hold.
    metrics : list[str]
        What was printed as metrics.
    again : str | None
        The digest of another run with the same seed.
    stuck : str
        Why it came to no end.
    handles : int
        Files and sockets that are open afterwards, and were not before.
    lost_baton : bool
        A thread kept all others from running for so long that the machine decided too: no other run need be like it.
    read : object
        What the checker has read of it, when others are compared with it.
    """

    arn: str
    seed: int = 0
    kills: tuple[int, ...] = ()
    events: list[Event] = field(default_factory=list)
    status: str = ""
    result: str | None = None
    error: str = ""
    words: str = ""
    moments: list[str] = field(default_factory=list)
    faults: dict[str, int] = field(default_factory=dict)
    skew: float = 0.0
    canaries: tuple[str, ...] = ()
    metrics: list[str] = field(default_factory=list)
    again: str | None = None
    stuck: str = ""
    handles: int = 0
    lost_baton: bool = False
    read: Any = field(default=None, repr=False, compare=False)


def digest(trace: Trace) -> str:
    """Return a digest of all that happened."""
    told = repr([trace.status, trace.result, trace.error, trace.words, trace.events])
    return blake2b(told.encode(), digest_size=16).hexdigest()
