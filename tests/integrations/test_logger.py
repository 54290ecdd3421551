"""A module's own Powertools logger in a durable execution: powertools.md 2, every line once."""

from __future__ import annotations

import io
import json
import logging
import threading
from datetime import timedelta

import pytest
from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.buffer import LoggerBufferConfig
from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter

from powertools_durable import Completion, DurableConfig, Retry, StepError, durable
from powertools_durable.errors import DurableConfigError
from powertools_durable.integrations import correlation_paths
from powertools_durable.testing import Simulator


class Log:
    """A Powertools logger of this test alone, and the lines it wrote."""

    def __init__(self, service, **options):
        self.stream = io.StringIO()
        self.logger = Logger(service=service, stream=self.stream, level="DEBUG", **options)

    @property
    def lines(self):
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]

    @property
    def messages(self):
        return [line["message"] for line in self.lines]

    def count(self, message):
        return self.messages.count(message)


@pytest.fixture
def log(request):
    made = Log(request.node.name)
    yield made
    forget(made)


def forget(made):
    logging.Logger.manager.loggerDict.pop(made.logger.name, None)


def finish(handler, event=None, **options):
    return Simulator(handler, **options).start(event).finish()


# -- the table of 2.2, row by row ------------------------------------------------------------------------------


def test_a_plain_line_in_the_handler_appears_once_over_two_waits(log):
    @durable
    def handler(event, ctx):
        log.logger.info("first")
        ctx.wait(5)
        log.logger.info("second")
        ctx.wait(5)
        log.logger.info("third")

    assert len(finish(handler).invocations) == 3
    assert log.messages == ["first", "second", "third"]


def test_a_line_after_the_last_operation_of_a_child_with_a_large_result_appears_once(log):
    def large(child):
        child.step(lambda: 1, name="inner")
        log.logger.info("after the last operation")
        return "x" * 300_000

    @durable
    def handler(event, ctx):
        ctx.run_in_child_context(large)
        ctx.wait(5)
        ctx.wait(5)

    finish(handler)
    assert log.messages == ["after the last operation"]


def test_a_line_between_a_callback_and_its_result_appears_once(log):
    @durable
    def handler(event, ctx):
        callback = ctx.create_callback(name="approval")
        log.logger.info("asked")
        callback.result()
        log.logger.info("answered")

    run = Simulator(handler).start()
    run.callback("approval").succeed("yes")
    assert log.messages == ["asked", "answered"]


def test_a_line_in_finally_around_a_wait_appears_once_at_the_logical_time(log):
    @durable
    def handler(event, ctx):
        try:
            ctx.wait(5)
            log.logger.info("inside")
        finally:
            log.logger.info("finally")

    finish(handler)
    assert log.messages == ["inside", "finally"]


def test_lines_that_a_crash_did_not_reach_are_not_lost(log):
    crashes = []

    def child(inner):
        log.logger.info("before the crash")
        if not crashes:
            crashes.append(1)
            raise SystemExit
        log.logger.info("after it")

    @durable
    def handler(event, ctx):
        ctx.step(lambda: 1, name="one")
        ctx.run_in_child_context(child)

    finish(handler)
    assert log.count("after it") == 1
    assert log.count("before the crash") >= 1  # no durable evidence says that it went out


@pytest.mark.parametrize("waits", [0, 1, 3])
def test_each_line_of_parallel_branches_appears_once(log, waits):
    def branch(number):
        def run(child):
            for turn in range(number):
                log.logger.info(f"branch {number} turn {turn}")
                child.wait(5 + number)
            log.logger.info(f"branch {number} ends")

        return run

    @durable
    def handler(event, ctx):
        log.logger.info("before")
        ctx.parallel([branch(0), branch(1), branch(waits)], completion=Completion.all_completed())
        log.logger.info("after")

    finish(handler)
    assert log.count("before") == log.count("after") == 1
    for number in {0, 1, waits}:
        times = [0, 1, waits].count(number)
        assert log.count(f"branch {number} ends") == times
        for turn in range(number):
            assert log.count(f"branch {number} turn {turn}") == times


def test_a_recorded_failure_is_logged_once(log):
    def declined():
        raise PermissionError("declined")

    @durable
    def handler(event, ctx):
        try:
            ctx.step(declined, retry=Retry.none())
        except StepError:
            log.logger.exception("caught")
        ctx.wait(5)
        ctx.wait(5)

    finish(handler)
    assert log.messages == ["caught"]


