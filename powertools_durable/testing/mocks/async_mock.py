"""What `MockDurableContext` makes for ``async def`` functions: a context on an event loop that runs for one call."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, TypeVar, TypeVarTuple

from powertools_durable._contexts.async_context import AsyncDurableContext
from powertools_durable._replay.effects import Composite, Raised, Returned, Run, Series
from powertools_durable._runtime.session import Session
from powertools_durable._runtime.signals import CheckpointingStopped
from powertools_durable.testing.mocks import request_assertions
from powertools_durable.testing.mocks.prepared import ANY_NAME
from powertools_durable.testing.mocks.recording_backend import CheckpointCall, OperationRecord
from powertools_durable.testing.simulation.sandbox_loops import SandboxLoops, without_running_loop
from powertools_durable.testing.simulation.seeded_threads import SeededThreads

__all__ = ["AsyncMockRun"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class AsyncMockRun:
    """A prepared context for one call, and what is recorded in it.

    Attributes
    ----------
    calls : list[CheckpointCall]
        The requests so far. Prepared operations make none.
    operations : list[OperationRecord]
        The operations that those requests started.
    """

    def __init__(
        self,
        session: Session,
        threads: SeededThreads,
        loops: SandboxLoops,
        calls: list[CheckpointCall],
        operations: list[OperationRecord],
    ) -> None:
        self.calls = calls
        self.operations = operations
        self._session = session
        self._threads = threads
        self._loops = loops

    def call(self, func: Callable[[AsyncDurableContext, *Ts], Awaitable[T]], *args: *Ts) -> T:
        """Return what *func* comes to with the context and *args*, on an event loop of its own.

        Raises
        ------
        SuspendExecution
            It waits for what is neither prepared nor done here.
        """
        value: T = without_running_loop(partial(self._call, func, args))
        return value

    def _call(self, func: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        session = self._session
        context = session.program.make_context(session)
        code = Composite(session.root, _once(partial(func, context, *args)))
        with self._threads.taking_part():
            try:
                ending = session.driver.run_handler(code, session.scopes.of_context(session.root))
                session.driver.flush(session.root)
            except CheckpointingStopped as stopped:
                raise stopped.reason from None
            finally:
                session.driver.close()
                self._loops.discard()
        if isinstance(ending, Returned):
            return ending.value
        if isinstance(ending, Raised):
            raise ending.error
        raise ending.signal

    @property
    def unused(self) -> list[str]:
        """What was prepared and not asked for; see `MockRun.unused`."""
        left = self._session.engine.uncalled()
        return [f"{record.type.value} {'*' if record.name is ANY_NAME else record.name or ''}" for record in left]

    def assert_no_checkpoints(self) -> None:
        """Fail if any request was made."""
        request_assertions.assert_no_checkpoints(self.calls)

    def assert_operations(self, expected: Sequence[str]) -> None:
        """Fail unless exactly these operations were started, each as ``type:name``."""
        request_assertions.assert_operations(self.operations, expected)

    def assert_operation_names(self, expected: Sequence[str | None]) -> None:
        """Fail unless operations of exactly these names were started."""
        request_assertions.assert_operation_names(self.operations, expected)

    def assert_operation_count(self, expected: int) -> None:
        """Fail unless exactly so many operations were started."""
        request_assertions.assert_operation_count(self.operations, expected)

    def assert_checkpoint_count(self, expected: int) -> None:
        """Fail unless exactly so many requests were made."""
        request_assertions.assert_checkpoint_count(self.calls, expected)


def _once(body: Callable[[], Any]) -> Series[Any]:
    outcome = yield Run(body, to_the_end=True)
    if isinstance(outcome, Raised):
        raise outcome.error
    return outcome.value
