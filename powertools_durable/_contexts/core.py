"""The part of a context that builds its calls: its frame, the session, compensations and deferred functions.

Each public context (`DurableContext`, `AsyncDurableContext`) has one. The modules that build calls take it as argument,
so that they need not know the public classes.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import copy_context
from functools import wraps
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar
from uuid import UUID

from powertools_durable._contexts import arguments, binding
from powertools_durable._functions import IN_A_DEF_HANDLER, require_finished
from powertools_durable.errors.wording import class_name

if TYPE_CHECKING:  # importing a context's class loads no engine
    from random import Random

    from powertools_durable._operations.compensation import Compensation, Undo
    from powertools_durable._protocol.operation import OperationType
    from powertools_durable._replay.frame import Frame
    from powertools_durable._replay.handle import OperationHandle
    from powertools_durable._runtime.session import Session
    from powertools_durable.serdes.base import SerDes

__all__ = ["LAMBDA_NAMES", "OTHER_NAMES", "ContextCore", "bind_variables", "missing_attribute"]

LAMBDA_NAMES = frozenset(
    {
        *("aws_request_id", "log_group_name", "log_stream_name", "function_name", "function_version"),
        *("invoked_function_arn", "memory_limit_in_mb", "identity", "client_context", "tenant_id"),
        "get_remaining_time_in_millis",
    }
)
"""The attributes of the Lambda runtime's context."""

OTHER_NAMES = {  # the names of such methods in asyncio and in other durable execution engines
    "sleep": "ctx.wait(seconds)",
    "create_timer": "ctx.wait(seconds)",
    "gather": "ctx.parallel([...])",
    "race": "ctx.parallel([...], completion=Completion.first_successful()), or an 'async def' handler, which has races",
    "run": "ctx.step(function, argument)",
    "call_activity": "ctx.step(function, argument)",
    "execute_activity": "ctx.step(function, argument)",
    "execute_child_workflow": "ctx.run_in_child_context(function), or ctx.invoke(name, payload)",
    "call_sub_orchestrator": "ctx.run_in_child_context(function), or ctx.invoke(name, payload)",
    "wait_for_event": "ctx.wait_for_callback(submit)",
    "wait_for_external_event": "ctx.wait_for_callback(submit)",
    "current_utc_datetime": "ctx.now()",
    "execution_id": "ctx.execution_arn",
}

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


class ContextCore:
    """The shared part of the public contexts.

    Attributes
    ----------
    session : Session
        The parts of the invocation.
    frame : Frame
        The context's place in the replay.
    make_context : Callable
        The public class: creates the context that user code holds, from a session and a frame.
    compensations : list
        Compensations of this context's steps, in the order of the calls.
    deferred : list
        Functions that run as steps when the execution ends, with their positions and arguments, in order of position.
    awaits : bool
        The results of the user's functions are awaited, so these may be coroutine functions.
    position : tuple
        Orders the tasks of an async context; see `task_places`.
    """

    __slots__ = (
        "_random",
        "_uuids",
        "awaits",
        "compensations",
        "deferred",
        "frame",
        "make_context",
        "position",
        "session",
    )

    def __init__(self, session: Session, frame: Frame, make_context: Callable[[Session, Frame], Any]) -> None:
        self.session = session
        self.frame = frame
        self.make_context = make_context
        self.compensations: list[Compensation | Undo] = []
        self.deferred: list[tuple[tuple[Any, ...], Callable[..., object], tuple[Any, ...]]] = []
        self.position: tuple[Any, ...] = ()
        self.awaits = False
        self._random: Random | None = None
        self._uuids = 0

    def at(self, frame: Frame, position: tuple[Any, ...]) -> ContextCore:
        """Return this context as seen from the place of a task, which has its own counters of calls."""
        other = ContextCore(self.session, frame, self.make_context)
        other.compensations, other.deferred = self.compensations, self.deferred
        other.awaits, other.position = self.awaits, position
        return other

    def next_position(self) -> tuple[Any, ...]:
        """Return the position of an entry that is made now; it orders the entries of all tasks of the context."""
        return (*self.position, self.frame.next_position())

    # -- for calls -----------------------------------------------------------------------------------------

    def guard(self, call: str) -> None:
        """Refuse a call that does not come from this context's own code; see `BlockingDriver.guard`."""
        self.session.driver.guard(self.frame, call)

    def begin(
        self, call: str, kind: OperationType, sub_type: str, name: str | None, *, virtual: bool = False
    ) -> OperationHandle:
        """Take the id of the next operation; refuse *call* where it is not allowed."""
        self.session.driver.guard(self.frame, call)
        return self.frame.begin(kind, sub_type, name, virtual=virtual)

    def bind(self, func: Callable[..., Any], count: int, call: str, *, role: str = "", before: str = "") -> None:
        """Refuse a function that can't be called with *count* positional arguments; see `binding.bind`."""
        binding.bind(func, count, call, role=role, before=before, awaits=self.awaits)

    def require_finished(self, value: T, func: Callable[..., Any]) -> T:
        """Return what *func* returned; refuse a coroutine, unless it will be awaited."""
        return value if self.awaits else require_finished(value, func, IN_A_DEF_HANDLER)

    def serdes(self, func: Callable[..., Any] | None, returns: Any, serdes: SerDes[T] | None) -> SerDes[T]:
        """Return the format for the result of *func*."""
        if serdes is not None:
            arguments.check_serdes(serdes)
        from powertools_durable.serdes import choosing

        return choosing.result_serdes(func, returns, serdes, self.session.program.serdes)

    def context_of(self, frame: Frame) -> Any:
        """Create the public context for the code of *frame*."""
        return self.make_context(self.session, frame)

    # -- the same value on every replay --------------------------------------------------------------------

    def uuid4(self) -> UUID:
        """Return the next UUID of this context."""
        self.guard("uuid4")
        self._uuids += 1
        return UUID(bytes=self._seed(f"uuid-{self._uuids}", 16), version=4)

    def random(self) -> Random:
        """Return the random generator of this context."""
        if self._random is None:
            from powertools_durable._contexts.randomness import GuardedRandom

            self._random = GuardedRandom(self._seed("random", 32), self.guard)
        return self._random

    def _seed(self, purpose: str, size: int) -> bytes:
        text = f"{self.session.engine.state.durable_execution_arn}/{self.frame.context_id or ''}/{purpose}"
        return blake2b(text.encode(), digest_size=size).digest()


def bind_variables(function: Callable[P, R]) -> Callable[P, R]:
    """Return *function*, wrapped to run with the current context variables."""
    copied = copy_context()

    @wraps(function)
    def inner(*args: P.args, **kwargs: P.kwargs) -> R:
        return copied.copy().run(function, *args, **kwargs)

    return inner


def missing_attribute(context: object, name: str) -> AttributeError:
    """Build the error for a missing attribute; the message shows where an attribute of Lambda's context is."""
    if name in LAMBDA_NAMES:
        also = " (or ctx.remaining_time)" if name == "get_remaining_time_in_millis" else ""
        message = (
            f"{class_name(context)} has no attribute {name!r}, which belongs to Lambda's own context: "
            f"write ctx.lambda_context.{name}{also}"
        )
    elif name in OTHER_NAMES:
        message = f"{class_name(context)} has no attribute {name!r}: write {OTHER_NAMES[name]}"
    else:
        message = f"{type(context).__name__!r} object has no attribute {name!r}"
    return AttributeError(message, name=name, obj=context)
