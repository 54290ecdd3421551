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
    """Log the decorators around ``@durable`` that are in the wrong place, with the same messages as ``doctor``.

    Problems are only logged here, also the fatal ones, for which an error is raised elsewhere.

    Parameters
    ----------
    function : Callable
        The function that `durable` decorates.
    place : str
        The handler's name, file and line.
    caller : FrameType
        The frame that called the handler; with a decorator above ``@durable``, a frame of its wrapper.
    """
    above = map(problem_above, layers_above(caller))
    for problem in dict.fromkeys(
        (*above, *map(problem_below, layers_below(function)))
    ):  # a decorator may have two frames
        if problem is not None:
            logger.warning("%s; %s (handler %s)", problem.words, problem.advice, place)


def _path_above(layer: Layer) -> Problem | None:
    path = _path(layer)
    if path is None:
        return None
    from powertools_durable.integrations.correlation_advice import advice_above  # loads Powertools' logger

    fault = advice_above(path)
    return Problem(f"{layer.shown} {fault[0]}", fault[1]) if fault else None


def _path_below(layer: Layer) -> Problem | None:
    path = _path(layer)
    if path is None:
        return None
    from powertools_durable.integrations.correlation_advice import advice_below

    fault = advice_below(path)
    return Problem(f"{layer.shown} {fault[0]}", fault[1], is_fatal=True) if fault else None


def _path(layer: Layer) -> str | None:
    path = layer.made_with.get("correlation_id_path")
    return path if layer.name == "Logger.inject_lambda_context" and isinstance(path, str) else None
