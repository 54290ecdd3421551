"""What an invocation says: its log records, and the metrics it prints for CloudWatch."""

from __future__ import annotations

import io
import json
import logging
import sys
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from powertools_durable._service.host import Invocation

__all__ = ["Recorder", "SimulatedInvocation"]


@dataclass(slots=True)
class SimulatedInvocation(Invocation):
    """One invocation, and what it said.

    Attributes
    ----------
    request_id : str
        As the Lambda context told it.
    event : Mapping
        What Lambda handed to the handler.
    answer : object
        What the handler answered; an `ErrorObject` when the invocation failed, timed out or was killed.
    logs : list[logging.LogRecord]
        What reached the root logger, lines that the replay filter holds back left out.
    metrics : list[dict]
        Objects in the embedded metric format, as Powertools' Metrics printed them.
    """

    logs: list[logging.LogRecord] = field(default_factory=list)
    metrics: list[dict[str, Any]] = field(default_factory=list)


class Recorder(logging.Handler):
    """Listens to the root logger and to standard output while an invocation runs.

    One for a run: the replay filter, once put on it, stays.
    """

    def __init__(self) -> None:
        super().__init__()
        self.logs: list[logging.LogRecord] = []
        self.metrics: list[dict[str, Any]] = []
        self._begins = (0, 0)
        self._output: redirect_stdout[_Tee] | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record."""
        self.logs.append(record)

    def __enter__(self) -> Self:
        self._begins = (len(self.logs), len(self.metrics))
        logging.getLogger().addHandler(self)
        self._output = redirect_stdout(_Tee(sys.stdout, self.metrics))
        self._output.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        logging.getLogger().removeHandler(self)
        if self._output is not None:
            self._output.__exit__(kind, error, at)

    def seen(self, invocation: Invocation) -> SimulatedInvocation:
        """Return *invocation*, which is the last that ran, with what it said."""
        logs, metrics = self._begins
        return SimulatedInvocation(
            invocation.request_id, invocation.shown, invocation.answer, self.logs[logs:], self.metrics[metrics:]
        )


class _Tee(io.TextIOBase):
    """Passes text on, and picks out the lines that are metrics."""

    def __init__(self, passes_on_to: Any, metrics: list[dict[str, Any]]) -> None:
        self._out = passes_on_to
        self._metrics = metrics
        self._line = ""

    def write(self, text: str) -> int:
        self._out.write(text)
        *lines, self._line = (self._line + text).split("\n")
        for line in lines:
            if '"_aws"' in line and isinstance(metric := _json(line), dict):
                self._metrics.append(metric)
        return len(text)

    def flush(self) -> None:
        if not getattr(self._out, "closed", False):  # also called when this is thrown away, long after
            self._out.flush()

    def __getattr__(self, name: str) -> Any:  # encoding, fileno, isatty: as the real one has them
        return getattr(self._out, name)


def _json(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None
