"""Opens a debugger in a frame of the user's code: `pdb`, or whatever ``breakpoint()`` opens here."""

from __future__ import annotations

import os
import pdb  # noqa: T100 - it is what this module is for
import sys
from types import CodeType, FrameType, TracebackType

from powertools_durable.errors.places import Origin, origin_of, traceback_of, user_frames
from powertools_durable.testing.replays.stops import handler_frames

__all__ = ["break_at", "post_mortem"]

# Stepping passes over these: they run between two lines of the user's.
_SKIPPED = ("powertools_durable*", "asyncio*", "concurrent.*", "contextlib", "threading", "selectors", "functools")

_CONTINUE = -1  # the line at which `bdb` stops after the command "continue"


def break_at(frame: FrameType, label: str) -> None:
    """Open the debugger of ``breakpoint()`` at the line that *frame* runs, which calls an operation.

    That is `pdb`, in the frame itself. Another debugger (``PYTHONBREAKPOINT``, or a test runner's) is opened in a copy
    of the frame with the same line and variables.
    """
    hook = os.environ.get("PYTHONBREAKPOINT", "")
    if hook == "0":
        return
    sys.stdout.write(f"stopped at {label}; no body runs, and nothing is sent\n")
    if sys.breakpointhook is sys.__breakpointhook__ and hook in {"", "pdb.set_trace"}:
        _UserFrames().open(frame)
    else:
        exec(_breakpoint_at(frame), frame.f_globals, {**frame.f_globals, **frame.f_locals})  # noqa: S102 - it is constant


def post_mortem(error: BaseException) -> bool:
    """Open `pdb` at the innermost line of the user's own code that *error* passed; return False if there is none."""
    trace: TracebackType | None = None
    for frame, line in reversed(list(user_frames(traceback_of(error)))):
        trace = TracebackType(trace, frame, frame.f_lasti, line)
    if trace is None:
        return False
    debugger = pdb.Pdb(nosigint=True)
    debugger.reset()
    debugger.interaction(None, trace)
    return True


class _UserFrames(pdb.Pdb):
    """A debugger that shows the stack of the user's code, and steps through that."""

    def __init__(self) -> None:
        super().__init__(skip=_SKIPPED, nosigint=True)

    def open(self, frame: FrameType) -> None:
        """Take commands at *frame*; afterwards trace the code if they ask for it."""
        self.reset()
        self.botframe = _outermost(frame)
        self.interaction(frame, None)
        if not self.quitting and (self.stoplineno != _CONTINUE or self.breaks):
            for one in handler_frames(frame):
                one.f_trace = self.trace_dispatch
            sys.settrace(self.trace_dispatch)

    def get_stack(self, f: FrameType | None, t: TracebackType | None) -> tuple[list[tuple[FrameType, int]], int]:
        """Return the frames of the user's code, the innermost last."""
        stack, _ = super().get_stack(f, t)
        users = [entry for entry in stack if entry[0] is f or origin_of(entry[0]) is Origin.USER]
        return users, len(users) - 1


def _outermost(frame: FrameType) -> FrameType:
    """Return the outermost frame of the handler's code."""
    return [one for one in handler_frames(frame) if one is frame or origin_of(one) is Origin.USER][-1]


def _breakpoint_at(frame: FrameType) -> CodeType:
    """Return code that calls ``breakpoint()`` at the line of *frame*."""
    return compile("\n" * (frame.f_lineno - 1) + "breakpoint()", frame.f_code.co_filename, "exec")
