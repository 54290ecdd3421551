"""What durable functions put into the process: once, found after a reload, harmless when it fails, and removable."""

from __future__ import annotations

import importlib
import io
import logging
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from aws_lambda_powertools import Metrics
from aws_lambda_powertools.logging.buffer.cache import LoggerBufferCache
from aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch import AmazonCloudWatchEMFProvider

from powertools_durable import durable
from powertools_durable.integrations.replay_filter import ReplayFilter
from powertools_durable.testing import Simulator, reset
from tests.integrations.lines import Log


def ours(handler):
    return [found for found in handler.filters if isinstance(found, ReplayFilter)]


# -- once ------------------------------------------------------------------------------------------------------


def test_one_filter_a_handler_however_many_functions_are_decorated_and_run(log):
    def function(event, ctx):
        ctx.wait(5)

    for _ in range(3):
        handler = durable(function)
        for _ in range(3):
            Simulator(handler).start().finish()
    assert len(log.logger.registered_handler.filters) == 1


def test_all_handlers_share_one_filter(log):
    other = Log()
    Simulator(durable(lambda event, ctx: None)).start()
    assert ours(log.logger.registered_handler) == ours(other.logger.registered_handler)
    assert len(ours(other.logger.registered_handler)) == 1
    other.forget()


def test_a_module_that_is_loaded_again_puts_in_nothing_twice(tmp_path, monkeypatch):
    (tmp_path / "shop_that_is_reloaded.py").write_text(
        textwrap.dedent("""
            import io
            from aws_lambda_powertools import Logger, Metrics
            from powertools_durable import durable
            logger, metrics = Logger(service="reloaded", stream=io.StringIO()), Metrics(namespace="Shop", service="s")

            @durable(metrics=metrics)
            def handler(event, ctx):
                logger.info("line")
                ctx.wait(5)

            @durable(metrics=metrics)
            def another(event, ctx): ...
        """)
    )
    monkeypatch.syspath_prepend(tmp_path)
    shop = importlib.import_module("shop_that_is_reloaded")
    stream = shop.logger.registered_handler.stream
    for _ in range(2):
        shop = importlib.reload(shop)
        Simulator(shop.handler).start().finish()
        Simulator(shop.another).start()
    assert len(shop.logger.registered_handler.filters) == 1
    assert stream.getvalue().count('"line"') == 2, "once for each of the two executions"
    logging.Logger.manager.loggerDict.pop("reloaded")
    del sys.modules["shop_that_is_reloaded"]


@pytest.mark.slow
def test_this_package_loaded_again_takes_over_what_it_left(tmp_path):
    """As a test run does that empties ``sys.modules``; in a process of its own, for it has two of everything."""
    script = tmp_path / "twice.py"
    script.write_text(
        textwrap.dedent("""
            import io, sys
            from aws_lambda_powertools import Logger, Metrics
            from aws_lambda_powertools.logging.buffer.cache import LoggerBufferCache

            stream = io.StringIO()
            logger = Logger(service="twice", stream=stream)
            metrics = Metrics(namespace="Shop", service="twice")
            original = LoggerBufferCache.add

            def body(event, ctx):
                logger.info("line")
                metrics.add_metric(name="Orders", unit="Count", value=1)
                ctx.wait(5)

            for _ in range(3):
                for name in [name for name in sys.modules if name.startswith("powertools_durable")]:
                    del sys.modules[name]
                from powertools_durable import durable
                from powertools_durable.testing import Simulator
                run = Simulator(metrics.log_metrics(durable(metrics=metrics)(body))).start().finish()
                assert (run.status, len(run.invocations)) == ("SUCCEEDED", 2)
                print("filters", len(logger.registered_handler.filters))

            print("lines", stream.getvalue().count('"line"'))
            print("wrapped", LoggerBufferCache.add.__wrapped__ is original)
        """)
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, check=True, timeout=60, env=environment
    )
    told = [line for line in done.stdout.splitlines() if not line.startswith("{")]
    assert told == ["filters 1", "filters 1", "filters 1", "lines 3", "wrapped True"]
    assert sum('"Orders":[1.0]' in line for line in done.stdout.splitlines()) == 3


# -- a filter that fails ---------------------------------------------------------------------------------------


class Awkward(dict):
    """A message that the filter can't look into."""

    def __contains__(self, key):
        raise RuntimeError("canary")


def say_something_awkward(logger):
    @durable
    def handler(event, ctx):
        logger.info(Awkward(order=42))
        logger.info(Awkward(order=43))

    return Simulator(handler).start()


def test_a_filter_that_fails_lets_the_record_pass_and_warns_once(log, caplog):
    assert say_something_awkward(log.logger).status == "SUCCEEDED"
    assert log.messages == [{"order": 42}, {"order": 43}]
    told = [record for record in caplog.records if record.name.startswith("powertools_durable")]
    assert len(told) == 1
    assert "the filter of log lines failed with a RuntimeError" in told[0].getMessage()
    assert "canary" not in told[0].getMessage()


def test_a_developer_sees_where_a_filter_fails(log, monkeypatch):
    monkeypatch.setenv("POWERTOOLS_DEV", "1")
    run = say_something_awkward(log.logger)
    assert run.status == "FAILED"
    assert run.error.error_message == "canary"


# -- and out again ---------------------------------------------------------------------------------------------


def test_reset_takes_everything_out(log):
    metrics = Metrics(provider=AmazonCloudWatchEMFProvider(namespace="Shop", service="orders"))
    add, add_of_class = metrics.provider.add_metric, AmazonCloudWatchEMFProvider.add_metric
    buffer_add = LoggerBufferCache.add
    root = logging.getLogger()
    handler_of_root = logging.StreamHandler(io.StringIO())
    root.addHandler(handler_of_root)
    try:
        Simulator(durable(metrics=metrics)(lambda event, ctx: None)).start()
        assert ours(handler_of_root)
        assert ours(log.logger.registered_handler)
        assert metrics.provider.add_metric != add
        assert LoggerBufferCache.add is not buffer_add
        reset()
        assert not any(ours(handler) for handler in (*root.handlers, log.logger.registered_handler))
        assert metrics.provider.add_metric == add
        assert AmazonCloudWatchEMFProvider.add_metric is add_of_class
        assert LoggerBufferCache.add is buffer_add
    finally:
        root.removeHandler(handler_of_root)


def test_after_a_reset_the_next_invocation_puts_in_what_it_needs(log):
    metrics = Metrics(provider=AmazonCloudWatchEMFProvider(namespace="Shop", service="orders"))

    @durable(metrics=metrics)
    def handler(event, ctx):
        log.logger.info("line")
        metrics.add_metric(name="Orders", unit="Count", value=1)
        ctx.wait(5)

    run = Simulator(handler).start()
    reset()
    run.finish()
    assert log.messages == ["line"]
    assert metrics.provider.metric_set["Orders"]["Value"] == [1.0]
