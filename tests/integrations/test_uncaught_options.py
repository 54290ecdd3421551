"""Powertools' options that act at an uncaught error, at the end, or at an empty set.

Side by side: above ``@durable``, below it, and on a function that is not durable.
"""

from __future__ import annotations

import json
import warnings

import aws_lambda_powertools.tracing.tracer
import pytest
from aws_lambda_powertools import Metrics, Tracer
from aws_lambda_powertools.logging.buffer import LoggerBufferConfig
from aws_lambda_powertools.metrics import SchemaValidationError
from aws_lambda_powertools.metrics.provider import cold_start
from pydantic import BaseModel

from powertools_durable import durable
from powertools_durable.errors import BackendError
from powertools_durable.testing import Simulator
from tests.integrations.lines import DEF_BELOW, Log

PLACES = ["above", pytest.param("below", marks=DEF_BELOW), pytest.param("without", marks=DEF_BELOW)]
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


def test_a_decorator_that_breaks_when_it_is_told_of_a_failure_changes_no_answer(buffering, monkeypatch, caplog):
    def breaks():
        raise RuntimeError("no such stream")

    monkeypatch.setattr(buffering.logger, "flush_buffer", breaks)
    decorate = buffering.logger.inject_lambda_context(flush_buffer_on_uncaught_error=True)
    assert outcome("above", decorate, fails, logger=buffering.logger) == "LookupError"
    warned = [record.getMessage() for record in caplog.records if record.name.endswith(".uncaught")]
    assert warned == ["a decorator of Powertools above @durable could not be told of the failure: RuntimeError"]


def test_a_decorator_of_what_invoked_the_handler_is_not_told_of_its_failure(buffering):
    inner = durable(logger=False)(lambda event, ctx: fails())
    ended = []

    def outer(event, context):
        buffering.logger.debug("details")
        ended.append(Simulator(inner).start({}).finish().status)

    buffering.logger.inject_lambda_context(flush_buffer_on_uncaught_error=True)(outer)({}, Context())
    assert ended == ["FAILED"]
    assert buffering.messages == []


@pytest.mark.parametrize("place", ["above", pytest.param("below", marks=DEF_BELOW)])
def test_a_suspension_flushes_no_buffer(place, buffering):
    def handler(event, ctx):
        buffering.logger.debug("details")
        ctx.wait(5)

    decorate = buffering.logger.inject_lambda_context(flush_buffer_on_uncaught_error=True)
    durably = durable(logger=buffering.logger)
    Simulator(decorate(durably(handler)) if place == "above" else durably(decorate(handler))).start({})
    assert buffering.messages == []


@everywhere
def test_a_success_discards_the_buffer(place, buffering):
    decorate = buffering.logger.inject_lambda_context(flush_buffer_on_uncaught_error=True)
    assert outcome(place, decorate, lambda: buffering.logger.debug("details"), logger=buffering.logger) is None
    buffering.logger.flush_buffer()
    assert buffering.messages == []


@pytest.mark.parametrize("code", [fails, lambda: 1], ids=["fails", "succeeds"])
@pytest.mark.parametrize("by", ["option", "variable"])
@pytest.mark.parametrize("logs", [True, False])
@everywhere
def test_log_event(place, logs, by, code, log, monkeypatch):
    options = {"log_event": logs}
    if by == "variable":
        monkeypatch.setenv("POWERTOOLS_LOGGER_LOG_EVENT", str(logs).lower())
        options = {}
    outcome(place, log.logger.inject_lambda_context(**options), code, logger=log.logger)
    events = [line for line in log.lines if line["level"] == "INFO"]
    assert bool(events) is logs
    if place == "above":
        assert "InitialExecutionState" not in log.stream.getvalue()


@pytest.mark.parametrize("clears", [True, False])
@everywhere
def test_clear_state_does_not_take_the_keys_from_the_line_of_a_failure(place, clears, log):
    def code():
        log.logger.append_keys(order=42)
        log.logger.warning("before")
        fails()

    outcome(place, log.logger.inject_lambda_context(clear_state=clears), code, logger=log.logger)
    assert [line["order"] for line in log.lines if line["message"] == "before"] == [42]
    assert [line["order"] for line in log.lines if line["level"] == "ERROR"] == ([42] if place != "without" else [])


@everywhere
def test_the_variable_of_the_level(place, monkeypatch):
    monkeypatch.setenv("POWERTOOLS_LOG_LEVEL", "ERROR")
    made = Log(level=None)

    def code():
        made.logger.warning("hidden")
        fails()

    outcome(place, made.logger.inject_lambda_context, code, logger=made.logger)
    assert [line["level"] for line in made.lines] == (["ERROR"] if place != "without" else [])
    made.forget()


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


def test_raise_on_empty_metrics_hides_no_failure_of_a_first_invocation(metrics):
    made = metrics.log_metrics(raise_on_empty_metrics=True)(durable(metrics=metrics)(lambda event, ctx: fails()))
    assert Simulator(made).start({}).finish().error.error_type == "LookupError"


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


def blobs_of(capsys):
    return [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]


