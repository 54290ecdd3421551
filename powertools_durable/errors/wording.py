"""What messages may repeat of a user's data: only what reads like the name of a field (reliability.md, G10)."""

from __future__ import annotations

import re

__all__ = ["reads_like_a_name"]

_NAME = re.compile("[A-Za-z_]{1,40}")


def reads_like_a_name(key: object) -> bool:
    """Tell whether a dict's key can be shown in a message: letters and underscores, not all of them capitals.

    A token, an id or an address has digits or punctuation, or is longer.
    """
    return isinstance(key, str) and _NAME.fullmatch(key) is not None and not key.isupper()
