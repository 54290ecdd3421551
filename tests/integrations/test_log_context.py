"""Around the lines: ``inject_lambda_context``, state, correlation, sampling, ``ctx.logger``.

See docs/powertools/logger.md#advanced.
"""

from __future__ import annotations

import itertools
import logging
from hashlib import blake2b

import pytest
from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging import correlation_paths as originals
from aws_lambda_powertools.logging.buffer import LoggerBufferConfig
from aws_lambda_powertools.utilities.data_classes import EventBridgeEvent, event_source
from aws_lambda_powertools.utilities.parser import event_parser

from powertools_durable import DurableConfig, durable
from powertools_durable.integrations import correlation_paths
from powertools_durable.parser import DurableInvocationEvent
from powertools_durable.testing import Simulator
from tests.integrations.lines import DEF_BELOW, Log


def finish(handler, event=None):
    return Simulator(handler).start(event).finish()


# -- log_event: neither a payload nor a token ------------------------------------------------------------------


def tokens_of(run):
    """Every checkpoint token that the service gave out."""
    return {invocation.event["CheckpointToken"] for invocation in run.invocations}


def test_above_durable_only_the_arn_is_logged_and_a_warning_says_why_once(log, caplog):
    @log.logger.inject_lambda_context(log_event=True)
    @durable
    def handler(event, ctx):
        ctx.wait(5)

    run = finish(handler, {"card": "canary"})
    assert log.messages == [
        {"durableExecutionArn": run.arn, "operationCount": 1, "redacted": True},
        {"durableExecutionArn": run.arn, "operationCount": 2, "redacted": True},
    ]
    assert sum("log_event=True stands above @durable" in record.message for record in caplog.records) == 1


def above(log):
    return log.logger.inject_lambda_context(log_event=True)


ORDERS = {
    "above": lambda log, body: above(log)(durable(body)),
    "below": lambda log, body: durable(above(log)(body)),
    "above and below": lambda log, body: above(log)(durable(above(log)(body))),
    "twice above": lambda log, body: above(log)(above(log)(durable(body))),
    "below @event_source": lambda log, body: event_source(data_class=EventBridgeEvent)(above(log)(durable(body))),
    "above @event_source": lambda log, body: above(log)(event_source(data_class=EventBridgeEvent)(durable(body))),
    "below @event_parser": lambda log, body: event_parser(model=DurableInvocationEvent)(above(log)(durable(body))),
}


@pytest.mark.parametrize("buffers", [False, True])
@pytest.mark.parametrize(
    "order", [pytest.param(one, marks=DEF_BELOW if one.endswith("below") else ()) for one in ORDERS]
)
def test_no_token_comes_out_in_any_order_of_decorators(order, buffers, capfd, monkeypatch, caplog):
    monkeypatch.setenv("_X_AMZN_TRACE_ID", "Root=1-5759e988-bd862e3fe1be46a994272793")
    options = {"buffer_config": LoggerBufferConfig(buffer_at_verbosity="INFO")} if buffers else {}
    log = Log(**options)

    def body(event, ctx):
        log.logger.error("an error flushes what is buffered")
        ctx.wait(5)

    handler = ORDERS[order](log, body)
    run = finish(handler, {"card": "canary"})
    captured = capfd.readouterr()
    told = log.stream.getvalue() + captured.out + captured.err + caplog.text
    assert log.messages or buffers, "nothing was captured"
    assert not [token for token in tokens_of(run) if token in told]
    assert "CheckpointToken" not in told
    if order not in {"below", "above and below"}:
        assert "canary" not in told
    log.forget()


def test_a_token_would_be_seen(log):
    """Without the filter it comes out: the test above is able to fail."""

    @log.logger.inject_lambda_context(log_event=True)
    @durable(logger=False)
    def handler(event, ctx): ...

    run = finish(handler)
    assert [token for token in tokens_of(run) if token in log.stream.getvalue()]


def test_below_durable_the_input_is_logged_once(log):
    @durable
    @log.logger.inject_lambda_context(log_event=True)
    def handler(event, ctx):
        ctx.wait(5)

    finish(handler, {"id": 7})
    assert log.messages == [{"id": 7}]


def test_a_message_that_only_looks_a_little_like_the_event_is_left_alone(log):
    @durable
    def handler(event, ctx):
        log.logger.info({"CheckpointToken": "mine"})

    finish(handler)
    assert log.messages == [{"CheckpointToken": "mine"}]


