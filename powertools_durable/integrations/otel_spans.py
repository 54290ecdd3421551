"""Draws the spans of one invocation. See docs/powertools/opentelemetry.md#what-a-trace-shows.

A span is made for what happens in this invocation: it begins here, its code runs here, or its end is seen here. An
operation has one span in each invocation in which that is so. The id of the first is derived from the execution and the
operation, so that the later ones can link to it, whichever process draws them.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from contextvars import ContextVar, Token
from dataclasses import dataclass
from time import time_ns

from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, TraceFlags, Tracer, set_span_in_context

from powertools_durable._protocol.operation import OperationStatus, OperationType, SubType
from powertools_durable.integrations import otel_attributes as attributes_of
from powertools_durable.integrations.otel_attributes import Attributes
from powertools_durable.integrations.otel_ids import DerivedIds, TraceHeader, derived_span_id
from powertools_durable.integrations.tracing import kind_of
from powertools_durable.plugins import (
    AttemptEnd,
    AttemptInfo,
    ChangeInfo,
    ErrorObject,
    InvocationEnd,
    InvocationInfo,
    OperationEnd,
    OperationInfo,
    Plugin,
    PropagationInfo,
    ReplayInfo,
)

__all__ = ["Drawing", "TracedInvocation", "UntracedInvocation"]

_FAN_OUTS = (SubType.MAP, SubType.PARALLEL)
_OUTSIDE = (OperationType.WAIT, OperationType.CALLBACK, OperationType.CHAINED_INVOKE)  # no code here runs for these
_PLACE = otel_context.create_key("powertools_durable")
"""Of the code that runs: the plugin, and the ids that the operations it calls may name as their parent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """What an invocation's spans are drawn with.

    Attributes
    ----------
    tracer : Tracer
        Starts them.
    ids : DerivedIds | None
        Gives them ids; None if the tracer has no place for it.
    trace_header_rest : str | None
        What a header for other functions ends with; None if they get none.
    with_messages : bool
        The messages of exceptions are shown.
    root : SpanContext | None
        The span of the execution, which is drawn when the execution ends; None if the trace has another root.
    """

    tracer: Tracer
    ids: DerivedIds | None
    trace_header_rest: str | None = ""
    with_messages: bool = False
    root: SpanContext | None = None

    def header(self, span: SpanContext) -> str | None:
        """Return the trace header for a function that is invoked from within *span*."""
        return None if self.trace_header_rest is None else str(TraceHeader.of(span, self.trace_header_rest))


# -- the context that is current -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Entered:
    token: Token[int]
    before: Context


_ENTERED: ContextVar[int] = ContextVar("powertools_durable_otel_entered", default=0)


def _enter(context: Context) -> _Entered:
    """Make *context* current until `_leave`."""
    entered = _Entered(_ENTERED.set(_ENTERED.get() + 1), otel_context.get_current())
    otel_context.attach(context)
    return entered


def _leave(entered: _Entered) -> None:
    """Make the context before current again, also if the code between has left another one behind."""
    try:
        _ENTERED.reset(entered.token)
    except ValueError:  # an abandoned coroutine that is collected elsewhere, whose context is gone
        return
    otel_context.attach(entered.before)


class UntracedInvocation(Plugin):
    """Records nothing, and has all that is called from here record nothing either.

    Parameters
    ----------
    drawing : Drawing
        Makes the header for other functions.
    span : Span
        One that is not recorded.
    """

    observes_operations = False

    def __init__(self, drawing: Drawing, span: Span) -> None:
        self._drawing = drawing
        self._span = span
        self._entered: _Entered | None = None

    def on_invocation_start(self, info: InvocationInfo) -> None:  # noqa: ARG002 - as `Plugin` has it
        """Make the span current."""
        self._entered = _enter(set_span_in_context(self._span))

    def provide_propagation_metadata(self, info: PropagationInfo) -> str | None:  # noqa: ARG002
        """Return a header that says that nothing is sampled."""
        return self._drawing.header(self._span.get_span_context())

    def on_invocation_end(self, info: InvocationEnd) -> None:  # noqa: ARG002
        """Make current what was before."""
        if self._entered is not None:
            _leave(self._entered)


@dataclass(slots=True)
class _Running:
    """Code that runs."""

    span: Span
    entered: _Entered


