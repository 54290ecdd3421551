"""The serdes of a handler that wrap others: those of its decorator, and those with a name in its module."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from powertools_durable._functions import innermost
from powertools_durable._runtime.session import Program
from powertools_durable.serdes.wrapping import WrappingSerDes

__all__ = ["chains_of", "links_of"]


def chains_of(program: Program) -> Iterator[WrappingSerDes]:
    """Yield the wrapping serdes of a durable function; the decorator's come first."""
    named: dict[str, Any] = getattr(innermost(program.handler), "__globals__", {})
    candidates = (program.serdes, program.result_serdes, *named.values())
    unique = {id(each): each for each in candidates if isinstance(each, WrappingSerDes)}
    yield from unique.values()


def links_of(program: Program) -> Iterator[WrappingSerDes]:
    """Yield each serdes of each of these chains."""
    for chain in chains_of(program):
        yield from chain.links()
