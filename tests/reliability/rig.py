"""An execution between whose engine and service stands what goes wrong: in the process, or over real HTTP."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from powertools_durable._hosting import invoker_of
from powertools_durable._protocol.result import CheckpointResponse, StatePage
from powertools_durable._protocol.update import OperationUpdate
from powertools_durable._runtime.environment import Environment
from powertools_durable._service.clock import VirtualClock
from powertools_durable._service.host import Host, Killed
from powertools_durable._service.storage import MemoryStore
from powertools_durable.backends.base import DurableBackend
from powertools_durable.backends.service import ServiceBackend
from powertools_durable.parser.stored import input_text
from powertools_durable.testing.simulation.simulated_run import SimulatedRun
from powertools_durable.testing.simulation.simulator import SeededIds
from tests.kit import ARN

Hook = Callable[[int, list[str]], object]


def words(updates: Sequence[OperationUpdate]) -> list[str]:
    """Say what a request says: ``STEP SUCCEED charge``."""
    return [f"{u.type.value} {u.action.value} {u.name}" for u in updates]


class Between(ServiceBackend):
    """Passes calls on, unless a hook raises or answers otherwise; notes what reached the service.

    ``before`` and ``after`` are told the number of the request, from 1, and its words; ``answer`` may change the
    answer to a checkpoint, ``page`` a page.
    """

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self.before: Hook = lambda number, told: None
        self.after: Hook = lambda number, told: None
        self.answer: Callable[[CheckpointResponse], CheckpointResponse] = lambda response: response
        self.page: Callable[[StatePage], StatePage] = lambda page: page
        self.sent: list[tuple[str, str, list[str]]] = []
        self.applied: list[str] = []
        self.pages = 0

    def checkpoint(
        self, arn: str, checkpoint_token: str, updates: Sequence[OperationUpdate], client_token: str
    ) -> CheckpointResponse:
        told = words(updates)
        self.sent.append((checkpoint_token, client_token, told))
        number = len(self.sent)
        self.before(number, told)
        response = super().checkpoint(arn, checkpoint_token, updates, client_token)
        self.applied += told
        self.after(number, told)
        return self.answer(response)

    def get_execution_state(self, arn: str, checkpoint_token: str, marker: str, max_items: int) -> StatePage:
        self.pages += 1
        return self.page(super().get_execution_state(arn, checkpoint_token, marker, max_items))


class Run(SimulatedRun):
    """One execution in virtual time; nothing is invoked before it is pushed on.

    ``event`` may change the event of each invocation.
    """

    def __init__(
        self,
        handler: Callable[..., Any],
        event: object = None,
        *,
        seconds: float = 900,
        page_items: int = 1000,
        environment: Environment | None = None,
        over: Callable[[Host], DurableBackend] | None = None,
    ) -> None:
        self.clock = VirtualClock()
        self.host = Host(MemoryStore(), self.clock, SeededIds(Random(0)), invocation_timeout=seconds)
        self.between = Between(self.host)
        backend = over(self.host) if over else self.between
        self.event: Callable[[dict[str, Any]], dict[str, Any]] = lambda raw: raw
        invoker = invoker_of(handler, backend=backend, environment=environment or Environment(self.clock, Random(0)))
        self.host.start(ARN, "order-42", input_text(event), page_items=page_items)
        self.invoker = lambda raw, context: invoker(self.event(raw), context)
        super().__init__(self.host, self.clock, ARN, self.invoker, {})

    @property
    def answers(self) -> list[Any]:
        """What each invocation answered; of one that failed, the name of its error."""
        return [getattr(i.answer, "error_type", None) or i.answer for i in self.invocations]


class Deaths:
    """Places where the process may die, and those where it still has to."""

    def __init__(self, plan: Sequence[str] = ()) -> None:
        self.left = list(plan)
        self.met: list[str] = []

    def at(self, place: str) -> None:
        """Die here, if that is the plan."""
        if place in self.left:
            self.left.remove(place)
            self.met.append(place)
            raise Killed
