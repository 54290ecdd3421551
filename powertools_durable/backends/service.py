"""A host in the same process as the backend: what the simulator and the local runner hand to the engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from powertools_durable._protocol.result import CheckpointResponse, StatePage
from powertools_durable._protocol.update import OperationUpdate
from powertools_durable.backends.refusals import refused

__all__ = ["ServiceBackend"]

R = TypeVar("R")


class HostLike(Protocol):
    """The two calls as the service answers them."""

    def checkpoint(
        self, arn: str, checkpoint_token: str, updates: Sequence[OperationUpdate], client_token: str
    ) -> CheckpointResponse: ...

    def get_execution_state(self, arn: str, checkpoint_token: str, marker: str, max_items: int) -> StatePage: ...


class ServiceBackend:
    """Makes the service's refusals the errors that the engine knows, as `LambdaBackend` does over HTTP."""

    def __init__(self, host: HostLike) -> None:
        self._host = host

    def checkpoint(
        self, arn: str, checkpoint_token: str, updates: Sequence[OperationUpdate], client_token: str
    ) -> CheckpointResponse:
        """Apply *updates*; see `DurableBackend.checkpoint`."""
        return _called(self._host.checkpoint, arn, checkpoint_token, updates, client_token)

    def get_execution_state(self, arn: str, checkpoint_token: str, marker: str, max_items: int) -> StatePage:
        """Return a page of records; see `DurableBackend.get_execution_state`."""
        return _called(self._host.get_execution_state, arn, checkpoint_token, marker, max_items)


def _called(call: Callable[..., R], *arguments: Any) -> R:
    try:
        return call(*arguments)
    except Exception as error:
        status = getattr(error, "status", None)
        if status is None:
            raise
        code = getattr(error, "code", "refused")
        failure = refused(str(code), code=str(code), status=status, text=str(error))
    raise failure
