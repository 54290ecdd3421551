"""The decorators around ``@durable``, told by what each of Powertools' leaves behind: a function that holds the next.

`parser.order` tells the same of an invocation, by its call stack; this tells it before there is one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from powertools_durable.cli.diagnosis.finding import Finding
from powertools_durable.decorator import DurableFunction
from powertools_durable.integrations.correlation_advice import (
    is_through_the_event,
    misses_the_input,
    names_of,
    through_the_event,
)
from powertools_durable.parser.order import REPLACING

__all__ = ["decorators"]

_SUBJECT = "decorators"
_FACTORY = "aws_lambda_powertools.middleware_factory.factory"
_TELEMETRY = {
    "Logger.inject_lambda_context": "@logger.inject_lambda_context",
    "Tracer.capture_lambda_handler": "@tracer.capture_lambda_handler",
}
_IDEMPOTENCY = "aws_lambda_powertools.utilities.idempotency.idempotency"
_METRICS = "log_metrics"


class _Layer(NamedTuple):
    """A decorator as its author names it, and what it was made with."""

    module: str
    name: str
    made_with: Mapping[str, Any]


def decorators(handler: Callable[..., Any]) -> Iterator[Finding]:
    """Yield what stands where it can't, and the order if it is good."""
    above, below = _layers(handler)
    found = [*(_judged_above(layer) for layer in above), *(_judged_below(layer) for layer in below)]
    wrong = [finding for finding in found if finding is not None]
    yield from wrong
    if not wrong:
        names = [*map(_shown, above), "@durable", *map(_shown, below)]
        yield Finding.ok(_SUBJECT, " > ".join(names))


def _judged_above(layer: _Layer) -> Finding | None:
    shown = _shown(layer)
    if shown == "@idempotent":
        words = "@idempotent stands above @durable: it would take a suspension for the final answer"
        return Finding.error(_SUBJECT, words, "put it below @durable, or start executions under a name of their own")
    if shown == "@event_source":
        words = "@event_source stands above @durable, where it is pointless: @durable makes its own of the payload"
        return Finding.warning(_SUBJECT, words, "put it below @durable")
    if (layer.module, layer.name) in REPLACING:
        words = f"{shown} stands above @durable: there the event is Lambda's, not yours"
        return Finding.error(_SUBJECT, words, "put it below @durable, or say @durable(model=...)")
    if layer.name == "Tracer.capture_lambda_handler" and layer.made_with.get("capture_response"):
        words = f"{shown} captures the answer to the service, with the result in it"
        return Finding.warning(_SUBJECT, words, f"say {shown}(capture_response=False)")
    return _judged_path(_path(layer), shown)


def _judged_path(path: str | None, shown: str) -> Finding | None:
    if path is None or not misses_the_input(path):
        return None
    names = names_of(path)
    if names:
        what = f"Powertools' correlation_paths.{' or '.join(names)}"
        ours = " or ".join(f"correlation_paths.{name}" for name in names)
        advice = f"from powertools_durable.integrations import correlation_paths, then {ours}"
    else:
        what, advice = f"correlation_id_path={path!r}", f"say correlation_id_path={through_the_event(path)!r}"
    words = f"{shown} looks for {what} in the event of Lambda's, which holds yours: the correlation id is None"
    return Finding.warning(_SUBJECT, words, advice)


def _path(layer: _Layer) -> str | None:
    path = layer.made_with.get("correlation_id_path")
    return path if layer.name == "Logger.inject_lambda_context" and isinstance(path, str) else None


def _judged_below(layer: _Layer) -> Finding | None:
    if is_through_the_event(_path(layer) or ""):
        words = f"{_shown(layer)} stands below @durable, where the event is yours: the path through Lambda's gives None"
        return Finding.warning(_SUBJECT, words, "put it above @durable, or say Powertools' own correlation_paths")
    if layer.name.endswith(_METRICS):
        words = "@metrics.log_metrics stands below @durable: it flushes at each suspension"
        return Finding.warning(_SUBJECT, words, "put it above @durable")
    return None


def _layers(handler: Any) -> tuple[list[_Layer], list[_Layer]]:
    """Return what is above ``@durable`` and what is below, the outermost first."""
    above: list[_Layer] = []
    below: list[_Layer] = []
    found = above
    while (inner := getattr(handler, "__wrapped__", None)) is not None:
        if isinstance(handler, DurableFunction):
            found = below
        else:
            found.append(_layer(handler))
        handler = inner
    return above, below


def _layer(wrapper: Any) -> _Layer:
    code = getattr(wrapper, "__code__", None)
    held = dict(zip(getattr(code, "co_freevars", ()), map(_content, wrapper.__closure__ or ()), strict=False))
    module = wrapper.__globals__.get("__name__", "")
    name = getattr(code, "co_qualname", "").partition(".<locals>")[0]
    made_by = held.get("decorator")
    if module == _FACTORY and callable(made_by):
        module, name = made_by.__module__, made_by.__qualname__
    return _Layer(module, name, held)


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not assigned yet
        return None


def _shown(layer: _Layer) -> str:
    if layer.name.endswith(_METRICS):
        return "@metrics.log_metrics"
    if layer.module == _IDEMPOTENCY:
        return f"@{layer.name.lstrip('_')}"
    return _TELEMETRY.get(layer.name) or REPLACING.get((layer.module, layer.name)) or f"@{layer.name}"
