"""``run --trace``: what X-Ray would be sent of each invocation, as a tree."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from rich.text import Text
from rich.tree import Tree

from powertools_durable._hosting import durable_inside
from powertools_durable.cli.usage import UsageError

__all__ = ["Drawing", "Through", "Trace", "traced", "tree_of"]

Handler = Callable[..., Any]
Through = Callable[[Handler], Handler]
Document = Mapping[str, Any]

_NAMESPACE = "powertools_durable"  # of the engine's own metadata


@dataclass(frozen=True, slots=True)
class Trace:
    """What was sent while one invocation ran.

    Attributes
    ----------
    function : str
        The handler's name.
    trace_id : str
        Of the trace; all invocations of one command share it, as those of an execution do in Lambda.
    segment_id : str
        Lambda's own segment, below which everything hangs.
    documents : Sequence[Mapping]
        X-Ray's subsegments, those that lie in others by themselves too.
    """

    function: str
    trace_id: str
    segment_id: str
    documents: Sequence[Document]


class Drawing(Protocol):
    """What shows a trace."""

    def trace(self, trace: Trace) -> None:
        """Show it."""


@contextmanager
def traced(display: Drawing, *, wanted: bool) -> Iterator[Through]:
    """Be in Lambda as far as tracing goes, if that is *wanted*; give what handlers go through to be traced.

    Handlers are imported inside of the block: a Tracer that is made outside of Lambda stays disabled.

    Raises
    ------
    UsageError
        The X-Ray SDK is not installed.
    """
    if not wanted:
        yield lambda handler: handler
        return
    try:
        from powertools_durable.testing.fixtures.xray_daemon import recording
    except ModuleNotFoundError as missing:
        raise UsageError(f"--trace needs {missing.name}: pip install 'powertools-durable[tracer]'") from None
    with recording() as daemon:

        def through(handler: Handler) -> Handler:
            inner = durable_inside(handler)
            if inner is None:  # what answers at once runs in the trace of who calls it
                return handler

            @functools.wraps(handler)
            def invoked(*arguments: Any, **named: Any) -> Any:
                daemon.clear()
                segment_id = daemon.next_invocation()
                try:
                    return handler(*arguments, **named)
                finally:
                    display.trace(Trace(inner.handler.__name__, daemon.trace_id, segment_id, daemon.subsegments))

            return invoked

        yield through


# -- for people ------------------------------------------------------------------------------------------------


def tree_of(trace: Trace) -> Tree:
    """Draw what was sent, in the order in which it began."""
    root = Tree(Text(f"trace of {trace.function}", "dim"), guide_style="dim")
    if not trace.documents:
        root.add(Text("nothing was sent; give the handler a tracer: @durable(tracer=Tracer())", "dim"))
    known = {document["id"] for document in trace.documents}
    _grow(root, trace.documents, lambda document: document.get("parent_id") not in known)
    return root


def _grow(branch: Tree, documents: Sequence[Document], belongs: Callable[[Document], bool]) -> None:
    for document in sorted(filter(belongs, documents), key=lambda one: float(one["start_time"])):
        inner = branch.add(_line(document))
        _grow(inner, documents, lambda one, above=document["id"]: bool(one.get("parent_id") == above))  # type: ignore[misc]


def _line(document: Document) -> Text:
    flags = [flag for flag in ("fault", "error", "throttle") if document.get(flag)]
    style = "red" if "fault" in flags else "yellow" if flags else ""
    seconds = document.get("end_time", math.nan) - document["start_time"]
    line = Text.assemble((document["name"], style or "bold"))
    if seconds:  # a moment has none
        line.append(f"  {_span(seconds)}", "dim")
    words = [*_told(document.get("metadata", {}).get(_NAMESPACE, {})), *_annotated(document)]
    if words:
        line.append(f"  {', '.join(words)}")
    if flags:
        line.append(f"  {' '.join(flags)}", style)
    exceptions = document.get("cause", {}) if isinstance(document.get("cause"), dict) else {}
    for exception in exceptions.get("exceptions", ())[:1]:
        line.append(f"  {exception.get('type')}: {exception.get('message', '')}".splitlines()[0][:120], style)
    return line


def _span(seconds: float) -> str:
    if math.isnan(seconds):
        return "open"
    return f"{seconds * 1e3:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"


def _told(told: Mapping[str, Any]) -> Iterator[str]:
    """Say what the engine noted in a subsegment."""
    if (invocation := told.get("invocation")) is not None:
        waits = ", ".join(f"{one['type']} {one['name']}" for one in invocation["suspendedOn"])
        yield f"{invocation['status']} on {waits}" if waits else invocation["status"]
        counts = {name: count for name, count in invocation["operations"].items() if count}
        yield from (f"{count} {name}" for name, count in counts.items())
    if (replay := told.get("replay")) is not None:
        yield ", ".join(f"{count} {kind}" for kind, count in replay["byType"].items())
    if (operation := told.get("operation")) is not None:
        attempt = f"attempt {operation['attempt']} " if operation.get("attempt") else ""
        again = f" in {operation['nextAttemptSeconds']:g} s" if "nextAttemptSeconds" in operation else ""
        yield f"{attempt}{operation['outcome']}{again}"
    if told.get("suspended"):
        yield "suspended"
    if "truncated_bytes" in told:
        yield f"{told['truncated_bytes']} bytes left out"


def _annotated(document: Document) -> Iterator[str]:
    own = {"DurableExecutionName", "DurableStatus", "DurableOperation"}  # said already
    yield from (f"{key}={value}" for key, value in document.get("annotations", {}).items() if key not in own)
