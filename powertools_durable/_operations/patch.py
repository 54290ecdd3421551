"""A change of code under running executions: a mark beside the counter, so that no id shifts."""

from __future__ import annotations

from powertools_durable._replay.effects import Checkpoint, Flow
from powertools_durable._replay.handle import OperationHandle

__all__ = ["patched", "remembered"]


def patched(op: OperationHandle, *, replaying: bool) -> Flow[bool]:
    """Tell whether this execution takes the new way, and remember it.

    An execution that has passed this point without the mark goes on the old way for ever. Nobody waits for the
    mark: it is queued before everything that follows from it.
    """
    if op.record is not None:
        return True
    if replaying:
        return False
    yield Checkpoint(op.start(), wait=False)
    yield Checkpoint(op.succeed(None), wait=False)
    return True


def remembered(op: OperationHandle, answers: dict[str, bool], name: str, *, replaying: bool) -> Flow[bool]:
    """Do so once in an invocation: *answers* holds what was answered before."""
    if name not in answers:
        answers[name] = yield from patched(op, replaying=replaying)
    return answers[name]
