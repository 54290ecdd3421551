"""JSON that the command line is given: in an argument, in a file or on standard input."""

from __future__ import annotations

import sys
from typing import Any

from powertools_durable.cli.usage import UsageError, absolute
from powertools_durable.parser.json_text import JsonTextError, read_json_text

__all__ = ["STANDARD_INPUT", "read_json", "read_standard_input", "refuse_second_standard_input"]

STANDARD_INPUT = "-"


def refuse_second_standard_input(*arguments: str | None) -> None:
    """Check that at most one of *arguments* is ``-``, before any is read.

    Raises
    ------
    UsageError
        Two are.
    """
    if arguments.count(STANDARD_INPUT) > 1:
        raise UsageError("there is one standard input, so - may stand once; put the other into a file: @FILE")


def read_standard_input(option: str) -> bytes:
    """Return all of standard input.

    Raises
    ------
    UsageError
        It is closed, or can't be read.
    """
    advice = "is closed; give a file, or a pipe"
    stream: Any = sys.stdin  # None when the process was started without
    try:
        if stream is not None:
            data: bytes = stream.buffer.read()
            return data
    except (OSError, ValueError) as error:
        advice = f"can't be read: {getattr(error, 'strerror', None) or error}"
    raise UsageError(f"{option} -: standard input {advice}")


def read_json(text: str, option: str) -> Any:
    """Read ``JSON``, ``@FILE`` or ``-`` for standard input.

    Raises
    ------
    UsageError
        The file can't be read, or there is no JSON in it. The text itself is not shown.
    """
    source: bytes | str = text
    where, hint = option, "; text needs quotes of its own: '\"text\"'"
    if text == STANDARD_INPUT:
        source, where, hint = read_standard_input(option), f"{option} -", ""
    elif text.startswith("@"):
        source, where, hint = _read_file(text[1:], option), f"{option} {text}", ""
    try:
        return read_json_text(source)
    except JsonTextError as error:
        raise UsageError(f"{where} is no JSON: {error}{hint}") from None


def _read_file(name: str, option: str) -> bytes:
    try:
        return absolute(name).read_bytes()
    except (OSError, ValueError) as error:  # a name with a NUL in it is a ValueError
        why = getattr(error, "strerror", None) or error
        raise UsageError(f"{option}: {name} can't be read: {why}") from None
