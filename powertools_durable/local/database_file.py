"""Makes the files that SQLite opens. One that exists is opened by SQLite alone.

A process that closes a file gives up every POSIX lock it holds on it, those of its other connections too. Another
process would then believe that nobody uses the database: it throws the write-ahead log away, and what was written last
is lost. Source: section 2.2 of https://www.sqlite.org/howtocorrupt.html
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

__all__ = ["make_if_missing"]


def make_if_missing(path: Path) -> None:
    """Make an empty file that its owner alone may read; leave one that exists untouched and unopened.

    Raises
    ------
    OSError
        It is missing and can't be made.
    """
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
