"""Writes the tagged format: everything that has a tag, however deep up to 300 containers.

Text is joined as it is made, with one frame for each container. So 300 of them fit on a stack that 100 frames have used
already; an encoder that is given the whole needs several frames for each.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable
from dataclasses import is_dataclass
from datetime import time, timedelta
from decimal import Decimal
from enum import Enum
from json.encoder import encode_basestring_ascii as quoted
from typing import Any
from uuid import UUID

from powertools_durable._protocol.genuine import GENUINE
from powertools_durable.batch import BatchResult, to_mapping
from powertools_durable.errors import SerDesError
from powertools_durable.errors.wording import class_name
from powertools_durable.serdes.exact import MOST_PLAIN, is_plain
from powertools_durable.serdes.paths import ROOT, at_depth, locate, shown

__all__ = ["MOST_DEEP", "TooDeepError", "UnwritableError", "depth_refusal", "refusal", "tagged_text"]

MOST_DEEP = 300  # containers, one in the other
_BATCH_DEPTH = 4  # how many of them the record of a fan-out is around a branch's result
_MICROSECOND = timedelta(microseconds=1)


class UnwritableError(Exception):
    """Something has no tag."""


class TooDeepError(Exception):
    """Something lies too deep."""


def tagged_text(value: Any, depth: int = MOST_DEEP, *, strict: bool = False) -> str:  # noqa: C901 - in one piece, so that it is one frame
    """Write *value* as an envelope with all that is in it; with *strict*, no named tuple as a tuple.

    Raises
    ------
    UnwritableError, TooDeepError, RecursionError
        `refusal` and `depth_refusal` say where.
    """
    cls: type = type(value)
    write = _LEAF_WRITERS.get(cls)
    if write is None and cls not in _CONTAINERS:
        cls = _known_class(value, strict=strict)
        write = _LEAF_WRITERS.get(cls)
    if write is not None:
        return write(value)
    if depth == 0:
        raise TooDeepError
    parts: list[str] = []
    if cls is dict:
        if all(isinstance(key, str) and not isinstance(key, Enum) for key in value):
            for key, item in value.items():
                parts.append(f"{quoted(str.__str__(key))}:{tagged_text(item, depth - 1, strict=strict)}")
            return f'{{"t":"m","v":{{{",".join(parts)}}}}}'
        for key, item in value.items():
            parts.append(
                f"[{tagged_text(key, depth - 1, strict=strict)},{tagged_text(item, depth - 1, strict=strict)}]"
            )
    elif cls is BatchResult:  # it is no container of the user's: what a branch may return, this may hold
        for key, part in to_mapping(value).items():
            parts.append(f"{quoted(key)}:{tagged_text(part, depth + _BATCH_DEPTH, strict=strict)}")
        return f'{{"t":"br","v":{{{",".join(parts)}}}}}'
    else:
        for item in value:
            parts.append(tagged_text(item, depth - 1, strict=strict))  # noqa: PERF401 - a comprehension is a frame before Python 3.12
        if cls is set or cls is frozenset:
            parts.sort()  # sets have no order that lasts, texts have
    return f'{{"t":"{_CONTAINERS[cls]}","v":[{",".join(parts)}]}}'


def _known_class(value: object, *, strict: bool) -> type:
    """Find the class that a subclass is written as; an enum's member, and a named tuple, are more than that."""
    if not isinstance(value, Enum) and not (strict and _is_named_tuple(value)):
        for cls in type(value).__mro__[1:]:
            if cls in _LEAF_WRITERS or cls in _CONTAINERS:
                return cls
    raise UnwritableError


def depth_refusal(value: object) -> str:
    """Say where *value* is nested too deeply, and how deeply."""
    most = MOST_PLAIN if _is_list_of_plain(value) else MOST_DEEP
    found = at_depth(value, most)
    if found is None:
        return "a value is nested too deeply for what is left of Python's stack; return something flatter"
    path, deepest = found
    depth = f"{deepest} containers deep" if deepest else "without end: it contains itself"
    return f"{shown(path)} is nested too deeply: the value is nested {depth}, and a record holds {most}"


def _is_list_of_plain(value: object) -> bool:
    pending, entered = [value], set()
    while pending:
        item = pending.pop()
        if isinstance(item, list):
            if id(item) not in entered:
                entered.add(id(item))
                pending += item
        elif not is_plain(item, 1):
            return False
    return isinstance(value, list)


def _is_named_tuple(value: object) -> bool:
    return isinstance(value, tuple) and hasattr(value, "_fields")


def refusal(value: object) -> str:
    """Say what in *value* has no tag, where, and what helps."""
    found = locate(value, _has_no_tag)
    path, culprit = found or (ROOT, value)
    cls = type(culprit)
    name = cls.__qualname__.rpartition("<locals>.")[2]
    is_annotatable = isinstance(culprit, Enum) or is_dataclass(cls) or hasattr(cls, "__pydantic_core_schema__")
    if is_annotatable or _is_named_tuple(culprit):
        remedy = (
            f"annotate the function's return type with it ('-> {name}', '-> list[{name}]'), by a name that is "
            f"known when the program runs, or say returns={name}"
        )
    elif hasattr(cls, "__await__"):
        remedy = "await it"
    else:
        remedy = "return something simpler"
    place = "" if path is ROOT else f" at {shown(path)}"
    return f"{class_name(culprit)}{place} can't be recorded by default; {remedy}, or give serdes="


def _has_no_tag(value: object) -> bool:
    try:
        if type(value) not in _LEAF_WRITERS and type(value) not in _CONTAINERS:
            _known_class(value, strict=True)
    except UnwritableError:
        return True
    return False


def _float(value: float) -> str:
    if math.isfinite(value):
        return f'{{"t":"f","v":{float.__repr__(value)}}}'
    return f'{{"t":"xe","v":{quoted(float.__repr__(value))}}}'


def _time(value: time) -> str:
    if value.tzinfo is not None and value.utcoffset() is None:
        message = "a time of day in a zone with summer time has no offset to record; return a datetime"
        raise SerDesError(message)
    return f'{{"t":"xt","v":{quoted(value.isoformat())}}}'


def _quoting(tag: str, text_of: Callable[[Any], str]) -> Callable[[Any], str]:
    return lambda value: f'{{"t":"{tag}","v":{quoted(text_of(value))}}}'


def _base64(value: bytes | bytearray | memoryview) -> str:
    return base64.b64encode(bytes(value)).decode()  # a memoryview may have gaps


_LEAF_WRITERS: dict[type, Callable[[Any], str]] = {
    type(None): lambda _: '{"t":"n","v":null}',
    bool: lambda value: '{"t":"b","v":true}' if value else '{"t":"b","v":false}',
    str: _quoting("s", str.__str__),
    int: lambda value: f'{{"t":"i","v":{int.__repr__(value)}}}',
    float: _float,
    bytes: _quoting("B", _base64),
    bytearray: _quoting("B", _base64),
    memoryview: _quoting("B", _base64),
    UUID: _quoting("u", str),
    Decimal: _quoting("d", str),
    GENUINE.datetime: _quoting("dt", GENUINE.datetime.isoformat),
    GENUINE.date: _quoting("D", GENUINE.date.isoformat),
    time: _time,
    timedelta: lambda value: f'{{"t":"xtd","v":{value // _MICROSECOND}}}',
}
_CONTAINERS: dict[type, str] = {dict: "xk", list: "l", tuple: "t", set: "xs", frozenset: "xfs", BatchResult: "br"}
