"""Whose code a frame of the stack is, and where in the user's own code an error was raised.

What users look for is a line that they wrote. Frames of this package, of installed packages and of Python's own library
are passed over. Only names of files are shown: absolute paths tell an attacker about the build (reliability.md 5).
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterator
from types import FrameType, TracebackType
from typing import Any

__all__ = ["is_library", "is_own", "place", "raised_at", "traceback_of", "user_frames"]

_PACKAGE = __name__.partition(".")[0]
_OWN_FILES = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep  # noqa: PTH100, PTH120 - text, no file
_STANDARD_LIBRARY = os.path.dirname(os.path.abspath(os.__file__)) + os.sep  # noqa: PTH100, PTH120
_INSTALLED = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")


def is_own(frame: FrameType) -> bool:
    """Tell whether *frame* runs code of this package."""
    name = frame.f_globals.get("__name__", "")
    return f"{name}.".startswith(f"{_PACKAGE}.") or frame.f_code.co_filename.startswith(_OWN_FILES)


def is_library(frame: FrameType) -> bool:
    """Tell whether *frame* runs code of this package, of an installed one or of Python's own library."""
    file = frame.f_code.co_filename
    return (
        is_own(frame)
        or file.startswith(("<frozen ", _STANDARD_LIBRARY))
        or any(directory in file for directory in _INSTALLED)
    )


def place(frame: FrameType, line: int) -> str:
    """Return ``shop.py:12 in load``."""
    code = frame.f_code
    return f"{code.co_filename.rpartition(os.sep)[2]}:{line} in {code.co_name}"


def traceback_of(error: BaseException) -> TracebackType | None:
    """Return the traceback itself, whatever a user's class makes of the attribute."""
    attribute: Any = vars(BaseException)["__traceback__"]
    found: TracebackType | None = attribute.__get__(error)
    return found


def user_frames(trace: TracebackType | None) -> Iterator[tuple[FrameType, int]]:
    """Yield frame and line of the user's own code in *trace*, the outermost first."""
    return ((frame, line) for frame, line in traceback.walk_tb(trace) if not is_library(frame))


def raised_at(error: BaseException) -> str | None:
    """Return the innermost line of the user's own code that *error* passed; None where there is none."""
    innermost = None
    for innermost in user_frames(traceback_of(error)):  # noqa: B007 - the last one is wanted
        pass
    return place(*innermost) if innermost else None
