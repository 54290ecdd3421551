"""One execution in the simulator: its records, the events it waits for, and methods to continue it."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from hashlib import blake2b
from pathlib import Path
from typing import Any

from powertools_durable._protocol.duration import Duration, seconds_of
from powertools_durable._protocol.operation import ErrorObject, Operation
from powertools_durable._report import render_report
from powertools_durable._service.clock import VirtualClock
from powertools_durable._service.execution import ServiceExecution
from powertools_durable._service.host import Host, Invocation, Invoker
from powertools_durable._service.invocations import Family, Target
from powertools_durable._service.update_validation import ServiceRefusal
from powertools_durable._service.view import ExecutionView
from powertools_durable._timeline import Sightings, read_execution
from powertools_durable.errors import ValidationError
from powertools_durable.errors.recording import answer_error
from powertools_durable.parser.stored import input_text
from powertools_durable.testing.simulation.captured_output import Recorder, SimulatedInvocation
from powertools_durable.testing.simulation.seeded_threads import SeededThreads

__all__ = ["SimulatedCallback", "SimulatedRun"]

_MAX_INVOCATIONS = 1_000  # of one settle() or finish(): a handler that needs more will not end


class SimulatedRun(ExecutionView):
    """An execution in the simulator."""

    def __init__(
        self,
        host: Host,
        clock: VirtualClock,
        arn: str,
        invoker: Invoker,
        functions: Mapping[str, Target],
        *,
        threads: SeededThreads | None = None,
        on_end: Callable[[], object] | None = None,
        sightings: Sightings | None = None,
    ) -> None:
        self._arn = arn
        self.invocations: list[SimulatedInvocation] = []
        self._recorder = Recorder()
        self.host = host
        self.clock = clock
        self.threads = threads
        self.sightings = sightings
        self._at_the_end = on_end
        self._family = Family(host, arn, invoker, functions, on_invocation=self._add_invocation)

    def __repr__(self) -> str:
        waits = ", ".join(f"{record.type.value.lower()} {self.label(record)!r}" for record in self.waiting_for)
        waiting = f", waits for {waits}" if waits else ""
        return f"<SimulatedRun {self.status}, {len(self.invocations)} invocations{waiting}>"

    # -- reading -------------------------------------------------------------------------------------------

    @property
    def _execution(self) -> ServiceExecution:
        return self.host.execution(self._arn)

    @property
    def now(self) -> datetime:
        """The virtual time."""
        return self.clock.now()

    @property
    def logs(self) -> list[logging.LogRecord]:
        """The log records of all invocations, including those of invoked durable functions."""
        return self._recorder.logs

    @property
    def metrics(self) -> list[dict[str, Any]]:
        """The metrics that Powertools' Metrics printed in all invocations."""
        return self._recorder.metrics

    @property
    def trace_hash(self) -> str:
        """A digest of the history and all answers; the same seed gives the same digest."""
        trace = json.dumps([self.history(), [i.answer for i in self.invocations]], sort_keys=True, default=str)
        return blake2b(trace.encode(), digest_size=16).hexdigest()

    def report(self, path: str | Path, *, values: bool = False) -> Path:
        """Write what happened until now to an HTML file; return its path.

        The file is complete in itself: it loads nothing, and opens in any browser.

        Parameters
        ----------
        path : str | Path
            Where to; a file that is there is replaced.
        values : bool
            Include inputs and results. Without them the file contains no payloads.

        Raises
        ------
        OSError
            The file can't be written.
        """
        file = Path(path)
        timeline = read_execution(self, values=values, now=self.now if self.status == "RUNNING" else None)
        file.write_text(render_report(timeline, values=values), encoding="utf-8")
        return file

    # -- continuing ----------------------------------------------------------------------------------------

    def settle(self) -> SimulatedRun:
        """Invoke the handler as long as it can continue now; no time passes."""
        for _ in range(_MAX_INVOCATIONS):
            with self._recorder:
                if not self._family.act():
                    if self._execution.is_terminal:
                        self.close()
                    return self
        message = f"the handler was invoked {_MAX_INVOCATIONS:,} times without a pause; does it make progress?"
        raise ValidationError(message)

    def close(self) -> None:
        """Close the event loops of its processes."""
        if self._at_the_end is not None:
            self._at_the_end()

    def step(self) -> SimulatedRun:
        """Advance the time to the next timer, and invoke the handler if that lets it continue."""
        moment = self._family.next_moment()
        if moment is not None:
            self._move_to(moment)
        return self.settle()

    def advance(self, span: Duration) -> SimulatedRun:
        """Advance the time by *span*; timers that are due fire, and the handler is invoked.

        Raises
        ------
        ValidationError
            *span* is not a time span, or is negative.
        """
        try:
            until = self.clock.now() + timedelta(seconds=seconds_of(span))
        except (TypeError, ValueError) as problem:
            message = f"advance(): {problem}"
            raise ValidationError(message) from None
        while (moment := self._family.next_moment()) is not None and moment <= until:
            self._move_to(moment)
            self.settle()
        self._move_to(until)
        return self.settle()

    def finish(self) -> SimulatedRun:
        """Advance the time until the execution has ended, or can only continue after an external event.

        A callback's own timeout is not waited for: answer the callback, or `advance` past it.

        Raises
        ------
        ValidationError
            The handler was invoked a thousand times and has not ended: it may never end.
        """
        self.settle()
        most = len(self.invocations) + _MAX_INVOCATIONS
        while (moment := self._family.next_moment(callbacks=False)) is not None:
            if len(self.invocations) >= most:
                message = (
                    f"finish() invoked the handler {_MAX_INVOCATIONS:,} times, and it did not end: {self!r}. "
                    "Does it loop forever? If not, call finish() again, or advance()"
                )
                raise ValidationError(message)
            self._move_to(moment)
            self.settle()
        return self

    def _move_to(self, moment: datetime) -> None:
        self.clock.move_to(moment)
        self._family.advance()

    def callback(self, name: str) -> SimulatedCallback:
        """Return the open callback with that name, or inside a ``wait_for_callback`` with that name.

        Raises
        ------
        LookupError
            No callback with that name waits for an answer.
        """
        return SimulatedCallback(self, self.open_callback(name))

    def _add_invocation(self, invocation: Invocation) -> None:
        self.invocations.append(self._recorder.with_output(invocation))