@pytest.mark.parametrize("code", [fails, lambda: 1], ids=["fails", "succeeds"])
@pytest.mark.parametrize("captures", [True, False])
@everywhere
def test_capture_cold_start_metric(place, captures, code, metrics, capsys, monkeypatch):
    monkeypatch.setattr(cold_start, "is_cold_start", True)
    monkeypatch.setenv("POWERTOOLS_METRICS_FUNCTION_NAME", "named")
    outcome(place, metrics.log_metrics(capture_cold_start_metric=captures), code, metrics=metrics)
    colds = [blob["function_name"] for blob in blobs_of(capsys) if "ColdStart" in blob]
    is_counted = captures and (code is not fails or place == "above")  # Powertools counts it where the handler returns
    assert colds == (["named"] if is_counted else [])


@everywhere
def test_the_variables_of_metrics(place, capsys, monkeypatch):
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "by variable")
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "orders by variable")
    metrics = Metrics()
    metrics.provider.clear_metrics()

    def code():
        metrics.add_metric(name="Orders", unit="Count", value=1)
        fails()

    assert outcome(place, metrics.log_metrics, code, metrics=metrics) == "LookupError"
    (blob,) = [blob for blob in blobs_of(capsys) if "Orders" in blob]
    assert blob["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "by variable"
    assert blob["service"] == "orders by variable"


@everywhere
def test_the_variable_that_disables_metrics(place, capsys, monkeypatch):
    monkeypatch.setenv("POWERTOOLS_METRICS_DISABLED", "true")
    metrics = Metrics(namespace="Shop", service="orders")
    metrics.provider.clear_metrics()

    def code():
        metrics.add_metric(name="Orders", unit="Count", value=1)
        fails()

    assert outcome(place, metrics.log_metrics, code, metrics=metrics) == "LookupError"
    assert blobs_of(capsys) == []


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
    last = handlers_of(xray_segments)[-1]
    assert last["fault"] is True
    assert last["cause"]


def handlers_of(segments):
    """Return the subsegments that ``capture_lambda_handler`` has made, one an invocation."""
    return [one for one in segments.documents if "ColdStart" in one.get("annotations", {})]


def responses_of(segments):
    return [value for one in segments.documents for value in one.get("metadata", {}).get("orders", {}).items()]


@pytest.mark.parametrize("by", ["option", "variable"])
@pytest.mark.parametrize("captures", [True, False])
@everywhere
def test_capture_response(place, captures, by, xray_segments, monkeypatch):
    tracer = Tracer(service="orders", auto_patch=False)
    xray_segments.next_invocation()
    options = {"capture_response": captures}
    if by == "variable":
        monkeypatch.setenv("POWERTOOLS_TRACER_CAPTURE_RESPONSE", str(captures).lower())
        options = {}
    assert outcome(place, tracer.capture_lambda_handler(**options), lambda: "answered", tracer=tracer) is None
    named = [json.dumps(value) for key, value in responses_of(xray_segments) if key.endswith(" response")]
    assert bool(named) is captures
    if captures:
        assert "answered" in named[-1]  # above, in the answer: {"Status": "SUCCEEDED", "Result": ...}


@pytest.mark.parametrize("captures", [True, False])
@everywhere
def test_the_variable_of_capture_error(place, captures, xray_segments, monkeypatch):
    monkeypatch.setenv("POWERTOOLS_TRACER_CAPTURE_ERROR", str(captures).lower())
    tracer = Tracer(service="orders", auto_patch=False)
    xray_segments.next_invocation()
    decorate = tracer.capture_lambda_handler(capture_response=False)
    assert outcome(place, decorate, fails, tracer=tracer) == "LookupError"
    assert any(key.endswith(" error") for key, _ in responses_of(xray_segments)) is captures


@pytest.mark.parametrize("code", [fails, lambda: 1], ids=["fails", "succeeds"])
@everywhere
def test_the_cold_start_is_annotated_in_the_first_invocation(place, code, xray_segments, monkeypatch):
    monkeypatch.setattr(aws_lambda_powertools.tracing.tracer, "is_cold_start", True)
    tracer = Tracer(service="orders", auto_patch=False)
    xray_segments.next_invocation()
    outcome(place, tracer.capture_lambda_handler(capture_response=False), code, tracer=tracer)
    colds = [one["annotations"]["ColdStart"] for one in handlers_of(xray_segments)]
    assert colds == ([True] if place == "without" else [True, False])
    assert {one["annotations"]["Service"] for one in handlers_of(xray_segments)} == {"orders"}


@everywhere
def test_the_variable_that_disables_the_tracer(place, xray_segments, monkeypatch):
    monkeypatch.setenv("POWERTOOLS_TRACE_DISABLED", "true")
    tracer = Tracer(service="orders", auto_patch=False)
    xray_segments.next_invocation()
    assert outcome(place, tracer.capture_lambda_handler, fails, tracer=tracer) == "LookupError"
    assert handlers_of(xray_segments) == []
    Tracer(service="orders", auto_patch=False, disabled=False)  # the setting is the process's
