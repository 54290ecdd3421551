"""The only module that writes output. A reader that goes away fails neither the command nor the execution.

Characters that the output can't encode are escaped, output to a closed pipe is dropped, and a full disk is reported at
the end. Whether to draw depends on the terminal; colour depends on ``FORCE_COLOR`` and ``NO_COLOR`` too.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import IO, Any, TextIO, cast

from rich.console import Console

from powertools_durable.cli.usage import UsageError

__all__ = [
    "LossyStream",
    "console",
    "harmless",
    "one_line",
    "own_output",
    "print_json",
    "safe_streams",
    "silenced",
    "write_report",
]

_UNBROKEN = 1_000_000  # columns: a program reads whole lines

# Characters that move the cursor, colour the terminal or reverse the text; most are not allowed in XML either.
_CONTROLS = {*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)} - {ord("\n"), ord("\t")}
_ESCAPED = {number: f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}" for number in _CONTROLS}
_LINE_ENDS = {ord("\n"): "\\n", ord("\t"): "\\t", 0x2028: "\\u2028", 0x2029: "\\u2029"}


def harmless(text: str) -> str:
    """Return *text* with its control characters escaped: texts of an execution may come from anywhere."""
    return text.translate(_ESCAPED)


def one_line(text: str) -> str:
    """Return *text* as `harmless` does, with line ends and tabs escaped too."""
    return text.translate(_ESCAPED | _LINE_ENDS)


def write_report(path: Path, text: str) -> None:
    """Write a report, or a picture, to a file.

    Raises
    ------
    UsageError
        It can't be written.
    """
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as problem:
        raise UsageError(f"{path} can't be written: {problem.strerror or problem}") from None


class LossyStream:
    """A text stream to which writing never fails.

    Parameters
    ----------
    stream : TextIO | None
        What it writes to. None, which Python has for a closed descriptor, drops everything.

    Attributes
    ----------
    error : Exception | None
        Why it stopped writing; None while it writes.
    on_loss : Callable | None
        Called once, on the writing thread, when it stops.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self.error: Exception | None = None
        self.on_loss: Callable[[], None] | None = None

    def __getattr__(self, name: str) -> Any:
        """Return other attributes of the stream, such as ``buffer`` and ``fileno``."""
        return getattr(self._stream, name)

    @property
    def encoding(self) -> str:
        """The stream's encoding."""
        return getattr(self._stream, "encoding", None) or "utf-8"

    def isatty(self) -> bool:
        """Return whether the stream is a terminal."""
        try:
            return self._stream is not None and self._stream.isatty()
        except ValueError:  # closed
            return False

    def writable(self) -> bool:
        """Return True: writing never fails."""
        return True

    def write(self, text: str) -> int:
        """Write *text*; characters that the encoding does not have are escaped."""
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
        # A closed stream raises ValueError, a write inside a signal handler that interrupted a write RuntimeError.
        except (OSError, ValueError, RuntimeError) as error:
            self._lose(error)

    def _lose(self, error: Exception) -> None:
        self.error = error
        with suppress(OSError, ValueError), open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - only its descriptor is needed
            # What is still buffered would fail again when Python closes the stream, which changes the exit code.
            os.dup2(nowhere.fileno(), self._stream.fileno())  # type: ignore[union-attr]
        if self.on_loss is not None:
            self.on_loss()

    def _move_to(self, stream: TextIO | None) -> TextIO | None:
        before, self._stream = self._stream, stream
        return before


@contextmanager
def safe_streams() -> Iterator[tuple[LossyStream, LossyStream]]:
    """Replace standard output and error in the block by `LossyStream`, for this package and for handlers."""
    out, error = LossyStream(sys.stdout), LossyStream(sys.stderr)
    with redirect_stdout(cast("TextIO", out)), redirect_stderr(cast("TextIO", error)):
        try:
            yield out, error
        finally:
            out.flush()
            error.flush()


@contextmanager
def own_output() -> Iterator[IO[str]]:
    """Yield standard output for this package alone; in the block all other output goes to standard error.

    That includes what child processes and C code write to descriptor 1. Commands run the user's code inside this block.
    """
    ours = sys.stdout if isinstance(sys.stdout, LossyStream) else LossyStream(sys.stdout)
    with redirect_stdout(sys.stderr), _moved_away(ours):
        yield cast("IO[str]", ours)


@contextmanager
def silenced() -> Iterator[None]:
    """Drop what the user's code prints and logs in the block, on this or any thread; to be used in `own_output`.

    It may be payloads that nobody asked to see. What this package prints meanwhile, to the stream that `own_output`
    yielded, is not dropped.
    """
    streams = [stream for stream in (sys.stdout, sys.stderr) if isinstance(stream, LossyStream)]
    with suppress(OSError, ValueError):
        for stream in streams:
            stream.flush()
    before = [(stream, stream._move_to(None)) for stream in dict.fromkeys(streams)]  # noqa: SLF001 - same module
    with ExitStack() as descriptors:
        for number in (1, 2):
            descriptors.enter_context(_to_nowhere(number))
        try:
            yield
        finally:
            for stream, target in before:
                stream._move_to(target)  # noqa: SLF001


@contextmanager
def _to_nowhere(descriptor: int) -> Iterator[None]:
    """Drop what is written to *descriptor*, also by child processes and C code; nothing if it is closed."""
    try:
        kept = os.dup(descriptor)
    except OSError:
        yield
        return
    try:
        with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - only its descriptor is needed
            os.dup2(nowhere.fileno(), descriptor)
        yield
    finally:
        os.dup2(kept, descriptor)
        os.close(kept)


@contextmanager
def _moved_away(ours: LossyStream) -> Iterator[None]:
    """Let *ours* write to a copy of descriptor 1, and make descriptor 1 standard error."""
    try:
        is_descriptor = ours.fileno() == 1
        os.fstat(2)
    except (
        OSError,
        ValueError,
        AttributeError,
    ):  # no descriptor, such as a buffer of a test, or standard error is closed
        is_descriptor = False
    if not is_descriptor:
        yield
        return
    ours.flush()
    with os.fdopen(os.dup(1), "w", encoding=ours.encoding, errors="backslashreplace") as moved:
        before = ours._move_to(moved)  # noqa: SLF001 - same module
        os.dup2(2, 1)
        try:
            yield
        finally:
            ours.flush()
            os.dup2(moved.fileno(), 1)
            ours._move_to(before)  # noqa: SLF001


def console(file: IO[str] | None = None) -> Console:
    """Return a console for *file*: coloured and wrapped for a terminal, whole lines otherwise.

    Parameters
    ----------
    file : IO[str] | None
        None for standard output.
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
    """Print a value as one line of JSON, and flush."""
    print(json.dumps(value), file=file, flush=True)
