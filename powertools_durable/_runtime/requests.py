"""Makes the calls of one invocation: the same one again where that may help, and never past the invocation's end.

A round is one request and what its answer leaves out. It can be put down between two calls, for another thread to go on
with. *longest* says who makes a call. None: a thread that is left behind when the call does not come back. Seconds: one
that can't be, because user code is on it; so no call begins that could last longer than the invocation.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from powertools_durable._protocol.limits import MAX_PAGE_ITEMS
from powertools_durable._protocol.operation import Operation
from powertools_durable._protocol.result import CheckpointResponse
from powertools_durable._replay.engine import Batch
from powertools_durable._runtime.deadline import Deadline
from powertools_durable._runtime.environment import Environment
from powertools_durable._runtime.paging import pages
from powertools_durable.backends.base import DurableBackend
from powertools_durable.errors import BackendError

__all__ = ["Requests", "Round"]

_SENDS = 4  # how often one request is tried; botocore has tried some times before
_BACKOFF = 0.1  # seconds before the second try, doubled each time, with full jitter
_BACKOFF_CAP = 2.0
_FRAMES = 300  # of Python's stack that a call may need: botocore's takes 35, its imports and others' patches more


class Round:
    """How far one has come; changed by one thread at a time.

    Attributes
    ----------
    batch : Batch
        What is sent.
    client_token : str
        The same for each try, so the service applies it once (9.3).
    failures : int
        How often it was tried in vain.
    missing : Iterator | None
        Records that the answer left out; None until there is an answer.
    """

    __slots__ = ("batch", "client_token", "failures", "missing")

    def __init__(self, batch: Batch, client_token: str) -> None:
        self.batch = batch
        self.client_token = client_token
        self.failures = 0
        self.missing: Iterator[tuple[Operation, ...]] | None = None


class Requests:
    """One call after the other; the checkpointer sees to that.

    Attributes
    ----------
    closing : bool
        The invocation is over: nothing is tried again.
    """

    def __init__(self, backend: DurableBackend, arn: str, deadline: Deadline, environment: Environment) -> None:
        self.closing = False
        self._backend = backend
        self._arn = arn
        self._deadline = deadline
        self._environment = environment

    def round(self, batch: Batch) -> Round:
        """Begin one with *batch*."""
        return Round(batch, f"{self._environment.random.getrandbits(128):032x}")

    def ends_in_time(self, longest: float | None) -> bool:
        """Tell whether a call that lasts *longest* may begin now."""
        return longest is None or longest < self._deadline.patience

    def may_be_made_here(self, longest: float | None) -> bool:
        """Tell whether the calling thread may make a call: it must end in time, and have stack enough (row 60)."""
        if longest is None or not self.ends_in_time(longest):
            return False
        try:
            sys._getframe(sys.getrecursionlimit() - _FRAMES)  # noqa: SLF001 - documented, and cheaper than to count
        except ValueError:
            return True  # there are not so many
        return False

    def send(self, this: Round, longest: float | None) -> CheckpointResponse | None:
        """Make the request, again if that may help; None when it has to be tried again, but not by this thread."""
        batch, updates = this.batch, this.batch.updates
        while True:
            try:
                return self._backend.checkpoint(self._arn, batch.token, updates, this.client_token)
            except BackendError as error:
                this.failures += 1
                pause = min(_BACKOFF_CAP, _BACKOFF * 2 ** (this.failures - 1)) * self._environment.random.random()
                if not self._may_resend(error, this.failures) or pause >= self._deadline.patience:
                    raise
                self._environment.clock.sleep(pause)
                if not self.ends_in_time(longest):
                    return None

    def pages(self, token: str, marker: str | None) -> Iterator[tuple[Operation, ...]]:
        """Read the records that an answer left out."""
        return pages(self._backend, self._arn, token, marker, MAX_PAGE_ITEMS)

    def _may_resend(self, error: BackendError, failures: int) -> bool:
        return error.retryable and not error.stale_token and failures < _SENDS and not self.closing
