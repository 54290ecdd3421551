"""Run a function in its own context, with one record for the context.

The result of an operation is always read from its record, with two exceptions, both here. A result that is too large
for a record is rebuilt: the function runs again, and its operations return their recorded results. A *virtual* context
has no record at all, so its function runs on every replay. In both cases nothing is checkpointed for the context then.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from powertools_durable._functions import ANSWERS_AT_ONCE, require_finished
from powertools_durable._operations import transfers
from powertools_durable._protocol.limits import MAX_CONTEXT_RESULT_BYTES
from powertools_durable._protocol.operation import OperationStatus as Status
from powertools_durable._replay.effects import Checkpoint, Effect, Enter, Flow, Outcome, Raised, Returned
from powertools_durable._replay.frame import Frame
from powertools_durable._replay.handle import OperationHandle
from powertools_durable.errors import (
    ChildContextError,
    NonDeterminismError,
    RetryableSerDesError,
    RetryInvocation,
    SerDesError,
    ValidationError,
)
from powertools_durable.errors.rebuilding import rebuild
from powertools_durable.errors.wording import class_name
from powertools_durable.serdes.base import SerDes

__all__ = ["child", "context", "summarised", "virtual_child"]

T = TypeVar("T")
Body = Callable[[Frame], Any]
EffectBuilder = Callable[[Frame], Effect]
Summary = Callable[[Any], str]


def child(
    op: OperationHandle, open_frame: Callable[[], Frame], body: Body, serdes: SerDes[T], summary: Summary | None = None
) -> Flow[T]:
    """Run *body* once and record what it returns or raises. See docs/contributing/protocol.md#child-context."""
    return context(op, open_frame, lambda frame: Enter(frame, body), serdes, summary)


def context(
    op: OperationHandle,
    open_frame: Callable[[], Frame],
    build_effect: EffectBuilder,
    serdes: SerDes[T],
    summary: Summary | None,
) -> Flow[T]:
    """Perform the effect that *build_effect* returns for the context's frame, once, and record its outcome."""
    while True:
        match op.status:
            case Status.SUCCEEDED if op.replays_children:
                rebuilt: T = yield from _rebuild(op, open_frame(), build_effect, serdes)
                return rebuilt
            case Status.SUCCEEDED:
                value: T = yield from transfers.decode(op, serdes)
                return value
            case None | Status.STARTED as status:
                if status is None:
                    yield Checkpoint(op.start(), wait=False)
                result: T = yield from _run(op, open_frame(), build_effect, serdes, summary)
                if op.replays_children:
                    return result
            case _:
                raise op.failure(ChildContextError)


def virtual_child(op: OperationHandle, frame: Frame, body: Body, serdes: SerDes[T]) -> Flow[T]:
    """Run *body* on every replay, in a context that has ids but no record."""
    outcome: Outcome = yield Enter(frame, body)
    match outcome:
        case Returned(value):
            result: T = op.as_read(value, serdes)
            return result
        case Raised(error):
            raise rebuild(op.error_object(error), ChildContextError, operation=op.name or op.id) from error


def _run(
    op: OperationHandle, frame: Frame, build_effect: EffectBuilder, serdes: SerDes[Any], summary: Summary | None
) -> Flow[Any]:
    outcome: Outcome
    try:
        effect = build_effect(frame)
    except (ValidationError, NonDeterminismError, RetryInvocation):
        raise
    except Exception as broken:  # noqa: BLE001 - a completion rule is user code
        outcome = Raised(broken)
    else:
        outcome = yield effect
    match outcome:
        case Returned(value):
            try:
                text, decoded = yield from transfers.encode(op, value, serdes)
                oversize = _bytes(text) > MAX_CONTEXT_RESULT_BYTES
                payload = op.check_size(summarised(value, summary)) if oversize else text
            except (RetryableSerDesError, RetryInvocation, ValidationError):  # the last one of a summary
                raise
            except SerDesError as error:  # a subclass is recorded as SerDesError, too
                yield Checkpoint(op.fail(SerDesError(str(error))), closes=frame, failure=error)
                return None
            except Exception as error:  # noqa: BLE001 - a summary is user code; its error fails the context
                yield Checkpoint(op.fail(error), closes=frame, failure=error)
                return None
            else:
                yield Checkpoint(op.succeed(payload, replay_children=oversize), closes=frame)
                return decoded
        case Raised(error):
            yield Checkpoint(op.fail(error), closes=frame, failure=error)
            return None


def summarised(value: Any, summary: Summary | None) -> str:
    """Return the summary of a value that is too large to record."""
    text: object = require_finished(summary(value), summary, ANSWERS_AT_ONCE) if summary else ""
    if not isinstance(text, str):
        message = f"summary returned {class_name(text)}; it must return text"
        raise TypeError(message)
    return text


def _rebuild(op: OperationHandle, frame: Frame, build_effect: EffectBuilder, serdes: SerDes[Any]) -> Flow[Any]:
    outcome: Outcome = yield build_effect(frame)
    match outcome:
        case Returned(value):
            return (yield from transfers.reread(op, value, serdes))
        case Raised(SerDesError() as error):
            raise error
        case Raised(error):
            raise frame.mismatch(
                op, {"outcome": Status.SUCCEEDED.value}, {"outcome": f"raised {type(error).__name__}"}
            ) from error


def _bytes(text: str | None) -> int:
    return 0 if text is None else len(text) if text.isascii() else len(text.encode())
