"""How messages speak of a user's data: by its class (G10)."""

from __future__ import annotations

__all__ = ["class_name"]


def class_name(value: object) -> str:
    """Return ``a Dog``, ``an Animal`` or ``None``."""
    if value is None:
        return "None"
    name = type(value).__qualname__.rpartition("<locals>.")[2]
    return f"{'an' if name[:1] in 'AEIOUaeiou' else 'a'} {name}"