def test_a_failing_step_logs_once_for_each_attempt(log):
    @durable
    def handler(event, ctx):
        ctx.step(flaky, name="flaky", retry=Retry(max_attempts=3, jitter="none"))

    def flaky():
        log.logger.info("trying")
        if log.count("trying") < 3:
            raise ConnectionError

    finish(handler)
    assert [(line["message"], line["attempt"]) for line in log.lines] == [("trying", n) for n in (1, 2, 3)]


# -- keys ------------------------------------------------------------------------------------------------------


def test_lines_say_which_execution_and_operation_they_are_of(log):
    @durable
    def handler(event, ctx):
        log.logger.info("handler")
        ctx.step(lambda: log.logger.info("step"), name="charge")
        ctx.run_in_child_context(lambda child: log.logger.info("child"), name="ship")

    run = Simulator(handler).start(name="order-42")
    handler_line, step_line, child_line = log.lines
    assert {line["executionArn"] for line in log.lines} == {run.arn}
    assert {line["executionName"] for line in log.lines} == {"order-42"}
    assert (step_line["operationName"], step_line["operationId"]) == ("charge", run.operation("charge").id)
    assert step_line["attempt"] == 1
    assert child_line["parentId"] == run.operation("ship").id
    assert not {"operationId", "operationName", "attempt", "parentId"} & set(handler_line)


def test_a_key_of_the_user_s_own_wins(log):
    @durable
    def handler(event, ctx):
        log.logger.info("mine", executionName="my name", order_id=7)

    finish(handler)
    (line,) = log.lines
    assert (line["executionName"], line["order_id"]) == ("my name", 7)


def test_the_location_is_the_user_s_line(log):
    @durable
    def handler(event, ctx):
        log.logger.info("here")

    finish(handler)
    assert log.lines[0]["location"].startswith("handler:")


# -- which loggers ---------------------------------------------------------------------------------------------


def test_child_loggers_and_loggers_made_later_are_filtered_too(log):
    later = []

    @durable
    def handler(event, ctx):
        if not later:
            later.append(Log("made later"))
        child = Logger(service=log.logger.service, child=True)
        child.info("child")
        ctx.wait(5)
        later[0].logger.info("later")
        ctx.wait(5)

    finish(handler)
    assert log.count("child") == 1
    assert later[0].messages == ["later"]
    forget(later[0])


def test_the_root_logger_s_handlers_are_filtered(log):
    root, stream = logging.getLogger(), io.StringIO()
    handler_of_root = logging.StreamHandler(stream)
    handler_of_root.setFormatter(LambdaPowertoolsFormatter())
    root.addHandler(handler_of_root)

    @durable
    def handler(event, ctx):
        logging.getLogger("anything").warning("plain")
        ctx.wait(5)

    try:
        finish(handler)
    finally:
        root.removeHandler(handler_of_root)
    (line,) = [json.loads(text) for text in stream.getvalue().splitlines()]
    assert (line["message"], "executionArn" in line) == ("plain", True)


def test_logger_false_leaves_everything_alone(log):
    @durable(logger=False)
    def handler(event, ctx):
        log.logger.info("repeated")
        ctx.wait(5)

    finish(handler)
    assert log.messages == ["repeated", "repeated"]
    assert "executionArn" not in log.lines[0]


def test_given_loggers_are_the_only_ones(log):
    other = Log("another service")

    @durable(logger=log.logger, config=DurableConfig(instrument_root_logger=False))
    def handler(event, ctx):
        log.logger.info("once")
        other.logger.info("twice")
        ctx.wait(5)

    finish(handler)
    assert (log.count("once"), other.count("twice")) == (1, 2)
    forget(other)


def test_one_filter_a_handler_however_many_functions_are_decorated(log):
    for _ in range(3):

        @durable
        def handler(event, ctx):
            log.logger.info("line")

    for _ in range(5):
        finish(handler)
    assert len(log.logger.registered_handler.filters) == 1


def test_lines_outside_an_execution_pass_unchanged(log):
    @durable
    def handler(event, ctx): ...

    log.logger.info("outside")
    assert "executionArn" not in log.lines[0]


def test_a_thread_without_scope_is_let_out_and_a_bound_one_is_told_apart(log):
    @durable
    def handler(event, ctx):
        for call in (lambda: log.logger.info("bare"), ctx.bind(lambda: log.logger.info("bound"))):
            thread = threading.Thread(target=call)
            thread.start()
            thread.join()
        ctx.wait(5)

    finish(handler)
    assert (log.count("bare"), log.count("bound")) == (2, 1)


def test_log_replays_lets_replayed_lines_out_marked(log):
    @durable(config=DurableConfig(log_replays=True))
    def handler(event, ctx):
        log.logger.info("line")
        ctx.wait(5)

    finish(handler)
    assert [line.get("isReplay") for line in log.lines] == [None, True]


