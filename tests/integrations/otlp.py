"""A receiver of OpenTelemetry's protocol over HTTP, and what it was sent: spans, and the tree that they are."""

from __future__ import annotations

import gzip
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from tests.loopback import LoopbackServer

HEADER = "_X_AMZN_TRACE_ID"
NEVER = 3_600_000  # milliseconds until the processor sends by itself


@dataclass(frozen=True)
class Sent:
    """A span as it was on the wire."""

    name: str
    trace_id: str
    id: str
    parent_id: str
    kind: str
    began: int
    ended: int
    status: str
    message: str
    attributes: dict[str, Any]
    events: list[tuple[str, dict[str, Any]]]
    links: list[tuple[str, str]]
    scope: str

    def __getitem__(self, name: str) -> Any:
        return self.attributes.get(name)


@dataclass
class Received:
    """The requests that arrived, in order."""

    bodies: list[bytes] = field(default_factory=list)
    is_broken: bool = False
    hold: threading.Event | None = None  # answers wait for it

    @property
    def spans(self) -> list[Sent]:
        """The spans of all requests."""
        return [span for body in self.bodies for span in _spans(body)]

    def named(self, name: str) -> list[Sent]:
        """Return the spans with that name, in the order of their beginnings."""
        return sorted((one for one in self.spans if one.name == name), key=lambda one: one.began)

    def tree(self, parent_id: str = "") -> dict[str, Any]:
        """Return names below a span, in the order in which they began; a name that is there twice gets a prime."""
        below: dict[str, list[Sent]] = {}
        for one in sorted(self.spans, key=lambda one: one.began):
            below.setdefault(one.parent_id, []).append(one)
        return _grown(below, parent_id)

    def check(self, *, parents: tuple[str, ...] = (), traces: int = 1) -> None:
        """Hold what was sent against the rules: unique ids, one trace, parents that are there and began before."""
        spans = self.spans
        by_id = {one.id: one for one in spans}
        assert len(by_id) == len(spans), "an id is used twice"
        assert len({one.trace_id for one in spans}) == traces
        for one in spans:
            assert one.began <= one.ended, one
            assert not one.parent_id or one.parent_id in {*by_id, *parents}, f"{one.name} hangs nowhere"
            parent = by_id.get(one.parent_id)
            assert parent is None or (parent.trace_id == one.trace_id and parent.began <= one.began), one


def _grown(below: dict[str, list[Sent]], parent_id: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for one in below.get(parent_id, ()):
        name = one.name
        while name in found:
            name += "'"
        found[name] = _grown(below, one.id)
    return found


def _spans(body: bytes) -> Iterator[Sent]:
    for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        for scope in resource.scope_spans:
            for one in scope.spans:
                yield Sent(
                    name=one.name,
                    trace_id=one.trace_id.hex(),
                    id=one.span_id.hex(),
                    parent_id=one.parent_span_id.hex(),
                    kind=one.SpanKind.Name(one.kind).removeprefix("SPAN_KIND_"),
                    began=one.start_time_unix_nano,
                    ended=one.end_time_unix_nano,
                    status=one.status.StatusCode.Name(one.status.code).removeprefix("STATUS_CODE_"),
                    message=one.status.message,
                    attributes=_values(one.attributes),
                    events=[(event.name, _values(event.attributes)) for event in one.events],
                    links=[(link.trace_id.hex(), link.span_id.hex()) for link in one.links],
                    scope=scope.scope.name,
                )


def _values(pairs: Any) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        received = self.server.received  # type: ignore[attr-defined]
        if received.hold is not None:
            received.hold.wait(30)
        if not received.is_broken:
            received.bodies.append(gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body)
        self.send_response(400 if received.is_broken else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()


@contextmanager
def receiving(**options: Any) -> Iterator[tuple[Received, TracerProvider]]:
    """Receive what a provider of the SDK sends by its exporter; nothing is sent unless it is flushed."""
    with LoopbackServer(_Handler) as server:
        received = server.received = Received()  # type: ignore[attr-defined]
        exporter = OTLPSpanExporter(f"{server.url}/v1/traces", timeout=5)
        resource = Resource.create({"service.name": "orders"})
        provider = TracerProvider(resource=resource, shutdown_on_exit=False, **options)
        provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=NEVER))
        try:
            yield received, provider
        finally:
            provider.shutdown()


def header(root: str, number: int, *, sampled: int | None = 1, rest: str = "") -> str:
    """Set Lambda's trace header for an invocation, and return the id of the parent that it names."""
    parent = f"{0xA000000000000000 + number:016x}"
    text = f"Root=1-{root[:8]}-{root[8:]};Parent={parent}"
    os.environ[HEADER] = text + (f";Sampled={sampled}" if sampled is not None else "") + rest
    return parent
