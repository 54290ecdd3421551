"""The invocations of the official SDK's test runner: an event with a client for the service in it.

The runner's objects are those of the official package. They are used by their attributes; nothing of it is imported.
"""

from __future__ import annotations

import sys
from typing import Any

from powertools_durable.backends import LambdaBackend

__all__ = ["backend_of", "event_of", "is_injected"]


def is_injected(event: object) -> bool:
    """Return whether *event* is one of the test runner."""
    return hasattr(event, "service_client") and hasattr(event, "to_json_dict")


def event_of(event: Any) -> dict[str, Any]:
    """Return the event as Lambda sends it."""
    sent: dict[str, Any] = event.to_json_dict()
    return sent


def backend_of(event: Any) -> LambdaBackend:
    """Return a backend that asks the runner's client."""
    return LambdaBackend(_Client(event.service_client, sys.modules[type(event).__module__]))


class _Client:
    """The runner's client, with the two calls of boto3's that a durable execution makes.

    Parameters
    ----------
    service : object
        The runner's client.
    module : ModuleType
        Where the class of the event is from: it knows the classes that the client takes.
    """

    def __init__(self, service: Any, module: Any) -> None:
        self._service = service
        self._update = module.OperationUpdate

    def checkpoint_durable_execution(
        self,
        *,
        DurableExecutionArn: str,  # noqa: N803 - boto3's names
        CheckpointToken: str,  # noqa: N803
        Updates: list[dict[str, Any]],  # noqa: N803
        ClientToken: str | None = None,  # noqa: N803
    ) -> dict[str, Any]:
        updates = [self._update.from_dict(update) for update in Updates]
        answer = self._service.checkpoint(DurableExecutionArn, CheckpointToken, updates, ClientToken)
        state = answer.new_execution_state
        page = None if state is None else _page(state)
        return {"CheckpointToken": answer.checkpoint_token, "NewExecutionState": page}

    def get_durable_execution_state(
        self,
        *,
        DurableExecutionArn: str,  # noqa: N803
        CheckpointToken: str,  # noqa: N803
        Marker: str = "",  # noqa: N803
        MaxItems: int = 1000,  # noqa: N803
    ) -> dict[str, Any]:
        return _page(self._service.get_execution_state(DurableExecutionArn, CheckpointToken, Marker, MaxItems))


def _page(page: Any) -> dict[str, Any]:
    return {"Operations": [operation.to_dict() for operation in page.operations], "NextMarker": page.next_marker}
