"""The blocking face: what a ``def`` handler holds. Each method checks, takes an id, builds a flow and drives it."""

from __future__ import annotations

from types import FunctionType
from typing import TYPE_CHECKING

from powertools_durable._contexts.sagas import Sagas
from powertools_durable._contexts.steps import Callback

if TYPE_CHECKING:
    from collections.abc import Iterable

    from powertools_durable._protocol.operation import Operation
    from powertools_durable.backends.base import DurableBackend

__all__ = ["Callback", "DurableContext"]


class DurableContext(Sagas):
    """What a ``def`` handler works with: each method is one durable operation.

    An operation that has ended returns its recorded result and is never run again. One that must wait raises
    `SuspendExecution`, which ends this invocation; later the handler runs again from the top and comes back to
    the same place.
    """

    __slots__ = ()

    @classmethod
    def create(
        cls,
        backend: DurableBackend,
        arn: str,
        checkpoint_token: str,
        operations: Iterable[Operation] = (),
        next_marker: str | None = None,
    ) -> DurableContext:
        """Make a context by hand, without ``@durable``: for tests, tools and hosts of your own.

        Parameters
        ----------
        backend : DurableBackend
            Where the records live.
        arn : str
            The execution.
        checkpoint_token : str
            The first token.
        operations : Iterable[Operation]
            Records already known.
        next_marker : str | None
            Where the others are; pages of 1000 are read until there are no more.

        Returns
        -------
        DurableContext
            Call `close` when done with it.

        Raises
        ------
        BackendError
            A page could not be read.
        """
        from powertools_durable._contexts.standalone import context_by_hand  # what only tools and tests need

        return context_by_hand(cls, backend, arn, checkpoint_token, operations, next_marker)

    def close(self) -> None:
        """Send what batch mode holds back and end the sender of a context made by `create`."""
        self._session.driver.flush(self._frame)
        self._frame.closed = True
        self._session.driver.close()

    def create_child_context(self, operation_id: str) -> DurableContext:
        """Make a context below the operation of that id; it inherits no compensations.

        For code that keeps its own records; `run_in_child_context` is what handlers want.
        """
        from powertools_durable._replay.frame import Frame

        frame = Frame(self._session.engine, parent=self._frame, context_id=operation_id, parent_id=operation_id)
        frame.detached = True
        return DurableContext(self._session, frame)


def _name_methods(cls: type) -> None:
    """Name every method after the class that users see: Python's own messages about wrong calls show it."""
    for base in cls.__mro__:
        for name, member in vars(base).items():
            if isinstance(member, FunctionType) and not name.startswith("_"):
                member.__qualname__ = f"{cls.__name__}.{name}"


_name_methods(DurableContext)
