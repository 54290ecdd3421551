"""OpenTelemetry beside what else is in a function: instrumented boto3, Powertools' Tracer; and where it is missing."""

from __future__ import annotations

import subprocess
import sys
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import boto3
import pytest
from aws_lambda_powertools import Tracer
from opentelemetry.instrumentation.botocore import BotocoreInstrumentor

from powertools_durable import durable
from powertools_durable.integrations.otel import OpenTelemetry
from powertools_durable.testing import Simulator
from tests.integrations.otlp import HEADER, receiving
from tests.integrations.xray_trees import Traced
from tests.loopback import LoopbackServer
from tests.reliability.rig import Run
from tests.reliability.wire import wired

ROOT = Path(__file__).parents[2]


@pytest.fixture
def otlp(monkeypatch):
    monkeypatch.setenv(HEADER, "")
    with receiving() as (received, provider):
        received.provider = provider
        received.tracer = provider.get_tracer("orders")
        yield received


@pytest.fixture
def instrumented(otlp):
    BotocoreInstrumentor().instrument(tracer_provider=otlp.provider)
    yield
    BotocoreInstrumentor().uninstrument()


class _Queue(BaseHTTPRequestHandler):
    """Answers what a queue answers; notes the trace headers that it is sent."""

    def log_message(self, *_):
        pass

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.headers.append(self.headers.get("X-Amzn-Trace-Id"))
        body = b'{"QueueUrls": []}'
        self.send_response(200)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def ask():
    """A body that calls AWS: a server of this machine, by real botocore."""
    with LoopbackServer(_Queue) as server:
        server.headers = []
        client = boto3.client("sqs", endpoint_url=server.url, region_name="eu-west-1")

        def body():
            client.list_queues()

        body.server = server
        yield body
        client.close()


def test_botocores_spans_hang_below_the_step_that_makes_the_call(otlp, instrumented, ask):
    @durable(plugins=[OpenTelemetry(otlp.provider)])
    def handler(event, ctx):
        ctx.step(ask, name="in order")
        ctx.step(ask, name="with a timeout", timeout=30)
        ctx.map(lambda child, item: child.step(ask, name=f"branch-{item}"), [1, 2], name="all")
        ctx.wait(60)

    Simulator(handler).start().finish()
    otlp.check()
    calls = {"SQS.ListQueues": {}}
    first, second = otlp.tree()["durable execution"].values()
    assert first == {
        "step in order": {"step in order attempt 1": calls},
        "step with a timeout": {"step with a timeout attempt 1": calls},
        "map all": {
            f"context map-item-{item - 1}": {f"step branch-{item}": {f"step branch-{item} attempt 1": calls}}
            for item in (1, 2)
        },
        "wait": {},
    }
    assert second == {"wait": {}}
    trace_id = otlp.spans[0].trace_id
    sent = {one.id for one in otlp.named("SQS.ListQueues")}
    assert set(ask.server.headers) == {f"Root=1-{trace_id[:8]}-{trace_id[8:]};Parent={one};Sampled=1" for one in sent}


@pytest.mark.parametrize("pages", [1000, 1])
def test_calls_of_the_engine_are_not_in_the_trace(pages, otlp, instrumented):
    @durable(plugins=[OpenTelemetry(otlp.provider)])
    def handler(event, ctx):
        ctx.step(lambda: 1, name="one")
        ctx.wait(60, name="pause")
        ctx.step(lambda: 2, name="two")

    with wired() as wire:
        execution = Run(handler, over=wire, page_items=pages)
        execution.settle()
        execution.finish()
        assert wire.server.asked("checkpoint")
        assert bool(wire.server.asked("state")) is (pages == 1)
    otlp.provider.force_flush()
    otlp.check()
    assert {one.scope for one in otlp.spans} == {"powertools_durable"}


@pytest.mark.xray
def test_powertools_tracer_draws_the_same_handler_in_xray(otlp, xray_segments):
    tracer = Tracer(service="orders", auto_patch=False)

    @tracer.capture_lambda_handler(capture_response=False)
    @durable(tracer=tracer, plugins=[OpenTelemetry(otlp.provider)])
    def handler(event, ctx):
        ctx.step(lambda: 1, name="charge")
        ctx.wait(60, name="pause")
        ctx.step(lambda: 1, name="ship")

    traced = Traced(xray_segments, handler)
    Simulator(traced.handler).start().finish()
    assert traced.trees() == [
        {"## handler": {"## durable": {"## step charge": {}, "## wait pause": {}}}},
        {"## handler": {"## durable": {"## replay": {}, "## step ship": {}}}},
    ]
    otlp.check(parents=tuple(traced.parents))
    assert [otlp.tree(parent) for parent in traced.parents] == [
        {"simulated": {"step charge": {"step charge attempt 1": {}}, "wait pause": {}}},
        {"simulated": {"wait pause": {}, "step ship": {"step ship attempt 1": {}}}},
    ]
    (root,) = {one.trace_id for one in otlp.spans}
    assert xray_segments.trace_id == f"1-{root[:8]}-{root[8:]}", "both are in Lambda's trace"


def in_a_fresh_process(code):
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)


def test_without_the_extra_the_message_says_what_to_install():
    block = "import sys; sys.modules['opentelemetry'] = None\n"
    answer = in_a_fresh_process(f"{block}import powertools_durable.integrations.otel")
    assert "pip install 'powertools-durable[otel]'" in answer.stderr
    everything_else = "from powertools_durable import durable; durable(lambda event, ctx: None)"
    assert in_a_fresh_process(f"{block}{everything_else}").returncode == 0


def test_the_sdk_is_not_loaded_by_the_plugin():
    code = "import sys, powertools_durable.integrations.otel; print('opentelemetry.sdk' in sys.modules)"
    assert in_a_fresh_process(code).stdout.strip() == "False"
