"""One file per durable call. Each is a generator that follows its table in the protocol, and does no I/O.

Contexts know all of them, a handler calls few: a file is loaded when it is first asked for, as ``_operations.wait``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from powertools_durable._operations import (
        batch_mode,
        callback,
        child,
        compensation,
        defer,
        fan_out,
        invoke,
        patch,
        step,
        wait,
        wait_for_callback,
        wait_for_condition,
        with_retry,
    )

__all__ = [
    "batch_mode",
    "callback",
    "child",
    "compensation",
    "defer",
    "fan_out",
    "invoke",
    "patch",
    "step",
    "wait",
    "wait_for_callback",
    "wait_for_condition",
    "with_retry",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return import_module(f"{__name__}.{name}")
