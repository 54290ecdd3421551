"""Traces of OpenTelemetry: one for each execution, whichever processes its invocations run in.

Needs ``opentelemetry-api``, the extra ``otel``. The SDK and the exporter are the user's, or those of a Lambda layer.
"""

from __future__ import annotations

import logging
import os
import threading
from typing import TYPE_CHECKING, Any, NamedTuple

try:
    from opentelemetry import context as otel_context
    from opentelemetry import trace
except ModuleNotFoundError as missing:
    message = (
        f"powertools_durable.integrations.otel needs {missing.name}: pip install 'powertools-durable[otel]', or use a "
        "Lambda layer that has it"
    )
    raise ModuleNotFoundError(message, name=missing.name) from missing

from powertools_durable._version import __version__
from powertools_durable.errors import DurableConfigError
from powertools_durable.errors.wording import class_name
from powertools_durable.integrations.otel_attributes import Attributes, invocation_attributes
from powertools_durable.integrations.otel_ids import TraceHeader, derived_ids, derived_span_id, derived_trace_id
from powertools_durable.integrations.otel_spans import Drawing, TracedInvocation, UntracedInvocation
from powertools_durable.plugins import InvocationEnd, InvocationInfo, Plugin, PluginFactory

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import SpanContext, Tracer, TracerProvider

__all__ = ["OpenTelemetry"]

logger = logging.getLogger(__name__)

_TRACE_HEADER = "_X_AMZN_TRACE_ID"
_SCOPE = "powertools_durable"
_RESERVE = 0.5  # seconds of the invocation that are left for the answer
_SUPPRESSED = ("suppress_instrumentation",)  # what instrumentations look for in the context, in all versions


class OpenTelemetry(PluginFactory):
    """Draws each execution as one trace: ``@durable(plugins=[OpenTelemetry()])``.

    Parameters
    ----------
    tracer_provider : TracerProvider | None
        Records the spans; default: the global one, as it is when an invocation begins.
    use_xray_header : bool
        Join the trace that Lambda names in its header, and record what that says is sampled. Set it to False if the
        function has no active tracing: then Lambda says that nothing is sampled.
    exception_messages : bool
        Show the messages of exceptions, which may hold values of your code. Classes and lines are always shown.
    flush_timeout : float
        Seconds that an invocation waits at its end for its spans to be sent.

    Raises
    ------
    DurableConfigError
        An argument has the wrong type.

    Examples
    --------
    >>> @durable(plugins=[OpenTelemetry()])
    ... def handler(order: Order, ctx: DurableContext) -> Receipt: ...
    """

    def __init__(
        self,
        tracer_provider: TracerProvider | None = None,
        *,
        use_xray_header: bool = True,
        exception_messages: bool = False,
        flush_timeout: float = 5.0,
    ) -> None:
        if tracer_provider is not None and not callable(getattr(tracer_provider, "get_tracer", None)):
            raise DurableConfigError(f"OpenTelemetry() takes a TracerProvider, not {class_name(tracer_provider)}")
        _check_timeout(flush_timeout)
        self._provider = tracer_provider
        self._uses_header = use_xray_header
        self._with_messages = exception_messages
        self._flusher = _Flusher(flush_timeout)
        self._known: tuple[TracerProvider, Tracer] | None = None
        self._is_cold = True

    def create_plugin(self, info: InvocationInfo) -> Plugin | None:
        """Return what draws an invocation; None where no provider is set up."""
        is_cold, self._is_cold = self._is_cold, False
        provider = trace.get_tracer_provider() if self._provider is None else self._provider
        tracer = self._tracer_of(provider)
        if isinstance(tracer, (trace.NoOpTracer, trace.ProxyTracer)):
            return None
        header = TraceHeader.parse(os.environ.get(_TRACE_HEADER, "")) if self._uses_header else None
        place = _place_of(info, header, tracer)
        rest = (header.rest if header is not None else "") if self._uses_header else None
        drawing = Drawing(
            tracer=tracer,
            ids=derived_ids(tracer),
            trace_header_rest=rest,
            with_messages=self._with_messages,
            root=place.root,
        )
        function = getattr(info.lambda_context, "function_name", None)
        links = list(place.links)
        if drawing.ids is None and place.root is not None:
            links.append(trace.Link(place.root))
        span = tracer.start_span(
            "durable invocation" if place.is_inside or not function else str(function),
            place.context,
            trace.SpanKind.INTERNAL if place.is_inside else trace.SpanKind.SERVER,
            invocation_attributes(info, is_cold=is_cold),
            links,
        )
        if not span.is_recording():
            return UntracedInvocation(drawing, span)

        def finish(ended: InvocationEnd) -> None:
            self._flusher.flush(provider, ended.lambda_context)

        return TracedInvocation(drawing, span, finish)

    def prepare_backend_calls(self) -> None:
        """Keep the API calls of the engine out of the trace."""
        context = otel_context.get_current()
        for key in (*_SUPPRESSED, getattr(otel_context, "_SUPPRESS_INSTRUMENTATION_KEY", None)):
            if key is not None:
                context = otel_context.set_value(key, value=True, context=context)
        otel_context.attach(context)

    def _tracer_of(self, provider: TracerProvider) -> Tracer:
        """Return the tracer of *provider*; say once if it can't give spans the ids that later invocations link to."""
        if self._known is not None and self._known[0] is provider:
            return self._known[1]
        tracer = provider.get_tracer(_SCOPE, __version__)
        if isinstance(tracer, trace.ProxyTracer):  # the provider may be set later
            return tracer
        self._known = provider, tracer
        if derived_ids(tracer) is None and not isinstance(tracer, trace.NoOpTracer):
            logger.warning(
                "spans get the ids that %s chooses, so those of later invocations can't link to earlier ones, and the "
                "trace of an execution has no root of its own. Use a TracerProvider of opentelemetry-sdk",
                class_name(provider),
            )
        return tracer


