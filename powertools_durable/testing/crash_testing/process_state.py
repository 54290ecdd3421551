"""What belongs to the whole process: code under test may change it, and the next test must not notice."""

from __future__ import annotations

import logging
import os
import random
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

__all__ = ["Process", "profiling"]

_OF_SYS = ("stdin", "stdout", "stderr", "displayhook", "excepthook", "unraisablehook", "breakpointhook")
_LISTS_OF_SYS = ("argv", "path", "meta_path", "path_hooks")
_OF_LOGGERS = ("level", "propagate", "disabled")
_OF_HANDLERS = ("level", "formatter")


class Process:
    """Environment, working directory, streams, hooks, warnings, signals, logging, chance, as they are now."""

    def __init__(self) -> None:
        self.environment = dict(os.environ)
        self._restores: list[Callable[[], object]] = [
            self.restore_environment,
            *_of_modules(),
            _folder(),
            _signals(),
            *_of_logging(),
            partial(random.setstate, random.getstate()),
        ]

    def restore(self) -> None:
        """Make all of it as it was; what has not changed is not touched."""
        for restore in self._restores:
            restore()

    def restore_environment(self) -> None:
        """Make the environment as it was, and what Python made of it."""
        now = dict(os.environ)
        if now == self.environment:
            return
        for name in now.keys() - self.environment.keys():
            os.environ.pop(name, None)
        os.environ.update(self.environment)
        if now.get("TZ") != self.environment.get("TZ") and hasattr(time, "tzset"):
            time.tzset()


def _of_modules() -> Iterator[Callable[[], object]]:
    for name in _OF_SYS:
        yield partial(_set, sys, name, getattr(sys, name))
    for name in _LISTS_OF_SYS:
        yield partial(_refill, sys, name, getattr(sys, name), list(getattr(sys, name)))
    yield partial(_set, threading, "excepthook", threading.excepthook)
    yield partial(_set, warnings, "showwarning", warnings.showwarning)
    yield _filters()


def _set(owner: Any, name: str, value: object) -> None:
    if getattr(owner, name, None) is not value:
        setattr(owner, name, value)


def _refill(owner: Any, name: str, value: list[Any], items: list[Any]) -> None:
    _set(owner, name, value)
    if value != items:
        value[:] = items


def _filters() -> Callable[[], object]:
    held, items = warnings.filters, list(warnings.filters)

    def restore() -> None:
        if warnings.filters is not held or list(held) != items:
            held[:] = items  # type: ignore[index]
            warnings.filters = held
            warnings._filters_mutated()  # type: ignore[attr-defined] # noqa: SLF001 - as catch_warnings does

    return restore


def _folder() -> Callable[[], object]:
    folder = ""
    with suppress(OSError):  # it may have been removed
        folder = os.getcwd()  # noqa: PTH109 - its text is compared

    def restore() -> None:
        with suppress(OSError):
            if folder and _current_folder() != folder:
                os.chdir(folder)

    return restore


def _current_folder() -> str:
    try:
        return os.getcwd()  # noqa: PTH109
    except OSError:
        return ""


def _signals() -> Callable[[], object]:
    handlers = {number: signal.getsignal(number) for number in signal.valid_signals()}

    def restore() -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        for number, handler in handlers.items():
            if handler is not None and signal.getsignal(number) is not handler:  # None: nobody in Python set it
                with suppress(OSError, ValueError):
                    signal.signal(number, handler)

    return restore


# -- logging --------------------------------------------------------------------------------------------------


def _of_logging() -> Iterator[Callable[[], object]]:
    yield partial(_set, logging.Handler, "handle", logging.Handler.handle)
    yield partial(_set, logging, "raiseExceptions", logging.raiseExceptions)
    yield partial(logging.disable, logging.root.manager.disable)
    handlers: dict[int, logging.Handler] = {}
    for one in (logging.root, *list(logging.root.manager.loggerDict.values())):
        if isinstance(one, logging.Logger):
            handlers |= {id(handler): handler for handler in one.handlers}
            yield partial(_logger, one, [*one.handlers], [*one.filters], [getattr(one, name) for name in _OF_LOGGERS])
    for handler in handlers.values():
        yield partial(_handler, handler, [*handler.filters], [getattr(handler, name) for name in _OF_HANDLERS])


def _logger(one: logging.Logger, handlers: list[Any], filters: list[Any], values: list[Any]) -> None:
    _refill(one, "handlers", one.handlers, handlers)
    _refill(one, "filters", one.filters, filters)
    for name, value in zip(_OF_LOGGERS, values, strict=True):
        if getattr(one, name) != value:
            (one.setLevel if name == "level" else partial(setattr, one, name))(value)


def _handler(handler: logging.Handler, filters: list[Any], values: list[Any]) -> None:
    _refill(handler, "filters", handler.filters, filters)
    for name, value in zip(_OF_HANDLERS, values, strict=True):
        _set(handler, name, value)


# -- hooks ----------------------------------------------------------------------------------------------------


@contextmanager
def profiling(hook: Callable[[Any, str, Any], object]) -> Iterator[None]:
    """Have *hook* called as a profiler is, on this thread and on those that begin meanwhile, beside any other profiler.

    The profiler of the standard library can't be called; it pauses.
    """
    before: Any = sys.getprofile()
    others = threading.getprofile()
    sys.setprofile(_beside(before, hook))
    threading.setprofile(_beside(others, hook))
    try:
        yield
    finally:
        threading.setprofile(others)
        if before is None or callable(before):
            sys.setprofile(before)
        else:
            sys.setprofile(None)
            before.enable()


def _beside(before: Any, hook: Callable[[Any, str, Any], object]) -> Callable[[Any, str, Any], object]:
    if not callable(before):
        return hook

    def both(frame: Any, event: str, arg: Any) -> None:
        hook(frame, event, arg)
        before(frame, event, arg)

    return both
