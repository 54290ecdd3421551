"""A change of code under running executions: a marker whose id does not use the counter, so that no id shifts."""

from __future__ import annotations

from powertools_durable._replay.effects import Checkpoint, Flow
from powertools_durable._replay.handle import OperationHandle

__all__ = ["patched", "patched_once"]


def patched(op: OperationHandle, *, replaying: bool) -> Flow[bool]:
    """Return whether this execution takes the new path, and record that.

    An execution that has passed this point without the marker keeps the old path. The marker is sent asynchronously: it
    is queued before every update that follows from it.
    """
    if op.record is not None:
        return True
    if replaying:
        return False
    yield Checkpoint(op.start(), wait=False)
    yield Checkpoint(op.succeed(None), wait=False)
    return True


def patched_once(op: OperationHandle, answers: dict[str, bool], name: str, *, replaying: bool) -> Flow[bool]:
    """Run `patched` once in an invocation: *answers* holds the earlier answers."""
    if name not in answers:
        answers[name] = yield from patched(op, replaying=replaying)
    return answers[name]
