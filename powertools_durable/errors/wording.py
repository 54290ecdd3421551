"""How messages speak of a user's data: by its class, and by what reads like the name of a field (G10)."""

from __future__ import annotations

import re

__all__ = ["class_name", "reads_like_a_name"]

_NAME = re.compile("[A-Za-z_]{1,40}")


def reads_like_a_name(key: object) -> bool:
    """Tell whether a dict's key can be shown in a message: letters and underscores, not all of them capitals.

    A token, an id or an address has digits or punctuation, or is longer.
    """
    return isinstance(key, str) and _NAME.fullmatch(key) is not None and not key.isupper()


def class_name(value: object) -> str:
    """Return ``a Dog``, ``an Animal`` or ``None``."""
    if value is None:
        return "None"
    name = type(value).__qualname__.rpartition("<locals>.")[2]
    return f"{'an' if name[:1] in 'AEIOUaeiou' else 'a'} {name}"
