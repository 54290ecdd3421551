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

__all__ = ["RECORDERS", "Recorder", "SimulatedInvocation", "exploring"]


@dataclass(slots=True)
class SimulatedInvocation:
    """One invocation, with its log records and metrics.

    Attributes
    ----------
    request_id : str
        The id in its Lambda context.
    event : Mapping
        The event that the handler got.
    answer : object
        The answer of the handler; an `ErrorObject` if the invocation failed, timed out or was killed.
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
        """The event that the handler got, built on each access: stored events would repeat all records."""
        return self.input.event()


class Recorder:
    """Records the log records and printed metrics of the code that runs in an invocation.

    Several recorders may be active at once, nested or on several threads. A context variable holds those that get the
    output of the running code. A thread that the handler has started has no such variable: its output goes to the
    active recorder if there is only one.
    """

    def __init__(self) -> None:
        self.logs: list[logging.LogRecord] = []
        self.metrics: list[dict[str, Any]] = []
        self._starts = (0, 0)
        self._line = ""
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._starts = (len(self.logs), len(self.metrics))
        self._stack.enter_context(_recording(self))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stack.close()

    def printed(self, text: str) -> None:
        """Record the lines of *text* that are metrics."""
        *lines, self._line = (self._line + text).split("\n")
        for line in lines:
            if '"_aws"' in line and isinstance(metric := _json(line), dict):
                self.metrics.append(metric)

    def with_output(self, invocation: Invocation) -> SimulatedInvocation:
        """Return *invocation*, which must be the last one, with its output."""
        logs, metrics = self._starts
        return SimulatedInvocation(
            invocation.request_id, invocation.input, invocation.answer, self.logs[logs:], self.metrics[metrics:]
        )


# -- which recorders get an output -------------------------------------------------------------------------------

RECORDERS: ContextVar[tuple[Recorder, ...]] = ContextVar("powertools_durable_listening", default=())
_EXPLORES: ContextVar[bool] = ContextVar("powertools_durable_explores", default=False)
_active: list[Recorder] = []
_explorations: list[object] = []
_lock = threading.RLock()


@contextmanager
def _recording(recorder: Recorder) -> Iterator[None]:
    global _handler  # noqa: PLW0603 - one handler for all active recorders
    with _lock:
        if _explorations and not _EXPLORES.get():
            message = (
                "explore() is running on another thread. It changes clock, environment and module globals of the whole "
                "process, so no other simulation can run at the same time: run them one after the other"
            )
            raise ValidationError(message)
        if not _active:  # a new handler: user code may have changed the level of the previous one
            _handler = _RecorderHandler()
        _active.append(recorder)
        output = _Output.wrap(sys.stdout)
        output.listeners += 1
        sys.stdout = output
        if _handler not in logging.root.handlers:
            logging.root.addHandler(_handler)
    before = RECORDERS.get()
    RECORDERS.set((*before, recorder))
    try:
        yield
    finally:
        RECORDERS.set(before)
        with _lock:
            _active.remove(recorder)
            output.listeners -= 1
            if not output.listeners and sys.stdout is output:
                sys.stdout = output.target
            if not _active:
                logging.root.removeHandler(_handler)


@contextmanager
def exploring() -> Iterator[None]:
    """Keep other simulations out while an exploration runs, because it changes the state of the whole process.

    Raises
    ------
    ValidationError
        A simulation or exploration is running already.
    """
    with _lock:
        if _explorations or _active:
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


def _current_recorders() -> tuple[Recorder, ...]:
    listeners = RECORDERS.get()
    if not listeners and len(_active) == 1:
        return (_active[0],)
    return tuple(one for one in listeners if one in _active)


class _RecorderHandler(logging.Handler):
    """Passes log records to the recorders."""

    def emit(self, record: logging.LogRecord) -> None:
        for recorder in _current_recorders():
            recorder.logs.append(record)


_handler = _RecorderHandler()


class _Output(io.TextIOBase):
    """Replaces standard output: writes text to it, and passes it to the recorders."""

    def __init__(self, target: Any) -> None:
        self.target = target
        self.listeners = 0

    @classmethod
    def wrap(cls, output: Any) -> _Output:
        """Return a replacement for *output*, or *output* itself if it is one already."""
        return output if isinstance(output, cls) else cls(output)

    def write(self, text: str) -> int:
        self.target.write(text)
        for recorder in _current_recorders():
            recorder.printed(text)
        return len(text)

    def flush(self) -> None:
        if not getattr(self.target, "closed", False):  # also called by the garbage collector, much later
            self.target.flush()

    def __getattr__(self, name: str) -> Any:  # encoding, fileno, isatty and so on of the real output
        return getattr(self.target, name)


def _json(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None
