"""Reads JSON that is nested too deeply for the standard library's scanner and what is left of Python's stack."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from json import decoder
from typing import Any

__all__ = ["decode"]

_MOST = 1000  # arrays and objects; a dict whose keys are no texts takes three a level
_BLANK = re.compile(r"[ \t\n\r]*")
_ATOM = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?|true|false|null|-?Infinity|NaN")
_scan: Callable[[str, int], tuple[str, int]] = vars(decoder)["scanstring"]  # typeshed does not know it
_WORDS = {"true": True, "false": False, "null": None}
_CLOSING = {"[": "]", "{": "}"}
_Open = tuple[str, list[Any], str]  # the bracket, what is read so far, and the key it will stand at


def decode(text: str, object_pairs_hook: Callable[[list[tuple[str, Any]]], Any]) -> Any:
    """Read *text* as `json.JSONDecoder` does, without a frame for each level.

    Raises
    ------
    JSONDecodeError
        It is no JSON.
    RecursionError
        It is nested deeper than 1,000.
    """
    open_: list[_Open] = []
    key, at = "", _blank(text, 0)
    while True:
        character = text[at : at + 1]
        if character in _CLOSING:
            if len(open_) >= _MOST:
                raise RecursionError
            open_.append((character, [], key))
            at = _blank(text, at + 1)
            if text[at : at + 1] not in {"]", "}"}:
                key, at = _key(text, at, character)
                continue
            value: Any = None
        else:
            value, at = _atom(text, at)
            at = _blank(text, at)
            if not open_:
                break
            _keep(open_[-1], key, value)
        value, at = _closed(text, at, open_, value, object_pairs_hook)
        if not open_:
            break
        if text[at : at + 1] != ",":
            raise json.JSONDecodeError("Expecting ',' delimiter", text, at)
        key, at = _key(text, _blank(text, at + 1), open_[-1][0])
    if at != len(text):
        raise json.JSONDecodeError("Extra data", text, at)
    return value


def _closed(
    text: str, at: int, open_: list[_Open], value: Any, object_pairs_hook: Callable[[list[tuple[str, Any]]], Any]
) -> tuple[Any, int]:
    """Close what ends here; return the value that was closed last, else *value*, and where reading goes on."""
    while open_ and (closing := text[at : at + 1]) in {"]", "}"}:
        bracket, items, key = open_.pop()
        if _CLOSING[bracket] != closing:
            raise json.JSONDecodeError("Expecting ',' delimiter", text, at)
        value = items if bracket == "[" else object_pairs_hook(items)
        at = _blank(text, at + 1)
        if open_:
            _keep(open_[-1], key, value)
    return value, at


def _keep(holder: _Open, key: str, value: Any) -> None:
    holder[1].append(value if holder[0] == "[" else (key, value))


def _key(text: str, at: int, bracket: str) -> tuple[str, int]:
    if bracket == "[":
        return "", at
    if text[at : at + 1] != '"':
        raise json.JSONDecodeError("Expecting property name enclosed in double quotes", text, at)
    key, at = _scan(text, at + 1)
    at = _blank(text, at)
    if text[at : at + 1] != ":":
        raise json.JSONDecodeError("Expecting ':' delimiter", text, at)
    return key, _blank(text, at + 1)


def _atom(text: str, at: int) -> tuple[Any, int]:
    if text[at : at + 1] == '"':
        return _scan(text, at + 1)
    found = _ATOM.match(text, at)
    if found is None:
        raise json.JSONDecodeError("Expecting value", text, at)
    word = found.group()
    if word in _WORDS:
        return _WORDS[word], found.end()
    return (float(word) if word.lstrip("-")[0] in "IN" else json.loads(word)), found.end()


def _blank(text: str, at: int) -> int:
    found = _BLANK.match(text, at)
    return at if found is None else found.end()
