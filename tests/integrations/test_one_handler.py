"""Logger and Metrics together, as a customer has them: over three invocations, in three branches, a thousand times."""

from __future__ import annotations

import logging
from collections import Counter

import pytest
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.logging.buffer import LoggerBufferConfig
from aws_lambda_powertools.logging.buffer.cache import LoggerBufferCache
from aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch import AmazonCloudWatchEMFProvider
from aws_lambda_powertools.utilities.parser.functions import CACHE_TYPE_ADAPTER
from pydantic import BaseModel

from powertools_durable import DurableConfig, durable
from powertools_durable.testing import Simulator
from tests.integrations.lines import Log
from tests.leaks import Objects, started_threads


class Order(BaseModel):
    id: int


@pytest.fixture
def metrics():
    made = Metrics(provider=AmazonCloudWatchEMFProvider(namespace="Shop", service="orders"))
    yield made
    made.clear_metrics()


def counted(run, name):
    return sum(sum(blob[name]) for one in run.invocations for blob in one.metrics if name in blob)


# -- three lines, a metric, a step and two waits ---------------------------------------------------------------


def three_lines(logger, metrics, ctx, *, waits, label=""):
    """Say three lines and count one thing, around as many waits."""
    logger.info(f"{label}accepted")
    metrics.add_metric(name="Orders", unit="Count", value=1)
    ctx.step(lambda: "paid", name="pay")
    logger.info(f"{label}paid")
    for number in range(waits):
        ctx.wait(60 * (number + 1))
    logger.info(f"{label}shipped")


def test_over_three_invocations_three_lines_and_a_sum_of_one(log, metrics):
    @log.logger.inject_lambda_context(clear_state=True)
    @metrics.log_metrics
    @durable(metrics=metrics)
    def handler(event, ctx):
        three_lines(log.logger, metrics, ctx, waits=2)

    run = Simulator(handler).start(name="order-42").finish()
    assert (run.status, len(run.invocations)) == ("SUCCEEDED", 3)
    assert log.messages == ["accepted", "paid", "shipped"]
    assert {(line["executionArn"], line["executionName"]) for line in log.lines} == {(run.arn, "order-42")}
    request_ids = [line["function_request_id"] for line in log.lines]
    assert request_ids == [run.invocations[at].request_id for at in (0, 0, 2)]
    assert counted(run, "Orders") == 1


def test_without_us_they_would_be_seven_and_three(log, metrics):
    """The test above is able to fail."""

    @metrics.log_metrics
    @durable(logger=False)
    def handler(event, ctx):
        three_lines(log.logger, metrics, ctx, waits=2)

    run = Simulator(handler).start().finish()
    assert Counter(log.messages) == {"accepted": 3, "paid": 3, "shipped": 1}
    assert counted(run, "Orders") == 3


def test_inside_three_branches_with_0_1_and_3_waits(log, metrics):
    def branch(waits):
        return lambda child: three_lines(log.logger, metrics, child, waits=waits, label=f"{waits} ")

    @log.logger.inject_lambda_context(clear_state=True)
    @metrics.log_metrics
    @durable(metrics=metrics)
    def handler(event, ctx):
        three_lines(log.logger, metrics, ctx, waits=2)
        ctx.parallel([branch(0), branch(1), branch(3)])

    run = Simulator(handler).start().finish()
    assert run.status == "SUCCEEDED"
    labels = ("", "0 ", "1 ", "3 ")
    assert Counter(log.messages) == {
        f"{label}{word}": 1 for label in labels for word in ("accepted", "paid", "shipped")
    }
    assert counted(run, "Orders") == 4
    branches = {record.id for record in run.operations if record.sub_type == "ParallelBranch"}
    assert {line["parentId"] for line in log.lines if line["message"][0] in "013"} == branches


# -- a thousand invocations on one process ---------------------------------------------------------------------


def census():
    """Everything that may pile up in registries of the process, counted."""
    loggers = [one for one in logging.Logger.manager.loggerDict.values() if isinstance(one, logging.Logger)]
    handlers = [handler for one in (*loggers, logging.getLogger()) for handler in one.handlers]
    depth, method = 0, LoggerBufferCache.add
    while method is not None:
        depth, method = depth + 1, getattr(method, "__wrapped__", None)
    return {
        "filters": sum(len(handler.filters) for handler in handlers),
        "handlers": len(handlers),
        "loggers": len(loggers),
        "wrappers": depth,
        "adapters": len(CACHE_TYPE_ADAPTER),
    }


@pytest.mark.slow
def test_a_thousand_invocations_leave_nothing_behind(metrics, monkeypatch):
    log = Log(buffer_config=LoggerBufferConfig(max_bytes=20_480))
    child = Logger(service=log.logger.service, child=True, level="DEBUG")
    buffers = [one._buffer_cache.cache for one in (log.logger, child)]  # noqa: SLF001 - Powertools shows them nowhere

    @log.logger.inject_lambda_context(clear_state=True, log_event=True)
    @metrics.log_metrics
    @durable(metrics=metrics, config=DurableConfig(engine_metrics=True, max_threads=2))
    def handler(order: Order, ctx):
        log.logger.append_keys(order=order.id)
        child.debug("buffered")
        log.logger.debug("buffered")
        three_lines(child, metrics, ctx, waits=1)
        ctx.parallel([lambda inner: three_lines(ctx.logger, metrics, inner, waits=0)] * 2)
        ctx.wait_for_callback(lambda callback_id: None, name="approval")
        if order.id % 3 == 0:
            raise ValueError(order.id)

    def executions(numbers):
        """Run one after the other, each in a trace of its own; return how many invocations that took."""
        invocations = 0
        for number in numbers:
            monkeypatch.setenv("_X_AMZN_TRACE_ID", f"Root=1-5759e988-{number:024x};Sampled=1")
            run = Simulator(handler).start({"id": number}).finish()
            run.callback("approval").succeed()
            assert run.status == ("FAILED" if number % 3 == 0 else "SUCCEEDED")
            invocations += len(run.invocations)
            log.stream.truncate(0)
            log.stream.seek(0)
        return invocations

    executions(range(10))  # what is made once is made now
    objects, before, sizes = Objects(), census(), [len(buffer) for buffer in buffers]
    with started_threads() as started:
        assert executions(range(10, 344)) >= 1000
    assert census() == before
    for handler_of_pytest in logging.getLogger().handlers:  # keep each record, with the tracebacks of failures
        getattr(handler_of_pytest, "records", []).clear()
    new = Counter(type(thing).__qualname__ for thing in objects.new())
    assert sum(new.values()) <= 10, new.most_common(10)  # the last invocation's
    assert started.alive == []
    assert [len(buffer) for buffer in buffers] == sizes
    assert max(sizes) <= 1, "a buffer holds the lines of one trace"
    assert (metrics.provider.metric_set, metrics.provider.dimension_set) == ({}, {})
    log.forget()


@pytest.mark.slow
def test_a_leak_would_be_seen():
    """The counts above are able to find one."""
    objects, before = Objects(), census()
    kept = Simulator(durable(lambda event, ctx: None)).start()
    assert kept in objects.new()
    logging.getLogger("left by one invocation").addHandler(logging.NullHandler())
    try:
        assert census() != before
    finally:
        del logging.Logger.manager.loggerDict["left by one invocation"]
