"""Writes in the tagged format, in one pass, what comes back equal for certain; to read it once is proof enough.

That is what is built of nothing but numbers, texts, lists, tuples and dicts with texts for keys, each exactly of
Python's own class. What a subclass or any other class does on its way is seen only by writing it a second time.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from enum import Enum
from json.encoder import encode_basestring_ascii as quoted
from typing import Any

from powertools_durable.batch import BatchItem, BatchResult

__all__ = ["MOST_PLAIN", "exact_text", "is_plain"]

MOST_PLAIN = 480  # lists one in the other, with nothing else in them
_DEEP = 100  # beyond, a reader may run out of stack where a writer does not
_PRIMITIVE = frozenset({str, int, bool, type(None)})


class _InexactError(Exception):
    """Something is of another class, or lies deeper."""


def exact_text(value: Any) -> str | None:
    """Return what the tagged format has for *value*; None when it takes more to say what comes back."""
    text = _text(value)
    # Escaped surrogates may be one character, or two that are read back as one: comparing what is read tells.
    return None if text is None or "\\ud" in text else text


def _text(value: Any) -> str | None:
    try:
        if type(value) is int:
            return repr(value)
        if type(value) in _PRIMITIVE or (type(value) is float and math.isfinite(value)):
            return json.dumps(value)
        if type(value) is list and is_plain(value, MOST_PLAIN):
            return json.dumps(value, separators=(",", ":"))
        return _exact(value, _DEEP)
    except (_InexactError, ValueError, RecursionError):
        return None


def is_plain(value: object, depth: int) -> bool:
    """Tell whether *value* needs no envelope; a subclass is written as its base.

    Raises
    ------
    RecursionError
        Lists are nested deeper than *depth*.
    """
    if type(value) in _PRIMITIVE:
        return True
    if isinstance(value, Enum):
        return False
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, list):
        if depth == 0:
            raise RecursionError
        depth -= 1
        for item in value:  # noqa: SIM110 - a generator is a frame more for each list
            if type(item) not in _PRIMITIVE and not is_plain(item, depth):
                return False
        return True
    return isinstance(value, (str, int))


def _exact(value: Any, depth: int) -> str:
    cls = type(value)
    if cls is str:
        return f'{{"t":"s","v":{quoted(value)}}}'
    leaf = _LEAVES.get(cls)
    if leaf is not None:
        return leaf(value)
    if depth == 0:
        raise _InexactError
    if cls is dict:
        return f'{{"t":"m","v":{_body(value, depth - 1)}}}'
    if cls is list or cls is tuple:
        tag = "l" if cls is list else "t"
        return f'{{"t":"{tag}","v":[{",".join([_exact(item, depth - 1) for item in value])}]}}'
    if cls is BatchResult:
        items = ",".join([_item(item, depth - 4) for item in value.items])
        reason = _exact(str(value.completion_reason), depth)
        return f'{{"t":"br","v":{{"all":{{"t":"l","v":[{items}]}},"completionReason":{reason}}}}}'
    raise _InexactError


def _item(item: BatchItem[Any], depth: int) -> str:
    """Write an item of a fan-out as `batch.to_mapping` shapes it, of which a map has many."""
    if item.error is not None or depth < 0 or (type(item.index), type(item.status)) != (int, str):
        raise _InexactError
    return (
        f'{{"t":"m","v":{{"index":{{"t":"i","v":{item.index}}},"status":{{"t":"s","v":{quoted(item.status)}}},'
        f'"result":{_exact(item.result, depth)},"error":{{"t":"n","v":null}}}}}}'
    )


def _body(value: dict[Any, Any], depth: int) -> str:
    parts = [f"{quoted(key)}:{_exact(item, depth)}" for key, item in value.items() if type(key) is str]
    if len(parts) != len(value):
        raise _InexactError
    return f"{{{','.join(parts)}}}"


def _float(value: float) -> str:
    if not math.isfinite(value):
        raise _InexactError
    return f'{{"t":"f","v":{value!r}}}'


_LEAVES: dict[type, Callable[[Any], str]] = {
    int: lambda value: f'{{"t":"i","v":{value}}}',
    float: _float,
    bool: lambda value: '{"t":"b","v":true}' if value else '{"t":"b","v":false}',
    type(None): lambda _: '{"t":"n","v":null}',
}
