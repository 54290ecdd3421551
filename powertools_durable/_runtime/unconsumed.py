"""Reports records that the code did not use: the code has changed since they were made."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from types import CodeType
from typing import TypeAlias

from powertools_durable._protocol.operation import Operation
from powertools_durable._replay.engine import ReplayEngine
from powertools_durable._replay.frame import Frame
from powertools_durable._replay.handle import OperationHandle
from powertools_durable.errors import NonDeterminismError
from powertools_durable.errors.places import without_folders

__all__ = ["FirstCall", "check_context_end", "check_execution_end", "check_suspension"]

logger = logging.getLogger(__name__)

FirstCall: TypeAlias = "tuple[OperationHandle, tuple[CodeType, int]]"
"""An operation, and code and line of its call."""


def check_context_end(frame: Frame, first_calls: Sequence[FirstCall] = ()) -> None:
    """Report the records that follow the end of a context's code, before that end is recorded.

    *first_calls* are operations that the code has called although nothing was recorded of them.

    Raises
    ------
    NonDeterminismError
        ``on_unconsumed="fail"``.
    """
    record = frame.next_record()
    if record is not None and frame.suspension is None and not frame.is_orphaned:
        _report(frame.engine, [record], first_calls)


def check_execution_end(root: Frame, first_calls: Sequence[FirstCall] = ()) -> None:
    """Report the records that a handler did not use, when it has returned; raises as `check_context_end`."""
    if root.suspension is None and (left := root.engine.uncalled()):
        _report(root.engine, left, first_calls)


def check_suspension(engine: ReplayEngine, first_calls: Sequence[FirstCall]) -> None:
    """Warn of records that a later invocation has not used when it is suspended, if it asked for their like anew.

    A program that is deterministic has by then made all calls that are recorded.
    """
    if not first_calls or engine.rules.on_unconsumed == "ignore":
        return
    kinds = {(op.type, op.name) for op, _ in first_calls}
    left = [record for record in engine.uncalled() if (record.type, record.name) in kinds]
    if left:
        logger.warning(_described("was suspended", left, _called_instead(left, first_calls)))


def _report(engine: ReplayEngine, left: Sequence[Operation], first_calls: Sequence[FirstCall]) -> None:
    policy = engine.rules.on_unconsumed
    if policy == "ignore":
        return
    instead = _called_instead(left, first_calls)
    message = _described("ended", left, instead)
    if policy == "warn":
        logger.warning(message)
        return
    location = "" if instead is None else _location(instead)
    error = NonDeterminismError(message, operation=left[0].name or left[0].id, recorded={}, asked={}, location=location)
    engine.interrupt(error)
    raise error


def _described(end: str, left: Sequence[Operation], instead: FirstCall | None) -> str:
    names = ", ".join(f"{record.type.value.lower()} {record.name or record.id[:8]!r}" for record in left[:5])
    more = f" and {len(left) - 5} more" if len(left) > 5 else ""
    unused = f"the code {end} without asking for recorded operations: {names}{more}"
    if instead is None:
        return f"{unused}. It changed while this execution was running; guard such a change with ctx.patched(...)"
    op, (code, _) = instead
    return (
        f"{unused}; {op.label} at {without_folders(_location(instead))} in {code.co_name} was not recorded. It changed "
        "while this execution was running, or which tasks it makes depends on something that differs between runs "
        "(time, random numbers, a global); guard a change with ctx.patched(...)"
    )


def _location(called: FirstCall) -> str:
    code, line = called[1]
    return f"{code.co_filename}:{line}"


def _called_instead(left: Sequence[Operation], first_calls: Sequence[FirstCall]) -> FirstCall | None:
    """Return the operation that the code asked for in place of one that is *left*: one like it, or else the first."""
    called = [one for one in first_calls if one[0].record is not None]  # a virtual context has none
    kinds = {(record.type, record.name) for record in left}
    return next((one for one in called if (one[0].type, one[0].name) in kinds), called[0] if called else None)