class TracedInvocation(Plugin):
    """Draws the spans of one invocation.

    Parameters
    ----------
    drawing : Drawing
        What they are drawn with.
    span : Span
        Of the invocation; has begun.
    finish : Callable[[InvocationEnd], None]
        Sends everything, when the last span has ended.
    """

    def __init__(self, drawing: Drawing, span: Span, finish: Callable[[InvocationEnd], None]) -> None:
        self._drawing = drawing
        self._tracer = drawing.tracer
        self._span = span
        self._finish = finish
        self._began = time_ns()
        self._entered: _Entered | None = None
        self._calls: dict[str, tuple[int, Attributes]] = {}  # when and where operations were called
        self._spans: dict[str, Span] = {}  # of operations, not ended yet
        self._running: dict[str, _Running] = {}
        self._failed: dict[str, AttemptEnd] = {}  # attempts of which it is not known yet whether they are tried again
        self._told: set[str] = set()  # contexts whose failure was told when their code ended
        self._counts = Counter[str](started=0, ended=0, failed=0)
        self._lock = threading.Lock()  # branches are threads

    # -- the invocation ----------------------------------------------------------------------------------------

    def on_invocation_start(self, info: InvocationInfo) -> None:  # noqa: ARG002 - as `Plugin` has it
        """Make its span current."""
        self._entered = _enter(self._inside(self._span, None, None))

    def on_replay_end(self, info: ReplayInfo) -> None:
        """Tell what was repeated."""
        if info.operations:
            self._span.set_attribute("durable.replay.duration", round((time_ns() - self._began) / 1e9, 6))
            for kind, count in info.by_type.items():
                self._span.set_attribute(f"durable.replay.{kind.lower()}", count)
            self._span.set_attribute("durable.replay.state_pages", info.state_pages)

    def on_invocation_end(self, info: InvocationEnd) -> None:
        """End everything that is open, and send it."""
        if self._entered is not None:
            _leave(self._entered)
        self._note_retries(info.operations, [*self._failed])
        for identifier, span in [*self._spans.items()]:
            record = info.operations.get(identifier)
            span.set_attribute("durable.operation.status", (record and record.status) or OperationStatus.STARTED.value)
            span.end()
        for running in self._running.values():  # code that goes on although its result is no longer needed
            running.span.end()
        self._spans.clear()
        self._running.clear()
        self._span.set_attributes(attributes_of.invocation_end_attributes(info, self._counts))
        if info.outcome in ("FAILED", "RETRY"):
            self._fail(self._span, None, info.error)
        self._span.end()
        self._finish(info)
        if info.outcome in ("SUCCEEDED", "FAILED") and self._drawing.root is not None and self._drawing.ids is not None:
            self._draw_root(info, self._drawing.root, self._drawing.ids)
            self._finish(info)  # in a request of its own: services refuse those with spans that are long past

    def _draw_root(self, info: InvocationEnd, root: SpanContext, ids: DerivedIds) -> None:
        """Draw the span of the execution, which began with its first invocation."""
        began = min(self._began, attributes_of.nanoseconds(info.started_at)) if info.started_at else self._began
        with ids.use(root.span_id, root.trace_id):
            span = self._tracer.start_span(
                "durable execution",
                Context(),
                attributes={
                    "durable.execution.arn": info.execution_arn,
                    "durable.execution.name": info.execution_name,
                    "durable.execution.status": info.outcome,
                },
                start_time=began,
            )
        if info.outcome == "FAILED":
            self._fail(span, None, info.error)
        span.end()

    # -- an operation ------------------------------------------------------------------------------------------

    def on_operation_start(self, info: OperationInfo) -> None:
        """Draw what goes on outside or has branches; the rest is drawn when its code runs."""
        if info.status is not None and OperationStatus(info.status).is_terminal:  # runs only to rebuild its result
            return
        self._calls[info.id] = time_ns(), attributes_of.caller_attributes()
        if not info.is_replayed:
            self._count("started")
        if info.sub_type in _FAN_OUTS or (info.type in _OUTSIDE and not info.is_replayed):
            self._open(info)

    def on_operation_end(self, info: OperationEnd) -> None:
        """End its span; draw one for what ended while no invocation ran."""
        failed = info.outcome != OperationStatus.SUCCEEDED
        self._count("ended")
        if failed:
            self._count("failed")
        self._note_retries({info.id: info}, [info.id])
        span = self._spans.pop(info.id, None)
        if span is None:
            if info.type == OperationType.CONTEXT:  # its code has only been repeated
                return
            self._open(info)
            span = self._spans.pop(info.id)
        span.set_attribute("durable.operation.status", info.outcome)
        if (seconds := attributes_of.seconds_between(info.started_at, info.ended_at)) is not None:
            span.set_attribute("durable.operation.duration", seconds)
        if failed and info.id not in self._told:
            self._fail(span, None, info.error)
        span.end()

    def on_operation_change(self, info: ChangeInfo) -> None:
        """Hear whether failed attempts are tried again."""
        if self._failed:
            self._note_retries(info.operations, [key for key in [*self._failed] if key in info.updated])

    def _open(self, info: OperationInfo) -> Span:
        began, caller = self._calls.get(info.id, (None, {}))
        identifier = derived_span_id(info.execution_arn, info.id)
        ids, links = self._drawing.ids, []
        if info.is_replayed and ids is not None:
            first = SpanContext(self._trace_id, identifier, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))
            links.append(Link(first))
        own = identifier if not info.is_replayed else None
        with ids.use(own) if ids is not None else nullcontext():
            span = self._tracer.start_span(
                _name(info),
                self._around(info),
                SpanKind.CLIENT if info.type == OperationType.CHAINED_INVOKE else SpanKind.INTERNAL,
                {**attributes_of.operation_attributes(info), "durable.operation.resumed": info.is_replayed, **caller},
                links,
                start_time=began if info.type == OperationType.STEP else None,
            )
        self._spans[info.id] = span
        return span

    # -- the user's code ---------------------------------------------------------------------------------------

    def on_user_function_start(self, info: AttemptInfo) -> None:
        """Draw the attempt, or the context, and make it current."""
        # A context that leaves no record begins anew each time; it has nothing to show while it only repeats.
        if info.is_replay_children or (info.is_replaying and info.status is None):
            return
        span = self._spans.get(info.id) or self._open(info)
        if info.type != OperationType.CONTEXT:
            span = self._tracer.start_span(
                f"{_name(info)} attempt {info.attempt}",
                set_span_in_context(span, self._around(info)),
                attributes={
                    **attributes_of.operation_attributes(info),
                    "durable.attempt.number": info.attempt or 1,
                    **attributes_of.function_attributes(info.function),
                },
            )
        self._running[info.id] = _Running(span, _enter(self._inside(span, info.id, info.parent_id)))

    def on_user_function_end(self, info: AttemptEnd) -> None:
        """End the attempt; a context ends with its record."""
        running = self._running.pop(info.id, None)
        if running is None:
            return
        _leave(running.entered)
        span = running.span
        if info.outcome == "FAILED":
            self._fail(span, info.exception, info.error)
        if info.type == OperationType.CONTEXT:
            if info.outcome == "FAILED":
                self._told.add(info.id)
            return
        if info.outcome == "FAILED":
            self._failed[info.id] = info
        span.set_attribute("durable.attempt.outcome", info.outcome)
        span.end()

    def _note_retries(self, records: Mapping[str, OperationInfo], identifiers: list[str]) -> None:
        """Add an event to the spans of operations that are tried again."""
        for identifier in identifiers:
            end, record = self._failed.pop(identifier, None), records.get(identifier)
            span = self._spans.get(identifier)
            if end is None or span is None or record is None:
                continue
            if OperationStatus(record.status or "").is_terminal or (record.attempt or 0) < (end.attempt or 0):
                continue
            attributes: Attributes = {"durable.attempt.number": end.attempt or 1}
            if end.error is not None and end.error.error_type:
                attributes["error.type"] = end.error.error_type
            delay = attributes_of.seconds_between(end.ended_at, record.next_attempt_at)
            if delay is not None:
                attributes["durable.retry.delay"] = max(0.0, delay)
            span.add_event("durable.retry", attributes)

    # -- other functions, and where spans hang -----------------------------------------------------------------

    def provide_propagation_metadata(self, info: PropagationInfo) -> str | None:
        """Let the invoked function join the trace."""
        span = self._spans.get(info.operation_id, self._span)
        if span is not self._span:
            span.set_attributes(attributes_of.invoked_attributes(info.function_name))
        return self._drawing.header(span.get_span_context())

    @property
    def _trace_id(self) -> int:
        return self._span.get_span_context().trace_id

    def _inside(self, span: Span, identifier: str | None, parent_id: str | None) -> Context:
        """Return the context of code that runs in *span*, which may be the code of an operation."""
        # The operations of a context without a record name the context around it as their parent.
        place = (self, identifier, parent_id)
        return otel_context.set_value(_PLACE, place, set_span_in_context(span))

    def _around(self, info: OperationInfo) -> Context:
        """Return the context that an operation's span belongs to.

        That is the current one, with spans of the user's own, where the code that calls the operation runs. Branches
        are begun by the code around their fan-out.
        """
        current = otel_context.get_current()
        place = otel_context.get_value(_PLACE, current)
        if isinstance(place, tuple) and place[0] is self and info.parent_id in place[1:]:
            return current
        return set_span_in_context(self._spans.get(info.parent_id or "", self._span), current)

    def _fail(self, span: Span, exception: Exception | None, error: ErrorObject | None) -> None:
        attributes_of.fail(span, exception, error, with_message=self._drawing.with_messages)

    def _count(self, what: str) -> None:
        with self._lock:
            self._counts[what] += 1


def _name(info: OperationInfo) -> str:
    return f"{kind_of(info)} {info.name}" if info.name else kind_of(info)
