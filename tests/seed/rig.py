"""An execution of the service's twin with a context made by hand, as the seed's tests had one."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from powertools_durable import DurableContext
from powertools_durable._protocol.operation import OperationType, SubType
from powertools_durable._protocol.result import CheckpointResponse, StatePage
from powertools_durable._protocol.update import OperationAction, OperationUpdate
from powertools_durable._service.clock import VirtualClock
from powertools_durable._service.host import Host
from powertools_durable._service.storage import MemoryStore
from powertools_durable.backends.service import ServiceBackend
from powertools_durable.parser.event import parse_event
from powertools_durable.testing.simulation.simulator import SeededIds
from tests.kit import ARN


class Noting(ServiceBackend):
    """Notes what goes over the border."""

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self.requests: list[tuple[str, list[OperationUpdate]]] = []
        self.pages: list[tuple[str, str, int]] = []

    def checkpoint(
        self, arn: str, checkpoint_token: str, updates: Sequence[OperationUpdate], client_token: str
    ) -> CheckpointResponse:
        self.requests.append((checkpoint_token, list(updates)))
        return super().checkpoint(arn, checkpoint_token, updates, client_token)

    def get_execution_state(self, arn: str, checkpoint_token: str, marker: str, max_items: int) -> StatePage:
        self.pages.append((checkpoint_token, marker, max_items))
        return super().get_execution_state(arn, checkpoint_token, marker, max_items)

    @property
    def updates(self) -> list[OperationUpdate]:
        return [update for _, updates in self.requests for update in updates]

    @property
    def told(self) -> list[list[str]]:
        """What each request said, in words."""
        return [[f"{u.type.value} {u.action.value} {u.name}" for u in updates] for _, updates in self.requests]


class Rig:
    """One execution; `context` begins another invocation of it."""

    def __init__(self, page_items: int = 1000) -> None:
        self.clock = VirtualClock()
        self.host = Host(MemoryStore(), self.clock, SeededIds(Random(0)))
        self.host.start(ARN, "order-42", '{"n": 1}', page_items=page_items)
        self._open: list[DurableContext] = []

    def open_context(self, identifier: str) -> None:
        """Record the START of a context, as code does that keeps records of its own."""
        with self.host.changing(ARN) as execution:
            token = str(execution.begin_invocation(self.clock.now())["CheckpointToken"])
            kind, action, sub_type = OperationType.CONTEXT, OperationAction.START, SubType.RUN_IN_CHILD_CONTEXT
            update = OperationUpdate(id=identifier, type=kind, action=action, sub_type=sub_type)
            execution.checkpoint(token, [update], "client", self.clock.now())
            execution.abandon_invocation(self.clock.now())

    def context(self) -> DurableContext:
        self.close()
        with self.host.changing(ARN) as execution:
            event = parse_event(execution.begin_invocation(self.clock.now()))
        page = event.initial_execution_state
        self.token = event.checkpoint_token
        self.first_page = page.operations or ()
        self.backend = Noting(self.host)
        context = DurableContext.create(self.backend, ARN, self.token, self.first_page, page.next_marker)
        self._open.append(context)
        return context

    def close(self) -> None:
        """End the invocation as one that died: what is not sent is lost."""
        while self._open:
            self._open.pop()._core.session.checkpointer.close()  # noqa: SLF001
            with self.host.changing(ARN) as execution:
                execution.abandon_invocation(self.clock.now())