def test_our_own_lines_are_never_dropped(caplog):
    own = logging.getLogger("powertools_durable.anything")

    @durable
    def handler(event, ctx):
        own.warning("engine")
        ctx.wait(5)

    finish(handler)
    assert [record.message for record in caplog.records if record.name == own.name] == ["engine", "engine"]


# -- around the decorator --------------------------------------------------------------------------------------


def test_log_event_above_durable_tells_no_payload_and_no_token(log, caplog):
    @log.logger.inject_lambda_context(log_event=True)
    @durable
    def handler(event, ctx): ...

    run = Simulator(handler).start({"card": "canary"})
    text = log.stream.getvalue()
    assert "canary" not in text
    assert "CheckpointToken" not in text
    assert log.lines[0]["message"] == {"durableExecutionArn": run.arn, "operationCount": 1, "redacted": True}
    assert sum("log_event=True stands above" in record.message for record in caplog.records) == 1


def test_log_event_below_durable_logs_the_input_once(log):
    @durable
    @log.logger.inject_lambda_context(log_event=True)
    def handler(event, ctx):
        ctx.wait(5)

    finish(handler, {"id": 7})
    assert log.messages == [{"id": 7}]


def test_a_correlation_path_finds_the_customer_s_event(log):
    @log.logger.inject_lambda_context(correlation_id_path=correlation_paths.EVENT_BRIDGE)
    @durable
    def handler(event, ctx):
        log.logger.info("line")

    finish(handler, {"id": "event-7"})
    assert log.lines[0]["correlation_id"] == "event-7"


@pytest.mark.parametrize("rate", [0.0, 0.5, 1.0])
def test_debug_sampling_is_decided_once_an_execution(request, rate):
    log = Log(f"sampling-{rate}", sampling_rate=rate)
    log.logger.setLevel("INFO")
    log.logger.initial_log_level = logging.INFO

    @log.logger.inject_lambda_context
    @durable(logger=log.logger)
    def handler(event, ctx):
        for turn in range(3):
            log.logger.debug(f"turn {turn}")
            ctx.wait(5)

    simulator = Simulator(handler)
    sampled = 0
    for _ in range(20):
        before = sum("turn" in str(message) for message in log.messages)
        simulator.start().finish()
        said = sum("turn" in str(message) for message in log.messages) - before
        assert said in (0, 3), "an execution is sampled whole, or not at all"
        sampled += said == 3
    assert {0.0: sampled == 0, 0.5: 2 <= sampled <= 18, 1.0: sampled == 20}[rate], sampled
    forget(log)


# -- buffering -------------------------------------------------------------------------------------------------


@pytest.fixture
def buffered(request, monkeypatch):
    monkeypatch.setenv("_X_AMZN_TRACE_ID", "Root=1-5759e988-bd862e3fe1be46a994272793")
    made = Log(request.node.name, buffer_config=LoggerBufferConfig(max_bytes=20_480, flush_on_error_log=True))
    yield made
    forget(made)


def test_a_line_buffered_on_replay_does_not_come_out_with_a_later_error(buffered):
    @durable
    def handler(event, ctx):
        buffered.logger.debug("of the first invocation")
        ctx.wait(5)
        buffered.logger.debug("of the second")
        buffered.logger.error("failed")

    finish(handler)
    buffer_lines = [line for line in buffered.lines if line["level"] == "DEBUG"]
    assert buffer_lines[-1]["message"] == "of the second"
    assert buffered.count("of the first invocation") <= 1
    assert all("executionArn" in line for line in buffered.lines)
    assert not any("_powertools_durable_judged" in line for line in buffered.lines)


def test_a_buffered_line_keeps_the_keys_of_its_own_moment(buffered):
    @durable
    def handler(event, ctx):
        ctx.step(lambda: buffered.logger.debug("in the step"), name="charge")
        buffered.logger.error("in the handler")

    finish(handler)
    step, error = buffered.lines
    assert (step["message"], step["operationName"], step["attempt"]) == ("in the step", "charge", 1)
    assert "operationName" not in error


# -- nothing piles up ------------------------------------------------------------------------------------------


def test_a_hundred_executions_leave_one_filter_and_no_buffer(buffered):
    @durable
    def handler(event, ctx):
        buffered.logger.debug("line")
        ctx.wait(timedelta(seconds=5))

    for _ in range(100):
        finish(handler)
    assert len(buffered.logger.registered_handler.filters) == 1


def test_a_logger_that_is_none_is_refused():
    with pytest.raises(DurableConfigError, match="takes a Logger, several, or False, not a int"):
        durable(logger=42)(lambda event, ctx: None)
