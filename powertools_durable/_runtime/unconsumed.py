"""Reports records that the code did not use: the code has changed since they were made."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from powertools_durable._protocol.operation import Operation
from powertools_durable._replay.engine import ReplayEngine
from powertools_durable._replay.frame import Frame
from powertools_durable.errors import NonDeterminismError

__all__ = ["check_context_end", "check_execution_end"]

logger = logging.getLogger(__name__)


def check_context_end(frame: Frame) -> None:
    """Report the records that follow the end of a context's code, before that end is recorded.

    Raises
    ------
    NonDeterminismError
        ``on_unconsumed="fail"``.
    """
    record = frame.next_record()
    if record is not None and frame.suspension is None and not frame.is_orphaned:
        _report(frame.engine, [record])


def check_execution_end(root: Frame) -> None:
    """Report the records that a handler did not use, when it has returned; raises as `check_context_end`."""
    if root.suspension is None and (left := root.engine.uncalled()):
        _report(root.engine, left)


def _report(engine: ReplayEngine, left: Sequence[Operation]) -> None:
    policy = engine.rules.on_unconsumed
    if policy == "ignore":
        return
    names = ", ".join(f"{record.type.value.lower()} {record.name or record.id[:8]!r}" for record in left[:5])
    more = f" and {len(left) - 5} more" if len(left) > 5 else ""
    message = (
        f"the code ended without asking for recorded operations: {names}{more}. It changed while this execution was "
        "running; guard such a change with ctx.patched(...)"
    )
    if policy == "warn":
        logger.warning(message)
        return
    error = NonDeterminismError(message, operation=left[0].name or left[0].id, recorded={}, asked={}, location="")
    engine.interrupt(error)
    raise error
