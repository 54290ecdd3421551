"""The classes of moments and days that Python itself has.

Test tools put others in their place: freezegun subclasses, in ``datetime`` and in every module that has imported them,
a patch anything. A table whose keys are these, or a function bound to one of them, would be of the test in which it
was made; later ones would not find their values in it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date as _date
from datetime import datetime as _datetime
from typing import Any, NamedTuple, TypeVar

__all__ = ["GENUINE", "known_to_pydantic"]

T = TypeVar("T")


def _genuine(cls: type[T], name: str) -> type[T]:
    """Return the class that *cls* stands for: Python's own, from which freezegun derives."""
    source = getattr(sys.modules.get("_datetime"), name, cls)  # where it was written: patches don't reach there
    bases: tuple[type[T], ...] = source.__mro__
    return next((base for base in bases if (base.__module__, base.__name__) == ("datetime", name)), cls)


class _Genuine(NamedTuple):
    date: Any
    datetime: Any


GENUINE = _Genuine(_genuine(_date, "date"), _genuine(_datetime, "datetime"))
"""Both classes; in a tuple, for freezegun would replace the attributes of this module."""


@contextmanager
def known_to_pydantic() -> Iterator[None]:
    """Let pydantic build schemas of annotations in which a test tool's class stands for one of these.

    A dataclass may be annotated in text, which is resolved when its schema is built: with the first use. pydantic has
    no schema for freezegun's classes, so without this a first test under freezegun would fail, a second would not.
    """
    taught = []
    for name, genuine in GENUINE._asdict().items():
        cls: Any = getattr(sys.modules["datetime"], name)
        if isinstance(cls, type) and cls is not genuine and genuine in cls.__mro__:
            cls.__get_pydantic_core_schema__ = classmethod(lambda *_, kind=name: {"type": kind})  # type: ignore[attr-defined]
            taught.append(cls)
    try:
        yield
    finally:
        for cls in taught:
            del cls.__get_pydantic_core_schema__