class SimulatedCallback:
    """An open callback. To answer it, as an external system would, continues the execution."""

    def __init__(self, run: SimulatedRun, record: Operation) -> None:
        details = record.callback_details
        self.callback_id = (details.callback_id if details else None) or ""
        self._label = run.label(record)
        self._run = run

    def __repr__(self) -> str:
        return f"<SimulatedCallback {self._label!r}>"

    def succeed(self, value: Any = None) -> SimulatedRun:
        """Answer with *value*, sent as JSON text; None answers without a payload.

        Parameters
        ----------
        value : object
            Any JSON value, a pydantic model or a dataclass.

        Raises
        ------
        ValidationError
            *value* can't be written as JSON, or the callback is not open any more.
        """
        result = input_text(value, "the answer")
        with self._answering() as execution:
            execution.complete_callback(self.callback_id, self._run.now, result=result)
        return self._run.settle()

    def fail(self, error: Exception | ErrorObject | str = "") -> SimulatedRun:
        """Answer with a failure; raises as `succeed` does."""
        with self._answering() as execution:
            execution.complete_callback(self.callback_id, self._run.now, error=answer_error(error))
        return self._run.settle()

    def heartbeat(self) -> SimulatedRun:
        """Send a heartbeat; raises as `succeed` does."""
        with self._answering() as execution:
            execution.heartbeat(self.callback_id, self._run.now)
        return self._run

    @contextmanager
    def _answering(self) -> Iterator[ServiceExecution]:
        try:
            with self._run.host.changing(self._run.arn) as execution:
                yield execution
        except ServiceRefusal as refusal:
            message = f"callback {self._label!r} takes no answer: {refusal}"
            raise ValidationError(message) from None
