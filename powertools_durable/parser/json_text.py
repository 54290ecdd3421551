"""JSON that people and other tools wrote: the one place where the command line and the test kit read it.

It comes as bytes wherever it can, because PowerShell's ``>`` writes UTF-16 and editors on Windows a byte order mark.
"""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

__all__ = ["JsonTextError", "read_json_text"]

_MARK = "\ufeff"


class JsonTextError(ValueError):
    """The text is not JSON. The message says why and where, and holds nothing of the text.

    Attributes
    ----------
    reason : str
        What is wrong, without the place.
    line, column : int
        Where, counted from 1; 0 when the whole text is meant.
    ends_early : bool
        The text ends where more should follow, as half a file does.
    """

    def __init__(self, reason: str, line: int = 0, column: int = 0, *, ends_early: bool = False) -> None:
        super().__init__(f"{reason} at line {line}, column {column}" if line else reason)
        self.reason = reason
        self.line = line
        self.column = column
        self.ends_early = ends_early


def read_json_text(data: bytes | str) -> Any:
    """Return what *data* says.

    Parameters
    ----------
    data : bytes | str
        UTF-8 or UTF-16 (UTF-32 too), with or without a byte order mark; or text that is decoded already.

    Raises
    ------
    JsonTextError
        It is not JSON: neither encoding, no syntax, ``NaN`` or ``Infinity``, a number that no float holds, or
        nested more deeply than Python reads.
    """
    text = (data if isinstance(data, str) else _decoded(data)).removeprefix(_MARK)
    try:
        return json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
    except JsonTextError as error:
        problem = error
    except json.JSONDecodeError as error:
        ends_early = error.pos >= len(error.doc.rstrip()) or error.msg.startswith("Unterminated")
        reason = error.msg if text.strip() else "it is empty"
        problem = JsonTextError(reason, error.lineno, error.colno, ends_early=ends_early)
    except RecursionError:
        problem = JsonTextError("it is nested too deeply")
    except ValueError:  # an integer of more digits than Python reads
        problem = JsonTextError("a number has too many digits")
    raise problem


def _decoded(data: bytes) -> str:
    try:
        return data.decode(json.detect_encoding(data))
    except UnicodeDecodeError:
        pass  # the error holds the data
    raise JsonTextError("it is neither UTF-8 nor UTF-16 text; save it as UTF-8")


def _refuse_constant(name: str) -> NoReturn:
    raise JsonTextError(f"{name} is not a JSON number; write null, or a text")


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise JsonTextError("a number is too large for a float; write it as a text")
    return number
