"""Counts each metric once, however often the code replays. Source: powertools.md 5.1."""

from __future__ import annotations

import threading
from typing import Any

from aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch import AmazonCloudWatchEMFProvider

from powertools_durable.errors import DurableConfigError
from powertools_durable.integrations.replay_filter import suppresses
from powertools_durable.scope import SCOPE

__all__ = ["ReplaySafeProvider", "expect_quiet", "make_replay_safe"]

_quiet = threading.local()  # .flush: this invocation only repeated what others counted


_MARK = "_powertools_durable"


class _Gate:
    """Stands before a provider: lets metrics of live code through, and finds nothing odd in a replay without any."""

    def __init__(self, provider: Any) -> None:
        self._provider = provider
        self._add = provider.add_metric
        self._flush = provider.flush_metrics
        self._swallowed = False

    def add_metric(self, *args: Any, **kwargs: Any) -> Any:
        """Take a metric, unless an earlier invocation did."""
        scope = SCOPE.get()
        if scope is not None and suppresses(scope):
            self._swallowed = True
            return None
        return self._add(*args, **kwargs)

    def flush_metrics(self, *args: Any, **kwargs: Any) -> Any:
        """Send what was taken; nothing, on a replay, is no reason to warn or to raise."""
        quiet = self._swallowed or getattr(_quiet, "flush", False)
        self._swallowed = _quiet.flush = False
        if quiet and not getattr(self._provider, "metric_set", None):
            self._provider.clear_metrics()
            return None
        return self._flush(*args, **kwargs)


class ReplaySafeProvider(AmazonCloudWatchEMFProvider):
    """The CloudWatch provider of Powertools for durable functions: ``Metrics(provider=ReplaySafeProvider(...))``.

    A metric of code that replays is not counted again. One in a step's body is counted for each attempt: add it
    behind the step to count it once. ``@durable(metrics=metrics)`` does the same to an existing instance.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        make_replay_safe(self)


def make_replay_safe(metrics: Any) -> None:
    """Let the provider of a ``Metrics`` count each metric once.

    In place: ``@metrics.log_metrics(...)`` above holds the provider already.

    Raises
    ------
    DurableConfigError
        *metrics* is no ``Metrics``.
    """
    provider = getattr(metrics, "provider", metrics)
    if getattr(provider, _MARK, False):
        return
    if not all(callable(getattr(provider, name, None)) for name in ("add_metric", "flush_metrics", "clear_metrics")):
        message = f"durable(metrics=...) takes a Metrics of Powertools, not a {type(metrics).__name__}"
        raise DurableConfigError(message)
    gate = _Gate(provider)
    provider.add_metric, provider.flush_metrics = gate.add_metric, gate.flush_metrics
    setattr(provider, _MARK, True)


def expect_quiet(*, replaying: bool) -> None:
    """Say whether the invocation that begins on this thread replays: it may have nothing to count."""
    _quiet.flush = replaying
