"""The parts of one invocation."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from powertools_durable._frozen import frozen
from powertools_durable._replay.effects import Composite
from powertools_durable._replay.engine import ReplayEngine, Rules
from powertools_durable._replay.frame import Frame
from powertools_durable._replay.state import ExecutionState
from powertools_durable._runtime.checkpointer import Checkpointer
from powertools_durable._runtime.deadline import Deadline
from powertools_durable._runtime.driver import BlockingDriver
from powertools_durable._runtime.environment import Environment
from powertools_durable._runtime.scopes import Scopes
from powertools_durable.backends.base import DurableBackend
from powertools_durable.config import DurableConfig
from powertools_durable.retry import Retry, RetryPolicy
from powertools_durable.serdes.base import SerDes

if TYPE_CHECKING:
    from powertools_durable._runtime.async_driver import AsyncDriver
    from powertools_durable._runtime.failures import Failures
    from powertools_durable._runtime.observers import Observers
    from powertools_durable.plugins import PluginSource

__all__ = ["Program", "Session"]


@frozen(kw_only=True)
class Program:
    """A decorated function and its options, prepared once for all invocations.

    Attributes
    ----------
    handler : Callable
        The user's function: takes payload and context, returns the result.
    make_context : Callable
        Creates the public context of the handler; the runtime does not know its class.
    read_payload : Callable
        Takes the execution's input as text, returns the handler's first argument; raises `PayloadValidationError`.
    write_result : Callable
        Takes the handler's result, returns JSON text; raises `SerDesError`.
    on_start : Callable
        Called at the start of each invocation, before the handler runs.
    deferred : Callable
        Takes a context, returns the series that runs its deferred calls; None if there are none.
    is_async : bool
        The handler is a coroutine function.
    """

    handler: Callable[[Any, Any], Any]
    make_context: Callable[[Session], Any]
    read_payload: Callable[[str | None], Any]
    write_result: Callable[[Any], str]
    on_start: Callable[[Session], None] = lambda _: None
    deferred: Callable[[Any], Composite[list[Exception]] | None] = lambda _: None
    config: DurableConfig
    retry: RetryPolicy | None = None
    serdes: SerDes[Any] | None = None
    result_serdes: SerDes[Any] | None = None
    logger: Any = None
    tracer: Any = None
    metrics: Any = None
    plugins: tuple[PluginSource, ...] = ()
    is_async: bool = False


class Session:
    """Assembles the parts of one invocation."""

    def __init__(
        self,
        program: Program,
        state: ExecutionState,
        token: str,
        *,
        backend: DurableBackend,
        lambda_context: object,
        deadline: Deadline,
        environment: Environment,
        execution_name: str = "",
        started_at: datetime | None = None,
        updated: Iterable[str] = (),
        calls: DurableBackend | None = None,
        observers: Observers | None = None,
        failures: Failures | None = None,
    ) -> None:
        config = program.config
        rules = Rules(
            max_payload_bytes=config.max_payload_bytes,
            stack_traces=config.stack_traces,
            include_validation_input=config.include_validation_input,
            on_unconsumed=config.on_unconsumed,
        )
        self.program = program
        self.backend = backend
        self.lambda_context = lambda_context
        self.deadline = deadline
        self.environment = environment
        self.started_at = started_at or environment.clock.now()
        self.engine = ReplayEngine(state, token, environment.random, rules, updated=updated)
        self.checkpointer = Checkpointer(self.engine, calls or backend, deadline, environment)
        self.scopes = Scopes(state.durable_execution_arn, execution_name, always_live=environment.inline)
        make_driver: Callable[..., Any] = (
            partial(_async_driver, grace=config.plain_await_grace) if program.is_async else BlockingDriver
        )
        self.driver: BlockingDriver = make_driver(
            self.engine,
            self.checkpointer,
            deadline,
            self.scopes,
            environment=environment,
            max_threads=config.max_threads,
            observers=observers,
        )
        self.driver.failures = failures
        self.root = Frame(self.engine)
        self.default_retry: RetryPolicy = program.retry or Retry.default()  # for steps without their own policy

    @property
    def async_driver(self) -> AsyncDriver:
        """The driver of an ``async def`` handler."""
        driver: Any = self.driver
        return driver  # type: ignore[no-any-return]


def _async_driver(*parts: Any, **options: Any) -> Any:
    from powertools_durable._runtime.async_driver import AsyncDriver  # loads asyncio

    return AsyncDriver(*parts, **options)
