"""Makes the calls of one invocation: the same one again where that may help, and never past the invocation's end.

*longest* says who makes a call. None: a thread that is left behind when the call does not come back. Seconds: one that
can't be, because user code is on it; so no call begins that could last longer than the invocation.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from powertools_durable._protocol.limits import MAX_PAGE_ITEMS
from powertools_durable._protocol.operation import Operation
from powertools_durable._protocol.result import CheckpointResponse
from powertools_durable._replay.engine import Batch
from powertools_durable._runtime.deadline import Deadline
from powertools_durable._runtime.paging import pages
from powertools_durable._runtime.seams import Seams
from powertools_durable.backends.base import DurableBackend
from powertools_durable.errors import BackendError

__all__ = ["Requests"]

_SENDS = 4  # how often one request is tried; botocore has tried some times before
_BACKOFF = 0.1  # seconds before the second try, doubled each time, with full jitter
_BACKOFF_CAP = 2.0


class Requests:
    """One call after the other; the checkpointer sees to that.

    Attributes
    ----------
    closing : bool
        The invocation is over: nothing is tried again.
    """

    def __init__(self, backend: DurableBackend, arn: str, deadline: Deadline, seams: Seams) -> None:
        self.closing = False
        self._backend = backend
        self._arn = arn
        self._deadline = deadline
        self._seams = seams

    def send(self, batch: Batch, longest: float | None) -> CheckpointResponse:
        """Make the request, again if that may help: same tokens, so the service applies it once (9.3)."""
        client_token = f"{self._seams.random.getrandbits(128):032x}"
        updates = batch.updates
        sends = 0
        while True:
            try:
                return self._backend.checkpoint(self._arn, batch.token, updates, client_token)
            except BackendError as error:
                sends += 1
                pause = min(_BACKOFF_CAP, _BACKOFF * 2 ** (sends - 1)) * self._seams.random.random()
                if not self._may_resend(error, sends) or pause + (longest or 0) >= self._deadline.patience:
                    raise
                self._seams.clock.sleep(pause)

    def pages(self, token: str, marker: str, longest: float | None) -> Iterator[tuple[Operation, ...]]:
        """Read the records that an answer left out."""
        before = partial(self._require, longest)
        return pages(self._backend, self._arn, token, marker, MAX_PAGE_ITEMS, before=before)

    def _may_resend(self, error: BackendError, sends: int) -> bool:
        return error.retryable and not error.stale_token and sends < _SENDS and not self.closing

    def _require(self, seconds: float | None) -> None:
        if seconds is not None and seconds >= self._deadline.patience:
            message = "the invocation may end before all that has changed is read; Lambda will invoke again"
            raise BackendError(message, retryable=True)
