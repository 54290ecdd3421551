"""Captures the output of an invocation: its log records, and the metrics that it prints for CloudWatch."""

from __future__ import annotations

import io
import json
import logging
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from powertools_durable._service.host import Invocation
from powertools_durable._service.invocation_input import InvocationInput
from powertools_durable.errors import ValidationError

__all__ = ["LISTENING", "Recorder", "SimulatedInvocation", "exploring"]


@dataclass(slots=True)
class SimulatedInvocation:
    """One invocation, with its log records and metrics.

    Attributes
    ----------
    request_id : str
        The id in its Lambda context.
    event : Mapping
        The event of the handler.
    answer : object
        The handler's answer; an `ErrorObject` if the invocation failed, timed out or was killed.
    logs : list[logging.LogRecord]
        The records that reached the root logger, without those that the replay filter dropped.
    metrics : list[dict]
        Objects in the embedded metric format, as Powertools' Metrics printed them.
    """

    request_id: str
    input: InvocationInput
    answer: object
    logs: list[logging.LogRecord] = field(default_factory=list)
    metrics: list[dict[str, Any]] = field(default_factory=list)

    @property
    def event(self) -> Mapping[str, Any]:
        """The event of the handler, built on each access: stored events would repeat all records."""
        return self.input.event()


class Recorder:
    """Records the log records and printed lines of the code that runs in an invocation.

    Several recorders may be active at once, on threads or nested; a context variable says to which of them a line
    belongs. A thread that the handler started by itself has no such context: its lines go to the active recorder, or,
    if there are several, to none.
    """

    def __init__(self) -> None:
        self.logs: list[logging.LogRecord] = []
        self.metrics: list[dict[str, Any]] = []
        self._begins = (0, 0)
        self._line = ""
        self._listening = ExitStack()

    def __enter__(self) -> Self:
        self._begins = (len(self.logs), len(self.metrics))
        self._listening.enter_context(_listening(self))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._listening.close()

    def printed(self, text: str) -> None:
        """Keep the lines that are metrics."""
        *lines, self._line = (self._line + text).split("\n")
        for line in lines:
            if '"_aws"' in line and isinstance(metric := _json(line), dict):
                self.metrics.append(metric)

    def seen(self, invocation: Invocation) -> SimulatedInvocation:
        """Return *invocation*, which was the last one, with its output."""
        logs, metrics = self._begins
        return SimulatedInvocation(
            invocation.request_id, invocation.input, invocation.answer, self.logs[logs:], self.metrics[metrics:]
        )


# -- which recorder gets a line -------------------------------------------------------------------------------

LISTENING: ContextVar[tuple[Recorder, ...]] = ContextVar("powertools_durable_listening", default=())
_EXPLORES: ContextVar[bool] = ContextVar("powertools_durable_explores", default=False)
_at_work: list[Recorder] = []
_explorations: list[object] = []
_lock = threading.RLock()


@contextmanager
def _listening(recorder: Recorder) -> Iterator[None]:
    global _ear  # noqa: PLW0603 - one handler for all active recorders
    with _lock:
        if _explorations and not _EXPLORES.get():
            message = (
                "explore() is running on another thread. It changes clock, environment and module globals of the whole "
                "process, so nothing else can be simulated at the same time: run them one after the other"
            )
            raise ValidationError(message)
        if not _at_work:  # user code may have changed the level of the previous one
            _ear = _Ear()
        _at_work.append(recorder)
        output = _Output.over(sys.stdout)
        output.listeners += 1
        sys.stdout = output
        if _ear not in logging.root.handlers:
            logging.root.addHandler(_ear)
    before = LISTENING.get()
    LISTENING.set((*before, recorder))
    try:
        yield
    finally:
        LISTENING.set(before)
        with _lock:
            _at_work.remove(recorder)
            output.listeners -= 1
            if not output.listeners and sys.stdout is output:
                sys.stdout = output.passes_on_to
            if not _at_work:
                logging.root.removeHandler(_ear)


@contextmanager
def exploring() -> Iterator[None]:
    """Keep other simulations out while an exploration runs, because it changes the state of the whole process.

    Raises
    ------
    ValidationError
        A simulation or exploration is running already.
    """
    with _lock:
        if _explorations or _at_work:
            other = "explore()" if _explorations else "a simulator"
            message = (
                f"{other} is running already. explore() changes clock, environment and module globals of the whole "
                "process: run them one after the other, or in separate processes, as pytest-xdist does"
            )
            raise ValidationError(message)
        token = object()
        _explorations.append(token)
    _EXPLORES.set(True)
    try:
        yield
    finally:
        _EXPLORES.set(False)
        with _lock:
            _explorations.remove(token)


def _concerned() -> tuple[Recorder, ...]:
    listeners = LISTENING.get()
    if not listeners and len(_at_work) == 1:
        return (_at_work[0],)
    return tuple(one for one in listeners if one in _at_work)


class _Ear(logging.Handler):
    """Passes log records to the recorders."""

    def emit(self, record: logging.LogRecord) -> None:
        for recorder in _concerned():
            recorder.logs.append(record)


_ear = _Ear()


class _Output(io.TextIOBase):
    """Replaces standard output: writes text to it, and passes it to the recorders."""

    def __init__(self, passes_on_to: Any) -> None:
        self.passes_on_to = passes_on_to
        self.listeners = 0

    @classmethod
    def over(cls, output: Any) -> _Output:
        """Return *output* if it is such a replacement already, else a replacement for it."""
        return output if isinstance(output, cls) else cls(output)

    def write(self, text: str) -> int:
        self.passes_on_to.write(text)
        for recorder in _concerned():
            recorder.printed(text)
        return len(text)

    def flush(self) -> None:
        if not getattr(self.passes_on_to, "closed", False):  # also called by the garbage collector, much later
            self.passes_on_to.flush()

    def __getattr__(self, name: str) -> Any:  # encoding, fileno, isatty: those of the real one
        return getattr(self.passes_on_to, name)


def _json(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None
