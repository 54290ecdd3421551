"""Creates the files that SQLite opens. A file that exists is only ever opened by SQLite.

A process that closes a file loses every POSIX lock it holds on it, those of its other connections included. Another
process would then take the database for unused and delete the write-ahead log, and the last writes are lost. Source:
section 2.2 of https://www.sqlite.org/howtocorrupt.html
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

__all__ = ["make_if_missing"]


def make_if_missing(path: Path) -> None:
    """Create an empty file that only its owner may read; leave an existing file alone, unopened.

    Raises
    ------
    OSError
        It is missing and can't be created.
    """
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
