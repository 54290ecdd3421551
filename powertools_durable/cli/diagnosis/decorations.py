"""Checks the decorators around ``@durable``, which it finds by ``__wrapped__``.

The first invocation checks the same by its call stack (`_contexts.decorators`); this needs no invocation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from powertools_durable._contexts.decorators import problem_above, problem_below
from powertools_durable._hosting import is_durable
from powertools_durable.cli.diagnosis.finding import Finding
from powertools_durable.parser.layers import Layer, layer_of

__all__ = ["decorators"]

_SUBJECT = "decorators"


def decorators(handler: Callable[..., Any]) -> Iterator[Finding]:
    """Yield decorators at a wrong place, or their order if it is right."""
    above, below = _layers(handler)
    checked = [*map(problem_above, above), *map(problem_below, below)]
    problems = [problem for problem in checked if problem is not None]
    for problem in problems:
        make = Finding.error if problem.is_fatal else Finding.warning
        yield make(_SUBJECT, problem.words, problem.advice)
    if not problems:
        names = [*(layer.shown for layer in above), "@durable", *(layer.shown for layer in below)]
        yield Finding.ok(_SUBJECT, " > ".join(names))


def _layers(handler: Any) -> tuple[list[Layer], list[Layer]]:
    """Return the decorators above ``@durable`` and those below, outermost first."""
    above: list[Layer] = []
    below: list[Layer] = []
    layers = above
    while (inner := getattr(handler, "__wrapped__", None)) is not None:
        if is_durable(handler):
            layers = below
        else:
            layers.append(layer_of(handler))
        handler = inner
    return above, below
