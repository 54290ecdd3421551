"""The keys of a line, one kind of code after the other, as golden JSON: docs/powertools/logger.md#keys.

Ids are those of docs/contributing/protocol.md#test-vectors, so they are the same in each run and in each SDK.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from powertools_durable import Polling, durable
from powertools_durable.testing import Simulator

GOLDEN = json.loads(Path(__file__).with_name("log_keys.json").read_text(encoding="utf-8"))
POWERTOOLS = {"level", "location", "timestamp", "service", "taskName"}  # the last in asyncio tasks, from Python 3.12 on


def say_everything(logger, ctx):
    """Log one line from each kind of code; the wait makes a second invocation, where nothing of it is new."""

    def check(state):
        logger.info("condition check")
        return True

    def child(inner):
        logger.info("child")
        inner.step(lambda: logger.info("step in a child"), name="pack")

    def branch(inner):
        logger.info("branch")
        inner.step(lambda: logger.info("step in a branch"), name="weigh")

    logger.info("handler")
    ctx.step(lambda: logger.info("step"), name="charge")
    ctx.step(lambda: logger.info("step without a name"), name="")
    ctx.wait_for_condition(check, initial=False, polling=Polling(bool), name="is paid")
    ctx.run_in_child_context(child, name="ship")
    ctx.parallel({"express": branch})
    ctx.wait(5)
    ctx.wait_for_callback(lambda callback_id: logger.info("submitter"), name="approval")


@pytest.fixture
def run(log):
    @durable
    def handler(event, ctx):
        say_everything(log.logger, ctx)

    return Simulator(handler).start(name="order-42").finish()


def test_each_kind_of_code_has_exactly_these_keys(log, run):
    told = {
        line.pop("message"): {key: value for key, value in line.items() if key not in POWERTOOLS} for line in log.lines
    }
    assert {line["executionArn"] for line in told.values()} == {run.arn}
    for line in told.values():
        line["executionArn"] = "<arn>"
    assert told == GOLDEN
    assert len(log.lines) == len(GOLDEN)


def test_each_attempt_counts_from_one(log):
    @durable
    def handler(event, ctx):
        def check(state):
            log.logger.info("check")
            return state + 1

        ctx.wait_for_condition(check, initial=0, polling=Polling(lambda state: state == 3))

    Simulator(handler).start().finish()
    assert [line["attempt"] for line in log.lines] == [1, 2, 3]


def test_the_keys_are_stamped_on_the_record_so_that_any_formatter_shows_them(run):
    """The runtime's own JSON formatter, for one, takes a record's attributes."""
    stream_of_records = []

    class Keeps(logging.Handler):
        def emit(self, record):
            stream_of_records.append(record)

    plain = logging.getLogger("plain")
    handler_of_plain = Keeps()
    plain.addHandler(handler_of_plain)

    @durable(logger=plain)
    def handler(event, ctx):
        ctx.step(lambda: plain.warning("line"), name="charge")
        ctx.wait(5)

    try:
        made = Simulator(handler).start(name="order-7").finish()
    finally:
        plain.removeHandler(handler_of_plain)
    (record,) = stream_of_records
    assert (record.executionArn, record.executionName) == (made.arn, "order-7")
    assert (record.operationId, record.operationName) == (made.operation("charge").id, "charge")
    assert record.attempt == 1
    assert not hasattr(record, "parentId")


@pytest.mark.parametrize("key", ["executionArn", "executionName", "operationId", "operationName", "attempt"])
@pytest.mark.parametrize("by", ["keyword", "extra"])
def test_a_key_of_the_user_s_own_wins(log, key, by):
    mine = {key: "mine"}

    @durable
    def handler(event, ctx):
        ctx.step(lambda: log.logger.info("line", **(mine if by == "keyword" else {"extra": mine})), name="charge")

    Simulator(handler).start()
    assert log.lines[0][key] == "mine"


def test_the_keys_are_not_written_into_what_all_threads_share(log):
    @durable
    def handler(event, ctx):
        ctx.step(lambda: log.logger.info("line"), name="charge")

    Simulator(handler).start()
    assert not {"executionArn", "operationName"} & set(log.logger.get_current_keys())
