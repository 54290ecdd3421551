"""Powertools' options that act at an uncaught error, at the end, or at an empty set: values.md F5.

Side by side: above ``@durable``, below it, and on a function that is not durable.
"""

from __future__ import annotations

import json
import warnings

import pytest
from aws_lambda_powertools import Metrics, Tracer
from aws_lambda_powertools.logging.buffer import LoggerBufferConfig
from aws_lambda_powertools.metrics import SchemaValidationError
from pydantic import BaseModel

from powertools_durable import durable
from powertools_durable.errors import BackendError
from powertools_durable.testing import Simulator
from tests.integrations.lines import Log

PLACES = ["above", "below", "without"]
everywhere = pytest.mark.parametrize("place", PLACES)


class Context:
    function_name = "orders"
    memory_limit_in_mb = 128
    invoked_function_arn = "arn"
    aws_request_id = "request"


def outcome(place, decorate, code, **options):
    """Run *code* once with a decorator at *place*; return the error's type, None for success."""
    if place == "without":
        try:
            decorate(lambda event, context: code())({}, Context())
        except Exception as error:  # noqa: BLE001 - which one is looked at
            return type(error).__name__
        return None

    def handler(event, ctx):
        ctx.wait(5)
        return code()

    made = decorate(durable(**options)(handler)) if place == "above" else durable(**options)(decorate(handler))
    run = Simulator(made).start({}).finish()
    return run.error.error_type if run.error else None


def fails():
    raise LookupError("no such order")


# -- Logger ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def buffering(monkeypatch):
    monkeypatch.setenv("_X_AMZN_TRACE_ID", "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1")
    made = Log(buffer_config=LoggerBufferConfig())
    yield made
    made.forget()


@pytest.mark.parametrize("flushes", [True, False])
@everywhere
def test_flush_buffer_on_uncaught_error(place, flushes, buffering):
    def code():
        buffering.logger.debug("details")
        fails()

    decorate = buffering.logger.inject_lambda_context(flush_buffer_on_uncaught_error=flushes)
    assert outcome(place, decorate, code, logger=buffering.logger) == "LookupError"
    assert buffering.messages.count("details") == flushes


@everywhere
def test_a_success_discards_the_buffer(place, buffering):
    decorate = buffering.logger.inject_lambda_context(flush_buffer_on_uncaught_error=True)
    assert outcome(place, decorate, lambda: buffering.logger.debug("details"), logger=buffering.logger) is None
    buffering.logger.flush_buffer()
    assert buffering.messages == []


# -- Metrics -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def metrics():
    made = Metrics(namespace="Shop", service="orders")
    made.provider.clear_metrics()
    yield made
    made.provider.clear_metrics()


@everywhere
def test_raise_on_empty_metrics_hides_no_failure_of_an_execution(place, metrics):
    decorate = metrics.log_metrics(raise_on_empty_metrics=True)
    expected = "LookupError" if place != "without" else SchemaValidationError.__name__
    assert outcome(place, decorate, fails, metrics=metrics) == expected


@everywhere
def test_what_was_counted_before_a_failure_is_sent(place, metrics, capsys):
    def code():
        metrics.add_metric(name="Orders", unit="Count", value=1)
        fails()

    assert outcome(place, metrics.log_metrics(raise_on_empty_metrics=True), code, metrics=metrics) == "LookupError"
    sent = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    assert [blob["Orders"] for blob in sent if "Orders" in blob] == [[1.0]]


class Order(BaseModel):
    id: int


def test_an_input_that_does_not_fit_is_answered_as_such(metrics):
    def handler(order: Order, ctx): ...

    made = metrics.log_metrics(raise_on_empty_metrics=True)(durable(metrics=metrics)(handler))
    run = Simulator(made).start({"id": "x"}).finish()
    assert (run.error.error_type, len(run.invocations)) == ("PayloadValidationError", 1)


def test_a_success_that_counted_nothing_is_warned_of_and_stays_one(metrics):
    made = metrics.log_metrics(raise_on_empty_metrics=True)(durable(metrics=metrics)(lambda event, ctx: "done"))
    with pytest.warns(UserWarning, match="No application metrics to publish"):
        run = Simulator(made).start({}).finish()
    assert (run.result, len(run.invocations)) == ("done", 1)


def test_an_invocation_that_raises_is_retried_with_its_own_error(metrics):
    class Away:
        call_timeout = 1.0

        def get_execution_state(self, *_, **__):
            raise BackendError("away", retryable=True)

    made = durable(metrics=metrics, backend=Away())(lambda event, ctx: ctx.wait(5))
    event = {
        "DurableExecutionArn": "arn:aws:lambda:eu-west-1:123456789012:function:f:1/durable-execution/n/i",
        "CheckpointToken": "token",
        "InitialExecutionState": {"Operations": [], "NextMarker": "more"},
    }
    with warnings.catch_warnings(), pytest.raises(BackendError):
        warnings.simplefilter("error")
        metrics.log_metrics(raise_on_empty_metrics=True)(made)(event, Context())


# -- Tracer ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("captures", [True, False])
@everywhere
def test_capture_error(place, captures, xray_segments):
    tracer = Tracer(service="orders", auto_patch=False)
    xray_segments.next_invocation()
    decorate = tracer.capture_lambda_handler(capture_error=captures, capture_response=False)
    options = {"tracer": tracer}
    assert outcome(place, decorate, fails, **options) == "LookupError"
    text = json.dumps(xray_segments.documents)
    assert '"fault": true' in text
    marked = [one for one in xray_segments.documents if " error" in json.dumps(one.get("metadata", {}))]
    assert bool(marked) is captures
    assert "no such order" in text
