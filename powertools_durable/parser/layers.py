"""The decorators around ``@durable``: how Powertools' are known, and which of them stand where they can't.

A decorator leaves a function that holds the next one, and in an invocation a frame of the call stack; both tell its
module, its name and what it was made with. Powertools' modules are known by name here, none is imported.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from types import FrameType
from typing import Any, NamedTuple

__all__ = [
    "REPLACING",
    "Layer",
    "Problem",
    "layer_of",
    "layers_above",
    "layers_below",
    "problem_above",
    "problem_below",
]

_POWERTOOLS = "aws_lambda_powertools."
_UTILITIES = f"{_POWERTOOLS}utilities."
_FACTORY = f"{_POWERTOOLS}middleware_factory.factory"
_IDEMPOTENCY = f"{_UTILITIES}idempotency.idempotency"
_METRICS = "log_metrics"
_TRACER = "Tracer.capture_lambda_handler"
_TELEMETRY = {
    "Logger.inject_lambda_context": "@logger.inject_lambda_context",
    _TRACER: "@tracer.capture_lambda_handler",
}
REPLACING = {  # module and function that a decorator of Powertools runs in, and how users write it
    (f"{_UTILITIES}parser.parser", "event_parser"): "@event_parser",
    (f"{_UTILITIES}validation.validator", "validator"): "@validator",
    (f"{_UTILITIES}data_classes.event_source", "event_source"): "@event_source",
    (f"{_UTILITIES}data_classes.event_source", "_event_source"): "@event_source",
}
_ONLY_BEFORE = ("@event_parser", "@event_source")  # do nothing at their end


class Layer(NamedTuple):
    """A decorator as its author names it, what it was made with, and whether it ends before what it is around.

    A function that is not ``async def`` itself returns the coroutine of one that is, which has not begun then.
    """

    module: str
    name: str
    made_with: Mapping[str, Any]
    ends_early: bool = False

    @property
    def shown(self) -> str:
        """How users write it."""
        if self.name.endswith(_METRICS):
            return "@metrics.log_metrics"
        if self.module == _IDEMPOTENCY:
            return f"@{self.name.lstrip('_')}"
        return _TELEMETRY.get(self.name) or REPLACING.get((self.module, self.name)) or f"@{self.name}"


class Problem(NamedTuple):
    """What is wrong with a place, what to do, and whether nothing works until it is done."""

    words: str
    advice: str
    is_fatal: bool = False


def problem_above(layer: Layer) -> Problem | None:
    """Return what is wrong with *layer* above ``@durable``; None when nothing is."""
    shown = layer.shown
    if shown == "@idempotent":
        words = "@idempotent stands above @durable: it would take a suspension for the final answer"
        return Problem(words, "put it below @durable, or start executions under a name of their own", is_fatal=True)
    if shown == "@event_source":
        words = "@event_source stands above @durable, where it is pointless: @durable makes its own of the payload"
        return Problem(words, "put it below @durable")
    if (layer.module, layer.name) in REPLACING:
        words = f"{shown} stands above @durable: there the event is Lambda's, not yours"
        return Problem(words, "put it below @durable, or say @durable(model=...)", is_fatal=True)
    if layer.name == _TRACER and layer.made_with.get("capture_response"):
        words = (
            f"{shown} captures each answer to the service: PENDING at a suspension, at the end the result in the "
            "service's format"
        )
        return Problem(words, f"say {shown}(capture_response=False)")
    return None


def problem_below(layer: Layer) -> Problem | None:
    """Return what is wrong with *layer* below ``@durable``; None when nothing is."""
    if layer.ends_early and layer.shown not in _ONLY_BEFORE:
        words = (
            f"{layer.shown} stands below @durable around an 'async def' handler: it ends before the handler begins, so "
            "what it does at its end comes too early"
        )
        return Problem(words, "put it above @durable")
    if layer.name.endswith(_METRICS):
        return Problem(
            "@metrics.log_metrics stands below @durable: it flushes at each suspension", "put it above @durable"
        )
    return None


def layers_below(function: Any) -> Iterator[Layer]:
    """Yield what stands between ``@durable`` and the function that was written, the outermost first."""
    while (inner := getattr(function, "__wrapped__", None)) is not None:
        yield layer_of(function)
        function = inner


def layers_above(frame: FrameType | None) -> Iterator[Layer]:
    """Yield what stands above ``@durable``, the innermost first, as far as only Powertools' wrappers are there.

    *frame* is the one that called what `durable` made. Where another module's function begins, it ends: whatever
    called that is not known to be a decorator.
    """
    while frame is not None and str(frame.f_globals.get("__name__", "")).startswith(_POWERTOOLS):
        code = frame.f_code
        yield _made(frame.f_globals.get("__name__", ""), code.co_qualname, frame.f_locals)
        frame = frame.f_back


def layer_of(wrapper: Callable[..., Any]) -> Layer:
    """Return the decorator that made *wrapper*."""
    code = getattr(wrapper, "__code__", None)
    cells = getattr(wrapper, "__closure__", None) or ()
    held = dict(zip(getattr(code, "co_freevars", ()), map(_content, cells), strict=False))
    made = _made(getattr(wrapper, "__globals__", {}).get("__name__", ""), getattr(code, "co_qualname", ""), held)
    ends_early = inspect.iscoroutinefunction(inspect.unwrap(wrapper)) and not inspect.iscoroutinefunction(wrapper)
    return made._replace(ends_early=ends_early)


def _made(module: str, qualified: str, held: Mapping[str, Any]) -> Layer:
    made_by = held.get("decorator")
    if module == _FACTORY and callable(made_by):
        return Layer(made_by.__module__, made_by.__qualname__, held)
    return Layer(module, qualified.partition(".<locals>")[0], held)


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not assigned yet
        return None
