"""Feature flags that handlers of the corpus read."""

from __future__ import annotations

import os


def is_on(name):
    return os.getenv(name, "off") == "changed"
