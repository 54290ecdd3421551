"""Buffered lines are judged when they are buffered: docs/powertools/logger.md#buffering."""

from __future__ import annotations

import inspect
import io
import logging
import threading

import pytest
from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.buffer import LoggerBufferConfig
from aws_lambda_powertools.logging.buffer.cache import LoggerBufferCache
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers
from aws_lambda_powertools.warnings import PowertoolsUserWarning

from powertools_durable import DurableConfig, StepSemantics, durable
from powertools_durable.errors import DurableConfigError
from powertools_durable.testing import Simulator, reset
from tests.integrations.lines import DEF_BELOW, DEF_BLOCKS, DEF_CALLS, Log


@pytest.fixture(autouse=True)
def traced(monkeypatch):
    """Powertools buffers by the trace's root, which all invocations of an execution share."""
    monkeypatch.setenv("_X_AMZN_TRACE_ID", "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1")


@pytest.fixture
def log():
    made = Log(buffer_config=LoggerBufferConfig(max_bytes=20_480, flush_on_error_log=True))
    yield made
    made.forget()


# -- 1: decided and stamped when buffered ----------------------------------------------------------------------


def test_a_line_buffered_on_replay_is_not_stored(log):
    @log.logger.inject_lambda_context
    @durable
    def handler(event, ctx):
        log.logger.debug("first")
        ctx.wait(5)
        log.logger.debug("second")
        log.logger.error("failed")

    Simulator(handler).start().finish()
    assert log.messages == ["second", "failed"]


def test_a_live_line_has_the_keys_of_its_own_moment(log):
    @durable
    def handler(event, ctx):
        ctx.step(lambda: log.logger.debug("in the step"), name="charge")
        log.logger.error("in the handler")

    Simulator(handler).start()
    step, error = log.lines
    assert (step["message"], step["operationName"], step["attempt"]) == ("in the step", "charge", 1)
    assert "operationName" not in error
    assert step["executionArn"] == error["executionArn"]


def test_buffer_replayed_refills_the_buffer_and_marks_what_is_old(log):
    @log.logger.inject_lambda_context
    @durable(config=DurableConfig(buffer_replayed=True))
    def handler(event, ctx):
        log.logger.debug("first")
        log.logger.debug("second")
        ctx.wait(5)
        log.logger.debug("third")
        log.logger.error("failed")

    Simulator(handler).start().finish()
    assert [(line["message"], line.get("isReplay")) for line in log.lines] == [
        ("first", True),
        ("second", True),
        ("third", None),
        ("failed", None),
    ]


def test_what_is_said_while_a_suspension_passes_is_never_stored(log):
    @durable(config=DurableConfig(buffer_replayed=True))
    def handler(event, ctx):
        try:
            ctx.wait(5)
        finally:
            log.logger.debug("finally")
        log.logger.error("failed")

    Simulator(handler).start().finish()
    assert log.messages == ["finally", "failed"]


@DEF_CALLS
def test_the_buffer_is_as_large_as_without_us(log, monkeypatch):
    """Keys take no room in it: they ride on the item."""
    sizes = []
    monkeypatch.setattr("time.time", lambda: 1.7e9)  # its digits count

    def handler(event, ctx):
        log.logger.debug("line")
        buffer = log.logger._buffer_cache  # noqa: SLF001 - Powertools shows its size nowhere else
        sizes.append(buffer.get_current_size("1-5759e988-bd862e3fe1be46a994272793"))

    handler(None, None)
    log.logger.clear_buffer()
    Simulator(durable(handler)).start()
    assert sizes[0] == sizes[1] > 0


def test_a_child_s_private_buffer_is_judged_too(log):
    child = Logger(service=log.logger.service, child=True, level="DEBUG")

    @durable
    def handler(event, ctx):
        child.debug("old")
        ctx.wait(5)
        child.debug("new")
        child.error("failed")

    Simulator(handler, seed=1).start()
    child.clear_buffer()
    Simulator(handler, seed=2).start().finish()
    assert log.messages == ["old", "new", "failed"], "the second execution's own lines: buffered live, flushed once"


# -- 2: passed without a second decision, and the mark stays inside --------------------------------------------


def test_a_flush_outside_the_execution_does_not_stamp_anew_and_shows_no_mark(log):
    @durable
    def handler(event, ctx):
        ctx.step(lambda: log.logger.debug("in the step"), name="charge")

    Simulator(handler).start()
    log.logger.flush_buffer()
    (line,) = log.lines
    assert line["operationName"] == "charge"
    assert line["location"].startswith("<lambda>:")
    assert not any("powertools_durable" in key or "judged" in key.lower() for key in line)


def test_a_record_that_passes_several_handlers_is_judged_once(log):
    second, names = io.StringIO(), []

    class Notes(logging.Formatter):
        def format(self, record):
            names.append(type(record.funcName))
            return super().format(record)

    other = logging.StreamHandler(second)
    other.setFormatter(Notes("%(message)s %(operationName)s %(funcName)s"))
    log.logger.addHandler(other)

    @durable
    def handler(event, ctx):
        ctx.step(lambda: log.logger.debug("in the step"), name="charge")
        log.logger.flush_buffer()

    Simulator(handler).start()
    assert second.getvalue().strip() == "in the step charge <lambda>"
    assert names == [str], "the mark is taken off"
    assert log.lines[0]["operationName"] == "charge"


def test_a_handler_that_came_too_late_for_the_filter_shows_no_mark_either(log):
    second = io.StringIO()

    class ShowsEverything(logging.Formatter):
        def format(self, record):
            return repr(record.__dict__)

    @durable
    def handler(event, ctx):
        log.logger.debug("line")
        other = logging.StreamHandler(second)
        other.setFormatter(ShowsEverything())
        log.logger.handlers.insert(0, other)
        log.logger.flush_buffer()

    Simulator(handler).start()
    assert "line" in second.getvalue()
    assert "powertools_durable" not in second.getvalue()
    assert log.messages == ["line"]


