"""How messages name what users wrote: data by its class (G10), a durable call as it stands in their code."""

from __future__ import annotations

__all__ = ["call_name", "class_name"]


def class_name(value: object) -> str:
    """Return ``a Dog``, ``an Animal`` or ``None``."""
    if value is None:
        return "None"
    name = type(value).__qualname__.rpartition("<locals>.")[2]
    return f"{'an' if name[:1] in 'AEIOUaeiou' else 'a'} {name}"


def call_name(call: str) -> str:
    """Return ``ctx.step`` for ``step``; ``saga.undo`` and ``callback.result`` are no methods of a context."""
    return call if "." in call else f"ctx.{call}"
