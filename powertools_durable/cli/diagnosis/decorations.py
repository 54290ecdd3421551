"""The decorators around ``@durable``, told by what each of Powertools' leaves behind: a function that holds the next.

An invocation tells the same by its call stack (`_contexts.decorators`); this tells it before there is one.
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
    """Yield what stands where it can't, and the order if it is good."""
    above, below = _layers(handler)
    found = [*map(problem_above, above), *map(problem_below, below)]
    problems = [problem for problem in found if problem is not None]
    for problem in problems:
        make = Finding.error if problem.is_fatal else Finding.warning
        yield make(_SUBJECT, problem.words, problem.advice)
    if not problems:
        names = [*(layer.shown for layer in above), "@durable", *(layer.shown for layer in below)]
        yield Finding.ok(_SUBJECT, " > ".join(names))


def _layers(handler: Any) -> tuple[list[Layer], list[Layer]]:
    """Return what is above ``@durable`` and what is below, the outermost first."""
    above: list[Layer] = []
    below: list[Layer] = []
    found = above
    while (inner := getattr(handler, "__wrapped__", None)) is not None:
        if is_durable(handler):
            found = below
        else:
            found.append(layer_of(handler))
        handler = inner
    return above, below
