"""``run --trace``: what each invocation would send to X-Ray, as a tree."""

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

__all__ = ["HandlerWrapper", "Trace", "TraceDisplay", "tracing", "tree_of"]

Handler = Callable[..., Any]
HandlerWrapper = Callable[[Handler], Handler]
Document = Mapping[str, Any]

_NAMESPACE = "powertools_durable"  # of the engine's metadata in a subsegment


@dataclass(frozen=True, slots=True)
class Trace:
    """What one invocation sent to X-Ray.

    Attributes
    ----------
    function : str
        The handler's name.
    trace_id : str
        All invocations of one command share it, as those of an execution do in Lambda.
    segment_id : str
        The id of Lambda's own segment, the root of the subsegments.
    documents : Sequence[Mapping]
        All subsegments; one that lies in another is also a document of its own.
    """

    function: str
    trace_id: str
    segment_id: str
    documents: Sequence[Document]


class TraceDisplay(Protocol):
    """Shows traces."""

    def trace(self, trace: Trace) -> None:
        """Show a trace."""


@contextmanager
def tracing(display: TraceDisplay, *, wanted: bool) -> Iterator[HandlerWrapper]:
    """Record what is sent to X-Ray, if *wanted*; yield the function that wraps a handler to be traced.

    Handlers must be imported inside the block: outside Lambda, as far as a Tracer can see, it disables itself.

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

        def wrap(handler: Handler) -> Handler:
            inner = durable_inside(handler)
            if inner is None:  # a plain function runs in the trace of its caller
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

        yield wrap


# -- drawing ---------------------------------------------------------------------------------------------------


def tree_of(trace: Trace) -> Tree:
    """Return a trace as a tree, in the order in which the subsegments started."""
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
    if seconds:  # a subsegment without length gets no time
        line.append(f"  {_format_seconds(seconds)}", "dim")
    details = [*_metadata_texts(document.get("metadata", {}).get(_NAMESPACE, {})), *_annotation_texts(document)]
    if details:
        line.append(f"  {', '.join(details)}")
    if flags:
        line.append(f"  {' '.join(flags)}", style)
    exceptions = document.get("cause", {}) if isinstance(document.get("cause"), dict) else {}
    for exception in exceptions.get("exceptions", ())[:1]:
        line.append(f"  {exception.get('type')}: {exception.get('message', '')}".splitlines()[0][:120], style)
    return line


def _format_seconds(seconds: float) -> str:
    if math.isnan(seconds):
        return "open"
    return f"{seconds * 1e3:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"


def _metadata_texts(metadata: Mapping[str, Any]) -> Iterator[str]:
    """Yield the engine's metadata of a subsegment as text."""
    if (invocation := metadata.get("invocation")) is not None:
        waits = ", ".join(f"{one['type']} {one['name']}" for one in invocation["suspendedOn"])
        yield f"{invocation['status']} on {waits}" if waits else invocation["status"]
        counts = {name: count for name, count in invocation["operations"].items() if count}
        yield from (f"{count} {name}" for name, count in counts.items())
    if (replay := metadata.get("replay")) is not None:
        yield ", ".join(f"{count} {kind}" for kind, count in replay["byType"].items())
    if (operation := metadata.get("operation")) is not None:
        attempt = f"attempt {operation['attempt']} " if operation.get("attempt") else ""
        again = f" in {operation['nextAttemptSeconds']:g} s" if "nextAttemptSeconds" in operation else ""
        yield f"{attempt}{operation['outcome']}{again}"
    if metadata.get("suspended"):
        yield "suspended"
    if "truncated_bytes" in metadata:
        yield f"{metadata['truncated_bytes']} bytes left out"


def _annotation_texts(document: Document) -> Iterator[str]:
    own = {"DurableExecutionName", "DurableStatus", "DurableOperation"}  # in the metadata already
    yield from (f"{key}={value}" for key, value in document.get("annotations", {}).items() if key not in own)
