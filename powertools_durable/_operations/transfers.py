"""Values written and read by an operation: by its driver if the serdes may wait for another machine, else at once."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from powertools_durable._replay.effects import Flow, Outcome, Raised, Transfer
from powertools_durable._replay.handle import OperationHandle
from powertools_durable.errors.places import call_site
from powertools_durable.serdes.base import SerDes

__all__ = ["decode", "encode", "reread"]


def encode(op: OperationHandle, value: Any, serdes: SerDes[Any]) -> Flow[tuple[str | None, Any]]:
    """Write *value* and read it back; see `OperationHandle.encode`."""
    if not getattr(serdes, "uses_network", False):
        return op.encode(value, serdes)
    written: tuple[str | None, Any] = yield from _transfer(op, partial(op.encode, value, serdes))
    return written


def decode(op: OperationHandle, serdes: SerDes[Any]) -> Flow[Any]:
    """Read the recorded result; see `OperationHandle.decode`."""
    if op.is_proved or not getattr(serdes, "uses_network", False):
        return op.decode(serdes)
    return (yield from _transfer(op, partial(op.decode, serdes), reads=True))


def reread(op: OperationHandle, value: Any, serdes: SerDes[Any]) -> Flow[Any]:
    """Write and read a value that is rebuilt; see `OperationHandle.reread`."""
    if not getattr(serdes, "uses_network", False):
        return op.reread(value, serdes)
    return (yield from _transfer(op, partial(op.reread, value, serdes), reads=True))


def _transfer(op: OperationHandle, work: Callable[[], Any], *, reads: bool = False) -> Flow[Any]:
    op.place = op.place or call_site()  # the stack of another thread does not show this line
    outcome: Outcome = yield Transfer(work, reads=reads)
    if isinstance(outcome, Raised):
        raise outcome.error
    return outcome.value
