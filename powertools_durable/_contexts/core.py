"""The way of every operation of a blocking context: may it be called here, which is it, and run it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, cast

from powertools_durable import serdes as formats
from powertools_durable._contexts import arguments
from powertools_durable._contexts.base import BaseContext

if TYPE_CHECKING:
    from powertools_durable._contexts.blocking import DurableContext
    from powertools_durable._protocol.operation import OperationType
    from powertools_durable._replay.effects import Flow
    from powertools_durable._replay.frame import Frame
    from powertools_durable._replay.handle import OperationHandle
    from powertools_durable.serdes.base import SerDes

__all__ = ["BlockingCore"]

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
        if serdes is not None:
            arguments.check_serdes(serdes)
        return formats.choosing.result_serdes(func, returns, serdes, self._session.program.serdes)

    def _below(self, frame: Frame) -> DurableContext:
        """Make the context that the code of *frame* gets."""
        return cast("DurableContext", type(self)(self._session, frame))