# -- correlation -----------------------------------------------------------------------------------------------

EVENTS = {
    "API_GATEWAY_REST": {"requestContext": {"requestId": "wanted"}},
    "API_GATEWAY_HTTP": {"requestContext": {"requestId": "wanted"}},
    "APPSYNC_AUTHORIZER": {"requestContext": {"requestId": "wanted"}},
    "APPSYNC_RESOLVER": {"request": {"headers": {"x-amzn-trace-id": "wanted"}}},
    "APPLICATION_LOAD_BALANCER": {"headers": {"x-amzn-trace-id": "wanted"}},
    "EVENT_BRIDGE": {"id": "wanted"},
    "LAMBDA_FUNCTION_URL": {"requestContext": {"requestId": "wanted"}},
    "S3_OBJECT_LAMBDA": {"xAmzRequestId": "wanted"},
    "VPC_LATTICE": {"headers": {"x-amzn-trace-id": "wanted"}},
}


@pytest.mark.parametrize("name", EVENTS)
@pytest.mark.parametrize("place", ["above", pytest.param("below", marks=DEF_BELOW)])
def test_each_correlation_path_finds_the_customer_s_event(name, place, log):
    def body(event, ctx):
        ctx.wait(5)
        log.logger.info("line")

    if place == "above":
        handler = log.logger.inject_lambda_context(correlation_id_path=getattr(correlation_paths, name))(durable(body))
    else:
        handler = durable(log.logger.inject_lambda_context(correlation_id_path=getattr(originals, name))(body))
    finish(handler, EVENTS[name])
    assert [line["correlation_id"] for line in log.lines] == ["wanted"]


def test_every_path_of_powertools_has_its_counterpart():
    ours = {name: getattr(correlation_paths, name) for name in correlation_paths.__all__}
    theirs = {name: value for name, value in vars(originals).items() if name.isupper()}
    assert ours.keys() == theirs.keys()
    assert all(path.endswith(f"powertools_json(@).{theirs[name]}") for name, path in ours.items())


# -- state -----------------------------------------------------------------------------------------------------


def test_appended_keys_are_there_again_before_the_first_live_line_and_clear_state_ends_them(log):
    @log.logger.inject_lambda_context(clear_state=True)
    @durable
    def handler(event, ctx):
        log.logger.info("begins")
        log.logger.append_keys(order=event["id"])
        ctx.wait(5)
        log.logger.info("ends")

    for number in (1, 2):
        finish(handler, {"id": number})
    assert [line.get("order") for line in log.lines] == [None, 1, None, 2]
    assert all("executionArn" in line for line in log.lines)


def test_clear_state_on_the_logger_leaves_the_stamped_keys(log):
    @durable
    def handler(event, ctx):
        log.logger.append_keys(order=7)
        log.logger.clear_state()
        log.logger.info("line")

    finish(handler)
    assert "order" not in log.lines[0]
    assert "executionArn" in log.lines[0]


def test_thread_safe_keys_are_a_branch_s_own(log):
    def branch(number):
        def run(child):
            log.logger.thread_safe_append_keys(branch=number)
            child.wait(5)
            log.logger.info("line")

        return run

    @durable
    def handler(event, ctx):
        ctx.parallel([branch(1), branch(2)])
        log.logger.info("behind")

    finish(handler)
    assert sorted(line["branch"] for line in log.lines if line["message"] == "line") == [1, 2]
    assert "branch" not in log.lines[-1]


# -- sampling --------------------------------------------------------------------------------------------------


def is_sampled(arn, rate):
    return int.from_bytes(blake2b(arn.encode(), digest_size=8).digest()) / 2**64 < rate


def three_turns(logger):
    def body(event, ctx):
        for turn in range(3):
            logger.debug(f"turn {turn}")
            ctx.wait(5)

    return body


def sampled_by(simulator, log, executions=30):
    """Run executions, and compare each with what its ARN decides: whole, or not at all."""
    sampled = 0
    for _ in range(executions):
        before = len(log.messages)
        run = simulator.start().finish()
        said = len(log.messages) - before
        assert said == (3 if is_sampled(run.arn, float(log.logger.sampling_rate)) else 0)
        sampled += said == 3
    return sampled


@pytest.fixture(params=["given", "named by the handler", "registered only"])
def found(request):
    """How a logger is found."""
    return request.param


