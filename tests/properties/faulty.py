"""The service, with what goes wrong on the way to it and back."""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import Context
from functools import partial
from typing import Any

from powertools_durable._protocol.operation import ErrorObject
from powertools_durable._protocol.result import CheckpointResponse, StatePage
from powertools_durable._protocol.update import OperationUpdate
from powertools_durable._service.execution import ServiceExecution
from powertools_durable._service.host import Host, Invocation, Invoker, LambdaContext
from powertools_durable._service.update_validation import ServiceRefusal
from powertools_durable.testing.simulation.sandbox import Sandboxes
from tests.properties.faults import BEFORE, Faults
from tests.properties.recorder import Scribe

__all__ = ["FaultyHost"]


class FaultyHost(Host):
    """The service, with what goes wrong on the way to it; forgives what was its own fault."""

    scribe: Scribe
    faults: Faults
    sandboxes: Sandboxes

    def __init__(self, *parts: Any, **more: Any) -> None:
        super().__init__(*parts, **more, forgives_kills=True)
        self._invokers: dict[str, Invoker] = {}

    def start(self, arn: str, name: str, payload: str | None, **limits: int) -> ServiceExecution:
        if self.faults.plan.page_items:
            limits["page_items"] = self.faults.plan.page_items
        return super().start(arn, name, payload, **limits)

    def invoke(self, arn: str, invoker: Invoker) -> Invocation:
        scribe, faults = self.scribe, self.faults
        faults.forgives = False
        self._invokers[arn] = invoker
        failed = self.execution(arn).header.failed_invocations

        def told(event: dict[str, Any], context: LambdaContext) -> object:
            event = faults.event(event)
            scribe.began(event)
            return invoker(event, context)

        with scribe.inside():
            invocation = super().invoke(arn, told)
            scribe.ended(arn, invocation.answer)
            withdrawn = scribe.withdrawn
        if faults.forgives:
            with self.changing(arn) as execution:
                if not execution.is_terminal:
                    execution.header.failed_invocations = failed
                    # Nothing pends when what it waited for came with its last answer: it is invoked again.
                    execution.header.illegal_pendings = min(execution.header.illegal_pendings, 1)
                    if isinstance(invocation.answer, ErrorObject) or withdrawn:
                        execution.header.retry_at = self.clock.now()
        return invocation

    def checkpoint(
        self, arn: str, checkpoint_token: str, updates: Sequence[OperationUpdate], client_token: str
    ) -> CheckpointResponse:
        scribe, faults = self.scribe, self.faults
        fault = faults.of_call()
        number = scribe.requested(arn, checkpoint_token, client_token, updates)
        if fault in BEFORE:
            faults.happened(fault)
            if fault not in {"stale token", "overlap"}:
                scribe.answered(number, "lost" if fault.startswith("reset") else "refused", applied=False, fault=fault)
                raise faults.error(fault, "CheckpointDurableExecution", updates)
            self._overtake(arn, runs=fault == "overlap")
        try:
            response = super().checkpoint(arn, checkpoint_token, updates, client_token)
        except ServiceRefusal as refusal:
            answer = "stale" if "token" in str(refusal) else "refused"
            scribe.answered(number, answer, applied=False, fault=fault or str(refusal))
            raise
        if fault in {"reset after", "read timeout", "500 after"}:
            faults.happened(fault)
            scribe.answered(number, "lost", applied=True, fault=fault)
            raise faults.error(fault, "CheckpointDurableExecution", updates)
        happened, response = faults.changed(fault, response, updates)
        if happened:
            faults.happened(happened)
        scribe.answered(number, "token" if response.checkpoint_token else "none", response=response, fault=happened)
        return response

    def get_execution_state(self, arn: str, checkpoint_token: str, marker: str, max_items: int) -> StatePage:
        scribe, faults = self.scribe, self.faults
        fault = faults.of_page()
        asked = partial(scribe.paged, arn, checkpoint_token, marker)
        if fault in {"reset", "429", "503"}:
            faults.happened(f"page {fault}")
            asked("lost" if fault == "reset" else "refused", fault=fault)
            raise faults.error(fault, "GetDurableExecutionState")
        if fault == "stale":
            faults.happened("page stale")
            self._overtake(arn)
        try:
            page = super().get_execution_state(arn, checkpoint_token, marker, max_items)
        except ServiceRefusal as refusal:
            asked("stale" if "token" in str(refusal) else "refused", fault=fault)
            raise
        happened, page = faults.paged(fault, page)
        if happened:
            faults.happened(f"page {happened}")
        asked("page", page=page, fault=happened)
        return page

    def _overtake(self, arn: str, *, runs: bool = False) -> None:
        """Give the execution to another invocation: one that *runs* now, beside the one that does not know it.

        Otherwise, and inside of such a one, it begins when the one that runs has noticed.
        """
        if not runs or self.scribe.depth > 1:
            with self.changing(arn) as execution:
                execution.header.token = self.ids.token()
            return
        current = self.sandboxes._current  # noqa: SLF001 - two at a time are not what they are made for
        try:
            Context().run(self.invoke, arn, self._invokers[arn])
        finally:
            self.sandboxes._current = current  # noqa: SLF001
            self.faults.forgives = True
