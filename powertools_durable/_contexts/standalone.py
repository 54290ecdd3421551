"""Creates a context without a handler, for tools, tests and other hosts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from powertools_durable._contexts.core import ContextCore
from powertools_durable._protocol.limits import MAX_PAGE_ITEMS
from powertools_durable._protocol.operation import Operation
from powertools_durable._replay.frame import Frame
from powertools_durable._replay.state import ExecutionState
from powertools_durable._runtime.deadline import Deadline
from powertools_durable._runtime.environment import Environment
from powertools_durable._runtime.requests import pages
from powertools_durable._runtime.session import Program, Session
from powertools_durable.backends.base import DurableBackend
from powertools_durable.config import DurableConfig
from powertools_durable.errors import ValidationError
from powertools_durable.serdes.base import SerDes

__all__ = ["close", "create_context", "create_session", "frame_below"]

C = TypeVar("C")


def create_context(  # noqa: PLR0917 - the parameters of `create`
    make: Callable[[Session, Frame], C],
    backend: DurableBackend,
    arn: str,
    checkpoint_token: str,
    operations: Iterable[Operation],
    next_marker: str | None,
    *,
    environment: Environment | None = None,
    serdes: SerDes[Any] | None = None,
) -> C:
    """See `DurableContext.create`; a test kit may pass another environment or default format."""
    session = create_session(
        make, backend, arn, checkpoint_token, operations, next_marker, environment=environment, serdes=serdes
    )
    session.root.detached = True
    return make(session, session.root)


def create_session(  # noqa: PLR0917 - as above
    make: Callable[[Session, Frame], Any],
    backend: DurableBackend,
    arn: str,
    checkpoint_token: str,
    operations: Iterable[Operation],
    next_marker: str | None,
    *,
    environment: Environment | None = None,
    serdes: SerDes[Any] | None = None,
    is_async: bool = False,
) -> Session:
    """Create a session without an event from Lambda."""
    state = ExecutionState(arn, operations)
    for records in pages(backend, arn, checkpoint_token, next_marker, MAX_PAGE_ITEMS):
        state.absorb(records)
    environment = environment or Environment()
    program = Program(
        handler=_no_handler,
        make_context=lambda session: make(session, session.root),
        read_payload=str,
        write_result=str,
        config=DurableConfig(),
        serdes=serdes,
        is_async=is_async,
    )
    return Session(
        program,
        state,
        checkpoint_token,
        backend=backend,
        lambda_context=None,
        deadline=Deadline(None, environment.clock),
        environment=environment,
    )


def close(core: ContextCore) -> None:
    """See `DurableContext.close`."""
    core.session.driver.flush(core.frame)
    core.frame.closed = True
    core.session.driver.close()


def frame_below(core: ContextCore, operation_id: str) -> Frame:
    """Create the frame of a context below *core*, for `DurableContext.create_child_context`."""
    frame = Frame(core.session.engine, parent=core.frame, context_id=operation_id, parent_id=operation_id)
    frame.detached = True
    return frame


def _no_handler(_event: object, _context: object) -> None:
    message = "this context was made by DurableContext.create() and has no handler"
    raise ValidationError(message)