# -- 3 and 4: code that only repeats neither flushes nor empties -----------------------------------------------


@DEF_BELOW
@pytest.mark.parametrize("flushes", [True, False])
def test_with_the_decorator_inside_a_suspension_flushes_nothing(log, flushes):
    """``flush_buffer_on_uncaught_error`` is a bare ``except``: a suspension looks like an error to it."""

    @durable
    @log.logger.inject_lambda_context(flush_buffer_on_uncaught_error=flushes)
    def handler(event, ctx):
        log.logger.debug("line")
        ctx.wait(5)

    run = Simulator(handler).start()
    assert log.messages == []
    run.finish()
    assert log.messages == []


@DEF_BELOW
def test_an_uncaught_error_flushes_what_is_live(log):
    @durable(logger=log.logger)
    @log.logger.inject_lambda_context(flush_buffer_on_uncaught_error=True)
    def handler(event, ctx):
        ctx.wait(5)
        log.logger.debug("line")
        raise ValueError

    assert Simulator(handler).start().finish().status == "FAILED"
    assert log.messages == ["line", "the execution failed: ValueError"]


@DEF_BLOCKS
@pytest.mark.sampled(1)
@pytest.mark.parametrize("said", ["error", "debug", "clear_buffer"])
def test_a_branch_that_repeats_itself_leaves_the_lines_of_a_live_branch_alone(log, said):
    """An error logged on replay used to throw them away; and so did a debug line, as Powertools found no buffer."""
    repeated, buffered = threading.Event(), threading.Event()
    turns = []

    def repeats(child):
        if turns and turns[-1] == "second":
            assert buffered.wait(60)
        getattr(log.logger, said)(*([] if said == "clear_buffer" else ["old"]))
        repeated.set()
        child.wait(5)

    def lives(child):
        child.wait(5)
        log.logger.debug("live")
        buffered.set()
        assert repeated.wait(60)
        log.logger.error("failed")

    @durable
    def handler(event, ctx):
        turns.append("second" if turns else "first")
        repeated.clear()
        ctx.parallel([repeats, lives])

    Simulator(handler).start().finish()
    assert [message for message in log.messages if message != "old"] == ["live", "failed"]
    assert log.count("old") == (said != "clear_buffer"), "buffered or not, once: in the first invocation it was live"


@DEF_BLOCKS
def test_a_debug_line_of_code_that_unwinds_leaves_the_buffer_alone(log):
    woken = threading.Event()

    def unwinds(child):
        try:
            child.wait(5)
        finally:
            log.logger.debug("unwinding")
            woken.set()

    def lives(child):
        log.logger.debug("live")
        child.step(lambda: woken.wait(60), semantics=StepSemantics.AT_MOST_ONCE)
        log.logger.error("failed")

    @durable
    def handler(event, ctx):
        ctx.parallel([lives, unwinds])

    Simulator(handler).start()
    assert log.messages == ["live", "failed"]


# -- libraries -------------------------------------------------------------------------------------------------


@pytest.mark.skipif(
    "include_buffering" not in inspect.signature(copy_config_to_registered_loggers).parameters,
    reason="this version of Powertools lets libraries have no part in a buffer",
)
def test_lines_of_libraries_that_share_the_buffer_are_judged_as_well(log):
    library = logging.getLogger("some_library_with_a_buffer")
    copy_config_to_registered_loggers(log.logger, include={library.name}, include_buffering=True)

    @log.logger.inject_lambda_context
    @durable
    def handler(event, ctx):
        library.debug("old")
        ctx.wait(5)
        library.debug("new")
        log.logger.error("failed")

    try:
        Simulator(handler).start().finish()
    finally:
        library.handlers.clear()
    assert log.messages == ["new", "failed"]


# -- the seam --------------------------------------------------------------------------------------------------


def test_outside_an_execution_the_buffer_works_as_ever(log):
    Simulator(durable(lambda event, ctx: None)).start()
    log.logger.debug("line")
    log.logger.flush_buffer()
    assert log.messages == ["line"]
    assert "executionArn" not in log.lines[0]


def test_the_class_is_wrapped_once_and_reset_takes_the_wrapper_out():
    original = LoggerBufferCache.add
    handler = durable(lambda event, ctx: None)
    for _ in range(3):
        Simulator(handler).start()
    wrapped = LoggerBufferCache.add
    assert wrapped is not original
    assert inspect.unwrap(wrapped) is original
    assert wrapped.__wrapped__ is original
    reset()
    assert LoggerBufferCache.add is original


@pytest.fixture
def another_buffer(monkeypatch):
    """A version of Powertools that buffers in another way."""
    monkeypatch.setattr(LoggerBufferCache, "add", lambda self, key, item, level: None)


@pytest.mark.usefixtures("another_buffer")
def test_a_buffer_of_another_version_is_left_alone_with_one_warning():
    handler = durable(lambda event, ctx: None)
    with pytest.warns(PowertoolsUserWarning, match="buffers log lines in another way") as warned:
        assert Simulator(handler).start().status == "SUCCEEDED"
    assert len(warned) == 1
    assert Simulator(handler).start().status == "SUCCEEDED", "told once a process"


@pytest.mark.usefixtures("another_buffer")
def test_a_developer_is_told_by_an_error(monkeypatch):
    monkeypatch.setenv("POWERTOOLS_DEV", "true")
    run = Simulator(durable(lambda event, ctx: None)).start()
    assert run.invocations[0].answer.error_type == DurableConfigError.__name__
