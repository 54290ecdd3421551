"""Catches log lines where they leave: behind every logger's handlers and their filters."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, overload

__all__ = ["CapturedLogs", "capturing"]

_PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


class CapturedLogs(Sequence[dict[str, Any]]):
    """The lines that went out, each as the JSON object that Powertools makes of it.

    A line of another logger has ``level``, ``message``, ``logger`` and whatever it was stamped with.

    Attributes
    ----------
    records : list[logging.LogRecord]
        What the lines were made of.
    """

    def __init__(self) -> None:
        self.records: list[logging.LogRecord] = []
        self._lines: list[dict[str, Any]] = []

    def __len__(self) -> int:
        return len(self._lines)

    @overload
    def __getitem__(self, index: int) -> dict[str, Any]: ...

    @overload
    def __getitem__(self, index: slice) -> list[dict[str, Any]]: ...

    def __getitem__(self, index: int | slice) -> dict[str, Any] | list[dict[str, Any]]:
        return self._lines[index]

    def __repr__(self) -> str:
        return f"<CapturedLogs {self.messages}>"

    @property
    def messages(self) -> list[Any]:
        """What each line says."""
        return [line.get("message") for line in self._lines]

    def of(self, logger: str) -> list[dict[str, Any]]:
        """Return the lines of the logger of that name, or of that Powertools service, and of its children."""
        pairs = zip(self.records, self._lines, strict=True)
        return [line for record, line in pairs if f"{record.name}.".startswith(f"{logger}.")]

    def _note(self, handler: logging.Handler, record: logging.LogRecord) -> None:
        if any(known is record for known in self.records):  # it passed another handler before
            return
        self.records.append(record)
        self._lines.append(_line(handler, record))


_CAPTURING: ContextVar[tuple[CapturedLogs, ...]] = ContextVar("powertools_durable_capturing", default=())
_at_work: list[CapturedLogs] = []
_lock = threading.Lock()
_handle = logging.Handler.handle


@contextmanager
def capturing() -> Iterator[CapturedLogs]:
    """Collect what every handler lets out, also those of loggers that are made meanwhile.

    Of several at once, each collects what is logged in its own context; one alone collects all there is.
    """
    global _handle  # noqa: PLW0603 - whatever stood there when the first one began
    captured, before = CapturedLogs(), _CAPTURING.get()
    with _lock:
        if not _at_work:
            _handle = logging.Handler.handle
            logging.Handler.handle = _noted  # type: ignore[method-assign]
        _at_work.append(captured)
    _CAPTURING.set((*before, captured))
    try:
        yield captured
    finally:
        _CAPTURING.set(before)
        with _lock:
            _at_work.remove(captured)
            if not _at_work and logging.Handler.handle is _noted:
                logging.Handler.handle = _handle  # type: ignore[method-assign]


def _noted(self: logging.Handler, record: logging.LogRecord) -> Any:
    passed: bool | logging.LogRecord = _handle(self, record)  # a record from Python 3.12 on
    if passed:
        mine = _CAPTURING.get() if len(_at_work) > 1 else _at_work
        for captured in mine:
            captured._note(self, passed if isinstance(passed, logging.LogRecord) else record)  # noqa: SLF001
    return passed


def _line(handler: logging.Handler, record: logging.LogRecord) -> dict[str, Any]:
    """Read the JSON that the handler writes; put together what a plain handler has."""
    try:
        line: object = json.loads(handler.format(record))
    except ValueError:
        line = None
    if isinstance(line, dict):
        return line
    plain = {"level": record.levelname, "message": record.getMessage(), "logger": record.name}
    return plain | {key: value for key, value in vars(record).items() if key not in _PLAIN}
