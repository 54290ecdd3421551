"""The last lines of a terminal, which are drawn again and again, and the raw lines that are printed above them."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import TextIOBase
from typing import IO, Any, TextIO, cast

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

__all__ = ["Region"]

_HIDE_CURSOR, _SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"


class Region:
    """Lines at the bottom of a terminal.

    Parameters
    ----------
    output : IO[str]
        The terminal.
    page : Console
        Formats the lines.
    drops : bool
        Drop what the user's code prints, in place of printing it above.
    """

    def __init__(self, output: IO[str], page: Console, *, drops: bool = False) -> None:
        self.lock = threading.RLock()
        self._output = output
        self._page = page
        self._drops = drops
        self._rows = 0  # of the terminal that the region takes
        self._is_open = False

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Print what the code in the block prints above the region, or drop it."""
        out, error = _Above(self, self._output), _Above(self, self._output)
        self._is_open = True
        try:
            with redirect_stdout(cast("TextIO", out)), redirect_stderr(cast("TextIO", error)):
                yield
        finally:
            for stream in (out, error):
                stream.end_line()
            self.close()

    def close(self) -> None:
        """Remove the region; nothing is drawn any more."""
        with self.lock:
            self.clear()
            if self._is_open:
                self._is_open = False
                self._write(_SHOW_CURSOR)

    def clear(self) -> None:
        """Remove what is drawn."""
        with self.lock:
            if self._rows:
                self._write(f"\r\x1b[{self._rows}A\x1b[J")
                self._rows = 0

    def draw(self, lines: Sequence[Text], whole: Sequence[str] = ()) -> None:
        """Draw *lines*, each cut to the width, and below them texts that are not cut, so that they can be copied."""
        page = self._page
        width = max(1, page.width)
        with page.capture() as captured:
            for line in lines:
                page.print(line, no_wrap=True, overflow="ellipsis", crop=True, soft_wrap=False)
            for text in whole:
                page.print(Text(text), soft_wrap=True)
        rows = len(lines) + sum(max(1, -(-cell_len(text) // width)) for text in whole)
        with self.lock:
            if not self._is_open:
                return
            up = f"\r\x1b[{self._rows}A" if self._rows else ""
            self._write(f"{_HIDE_CURSOR}{up}\x1b[J{captured.get()}")
            self._rows = rows

    def above(self, text: str) -> None:
        """Print whole lines above the region, as they are; the region is drawn again by the next `draw`."""
        with self.lock:
            self.clear()
            self._write(text)

    def print(self, *renderables: Any, **options: Any) -> None:
        """Print something of this package above the region."""
        with self._page.capture() as captured:
            self._page.print(*renderables, **options)
        self.above(captured.get())

    def write_of_user(self, text: str) -> None:
        """Print whole lines of the user's code."""
        if not self._drops:
            self.above(text)

    def _write(self, text: str) -> None:
        self._output.write(text)
        self._output.flush()


class _Above(TextIOBase):
    """A stream of the user's code. Its lines are printed when they are complete."""

    def __init__(self, region: Region, output: IO[str]) -> None:
        self._region = region
        self._output = output
        self._line = ""

    def __getattr__(self, name: str) -> Any:  # the others of the terminal: encoding, buffer, fileno
        return getattr(self._output, name)

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return str(getattr(self._output, "encoding", "utf-8"))

    def isatty(self) -> bool:
        return self._output.isatty()

    def fileno(self) -> int:
        return self._output.fileno()

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        with self._region.lock:
            whole, newline, self._line = f"{self._line}{text}".rpartition("\n")
            if newline:
                self._region.write_of_user(f"{whole}\n")
        return len(text)

    def end_line(self) -> None:
        """Print what is left of a line that has no end."""
        with self._region.lock:
            line, self._line = self._line, ""
            if line:
                self._region.write_of_user(f"{line}\n")

    def close(self) -> None:
        """Do nothing: the terminal stays open for this package."""
