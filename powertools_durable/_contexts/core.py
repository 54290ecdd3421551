"""The way of every operation of a blocking context: may it be called here, which is it, and run it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import is_dataclass
from typing import TYPE_CHECKING, Any, TypeVar, cast

from powertools_durable._contexts import arguments
from powertools_durable._contexts.base import BaseContext
from powertools_durable._protocol.operation import OperationType
from powertools_durable._replay.effects import Flow
from powertools_durable._replay.frame import Frame
from powertools_durable._replay.handle import OperationHandle
from powertools_durable.serdes.base import PassThrough, PlainJson, SerDes
from powertools_durable.serdes.models import ModelSerDes, serdes_of
from powertools_durable.serdes.wrapping import WrappingSerDes, bound, in_place_of, refuse_for_answer

if TYPE_CHECKING:
    from powertools_durable._contexts.blocking import DurableContext

__all__ = ["BlockingCore", "answer_serdes", "json_serdes", "serdes_of_event"]

T = TypeVar("T")


class BlockingCore(BaseContext):
    """What the durable calls of a blocking context are made of."""

    __slots__ = ()

    def _begin(
        self, call: str, kind: OperationType, sub_type: str, name: str | None, *, virtual: bool = False
    ) -> OperationHandle:
        self._session.driver.guard(self._frame, call)
        return self._frame.begin(kind, sub_type, name, virtual=virtual)

    def _drive(self, op: OperationHandle, flow: Flow[T]) -> T:
        return self._session.driver.drive(self._frame, op, flow)

    def _serdes(self, func: Callable[..., Any] | None, returns: Any, serdes: SerDes[T] | None) -> SerDes[T]:
        if serdes is None:
            found: SerDes[Any] = in_place_of(serdes_of(func, returns), self._session.program.serdes)
            return found
        arguments.check_serdes(serdes)
        if isinstance(serdes, WrappingSerDes):
            return cast("SerDes[T]", bound(serdes, serdes_of(func, returns)))
        return serdes

    def _below(self, frame: Frame) -> DurableContext:
        """Make the context that the code of *frame* gets."""
        return cast("DurableContext", type(self)(self._session, frame))


def answer_serdes(returns: Any, serdes: SerDes[T] | None) -> SerDes[T]:
    """How an answer from outside is read: never by the tagged format, which is our own (reliability.md 5)."""
    arguments.check_serdes(serdes)
    refuse_for_answer(serdes)
    if serdes is not None:
        return serdes
    return cast("SerDes[T]", PassThrough() if returns is None else ModelSerDes(returns))


def json_serdes(returns: Any, serdes: SerDes[T] | None) -> SerDes[T]:
    """How another function's answer is read: as JSON."""
    arguments.check_serdes(serdes)
    refuse_for_answer(serdes)
    if serdes is not None:
        return serdes
    return cast("SerDes[T]", PlainJson() if returns is None else ModelSerDes(returns))


def serdes_of_event(event: object) -> SerDes[Any]:
    """How an event for another function is written: as JSON, models and dataclasses too."""
    cls = type(event)
    return ModelSerDes(cls) if hasattr(cls, "model_dump_json") or is_dataclass(cls) else PlainJson()
