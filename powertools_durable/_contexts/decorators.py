"""Finds decorators around ``@durable`` that are in the wrong place, for the first invocation and for ``doctor``."""

from __future__ import annotations

import logging
from types import FrameType

from powertools_durable.parser import layers
from powertools_durable.parser.layers import Layer, Problem, layers_above, layers_below
from powertools_durable.parser.order import refuse_idempotent

__all__ = ["problem_above", "problem_below", "refuse_idempotent", "warn_of_decorators"]

logger = logging.getLogger(__name__)


def problem_above(layer: Layer) -> Problem | None:
    """Return the problem of *layer* above ``@durable``; None if there is none."""
    return layers.problem_above(layer) or _path_above(layer)


def problem_below(layer: Layer) -> Problem | None:
    """Return the problem of *layer* below ``@durable``; None if there is none."""
    return _path_below(layer) or layers.problem_below(layer)


def warn_of_decorators(function: object, place: str, caller: FrameType) -> None:
    """Log the decorators around ``@durable`` that are in the wrong place, in the words of ``doctor``.

    A problem that makes executions impossible raises an error, too; other problems are only logged here.

    Parameters
    ----------
    function : Callable
        The function that `durable` decorates.
    place : str
        The handler's name, file and line.
    caller : FrameType
        The frame that called the handler: a wrapper of the decorator above it, if there is one.
    """
    above = map(problem_above, layers_above(caller))
    for problem in dict.fromkeys((*above, *map(problem_below, layers_below(function)))):  # one may have two frames
        if problem is not None:
            logger.warning("%s; %s (handler %s)", problem.words, problem.advice, place)


def _path_above(layer: Layer) -> Problem | None:
    path = _path(layer)
    if path is None:
        return None
    from powertools_durable.integrations.correlation_advice import advice_above  # Powertools' logger is loaded then

    found = advice_above(path)
    return Problem(f"{layer.shown} {found[0]}", found[1]) if found else None


def _path_below(layer: Layer) -> Problem | None:
    path = _path(layer)
    if path is None:
        return None
    from powertools_durable.integrations.correlation_advice import advice_below

    found = advice_below(path)
    return Problem(f"{layer.shown} {found[0]}", found[1], is_fatal=True) if found else None


def _path(layer: Layer) -> str | None:
    path = layer.made_with.get("correlation_id_path")
    return path if layer.name == "Logger.inject_lambda_context" and isinstance(path, str) else None