@pytest.mark.sampled(1)
@pytest.mark.parametrize("rate", [0.5, "0.3"])
def test_debug_sampling_is_decided_once_an_execution(found, rate, monkeypatch):
    monkeypatch.setattr("random.random", lambda: 0.0)  # Powertools draws for DEBUG at each invocation
    log = Log(sampling_rate=rate, level="INFO")
    logging.getLogger(log.logger.name).setLevel("INFO")  # as it is when Powertools' first draw is against it
    if found == "registered only":
        known = logging.getLogger(log.logger.name)  # the handler knows only what the standard library knows
        body, log_of_decorator = three_turns(known), log.logger
        handler = durable(body)
    else:
        body, log_of_decorator = three_turns(log.logger), log.logger
        handler = durable(logger=log.logger if found == "given" else None)(body)
    sampled = sampled_by(Simulator(log_of_decorator.inject_lambda_context(handler)), log)
    assert 0 < sampled < 30
    log.forget()


def test_without_the_setting_powertools_draws_for_each_invocation(monkeypatch):
    log = Log(sampling_rate=0.5, level="INFO")
    draws = itertools.cycle([0.1, 0.9])
    monkeypatch.setattr("random.random", lambda: next(draws))
    handler = durable(config=DurableConfig(consistent_sampling=False))(three_turns(log.logger))
    run = Simulator(log.logger.inject_lambda_context(handler)).start().finish()
    assert len(run.invocations) == 4
    assert 0 < len(log.messages) < 3
    log.forget()


def test_a_child_logger_with_a_rate_goes_with_the_others():
    log = Log(sampling_rate=1.0, level="INFO")
    child = Logger(service=log.logger.service, child=True, sampling_rate=1.0)

    @log.logger.inject_lambda_context
    @durable
    def handler(event, ctx):
        child.debug("line")

    finish(handler)
    assert log.messages == ["line"]
    log.forget()


def test_a_logger_without_a_rate_keeps_its_level(log):
    log.logger.setLevel("WARNING")

    @durable
    def handler(event, ctx): ...

    finish(handler)
    assert log.logger.log_level == logging.WARNING


def test_a_level_is_not_guessed_when_powertools_first_draw_hid_it():
    """Registered only, and DEBUG since it was made: whether that is its level or a draw, nobody can tell."""
    log = Log(sampling_rate=0.0001, level="WARNING")
    registered = logging.getLogger(log.logger.name)
    registered.setLevel(logging.DEBUG)
    finish(durable(three_turns(registered)))
    assert registered.level == logging.DEBUG
    log.forget()


# -- ctx.logger ------------------------------------------------------------------------------------------------


def test_ctx_logger_is_the_first_that_was_given(log):
    other = Log()
    seen = []

    @durable(logger=[other.logger, log.logger])
    def handler(event, ctx):
        seen.append(ctx.logger)
        log.logger.info("named here, but given second")

    finish(handler)
    assert seen == [other.logger]
    other.forget()


def test_ctx_logger_is_the_logger_itself_that_the_handler_s_module_names(log):
    mine, seen = log.logger, []

    @durable
    def handler(event, ctx):
        mine.info("line")
        seen.append(ctx.logger)

    finish(handler)
    assert seen == [mine]


@pytest.fixture
def only(log, monkeypatch):
    """The one logger that is registered."""
    monkeypatch.setattr(logging.Logger.manager, "loggerDict", {log.logger.name: logging.getLogger(log.logger.name)})
    return log


def test_ctx_logger_of_code_that_names_none_takes_keywords_all_the_same(only):
    def handler(event, ctx):
        ctx.logger.critical("line", order_id=42)
        ctx.wait(5)
        try:
            raise ValueError
        except ValueError:
            ctx.logger.info("caught", exc_info=True)

    finish(durable(handler))
    first, second = only.lines
    assert (first["message"], first["order_id"], first["level"]) == ("line", 42, "CRITICAL")
    assert first["location"].startswith("handler:")
    assert second["exception_name"] == "ValueError"


def test_ctx_logger_without_powertools_is_that_of_the_module(monkeypatch):
    monkeypatch.setattr(logging.Logger.manager, "loggerDict", {})
    seen = []

    def handler(event, ctx):
        seen.append(ctx.logger)

    finish(durable(handler))
    assert (type(seen[0]), seen[0].name) == (logging.Logger, __name__)


def test_ctx_logger_with_logger_false_is_still_one(only):
    seen = []

    def handler(event, ctx):
        seen.append(ctx.logger.name)

    finish(durable(logger=False)(handler))
    assert seen == [only.logger.name]
