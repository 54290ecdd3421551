"""Which loggers' lines come out once, and the settings. Which lines do: test_replay_states.py.

A line before a wait is the measure: without the filter it comes out twice.
"""

from __future__ import annotations

import io
import json
import logging
import logging.handlers
import queue
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers

from powertools_durable import DurableConfig, durable
from powertools_durable.errors import DurableConfigError
from powertools_durable.testing import Simulator
from tests.integrations.lines import Log


def finish(handler, event=None):
    return Simulator(handler).start(event).finish()


def repeats(say):
    """Make the body of a handler that says one line and waits."""

    def body(event, ctx):
        say("line")
        ctx.wait(5)

    return body


@pytest.fixture
def plain():
    """A stream of the standard library's, and its lines."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(LambdaPowertoolsFormatter())
    handler.lines = lambda: [json.loads(text) for text in stream.getvalue().splitlines()]
    return handler


@pytest.fixture
def root():
    """The root logger, as it was before afterwards."""
    logger = logging.getLogger()
    level, handlers = logger.level, logger.handlers[:]
    yield logger
    logger.setLevel(level)
    for handler in logger.handlers[:]:
        if handler not in handlers:
            logger.removeHandler(handler)


# -- found by themselves ---------------------------------------------------------------------------------------


def test_a_child_logger_s_lines_pass_the_parent_s_handler(log):
    child = Logger(service=log.logger.service, child=True)
    finish(durable(repeats(child.info)))
    assert log.messages == ["line"]


def test_so_do_those_of_a_standard_logger_below(log):
    finish(durable(repeats(logging.getLogger(f"{log.logger.name}.orders.stock").warning)))
    assert log.messages == ["line"]
    assert "executionArn" in log.lines[0]


def test_a_child_s_own_handler_is_filtered_too(log, plain):
    child = Logger(service=log.logger.service, child=True)
    child.addHandler(plain)
    finish(durable(repeats(child.info)))
    assert [line["message"] for line in plain.lines()] == ["line"]


def test_a_logger_that_is_made_in_the_handler_is_found_at_the_next_invocation(log):
    later = []

    @durable
    def handler(event, ctx):
        if not later:
            later.append(Log())
        ctx.wait(5)
        later[0].logger.info("later")
        ctx.wait(5)

    finish(handler)
    assert later[0].messages == ["later"]
    later[0].forget()


def test_exceptions_too(log):
    @durable
    def handler(event, ctx):
        try:
            raise PermissionError("declined")
        except PermissionError:
            log.logger.exception("caught")
        ctx.wait(5)

    finish(handler)
    (line,) = log.lines
    assert (line["message"], line["exception_name"]) == ("caught", "PermissionError")


def test_a_library_that_was_given_the_logger_s_configuration(log):
    library = logging.getLogger("some_library")
    copy_config_to_registered_loggers(log.logger, include={library.name})
    try:
        finish(durable(repeats(library.warning)))
    finally:
        library.handlers.clear()
        library.propagate = True
    assert log.messages == ["line"]


def test_a_logger_of_the_standard_library_passes_the_root_logger(root, plain):
    root.addHandler(plain)
    finish(durable(repeats(logging.getLogger("anything").warning)))
    (line,) = plain.lines()
    assert "executionArn" in line


def test_the_root_logger_may_be_left_alone(root, plain):
    root.addHandler(plain)
    finish(durable(config=DurableConfig(instrument_root_logger=False))(repeats(logging.getLogger("anything").warning)))
    assert ["executionArn" in line for line in plain.lines()] == [False, False]


@pytest.mark.parametrize("on", ["the Powertools logger", "the root logger"])
def test_behind_a_queue_handler_a_listener_s_thread_needs_no_scope(on, root, plain):
    records = queue.SimpleQueue()
    handler_of_queue = logging.handlers.QueueHandler(records)
    listener = logging.handlers.QueueListener(records, plain)
    log = None
    if on == "the root logger":
        root.addHandler(handler_of_queue)
        say = logging.getLogger("anything").warning
    else:
        log = Log(logger_handler=handler_of_queue, logger_formatter=None)
        say = log.logger.warning
    listener.start()
    try:
        finish(durable(repeats(say)))
    finally:
        listener.stop()
    (line,) = plain.lines()
    assert "executionArn" in line
    if log:
        log.forget()


def test_lines_outside_an_execution_pass_unchanged(log):
    durable(lambda event, ctx: None)
    log.logger.info("outside")
    assert "executionArn" not in log.lines[0]


def test_our_own_lines_are_never_dropped(caplog):
    own = logging.getLogger("powertools_durable.anything")
    finish(durable(repeats(own.warning)))
    assert [record.message for record in caplog.records if record.name == own.name] == ["line", "line"]


def test_lines_of_a_package_whose_name_begins_like_ours_are_not_ours(log):
    finish(durable(repeats(logging.getLogger("powertools_durable_orders").warning)))
    made = Log(service="powertools_durable_shop")
    finish(durable(repeats(made.logger.info)))
    assert made.messages == ["line"]
    made.forget()


# -- given by name ---------------------------------------------------------------------------------------------


def test_given_loggers_are_the_only_ones(log):
    other = Log()

    @durable(logger=log.logger, config=DurableConfig(instrument_root_logger=False))
    def handler(event, ctx):
        log.logger.info("once")
        other.logger.info("twice")
        ctx.wait(5)

    finish(handler)
    assert (log.count("once"), other.count("twice")) == (1, 2)
    other.forget()


def test_a_given_child_stands_for_the_handlers_its_lines_pass(log):
    child = Logger(service=log.logger.service, child=True)
    finish(durable(logger=child)(repeats(child.info)))
    assert log.messages == ["line"]


@pytest.mark.parametrize("many", [list, tuple])
def test_several_may_be_given_and_those_of_the_standard_library(log, plain, many):
    aside = logging.getLogger("aside")
    aside.addHandler(plain)
    aside.propagate = False

    def both(message):
        aside.warning(message)
        log.logger.info(message)

    try:
        finish(durable(logger=many([log.logger, aside]))(repeats(both)))
    finally:
        aside.removeHandler(plain)
    assert (len(plain.lines()), log.messages) == (1, ["line"])


def test_the_root_logger_may_be_given(root, plain):
    root.addHandler(plain)
    finish(
        durable(logger=root, config=DurableConfig(instrument_root_logger=False))(
            repeats(logging.getLogger("anything").warning)
        )
    )
    assert len(plain.lines()) == 1


def test_logger_false_leaves_everything_alone(log):
    handler = durable(logger=False)(repeats(log.logger.info))
    assert log.logger.registered_handler.filters == []
    finish(handler)
    assert log.messages == ["line", "line"]
    assert "executionArn" not in log.lines[0]
    assert log.logger.registered_handler.filters == []


def test_two_functions_in_one_module_each_have_their_way(log):
    wants = durable(repeats(log.logger.info))
    wants_none = durable(logger=False)(repeats(log.logger.error))
    wants_all = durable(config=DurableConfig(log_replays=True))(repeats(log.logger.warning))
    for _ in range(2):
        for handler in (wants, wants_none, wants_all):
            finish(handler)
    levels = [(line["level"], line.get("isReplay", False)) for line in log.lines]
    assert levels == [("INFO", False), ("ERROR", False), ("ERROR", False), ("WARNING", False), ("WARNING", True)] * 2


@pytest.mark.parametrize("wrong", [42, "orders", {}, True, [None], 0, ""])
def test_what_is_no_logger_is_refused_with_file_and_line(wrong):
    with pytest.raises(
        DurableConfigError, match=r"takes a Logger, several, or False, not (an? \w+|None) .*test_logger.py:\d+"
    ):
        durable(logger=wrong)(lambda event, ctx: None)


# -- threads ---------------------------------------------------------------------------------------------------


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
    assert "executionArn" not in log.lines[0]
    assert "executionArn" in log.lines[1]


def test_a_bound_function_takes_and_returns_what_it_does_and_may_run_on_many_threads(log):
    @durable
    def handler(event, ctx):
        def double(number):
            log.logger.info(f"number {number}")
            return 2 * number

        with ThreadPoolExecutor(4) as pool:
            doubled = list(pool.map(ctx.bind(double), range(8)))
        ctx.wait(5)
        return doubled

    assert finish(handler).result == [2 * number for number in range(8)]
    assert sorted(log.messages) == sorted(f"number {number}" for number in range(8))


def test_threads_of_a_step_always_say_their_lines(log):
    def body():
        thread = threading.Thread(target=lambda: log.logger.info("in a thread"))
        thread.start()
        thread.join()

    @durable
    def handler(event, ctx):
        ctx.step(body)
        ctx.wait(5)

    finish(handler)
    assert log.messages == ["in a thread"]


# -- settings and looks ----------------------------------------------------------------------------------------


def test_log_replays_lets_replayed_lines_out_marked(log):
    def large(child):
        child.step(lambda: 1)
        log.logger.info("sealed")
        return "x" * 300_000

    @durable(config=DurableConfig(log_replays=True))
    def handler(event, ctx):
        ctx.run_in_child_context(large)
        log.logger.info("line")
        try:
            ctx.wait(5)
        finally:
            log.logger.info("finally")

    finish(handler)
    told = [(line["message"], line.get("isReplay")) for line in log.lines]
    assert told == [("sealed", None), ("line", None), ("sealed", True), ("line", True), ("finally", None)]


def test_a_dropped_line_is_never_formatted(log):
    formatted = []

    class Costly:
        def __str__(self):
            formatted.append(1)
            return "costly"

    run = Simulator(durable(repeats(lambda message: log.logger.info("%s %s", message, Costly())))).start()
    live = len(formatted)  # pytest formats it too
    assert len(run.finish().invocations) == 2
    assert len(formatted) == live > 0


@pytest.mark.parametrize("call", ["debug", "info", "warning", "error", "critical"])
def test_the_location_is_the_user_s_line(log, call):
    @durable
    def handler(event, ctx):
        getattr(log.logger, call)("here")

    finish(handler)
    assert log.lines[0]["location"].startswith("handler:")
