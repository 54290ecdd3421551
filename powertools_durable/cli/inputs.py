"""Reads JSON from an argument, a file or standard input."""

from __future__ import annotations

import sys
from typing import Any

from powertools_durable.cli.usage import UsageError, absolute
from powertools_durable.parser.json_text import JsonTextError, read_json_text

__all__ = ["STANDARD_INPUT", "read_json", "read_standard_input", "refuse_second_standard_input"]

STANDARD_INPUT = "-"


def refuse_second_standard_input(*arguments: str | None) -> None:
    """Check that at most one of *arguments* is ``-``, before any of them is read.

    Raises
    ------
    UsageError
        More than one is.
    """
    if arguments.count(STANDARD_INPUT) > 1:
        raise UsageError(
            "standard input can be read once, so only one value may be -; put the others into files: @FILE"
        )


def read_standard_input(option: str) -> bytes:
    """Return all of standard input.

    Raises
    ------
    UsageError
        It is closed, or can't be read.
    """
    problem = "is closed; pass a file, or pipe something into it"
    stream: Any = sys.stdin  # None if the process was started without one
    try:
        if stream is not None:
            data: bytes = stream.buffer.read()
            return data
    except (OSError, ValueError) as error:
        problem = f"can't be read: {getattr(error, 'strerror', None) or error}"
    raise UsageError(f"{option} -: standard input {problem}")


def read_json(text: str, option: str) -> Any:
    """Read ``JSON``, ``@FILE`` or ``-`` for standard input.

    Raises
    ------
    UsageError
        The file can't be read, or the text is not JSON. The message does not show the text.
    """
    source: bytes | str = text
    is_bare = text[:1] not in {"{", "[", '"'}
    where, hint = option, "; a string needs JSON's quotes inside the shell's: '\"text\"'" if is_bare else ""
    if text == STANDARD_INPUT:
        source, where, hint = read_standard_input(option), f"{option} -", ""
    elif text.startswith("@"):
        source, where, hint = _read_file(text[1:], option), f"{option} {text}", ""
    try:
        return read_json_text(source)
    except JsonTextError as error:
        raise UsageError(f"{where} is not JSON: {error}{hint}") from None


def _read_file(name: str, option: str) -> bytes:
    try:
        return absolute(name).read_bytes()
    except (OSError, ValueError) as error:  # a name with a NUL in it is a ValueError
        why = getattr(error, "strerror", None) or error
        raise UsageError(f"{option}: {name} can't be read: {why}") from None
