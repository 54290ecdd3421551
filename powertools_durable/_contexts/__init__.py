"""What the user holds. The only place where operations and drivers meet.

A context's class is imported wherever an annotation names it. Its calls, and with them the engine, are loaded with the
first one that is made.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from powertools_durable._contexts import calls, fan_out_calls, saga_calls

__all__ = ["calls", "fan_out_calls", "saga_calls"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return import_module(f"{__name__}.{name}")
