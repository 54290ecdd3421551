"""The effects that an operation may ask a driver for, and the answers that it may get.

An operation is a generator (a `Flow`): it yields effects and is sent answers. It never performs an effect itself, and
no exception is thrown into it: the failure of an attempt is sent as the value `Raised`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import field
from datetime import datetime
from typing import Any, Generic, TypeAlias, TypeVar

from powertools_durable._frozen import frozen
from powertools_durable._protocol.update import OperationUpdate
from powertools_durable._replay.fan_out_plan import FanOutPlan
from powertools_durable._replay.frame import Frame
from powertools_durable._replay.handle import OperationHandle
from powertools_durable._replay.outcome import Ending, Outcome, Raised, Returned, Suspended

__all__ = [
    "Attempt",
    "Call",
    "Checkpoint",
    "Composite",
    "Effect",
    "Ending",
    "Enter",
    "FailedAttempt",
    "FanOut",
    "Flow",
    "Flush",
    "Outcome",
    "Perform",
    "Raised",
    "Returned",
    "Run",
    "Series",
    "Suspend",
    "Suspended",
    "Transfer",
    "Turn",
]

T = TypeVar("T")


@frozen
class Checkpoint:
    """Send an update. Answered by None; with ``wait``, after the service acknowledged it.

    A ``deferrable`` update is not awaited while its context is in batch mode: it is applied to the local view at once
    and sent with the next batch (docs/contributing/protocol.md#batch-mode). An update that ``closes`` a context orphans
    the branches that still run in it. ``failure`` is the exception that the update records, for the log.
    """

    update: OperationUpdate
    wait: bool = True
    deferrable: bool = False
    closes: Frame | None = None
    failure: BaseException | None = field(default=None, compare=False)


@frozen
class Attempt:
    """Run a step's body once. Answered by its `Outcome`."""

    body: Callable[[], Any]
    number: int
    timeout: float | None = None


@frozen
class Transfer:
    """Write or read a value with a serdes that may wait for another machine. Answered by its `Outcome`.

    Nothing of the engine is changed by ``work``, which may run on another thread. What ``reads`` a record, on a replay,
    is performed at once, because results are handed over in the order of the records.
    """

    work: Callable[[], Any]
    reads: bool = False


@frozen
class Enter:
    """Run code, or a series that returns an `Outcome`, in its own context. Answered by the `Outcome`."""

    frame: Frame
    body: Callable[[Frame], Any] | Series[Outcome]


@frozen
class Run:
    """Run the user's function once, in the context of the series. Answered by its `Outcome`.

    An unrecoverable error ends the series at once; with ``to_the_end`` most of them are sent to it as an outcome, too.
    """

    body: Callable[[], Any]
    to_the_end: bool = False


@frozen
class FailedAttempt:
    """A failed attempt that `with_retry` is about to repeat, for the log."""

    name: str | None
    number: int
    delay: int
    error: Exception


@frozen
class Perform:
    """Perform another durable call inside this one. Answered by its `Outcome`.

    The driver checks the context, then calls ``begin``, which builds the call and takes its id. ``method`` names the
    call in messages.
    """

    method: str
    begin: Callable[[], Call[Any]]
    after: FailedAttempt | None = None


@frozen
class Flush:
    """Send the updates that batch mode holds back. Answered by None when the service has acknowledged them."""


@frozen
class FanOut:
    """Run branches concurrently as ``plan`` decides, each as an operation. Answered by an `Outcome`.

    ``branch`` takes an index and returns the operation and a new flow of that branch; it is called each time the branch
    is started or resumed. ``result`` builds the answer when the plan is complete.
    """

    frame: Frame
    plan: FanOutPlan
    branch: Callable[[int], tuple[OperationHandle, Flow[Any]]]
    result: Callable[[], Any]


@frozen
class Suspend:
    """Suspend until a time, or without one until an external event. A blocking driver never answers it."""

    until: datetime | None = None


Effect: TypeAlias = Checkpoint | Attempt | Transfer | Enter | FanOut | Suspend
Turn: TypeAlias = Run | Perform | Flush


Flow: TypeAlias = Generator[Effect, Any, T]
"""The generator of an operation."""

Series: TypeAlias = Generator[Turn, Any, T]
"""A generator that performs several operations in sequence, with user code between them; not an operation itself."""


@frozen(eq=False)
class Call(Generic[T]):
    """A durable call that is ready to be performed.

    Attributes
    ----------
    frame : Frame
        The context of the call.
    op : OperationHandle
        The operation, with its id.
    flow : Flow
        The generator of its effects.
    at_start : bool
        The result is available as soon as the operation has started.
    """

    frame: Frame
    op: OperationHandle
    flow: Flow[T]
    at_start: bool = False


@frozen(eq=False)
class Composite(Generic[T]):
    """A series that is ready to be performed.

    Attributes
    ----------
    frame : Frame
        The context of the series.
    flow : Series
        The generator of its effects.
    """

    frame: Frame
    flow: Series[T]
