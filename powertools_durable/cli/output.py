"""The one place where the command writes to the world. Whoever reads that can't hurt: neither command nor execution.

What the output can't show is escaped, what nobody reads any more is dropped, and a full disk is told at the end.
Whether to draw depends on the terminal, colour alone on ``FORCE_COLOR`` and ``NO_COLOR``.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from typing import IO, Any, TextIO, cast

from rich.console import Console

__all__ = ["LossyStream", "console", "harmless", "one_line", "own_output", "print_json", "safe_streams"]

_UNBROKEN = 1_000_000  # columns: who reads lines wants them whole

# What would move the cursor, colour the terminal or turn the text round, and has no place in XML either.
_CONTROLS = {*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)} - {ord("\n"), ord("\t")}
_ESCAPED = {number: f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}" for number in _CONTROLS}
_LINE_ENDS = {ord("\n"): "\\n", ord("\t"): "\\t", 0x2028: "\\u2028", 0x2029: "\\u2029"}


def harmless(text: str) -> str:
    """Return *text* of an execution with its control characters written out: it may come from anywhere."""
    return text.translate(_ESCAPED)


def one_line(text: str) -> str:
    """Return *text* as `harmless` does, with its line ends written out too."""
    return text.translate(_ESCAPED | _LINE_ENDS)


class LossyStream:
    """A text stream to which writing never fails.

    Parameters
    ----------
    stream : TextIO | None
        What it writes to; None, as Python has it for a closed descriptor, drops everything.

    Attributes
    ----------
    error : Exception | None
        Why nothing is written any more.
    on_loss : Callable | None
        Called once, on the thread that writes, when that happens.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self.error: Exception | None = None
        self.on_loss: Callable[[], None] | None = None

    def __getattr__(self, name: str) -> Any:
        """Have what else the stream has, such as ``buffer`` and ``fileno``."""
        return getattr(self._stream, name)

    @property
    def encoding(self) -> str:
        """The stream's encoding."""
        return getattr(self._stream, "encoding", None) or "utf-8"

    def isatty(self) -> bool:
        """Tell whether a person sees it."""
        try:
            return self._stream is not None and self._stream.isatty()
        except ValueError:  # closed
            return False

    def writable(self) -> bool:
        """Return True: whatever is written is taken."""
        return True

    def write(self, text: str) -> int:
        """Write *text*, with what the encoding does not have written out."""
        if self._stream is not None and self.error is None:
            shown = text.encode(self.encoding, "backslashreplace").decode(self.encoding)
            self._try(lambda stream: stream.write(shown))
        return len(text)

    def flush(self) -> None:
        """Write what is buffered."""
        self._try(lambda stream: stream.flush())

    def _try(self, act: Callable[[TextIO], object]) -> None:
        if self._stream is None or self.error is not None:
            return
        try:
            act(self._stream)
        # A closed stream is a ValueError, a second writer inside of a signal handler a RuntimeError.
        except (OSError, ValueError, RuntimeError) as error:
            self._lose(error)

    def _lose(self, error: Exception) -> None:
        self.error = error
        with suppress(OSError, ValueError), open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - a descriptor is all
            # What is still buffered would fail again when Python closes the stream, and change the exit code.
            os.dup2(nowhere.fileno(), self._stream.fileno())  # type: ignore[union-attr]
        if self.on_loss is not None:
            self.on_loss()

    def _move_to(self, stream: TextIO | None) -> TextIO | None:
        before, self._stream = self._stream, stream
        return before


@contextmanager
def safe_streams() -> Iterator[tuple[LossyStream, LossyStream]]:
    """Make standard output and error safe for whatever is printed in the block, by this package or by a handler."""
    out, error = LossyStream(sys.stdout), LossyStream(sys.stderr)
    with redirect_stdout(cast("TextIO", out)), redirect_stderr(cast("TextIO", error)):
        try:
            yield out, error
        finally:
            out.flush()
            error.flush()


@contextmanager
def own_output() -> Iterator[IO[str]]:
    """Give the block standard output for itself; what else is printed meanwhile goes to standard error.

    That is also what a child process or C code writes to the descriptor. Each command runs code of the user's in here.
    """
    ours = sys.stdout if isinstance(sys.stdout, LossyStream) else LossyStream(sys.stdout)
    with redirect_stdout(sys.stderr), _moved_away(ours):
        yield cast("IO[str]", ours)


@contextmanager
def _moved_away(ours: LossyStream) -> Iterator[None]:
    """Let *ours* write to another descriptor than 1, and have descriptor 1 mean standard error."""
    try:
        is_descriptor = ours.fileno() == 1
        os.fstat(2)
    except (OSError, ValueError, AttributeError):  # no descriptor, such as a test's buffer, or none to give away
        is_descriptor = False
    if not is_descriptor:
        yield
        return
    ours.flush()
    with os.fdopen(os.dup(1), "w", encoding=ours.encoding, errors="backslashreplace") as moved:
        before = ours._move_to(moved)  # noqa: SLF001 - of the same module
        os.dup2(2, 1)
        try:
            yield
        finally:
            ours.flush()
            os.dup2(moved.fileno(), 1)
            ours._move_to(before)  # noqa: SLF001


def console(file: IO[str] | None = None) -> Console:
    """Return what draws on *file*: coloured and folded for people, in whole lines for programs.

    Parameters
    ----------
    file : IO[str] | None
        Default: standard output.
    """
    stream = file or sys.stdout
    is_terminal = stream is not None and stream.isatty()
    forced = bool(os.environ.get("FORCE_COLOR")) and not os.environ.get("NO_COLOR")
    return Console(
        file=file,
        highlight=False,
        force_terminal=is_terminal or forced,
        force_interactive=None if is_terminal else False,
        width=None if is_terminal else _UNBROKEN,
        soft_wrap=not is_terminal,
    )


def print_json(value: object, file: IO[str] | None = None) -> None:
    """Print one JSON object as one line, at once."""
    print(json.dumps(value), file=file, flush=True)
