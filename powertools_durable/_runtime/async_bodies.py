"""Runs the bodies of steps in an ``async def`` handler: coroutines on the event loop, other functions on threads."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from contextlib import nullcontext
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from powertools_durable._functions import NOT_AWAITED, innermost, refuse_unfinished
from powertools_durable._replay.effects import Attempt, Outcome, Raised, Returned, Transfer
from powertools_durable._replay.frame import Frame
from powertools_durable._replay.handle import OperationHandle
from powertools_durable._runtime.body_threads import BodyThreads
from powertools_durable._runtime.driving import late_transfer, outcome_of
from powertools_durable._runtime.signals import UNRECOVERABLE
from powertools_durable._runtime.task_places import TaskPlace, current_task, leave_scope
from powertools_durable.errors import StepTimeoutError
from powertools_durable.scope import SCOPE

if TYPE_CHECKING:
    from powertools_durable._runtime.async_driver import AsyncDriver
    from powertools_durable._runtime.environment import Environment

__all__ = ["AsyncBodies", "awaited_result", "runs_on_the_loop"]


class AsyncBodies:
    """The part of the async driver that runs the bodies of steps.

    Parameters
    ----------
    driver : AsyncDriver
        The driver.
    max_threads : int
        The maximum number of bodies that run on threads at the same time.
    environment : Environment
        Starts the threads.
    """

    def __init__(self, driver: AsyncDriver, max_threads: int, environment: Environment) -> None:
        self._driver = driver
        self._probe = environment.probe
        self._threads = BodyThreads(driver.loop, max_threads, environment.threads)
        self.close = self._threads.close

    async def attempt(self, frame: Frame, op: OperationHandle, effect: Attempt) -> Outcome:
        """Run a body once."""
        ends = self._driver.deadline.moment
        if effect.timeout is not None:
            ends = min(ends, ends + timedelta(seconds=effect.timeout - self._driver.deadline.left))
        runner = current_task()
        token = SCOPE.set(self._driver.scopes.of_step(frame, op, effect.number, ends))
        if runner is not None and isinstance(frame.owner, TaskPlace):
            runner.place = TaskPlace(frame.owner.run, step=op)
        self._driver.watch.working += 1
        limit = None if effect.timeout is None else asyncio.timeout(effect.timeout)
        try:
            async with limit or nullcontext():
                return Returned(await self._run_probed(frame, effect.body))
        except TimeoutError as error:
            if limit is None or not limit.expired():
                return Raised(error)
            message = f"{op.label} did not finish within its timeout of {effect.timeout:g} s"
            return Raised(StepTimeoutError(message))
        except UNRECOVERABLE:
            raise
        except asyncio.CancelledError as error:
            if self._driver.is_unwinding or self._driver.watch.is_over or (runner is not None and runner.is_abandoned):
                raise
            return Raised(error)  # type: ignore[arg-type]  # the body's own: a failure that no policy retries
        except Exception as error:  # noqa: BLE001 - the step's policy decides about it
            return Raised(error)
        finally:
            self._driver.watch.working -= 1
            leave_scope(token)
            if runner is not None:
                runner.place = None

    async def transfer(self, label: str, effect: Transfer) -> Outcome:
        """Write a value on a thread: many are written side by side."""
        self._driver.watch.working += 1
        try:
            async with asyncio.timeout(self._driver.deadline.patience):
                return await self._threads.run(partial(outcome_of, effect))  # type: ignore[no-any-return]
        except TimeoutError:
            return late_transfer(label)
        finally:
            self._driver.watch.working -= 1

    async def _run_probed(self, frame: Frame, body: Callable[[], Any]) -> Any:
        if self._probe is None:
            return await self._run_body(body, body)
        flush = partial(self._driver.flush, frame)
        on_thread = partial(self._probe.on_thread, body, flush)
        return await self._probe.awaited_attempt(partial(self._run_body, body, on_thread), flush)

    async def _run_body(self, body: Callable[[], Any], on_thread: Callable[[], Any]) -> Any:
        """Run *body* on the loop if it is a coroutine function, else call *on_thread* on a thread."""
        value = body() if runs_on_the_loop(body) else await self._threads.run(on_thread)
        return awaited_result(await value, value) if inspect.isawaitable(value) else value


def awaited_result(value: Any, awaited: object) -> Any:
    """Return *value*, the result of awaiting the user's code; refuse a result that the code should have awaited.

    Raises
    ------
    ValidationError
        *value* is a coroutine, a durable call or another future.
    """
    if inspect.iscoroutine(value) or asyncio.isfuture(value):
        refuse_unfinished(value, awaited, NOT_AWAITED)
    return value


def runs_on_the_loop(function: Any) -> bool:
    """Return whether *function* is a coroutine function."""
    return inspect.iscoroutinefunction(innermost(function))
