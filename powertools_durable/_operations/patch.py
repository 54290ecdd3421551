"""A change of code while executions run: a marker whose id is derived from its name, so that no other id changes."""

from __future__ import annotations

from powertools_durable._replay.effects import Checkpoint, Flow
from powertools_durable._replay.handle import OperationHandle

__all__ = ["patched", "patched_once"]


def patched(op: OperationHandle, *, replaying: bool) -> Flow[bool]:
    """Return whether this execution takes the new path, and record that.

    An execution that has passed this point without the marker keeps the old path. The marker need not be awaited: it is
    queued before all updates of the new path.
    """
    if op.record is not None:
        return True
    if replaying:
        return False
    yield Checkpoint(op.start(), wait=False)
    yield Checkpoint(op.succeed(None), wait=False)
    return True


def patched_once(op: OperationHandle, answers: dict[str, bool], name: str, *, replaying: bool) -> Flow[bool]:
    """Return the answer in *answers*; the first time in an invocation, get it from `patched`."""
    if name not in answers:
        answers[name] = yield from patched(op, replaying=replaying)
    return answers[name]
