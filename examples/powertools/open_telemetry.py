"""An order in OpenTelemetry: docs/powertools/opentelemetry.md.

Prints its trace::

    python -m examples.powertools.open_telemetry
"""

from __future__ import annotations

from datetime import timedelta

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from powertools_durable import DurableContext, Retry, current_step, durable
from powertools_durable.integrations.otel import OpenTelemetry
from powertools_durable.testing import Simulator


# --8<-- [start:setup]
def set_up() -> None:
    """Call this once, when the function's module is loaded."""
    provider = TracerProvider(resource=Resource.create({"service.name": "orders"}))
    provider.add_span_processor(
        BatchSpanProcessor(OTLPSpanExporter())
    )  # to OTEL_EXPORTER_OTLP_ENDPOINT
    trace.set_tracer_provider(provider)


# --8<-- [end:setup]

# --8<-- [start:handler]
tracer = trace.get_tracer("orders")


def charge(order_id: str) -> str:
    with tracer.start_as_current_span(
        "POST /payments"
    ):  # as an instrumented HTTP client does
        if current_step().attempt == 1:
            raise ConnectionError("the bank does not answer")
    return f"pay-{order_id}"


@durable(plugins=[OpenTelemetry()])
def handler(event: dict[str, str], ctx: DurableContext) -> str:
    payment = ctx.step(charge, event["id"], retry=Retry(max_attempts=3))
    ctx.wait(timedelta(days=1), name="cooling-off")
    ctx.parallel({"parcel": ship, "letter": write}, name="deliver")
    return payment


# --8<-- [end:handler]


def ship(child: DurableContext) -> None:
    child.step(lambda: None, name="hand-over")


def write(child: DurableContext) -> None:
    child.wait(timedelta(hours=1), name="business-hours")
    child.step(lambda: None, name="send")


# -- printing a trace --------------------------------------------------------------------------------------------


# --8<-- [start:memory]
def provider_in_memory() -> tuple[TracerProvider, InMemorySpanExporter]:
    """Return a provider, and the exporter that keeps its spans."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return provider, exporter


# --8<-- [end:memory]


def main() -> None:
    """Run an order in virtual time, and print its trace."""
    provider, exporter = provider_in_memory()
    trace.set_tracer_provider(provider)
    Simulator(handler).start({"id": "42"}, name="order-42").finish()
    spans = sorted(exporter.get_finished_spans(), key=lambda span: span.start_time or 0)
    print_below(None, spans)


def print_below(
    parent_id: int | None, spans: list[ReadableSpan], indent: str = ""
) -> None:
    inside = [
        span
        for span in spans
        if (span.parent.span_id if span.parent else None) == parent_id
    ]
    for span in inside:
        is_last = span is inside[-1]
        branch, below = (
            ("", "")
            if parent_id is None
            else ("└─ ", "   ")
            if is_last
            else ("├─ ", "│  ")
        )
        print(f"{indent}{branch}{span.name}{described(span)}")
        print_below(span.context.span_id if span.context else 0, spans, indent + below)


def described(span: ReadableSpan) -> str:
    """Return how the span ended, and what is special about it."""
    attributes = span.attributes or {}
    keys = (
        "execution.status",
        "invocation.status",
        "operation.status",
        "attempt.outcome",
    )
    facts = [
        str(attributes[f"durable.{key}"])
        for key in keys
        if f"durable.{key}" in attributes
    ]
    facts += [str(attributes["error.type"])] if "error.type" in attributes else []
    if replayed := attributes.get("durable.replay.operations"):
        facts.append(f"{replayed} replayed")
    facts += [event.name for event in span.events if event.name != "exception"]
    facts += ["linked to its first span"] if span.links else []
    return f"  {', '.join(facts)}" if facts else ""


if __name__ == "__main__":
    main()
