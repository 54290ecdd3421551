"""The result of a durable call in ``async def`` code: a future that is completed by its operation."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Generator
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias, TypeVar

from powertools_durable._protocol.update import OperationAction
from powertools_durable._replay.effects import Checkpoint, Enter, FanOut
from powertools_durable._replay.outcome import Outcome, Raised
from powertools_durable.errors import ValidationError
from powertools_durable.errors.places import call_site, without_folders

if TYPE_CHECKING:
    from types import CodeType

    from powertools_durable._replay.effects import Call, Effect
    from powertools_durable._replay.frame import Frame
    from powertools_durable._runtime.async_driver import AsyncDriver
    from powertools_durable._runtime.task_places import PlacedTask, TaskPlace

__all__ = ["DurableTask", "Line", "users_line"]

T = TypeVar("T")
Line: TypeAlias = "tuple[CodeType, int]"
"""Code and line of a call."""


class DurableTask(asyncio.Future[T]):
    """A durable call: its operation has begun, and its result can be awaited any number of times.

    Use it in ``await``, `asyncio.gather`, `asyncio.wait`, `asyncio.shield` and `asyncio.TaskGroup`. Cancelling it, or a
    task that awaits it, ends only the waiting; the operation continues. An exception that is never retrieved fails the
    context that made the call.
    """

    __slots__ = (
        "_driver",
        "_waiters",
        "call",
        "inside",
        "is_awaited",
        "is_contestant",
        "is_ending",
        "is_parked",
        "is_retrieved",
        "line",
        "outcome",
        "place",
        "runner",
        "turn",
        "was_ended",
    )

    def __init__(self, driver: AsyncDriver, call: Call[T] | None, place: TaskPlace, line: Line | None) -> None:
        super().__init__(loop=driver.loop)
        self._driver = driver
        self._waiters: list[asyncio.Future[None]] = []
        self.call = call
        self.place = place
        self.line = line
        self.inside: Frame | None = None  # the context that the operation runs, once it has begun
        self.outcome: Outcome | None = None  # set when the operation ends, before the result is handed over
        self.runner: PlacedTask | None = None
        self.is_parked = False
        self.is_awaited = False
        self.is_retrieved = False
        self.is_contestant = False
        self.is_ending = False  # the end of the operation, or of an attempt, is queued or sent
        self.turn = 0  # the number of this result among all that were handed over
        self.was_ended = False  # in an earlier invocation

    @property
    def path(self) -> tuple[Any, ...]:
        """The place of the call; orders all calls of a handler by their nesting, not by time."""
        place = self.place
        return (*place.run.path, *place.position, (0 if self.call is None else self.call.op.number, 0, 0))

    @property
    def called_at(self) -> str:
        """The line of the call, as ``shop.py:12 in load``; empty if that is unknown."""
        if self.line is None:
            return ""
        code, line = self.line
        return f"{without_folders(code.co_filename)}:{line} in {code.co_name}"

    def note(self, effect: Effect) -> None:
        """Note what the operation does now."""
        self.is_ending = isinstance(effect, Checkpoint) and effect.update.action is not OperationAction.START
        if isinstance(effect, (Enter, FanOut)):
            self.inside = effect.frame

    def __repr__(self) -> str:
        name = "" if self.call is None else f" {self.call.op.label}"
        return f"<DurableTask{name}, {'done' if self.done() else 'pending'}>"

    if not TYPE_CHECKING:  # so that type checkers report unknown attributes

        def __getattr__(self, name: str) -> Any:
            """Raise `AttributeError`; often the ``await`` is missing."""
            message = f"a DurableTask has no attribute {name!r}; await the call to get its result"
            raise AttributeError(message)

    def __await__(self) -> Generator[Any, None, T]:
        self.is_awaited = True
        if not self.done() and not self._driver.watch.hand_over_alone(self):
            # A waiter for each task, because cancelling one task must not cancel this future for the others.
            waiter: asyncio.Future[None] = self._driver.loop.create_future()
            self._waiters.append(waiter)
            yield from waiter
        self.is_retrieved = True
        return super().result()

    def __iter__(self) -> NoReturn:
        raise self._unawaited("can't be iterated")

    def __bool__(self) -> NoReturn:
        raise self._unawaited("is neither true nor false")

    def __format__(self, spec: str) -> NoReturn:
        raise self._unawaited("has no text of its own")

    def _unawaited(self, fact: str) -> ValidationError:
        """Build the error for code that takes the call for its result, which would be true in every condition."""
        name = "a durable call" if self.call is None else self.call.op.label
        place = without_folders(call_site())
        return ValidationError(
            f"{name} was not awaited, and a DurableTask {fact}{f' (at {place})' if place else ''}: write 'await' "
            "before the call. Of the task itself ask '... is not None', and show it with {...!r}"
        )

    def result(self) -> T:
        """Return the result, or raise the operation's failure."""
        self.is_retrieved = True
        return super().result()

    def exception(self) -> BaseException | None:
        """Return the operation's failure; None if it succeeded."""
        self.is_retrieved = True
        return super().exception()

    def cancel(self, msg: Any = None) -> bool:
        """End the waiting of all tasks that await this; the operation continues."""
        if not super().cancel(msg):
            return False
        self.is_retrieved = True
        self._release()
        return True

    @property
    def has_waiters(self) -> bool:
        """True while a task awaits it, or it has done-callbacks."""
        return bool(self._waiters or self._callbacks)

    def set_name(self, name: object) -> None:
        """Do nothing: `asyncio.create_task` sets a name on its result, but an operation has its own."""

    def get_name(self) -> str:
        """Return the operation's name."""
        return "" if self.call is None else self.call.op.name or ""

    def hand_over(self) -> bool:
        """Complete this future with the outcome; return whether it is a failure."""
        outcome = self.outcome
        failed = isinstance(outcome, Raised)
        if not self.done():
            if isinstance(outcome, Raised):
                self.set_exception(outcome.error)
                self._log_traceback = False  # the context reports a failure that is never retrieved
            elif outcome is not None:
                self.set_result(outcome.value)
        if self._waiters:
            self._release()
        return failed

    def _release(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)


def users_line() -> Line:
    """Return code and line of the caller of a context's method, for messages."""
    frame = sys._getframe(3)  # noqa: SLF001 - the documented way to read the stack
    return frame.f_code, frame.f_lineno
