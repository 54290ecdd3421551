"""A service that makes no execution wait where it can, so that one invocation runs all of the handler.

In all other runs of `explore` each wait suspends the execution, and the code is replayed after it. What the code keeps
in memory is then lost in every run alike. In a run that is never replayed it is not lost, and the runs differ.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from powertools_durable._protocol.operation import Operation, OperationStatus, OperationType
from powertools_durable._protocol.result import CheckpointResponse, StatePage
from powertools_durable._protocol.update import OperationAction, OperationUpdate
from powertools_durable._service.clock import VirtualClock
from powertools_durable._service.execution import Ids, ServiceExecution
from powertools_durable._service.host import Host
from powertools_durable._service.storage import Store
from powertools_durable.parser.stored import input_text

__all__ = ["StraightAnswers", "straight_host", "waits_side_by_side"]

_MOST = 100  # timers that fire in one answer


def straight_host(
    answers: Mapping[str, Any], store: Store, clock: VirtualClock, ids: Ids, *, invocation_timeout: float
) -> Host:
    """Return a service that ends waits in the answer to the request that began them; see `StraightAnswers`."""
    return Host(
        store, clock, ids, invocation_timeout=invocation_timeout, answering=StraightAnswers(answers, clock).answer
    )


def waits_side_by_side(history: Sequence[Mapping[str, Any]]) -> bool:
    """Tell whether an operation began while a wait, a retry's delay or an invoke was open.

    Then several things go on side by side, and which comes first depends on the time that they take.
    """
    starts = Counter(event.get("Id") for event in history if event["EventType"] == "StepStarted")
    waiting: set[str] = set()
    for event in history:
        kind, identifier = event["EventType"], event.get("Id", "")
        if kind.startswith(_WAITING):
            if not kind.endswith("Started"):
                waiting.discard(identifier)
                continue
            if waiting:
                return True
            waiting.add(identifier)
        elif kind == "StepStarted":
            waiting.discard(identifier)
            if waiting:
                return True
            starts[identifier] -= 1
        elif kind == "StepFailed" and starts[identifier]:
            waiting.add(identifier)  # until its next attempt
    return False


class StraightAnswers:
    """Ends a wait, a retry's delay or a callback in the answer to the request that began it.

    Only if nothing else is open: what happens first is otherwise decided by the time that things take, and a run in
    which waits take none would go another way.

    Parameters
    ----------
    answers : Mapping[str, object]
        What callbacks are answered with, by name.
    clock : VirtualClock
        The time, which is moved to the end of the wait.
    """

    def __init__(self, answers: Mapping[str, Any], clock: VirtualClock) -> None:
        self._answers = {name: answer for name, answer in answers.items() if not callable(answer)}
        self._clock = clock

    def answer(
        self, execution: ServiceExecution, updates: Sequence[OperationUpdate], response: CheckpointResponse
    ) -> CheckpointResponse:
        """Move *execution* on, and return *response* with the records that this has changed."""
        for update in updates:
            if update.type is OperationType.CALLBACK and update.action is OperationAction.START:
                self._answer(execution, update.id)
        for _ in range(_MOST):
            moment = execution.next_moment(callbacks=False)
            if moment is None or not _is_alone(execution.operations):
                break
            self._clock.move_to(max(moment, self._clock.now()))
            execution.advance(self._clock.now())
        state = response.new_execution_state
        before = (state.operations or ()) if state is not None else ()
        operations = {record.id: record for record in (*before, *execution.records.take_unseen())}
        return replace(response, new_execution_state=StatePage(operations=tuple(operations.values())))

    def _answer(self, execution: ServiceExecution, identifier: str) -> None:
        place = execution.place(identifier)
        record = execution.operations[identifier]
        for name, answer in self._answers.items():
            if record.callback_details is not None and (place.is_called(name) or place.called.is_called(name)):
                text = input_text(answer, "the answer")
                execution.complete_callback(record.callback_details.callback_id or "", self._clock.now(), result=text)
                return


def _is_alone(operations: Mapping[str, Operation]) -> bool:
    """Tell whether one operation is open, besides those that it is inside of."""
    is_open = {OperationStatus.STARTED, OperationStatus.PENDING, OperationStatus.READY}
    found = [record for record in operations.values() if record.status in is_open and record.type not in _CONTEXTS]
    contexts = [record for record in operations.values() if record.status in is_open and record.type in _CONTEXTS]
    if len(found) != 1:
        return False
    around, parent = set(), found[0].parent_id
    while parent is not None and parent in operations:
        around.add(parent)
        parent = operations[parent].parent_id
    return all(context.id in around or context.type is OperationType.EXECUTION for context in contexts)


_WAITING = ("Wait", "ChainedInvoke")
_CONTEXTS = {OperationType.CONTEXT, OperationType.EXECUTION}
