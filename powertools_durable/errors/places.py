"""Whose code a frame of the stack is, and which line of the user's own an error, a warning or a call stands at.

What users look for is a line that they wrote. Frames of this package, of installed packages and of Python's own library
are passed over. Only names of files are shown: absolute paths tell an attacker about the build.
"""

from __future__ import annotations

import os
import sys
import traceback
import warnings
from collections.abc import Iterator
from types import FrameType, TracebackType
from typing import Any

__all__ = [
    "call_site",
    "is_library",
    "is_own",
    "is_users_place",
    "log_level_of_the_user",
    "place",
    "raised_at",
    "traceback_of",
    "user_frames",
    "users_frame",
    "users_location",
    "warn_the_user",
    "without_folders",
]

_PACKAGE = __name__.partition(".")[0]
_OWN_FILES = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep  # noqa: PTH100, PTH120 - text, no file
_STANDARD_LIBRARY = os.path.dirname(os.path.abspath(os.__file__)) + os.sep  # noqa: PTH100, PTH120
_LAMBDA = "/var/runtime/"  # what calls the handler there
_INSTALLED = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")


def is_own(frame: FrameType) -> bool:
    """Tell whether *frame* runs code of this package."""
    name = frame.f_globals.get("__name__", "")
    return f"{name}.".startswith(f"{_PACKAGE}.") or frame.f_code.co_filename.startswith(_OWN_FILES)


def is_library(frame: FrameType) -> bool:
    """Tell whether *frame* runs code of this package, of an installed one, of Python's own library or Lambda's."""
    file = frame.f_code.co_filename
    return is_own(frame) or file.startswith(("<frozen ", _LAMBDA, _STANDARD_LIBRARY)) or _is_installed(frame)


def _is_installed(frame: FrameType) -> bool:
    return any(directory in frame.f_code.co_filename for directory in _INSTALLED)


def without_folders(location: str) -> str:
    """Return ``shop.py:12`` of ``/var/task/shop.py:12``, for texts that are recorded or logged."""
    return location.rpartition(os.sep)[2]


def place(frame: FrameType, line: int) -> str:
    """Return ``shop.py:12 in load``; of a library ``site-packages/boto3/session.py:7 in client``."""
    code = frame.f_code
    file = _below_its_root(code.co_filename) if is_library(frame) else without_folders(code.co_filename)
    return f"{file}:{line} in {code.co_name}"


def is_users_place(text: str) -> bool:
    """Tell whether *text*, which `place` made, is a line of the user's own code."""
    file = text.partition(":")[0]
    return "/" not in file and not file.startswith("<frozen ")


def _below_its_root(file: str) -> str:
    """Return a library's file without the folders of this machine; what is left says that it is a library's."""
    for root in (_OWN_FILES, _STANDARD_LIBRARY):
        if file.startswith(root) and not any(directory in file for directory in _INSTALLED):
            return file[len(os.path.dirname(root.rstrip(os.sep))) + 1 :].replace(os.sep, "/")  # noqa: PTH120
    for directory in _INSTALLED:
        _, found, after = file.rpartition(directory)
        if found:
            return f"{directory}{after}".strip(os.sep).replace(os.sep, "/")
    return without_folders(file)


def users_frame(frame: FrameType | None) -> FrameType | None:
    """Return the innermost frame of the user's own code, from *frame* outwards; None where there is none.

    Where all of it is installed, as a deployed package may be, that is the innermost frame of an installed package.
    """
    installed: FrameType | None = None
    while frame is not None and is_library(frame):
        if installed is None and not is_own(frame) and _is_installed(frame):
            installed = frame
        frame = frame.f_back
    return frame or installed


def call_site() -> str:
    """Return ``file:line`` of the innermost caller in the user's code; empty when there is none.

    On the thread of a branch there may be no such caller.
    """
    frame = users_frame(sys._getframe(1))  # noqa: SLF001 - the documented way to look at the stack
    return f"{frame.f_code.co_filename}:{frame.f_lineno}" if frame is not None else ""


def log_level_of_the_user() -> int:
    """Return the ``stacklevel`` that has a log line of the caller's name the user's line; 1 where there is none."""
    level, frame = 1, sys._getframe(1)  # noqa: SLF001 - the documented way to look at the stack
    users = users_frame(frame)
    while frame is not users:
        if frame.f_back is None:
            return 1
        level, frame = level + 1, frame.f_back
    return level


def warn_the_user(message: str, category: type[Warning]) -> None:
    """Warn at the user's own line, however many frames of ours and of others lie in between."""
    users = users_frame(sys._getframe(1))  # noqa: SLF001 - the documented way to look at the stack
    if users is None:
        warnings.warn(message, category, stacklevel=2)
        return
    names = users.f_globals
    warnings.warn_explicit(
        message,
        category,
        users.f_code.co_filename,
        users.f_lineno,
        module=names.get("__name__"),
        registry=names.setdefault("__warningregistry__", {}),
    )


def traceback_of(error: BaseException) -> TracebackType | None:
    """Return the traceback itself, whatever a user's class makes of the attribute."""
    attribute: Any = vars(BaseException)["__traceback__"]
    found: TracebackType | None = attribute.__get__(error)
    return found


def user_frames(trace: TracebackType | None) -> Iterator[tuple[FrameType, int]]:
    """Yield frame and line of the user's own code in *trace*, the outermost first."""
    return ((frame, line) for frame, line in traceback.walk_tb(trace) if not is_library(frame))


def users_location(error: BaseException) -> str:
    """Return the innermost line of the user's own code that *error* passed, as ``/var/task/shop.py:12``.

    Where there is none, that of an installed package; empty where only this package and Python's own were passed. For
    tools that show it to whom the code belongs; what is recorded holds `place`.
    """
    walked = list(traceback.walk_tb(traceback_of(error)))
    users = [one for one in walked if not is_library(one[0])]
    users = users or [one for one in walked if _is_installed(one[0]) and not is_own(one[0])]
    return f"{users[-1][0].f_code.co_filename}:{users[-1][1]}" if users else ""


def raised_at(error: BaseException) -> str | None:
    """Return the innermost line of the user's own code that *error* passed; None where there is none."""
    innermost = None
    for innermost in user_frames(traceback_of(error)):  # noqa: B007 - the last one is wanted
        pass
    return place(*innermost) if innermost else None
