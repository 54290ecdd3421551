"""The decorators around ``@durable``, told by what each of Powertools' leaves behind: a function that holds the next.

An invocation tells the same by its call stack (`parser.order`); this tells it before there is one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from powertools_durable.cli.diagnosis.finding import Finding
from powertools_durable.decorator import DurableFunction
from powertools_durable.integrations.correlation_advice import (
    is_through_the_event,
    misses_the_input,
    names_of,
    through_the_event,
)
from powertools_durable.parser.layers import Layer, Problem, layer_of, problem_above, problem_below

__all__ = ["decorators"]

_SUBJECT = "decorators"


def decorators(handler: Callable[..., Any]) -> Iterator[Finding]:
    """Yield what stands where it can't, and the order if it is good."""
    above, below = _layers(handler)
    found = [
        *(problem_above(layer) or _path_above(layer) for layer in above),
        *(_path_below(layer) or problem_below(layer) for layer in below),
    ]
    problems = [problem for problem in found if problem is not None]
    for problem in problems:
        make = Finding.error if problem.is_fatal else Finding.warning
        yield make(_SUBJECT, problem.words, problem.advice)
    if not problems:
        names = [*(layer.shown for layer in above), "@durable", *(layer.shown for layer in below)]
        yield Finding.ok(_SUBJECT, " > ".join(names))


def _path_above(layer: Layer) -> Problem | None:
    path = _path(layer)
    if path is None or not misses_the_input(path):
        return None
    names = names_of(path)
    if names:
        what = f"Powertools' correlation_paths.{' or '.join(names)}"
        ours = " or ".join(f"correlation_paths.{name}" for name in names)
        advice = f"from powertools_durable.integrations import correlation_paths, then {ours}"
    else:
        what, advice = f"correlation_id_path={path!r}", f"say correlation_id_path={through_the_event(path)!r}"
    words = f"{layer.shown} looks for {what} in the event of Lambda's, which holds yours: the correlation id is None"
    return Problem(words, advice)


def _path_below(layer: Layer) -> Problem | None:
    if not is_through_the_event(_path(layer) or ""):
        return None
    words = f"{layer.shown} stands below @durable, where the event is yours: the path through Lambda's gives None"
    return Problem(words, "put it above @durable, or say Powertools' own correlation_paths")


def _path(layer: Layer) -> str | None:
    path = layer.made_with.get("correlation_id_path")
    return path if layer.name == "Logger.inject_lambda_context" and isinstance(path, str) else None


def _layers(handler: Any) -> tuple[list[Layer], list[Layer]]:
    """Return what is above ``@durable`` and what is below, the outermost first."""
    above: list[Layer] = []
    below: list[Layer] = []
    found = above
    while (inner := getattr(handler, "__wrapped__", None)) is not None:
        if isinstance(handler, DurableFunction):
            found = below
        else:
            found.append(layer_of(handler))
        handler = inner
    return above, below
