"""The blocking face: what a ``def`` handler holds. Each method checks, takes an id, builds a flow and drives it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from powertools_durable._contexts.sagas import Sagas
from powertools_durable._contexts.steps import Callback
from powertools_durable._protocol.limits import MAX_PAGE_ITEMS
from powertools_durable._protocol.operation import Operation
from powertools_durable._replay.frame import Frame
from powertools_durable._replay.state import ExecutionState
from powertools_durable._runtime.deadline import Deadline
from powertools_durable._runtime.paging import pages
from powertools_durable._runtime.seams import Seams
from powertools_durable._runtime.session import Program, Session
from powertools_durable.backends.base import DurableBackend
from powertools_durable.config import DurableConfig
from powertools_durable.errors import ValidationError
from powertools_durable.serdes.base import SerDes

__all__ = ["Callback", "DurableContext", "context_by_hand"]


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
        frame = Frame(self._session.engine, parent=self._frame, context_id=operation_id, parent_id=operation_id)
        frame.detached = True
        return DurableContext(self._session, frame)


def context_by_hand(  # noqa: PLR0917 - those of `create`
    cls: type[DurableContext],
    backend: DurableBackend,
    arn: str,
    checkpoint_token: str,
    operations: Iterable[Operation],
    next_marker: str | None,
    *,
    seams: Seams | None = None,
    serdes: SerDes[Any] | None = None,
) -> DurableContext:
    """Do what `DurableContext.create` does, in another world or with a default format if a test kit has one."""
    state = ExecutionState(arn, operations)
    for records in pages(backend, arn, checkpoint_token, next_marker, MAX_PAGE_ITEMS):
        state.absorb(records)
    seams = seams or Seams()
    program = Program(
        handler=_no_handler,
        make_context=lambda session: cls(session, session.root),
        read_payload=str,
        write_result=str,
        config=DurableConfig(),
        serdes=serdes,
    )
    session = Session(
        program,
        state,
        checkpoint_token,
        backend=backend,
        lambda_context=None,
        deadline=Deadline(None, seams.clock),
        seams=seams,
    )
    session.root.detached = True
    return cls(session, session.root)


def _no_handler(_event: object, _context: object) -> None:
    message = "this context was made by DurableContext.create() and has no handler"
    raise ValidationError(message)
