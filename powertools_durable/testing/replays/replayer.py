"""Can this code go on with an execution that other code recorded?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from random import Random
from types import FrameType
from typing import TYPE_CHECKING, Any

from powertools_durable._hosting import durable_inside, invoker_of, program_of
from powertools_durable._protocol.operation import Operation, OperationType
from powertools_durable._protocol.result import CheckpointResponse, StatePage
from powertools_durable._protocol.wire import to_wire
from powertools_durable._replay.effects import Outcome, Raised
from powertools_durable._runtime.environment import Environment
from powertools_durable._service.clock import VirtualClock
from powertools_durable._service.history_reader import RecordedExecution, UnreadableHistory, rebuild_execution
from powertools_durable._service.host import LambdaContext
from powertools_durable.errors import (
    BackendError,
    NonDeterminismError,
    NotADurableInvocationError,
    PayloadModelChangedError,
    ValidationError,
)
from powertools_durable.errors.places import users_location
from powertools_durable.errors.wording import class_name
from powertools_durable.testing.replays.debugger import break_at
from powertools_durable.testing.replays.history_file import History, read_history
from powertools_durable.testing.replays.performer import ReplayPerformer
from powertools_durable.testing.replays.recorded import Script, label_of
from powertools_durable.testing.replays.stops import Stop
from powertools_durable.testing.replays.verdict import ReplayVerdict
from powertools_durable.testing.simulation.random_schedule import RandomSchedule
from powertools_durable.testing.simulation.sandbox_loops import SandboxLoops, without_running_loop
from powertools_durable.testing.simulation.seeded_threads import SeededThreads

if TYPE_CHECKING:
    from powertools_durable.testing.replays.async_performer import AsyncReplayPerformer

__all__ = ["RecordedHistory", "read_recorded", "replay", "replay_beginning", "replay_until"]

_SECONDS = 900.0
_DEEP = 40  # contexts in each other, which no code of its own fills a stack with by mistake
_ARN = "arn:aws:lambda:us-east-1:000000000000:function:replayed:1/durable-execution"


def replay(handler: Callable[..., Any], history: History, *, stop_at: str | None = None) -> ReplayVerdict:
    """Run *handler* over a recorded history and say whether it asks for what is recorded there.

    No step's body runs, nothing is sent, no time passes. Code outside of steps does run, as it does in every
    replay; it is stopped at the first operation that is not recorded.

    Of an execution that still runs, the question is answered as it is now: contexts that have ended are not
    entered. Of one that has ended, every context is entered: executions of its kind may be anywhere.

    Parameters
    ----------
    handler : Callable
        What `durable` made, with or without other decorators above it.
    history : Mapping | Sequence | str | Path
        What GetDurableExecutionHistory answers, with its data: of this package, of another SDK, of an execution
        that still runs. A mapping with ``Events``, a list of pages or events, JSON text, or a path to it.
    stop_at : str | None
        An operation, as ``PATH`` or ``PATH#N``: when the code calls it, `breakpoint` opens a debugger at the line of
        the call. ``etl > load#2`` is the second operation ``load`` in the context ``etl``, in the order of their start.
        After that the replay goes on to its end.

    Returns
    -------
    ReplayVerdict
        ``SAFE`` or ``BREAKS``, and where; ``TOO DEEP`` where nobody can say. True when it is safe.

    Raises
    ------
    ValidationError
        *handler* is not durable, or *history* is none, is not complete or was got without its payloads; or the code
        does not come to *stop_at*.
    """
    return replay_until(handler, history, stop_at=stop_at)


def replay_until(
    handler: Callable[..., Any],
    history: History,
    *,
    stop_at: str | None = None,
    on_stop: Callable[[FrameType, str], object] = break_at,
    on_failure: Callable[[BaseException], object] | None = None,
) -> ReplayVerdict:
    """Do what `replay` does; call *on_stop* at the operation, and *on_failure* with what left the handler.

    *on_failure* gets the error that came first: where a context failed, what its code raised.
    """
    if durable_inside(handler) is None:
        message = f"replay() takes a function decorated with @durable, not {class_name(handler)}"
        raise ValidationError(message)
    recorded = read_recorded(history)
    stop = None if stop_at is None else Stop(recorded.found, stop_at, recorded.read or "the history", on_stop)
    verdict, outcome, _ = _verdict(handler, recorded, stop)
    if stop is not None:
        stop.require_reached(f"{verdict.status}, {verdict.summary}")
    if on_failure is not None and isinstance(outcome, Raised):
        on_failure(outcome.error)
    return verdict


def replay_beginning(handler: Callable[..., Any], events: History) -> tuple[ReplayVerdict, set[str]]:
    """Return the verdict on the beginning of a history, and the contexts whose record is not their whole result."""
    recorded = read_recorded(events)
    verdict, _, unreadable = _verdict(handler, recorded)
    script = Script(recorded.found, frozenset(unreadable))
    return verdict, {record.id for record in recorded.found.operations.values() if script.looks_rebuilt(record)}


@dataclass(frozen=True, slots=True)
class RecordedHistory:
    """A history that was read.

    Attributes
    ----------
    events : list
        Its events.
    found : RecordedExecution
        The execution.
    arn : str
        The execution's ARN, made up if the history does not say.
    read : str
        The file, if it was one.
    """

    events: list[Mapping[str, Any]]
    found: RecordedExecution
    arn: str
    read: str


def read_recorded(history: History) -> RecordedHistory:
    """Read a history in any of the forms that `replay` takes.

    Raises
    ------
    ValidationError
        It is none, is not complete, or was got without its payloads.
    """
    events, arn, read = read_history(history)
    try:
        found = rebuild_execution(events)
    except UnreadableHistory as problem:
        message = f"{read or 'the history'} can't be replayed: {problem}"
        raise ValidationError(message) from None
    arn = arn or f"{_ARN}/{found.execution.name or 'replayed'}/{found.execution.id}"
    return RecordedHistory(events, found, arn, read)


def _verdict(
    handler: Callable[..., Any], recorded: RecordedHistory, stop: Stop | None = None
) -> tuple[ReplayVerdict, Outcome | None, set[str]]:
    """Return the verdict, what became of the handler, and the contexts with a summary in the place of a result.

    Of an error that passed several contexts the outcome is the one that came first.
    """
    found, arn, read = recorded.found, recorded.arn, recorded.read
    unreadable: dict[str, ReplayVerdict] = {}
    while True:
        script = Script(found, frozenset(unreadable), stop)
        verdict = _replayed(handler, script, arn, read)
        outcome = script.outcome
        if isinstance(outcome, Raised):
            outcome = replace(outcome, error=script.failures.innermost(outcome.error))
        if script.not_summed_up is not None:
            return unreadable[script.not_summed_up], outcome, set()
        # A summary looks like a result until it is read; then its context is rebuilt, as in a real replay.
        text = script.unreadable
        if text is None or text in unreadable or not _is_context(found, text):
            return verdict, outcome, set(unreadable)
        unreadable[text] = verdict


def _replayed(handler: Callable[..., Any], script: Script, arn: str, read: str) -> ReplayVerdict:
    found = script.found
    moments = [record.end_timestamp or record.start_timestamp for record in found.operations.values()]
    latest = max((moment for moment in moments if moment), default=found.execution.start_timestamp)
    clock = VirtualClock(latest)
    random = Random(0)  # noqa: S311 - nothing is drawn for secrets
    program = program_of(handler)
    threads = loops = None
    if program is not None and program.is_async:
        threads, loops = SeededThreads(clock, RandomSchedule("replay")), SandboxLoops(RandomSchedule("replay"))
        environment = Environment(clock, random, performer=partial(_awaiting, script), threads=threads, loops=loops)
    else:
        environment = Environment(clock, random, performer=partial(ReplayPerformer, script))
    event = {
        "DurableExecutionArn": arn,
        "CheckpointToken": "replayed",
        "InitialExecutionState": {"Operations": to_wire(script.shown()), "NextMarker": ""},
    }
    call = invoker_of(handler, backend=_Nowhere(), environment=environment)
    try:
        invocation = partial(call, event, LambdaContext(arn, "replayed", _SECONDS, clock))
        answer = invocation() if threads is None or loops is None else _on_a_loop(invocation, threads, loops)
    except NotADurableInvocationError as error:  # a limit of the wire that its events did not keep
        message = f"{read or 'the history'} can't be replayed: {error}"
        raise ValidationError(message) from None
    except PayloadModelChangedError as error:
        return _bad_input(str(error), read)
    except NonDeterminismError:
        answer = None
    except BackendError:  # `_Nowhere` was asked: nothing recorded is left that could happen
        message = (
            f"{read or 'the history'} can't be judged: the code waits for something that is not a durable operation, "
            "which never comes in a replay"
        )
        raise ValidationError(message) from None
    if script.driver is None:  # it never came to the handler
        told = answer.get("Error", {}) if isinstance(answer, dict) else {}
        return _bad_input(str(told.get("ErrorMessage") or answer), read)
    return _judged(script, read)


def _on_a_loop(call: Callable[[], Any], threads: SeededThreads, loops: SandboxLoops) -> Any:
    """Return what *call* returns; it may wait in virtual time."""

    def waiting() -> Any:
        with threads.taking_part():
            return call()

    try:
        return without_running_loop(waiting)
    finally:
        loops.discard()


def _awaiting(script: Script, driver: Any) -> AsyncReplayPerformer:
    from powertools_durable.testing.replays.async_performer import AsyncReplayPerformer

    script.is_ordered = False
    return AsyncReplayPerformer(ReplayPerformer(script, driver), driver)


def _judged(script: Script, read: str) -> ReplayVerdict:
    assert script.driver is not None  # noqa: S101 - its caller has looked
    replayed = len(script.driver.engine.called & script.found.operations.keys())
    interruption = script.driver.engine.interruption
    if isinstance(interruption, NonDeterminismError):
        return ReplayVerdict(
            breaks=True,
            operation=interruption.operation,
            location=interruption.location,
            recorded=interruption.recorded,
            asked=interruption.asked,
            reason=str(interruption),
            replayed=replayed,
            history=read,
        )
    raised = script.outcome.error if isinstance(script.outcome, Raised) else None
    if isinstance(raised, RecursionError) and _levels(script.found) >= _DEEP:
        deep = (
            "contexts lie too deep in each other for Python's stack in this process: raise "
            "sys.setrecursionlimit(...) and try again"
        )
        return ReplayVerdict(
            breaks=False,
            too_deep=True,
            operation="the handler",
            location=users_location(raised),
            reason=deep,
            replayed=replayed,
            history=read,
        )
    if (left := script.left()) is not None:
        return _leftover(*left, raised, replayed, read)
    if (record := script.passed_over()) is not None:
        label = label_of(record)
        return ReplayVerdict(
            breaks=True,
            operation=label,
            recorded={"operation": label},
            asked={"operation": None},
            reason=f"the code {script.stopped_at or 'waits'}, and did not ask for {label} before, which is recorded. "
            "Guard such a change with ctx.patched(...)",
            replayed=replayed,
            history=read,
        )
    if raised is not None and script.found.status == "SUCCEEDED":
        return ReplayVerdict(
            breaks=True,
            operation="the handler",
            location=users_location(raised),
            recorded={"outcome": "SUCCEEDED"},
            asked={"outcome": f"raised {type(raised).__name__}"},
            reason=f"the handler raised {type(raised).__name__} where the recorded execution succeeded",
            replayed=replayed,
            history=read,
        )
    if raised is None:
        return ReplayVerdict(breaks=False, replayed=replayed, stopped_at=script.stopped_at, history=read)
    error, location = type(raised).__name__, users_location(raised)
    return ReplayVerdict(
        breaks=False,
        replayed=replayed,
        location=location,
        stopped_at=f"raises {error} ({location})",
        raised=error if script.found.status == "RUNNING" else "",
        history=read,
    )


def _levels(found: RecordedExecution) -> int:
    """Return how many contexts lie in each other, where it is deepest."""
    levels: dict[str | None, int] = {}
    for record in found.operations.values():  # a parent is recorded before what is in it
        levels[record.id] = levels.get(record.parent_id, 0) + 1
    return max(levels.values(), default=0)


def _leftover(record: Operation, site: str, raised: BaseException | None, replayed: int, read: str) -> ReplayVerdict:
    label = label_of(record)
    ended = "returned" if raised is None else f"raised {type(raised).__name__}"
    return ReplayVerdict(
        breaks=True,
        operation=label,
        location=site if raised is None else users_location(raised) or site,
        recorded={"operation": label},
        asked={"operation": None},
        reason=f"the code {ended} without asking for {label}, which is recorded. Guard such a change with "
        "ctx.patched(...)",
        replayed=replayed,
        history=read,
    )


def _bad_input(words: str, read: str) -> ReplayVerdict:
    return ReplayVerdict(
        breaks=True,
        operation="the execution's input",
        recorded={"input": "as it was sent"},
        asked={"input": "another model"},
        reason=words,
        history=read,
    )


def _is_context(found: RecordedExecution, identifier: str) -> bool:
    record = found.operations.get(identifier)
    return record is not None and record.type is OperationType.CONTEXT


class _Nowhere:
    """A backend that nothing can be sent to."""

    def checkpoint(self, *_: object) -> CheckpointResponse:
        message = "a replay sends nothing"
        raise BackendError(message, retryable=False)

    def get_execution_state(self, *_: object) -> StatePage:
        message = "a replay asks for nothing"
        raise BackendError(message, retryable=False)
