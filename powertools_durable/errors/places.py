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
from enum import Enum
from types import CodeType, FrameType, TracebackType
from typing import Any

__all__ = [
    "Origin",
    "call_site",
    "is_own",
    "is_own_place",
    "is_users_place",
    "line_of_user",
    "log_level_of_the_user",
    "origin_of",
    "place",
    "raised_at",
    "traceback_of",
    "user_frames",
    "users_frame",
    "users_location",
    "warn_the_user",
    "without_folders",
]

_OWN_MODULES = f"{__name__.partition('.')[0]}."
_OWN_FILES = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep  # noqa: PTH100, PTH120 - text, no file
_OWN_FOLDER = f"{os.path.basename(_OWN_FILES.rstrip(os.sep))}/"  # noqa: PTH119
_STANDARD_LIBRARY = os.path.dirname(os.path.abspath(os.__file__)) + os.sep  # noqa: PTH100, PTH120
_LAMBDA = "/var/runtime/"  # what calls the handler there
_INSTALLED = _SITE, _DIST = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")
_NOT_INSTALLED = ("<frozen ", _LAMBDA, _STANDARD_LIBRARY)


class Origin(Enum):
    """Whose code a frame runs."""

    OURS = "this package"
    INSTALLED = "an installed package"
    PYTHON = "Python's own library, or Lambda's"
    USER = "the user"


def origin_of(frame: FrameType) -> Origin:
    """Return whose code *frame* runs."""
    file = frame.f_code.co_filename
    if f"{frame.f_globals.get('__name__', '')}.".startswith(_OWN_MODULES) or file.startswith(_OWN_FILES):
        return Origin.OURS
    if _SITE in file or _DIST in file:
        return Origin.INSTALLED
    return Origin.PYTHON if file.startswith(_NOT_INSTALLED) else Origin.USER


def is_own(frame: FrameType) -> bool:
    """Tell whether *frame* runs code of this package."""
    return origin_of(frame) is Origin.OURS


def without_folders(location: str) -> str:
    """Return ``shop.py:12`` of ``/var/task/shop.py:12``, for texts that are recorded or logged."""
    return location.rpartition(os.sep)[2]


def place(frame: FrameType, line: int) -> str:
    """Return ``shop.py:12 in load``; of a library ``site-packages/boto3/session.py:7 in client``."""
    code = frame.f_code
    is_users = origin_of(frame) is Origin.USER
    file = without_folders(code.co_filename) if is_users else _below_its_root(code.co_filename)
    return f"{file}:{line} in {code.co_name}"


def is_users_place(text: str) -> bool:
    """Tell whether *text*, which `place` made, is a line of the user's own code."""
    file = text.partition(":")[0]
    return "/" not in file and not file.startswith("<frozen ")


def is_own_place(text: str) -> bool:
    """Tell whether *text*, which `place` made, is a line of this package, which helps no user."""
    return text.removeprefix("site-packages/").removeprefix("dist-packages/").startswith(_OWN_FOLDER)


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
    while frame is not None and (origin := origin_of(frame)) is not Origin.USER:
        if installed is None and origin is Origin.INSTALLED:
            installed = frame
        frame = frame.f_back
    return frame or installed


def call_site() -> str:
    """Return ``file:line`` of the innermost caller in the user's code; empty when there is none.

    On the thread of a branch there may be no such caller.
    """
    frame = users_frame(sys._getframe(1))  # noqa: SLF001 - the documented way to look at the stack
    return f"{frame.f_code.co_filename}:{frame.f_lineno}" if frame is not None else ""


def line_of_user(code: CodeType, line: int) -> str:
    """Return ``file:line`` of a call in *code*; empty if that is not the user's own."""
    file = code.co_filename
    is_library = _SITE in file or _DIST in file or file.startswith((*_NOT_INSTALLED, _OWN_FILES))
    return "" if is_library else f"{file}:{line}"


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
    return ((frame, line) for frame, line in traceback.walk_tb(trace) if origin_of(frame) is Origin.USER)


def users_location(error: BaseException) -> str:
    """Return the innermost line of the user's own code that *error* passed, as ``/var/task/shop.py:12``.

    Where there is none, that of an installed package; empty where only this package and Python's own were passed. For
    tools that show it to whom the code belongs; what is recorded holds `place`.
    """
    walked = [(origin_of(frame), frame, line) for frame, line in traceback.walk_tb(traceback_of(error))]
    users = [place for place in walked if place[0] is Origin.USER]
    users = users or [place for place in walked if place[0] is Origin.INSTALLED]
    return f"{users[-1][1].f_code.co_filename}:{users[-1][2]}" if users else ""


def raised_at(error: BaseException) -> str | None:
    """Return the innermost line of the user's own code that *error* passed; None where there is none."""
    innermost = None
    for innermost in user_frames(traceback_of(error)):  # noqa: B007 - the last one is wanted
        pass
    return place(*innermost) if innermost else None