def _check_timeout(value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value < 0:
        raise DurableConfigError("flush_timeout is a number of seconds, from 0")


# -- where an invocation belongs -------------------------------------------------------------------------------


class _Place(NamedTuple):
    """Where the span of an invocation hangs.

    Attributes
    ----------
    context : Context
        Has its parent.
    is_inside : bool
        The parent is a span of this process.
    links : tuple
        To spans of other traces in which it runs.
    root : SpanContext | None
        The span of the execution, if that is its parent.
    """

    context: Context
    is_inside: bool = False
    links: tuple[trace.Link, ...] = ()
    root: SpanContext | None = None


def _place_of(info: InvocationInfo, header: TraceHeader | None, tracer: Tracer) -> _Place:
    """Return where an invocation belongs: in Lambda's trace, else in one that is derived from the execution."""
    current = trace.get_current_span().get_span_context()
    trace_id = header.trace_id if header is not None else derived_trace_id(info.execution_arn, info.started_at)
    if current.is_valid and current.trace_id == trace_id:
        return _Place(otel_context.get_current(), is_inside=True)
    parent_id = header.parent_id if header is not None else None
    is_sampled = header.sampled if header is not None else None
    if is_sampled is None:
        is_sampled = _samples(tracer, trace_id, invocation_attributes(info, is_cold=False))
    parent = trace.SpanContext(
        trace_id,
        parent_id or derived_span_id(info.execution_arn),
        is_remote=True,
        trace_flags=trace.TraceFlags(trace.TraceFlags.SAMPLED if is_sampled else trace.TraceFlags.DEFAULT),
    )
    return _Place(
        trace.set_span_in_context(trace.NonRecordingSpan(parent)),
        links=(trace.Link(current),) if current.is_valid else (),
        root=parent if parent_id is None else None,
    )


def _samples(tracer: Any, trace_id: int, attributes: Attributes) -> bool:
    """Return whether the provider's sampler records a trace with that id; True for one without a sampler."""
    sampler = getattr(tracer, "sampler", None)
    if sampler is None:
        return True
    decision = sampler.should_sample(otel_context.Context(), trace_id, _SCOPE, trace.SpanKind.SERVER, attributes, ())
    return bool(decision.decision.is_sampled())


# -- sending ---------------------------------------------------------------------------------------------------


class _Flusher:
    """Has spans sent before an invocation is answered, because Lambda may freeze the process afterwards.

    On a thread: the SDK's processors do not keep to a timeout.
    """

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._thread: threading.Thread | None = None
        self._has_warned = False

    def flush(self, provider: Any, lambda_context: Any) -> None:
        """Wait until everything is sent, or the time for it is over."""
        if not callable(getattr(provider, "force_flush", None)):
            return
        timeout = self._timeout
        remaining = getattr(lambda_context, "get_remaining_time_in_millis", None)
        if callable(remaining):
            timeout = min(timeout, remaining() / 1000 - _RESERVE)
        if timeout <= 0:
            return
        thread = self._thread
        if thread is None or not thread.is_alive():  # else the one before still sends, and will send these too
            thread = threading.Thread(
                target=_force_flush, args=(provider, timeout), name="powertools-durable-otel-flush", daemon=True
            )
            self._thread = thread
            thread.start()
        thread.join(timeout)
        if not thread.is_alive():
            self._thread = None
        elif not self._has_warned:
            self._has_warned = True
            logger.warning("spans were not sent within %g s; the execution goes on, and they may be lost", timeout)


def _force_flush(provider: Any, timeout: float) -> None:
    try:
        provider.force_flush(round(timeout * 1000))
    except Exception as error:  # noqa: BLE001 - an exporter cannot fail the execution
        logger.warning("spans could not be sent: %s", type(error).__name__)
