"""The two requests to the service: a checkpoint, with retries, and all pages of records."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from powertools_durable._protocol.operation import Operation
from powertools_durable._protocol.result import CheckpointResponse
from powertools_durable._replay.engine import Batch
from powertools_durable._runtime.deadline import Deadline
from powertools_durable._runtime.environment import Environment
from powertools_durable.backends.base import DurableBackend
from powertools_durable.errors import BackendError

__all__ = ["pages", "send"]

_ATTEMPTS = 4  # of one request; botocore makes some of its own within each
_BACKOFF = 0.1  # seconds before the second attempt, doubled for each further one, with full jitter
_BACKOFF_CAP = 2.0

_MAX_PAGES = 1_000  # a million records exceed every quota, so the service must be at fault


def send(
    batch: Batch,
    arn: str,
    backend: DurableBackend,
    *,
    deadline: Deadline,
    environment: Environment,
    may_retry: Callable[[], bool],
) -> CheckpointResponse:
    """Send *batch*, with retries if they may help, but never past the deadline.

    Raises
    ------
    BackendError
        The last attempt failed with this error.
    """
    random = environment.random
    client_token = f"{random.getrandbits(128):032x}"  # the same in all attempts: the service applies them once
    updates = batch.updates
    attempt = 1
    while True:
        try:
            return backend.checkpoint(arn, batch.token, updates, client_token)
        except BackendError as error:
            may_help = error.retryable and not error.stale_token and attempt < _ATTEMPTS and may_retry()
            pause = min(_BACKOFF_CAP, _BACKOFF * 2 ** (attempt - 1)) * random.random()
            if not may_help or pause >= deadline.patience:
                raise
        attempt += 1
        environment.clock.sleep(pause)


def pages(
    backend: DurableBackend, arn: str, token: str, marker: str | None, max_items: int
) -> Iterator[tuple[Operation, ...]]:
    """Yield every page, starting at *marker*.

    Raises
    ------
    BackendError
        The service refused the request, repeated a marker, or returned more than a thousand pages
        (docs/reliability.md#fault-rows, row 40, and #security-list, item 10).
    """
    seen: set[str] = set()
    while marker:
        if marker in seen:
            message = "the service answers GetDurableExecutionState with the same marker again and again"
            raise BackendError(message, retryable=True)
        if len(seen) == _MAX_PAGES:
            message = f"the state of this execution does not end after {_MAX_PAGES:,} pages"
            raise BackendError(message, retryable=True)
        seen.add(marker)
        page = backend.get_execution_state(arn, token, marker, max_items)
        yield page.operations or ()
        marker = page.next_marker
