"""Counts each metric once, however often the code replays. See docs/powertools/metrics.md."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import wraps
from typing import Any
from weakref import WeakSet

from aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch import AmazonCloudWatchEMFProvider

from powertools_durable.errors import DurableConfigError
from powertools_durable.errors.wording import class_name
from powertools_durable.integrations.instrumentation import on_reset
from powertools_durable.integrations.replay_filter import suppresses
from powertools_durable.scope import SCOPE

__all__ = ["ReplaySafeProvider", "expect_no_error", "expect_nothing", "make_replay_safe"]

_GATE = "_powertools_durable"
_invocation = threading.local()  # .has_nothing: it need not have anything to count
_one_at_a_time = threading.RLock()  # branches are threads, and Powertools empties a full set without looking again


class _Gate:
    """Stands before a provider: lets metrics of live code through, and finds nothing odd in a replay without any."""

    def __init__(self, provider: Any, add: Callable[..., Any], flush: Callable[..., Any]) -> None:
        self.provider = provider
        self._add = add
        self._flush = flush
        setattr(provider, _GATE, self)

    def stand(self) -> None:
        """Take the provider's place, on this instance alone: decorators hold it already."""
        self.provider.add_metric, self.provider.flush_metrics = self.add_metric, self.flush_metrics

    def leave(self) -> None:
        """Give the provider its own methods back."""
        for name in ("add_metric", "flush_metrics", _GATE):
            self.provider.__dict__.pop(name, None)

    def add_metric(self, *args: Any, **kwargs: Any) -> Any:
        """Take a metric, unless an earlier invocation did."""
        if _is_repeated():
            return None
        with _one_at_a_time:
            return self._add(*args, **kwargs)

    def flush_metrics(self, *args: Any, **kwargs: Any) -> Any:
        """Send what was taken; nothing, where nothing is to be expected, is no reason to warn or to raise."""
        quiet = _is_repeated() or getattr(_invocation, "has_nothing", False)
        is_answered = SCOPE.get() is None and getattr(_invocation, "is_answered", False)
        if SCOPE.get() is None:  # above @durable: the invocation is over
            _invocation.has_nothing = _invocation.is_answered = False
        if quiet and not getattr(self.provider, "metric_set", None):
            self.provider.clear_metrics()
            return None
        if is_answered and not getattr(self.provider, "metric_set", None):
            args, kwargs = (), {}  # without raise_on_empty_metrics: the answer stays, and Powertools warns
        with _one_at_a_time:
            return self._flush(*args, **kwargs)


class ReplaySafeProvider(AmazonCloudWatchEMFProvider):
    """The CloudWatch provider of Powertools for durable functions: ``Metrics(provider=ReplaySafeProvider(...))``.

    A metric of code that replays is not counted again. One in a step's body is counted for each attempt: add it
    behind the step to count it once. ``@durable(metrics=metrics)`` does the same to an existing instance.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._gate = _Gate(self, super().add_metric, super().flush_metrics)

    def add_metric(self, *args: Any, **kwargs: Any) -> None:
        """Add a metric, unless the code that runs only repeats."""
        self._gate.add_metric(*args, **kwargs)

    def flush_metrics(self, *args: Any, **kwargs: Any) -> None:
        """Send what was added; a replay without any is no reason to warn or to raise."""
        self._gate.flush_metrics(*args, **kwargs)


_GATES: WeakSet[_Gate] = WeakSet()
_SHARED: list[Any] = []  # sets of metrics that instances of Metrics share, one of which is safe


def make_replay_safe(metrics: Any) -> None:
    """Let the provider of a ``Metrics`` count each metric once.

    In place: ``@metrics.log_metrics(...)`` above holds the provider already. Other instances of ``Metrics`` that
    share its metrics, as those without a provider of their own do, are safe with it.

    Raises
    ------
    DurableConfigError
        *metrics* is no ``Metrics``.
    """
    provider = getattr(metrics, "provider", metrics)
    present = getattr(provider, _GATE, None)
    if isinstance(present, _Gate):
        return
    if present is not None:  # of this module before it was loaded anew
        present.leave()
    if not all(callable(getattr(provider, name, None)) for name in ("add_metric", "flush_metrics", "clear_metrics")):
        message = f"durable(metrics=...) takes a Metrics of Powertools, not {class_name(metrics)}"
        raise DurableConfigError(message)
    gate = _Gate(provider, provider.add_metric, provider.flush_metrics)
    gate.stand()
    _GATES.add(gate)
    if isinstance(provider, AmazonCloudWatchEMFProvider):
        if not any(provider.metric_set is known for known in _SHARED):
            _SHARED.append(provider.metric_set)
        _guard_shared_sets()


def expect_nothing(*, expected: bool) -> None:
    """Say whether this thread's invocation need not have anything to count: it replays, suspends or fails."""
    _invocation.has_nothing, _invocation.is_answered = expected, False


def expect_no_error() -> None:
    """Say that this thread's invocation has succeeded: an empty set is no reason to take that back."""
    _invocation.is_answered = True


def _is_repeated() -> bool:
    scope = SCOPE.get()
    return scope is not None and suppresses(scope)


def _guard_shared_sets() -> None:
    original: Callable[..., Any] = AmazonCloudWatchEMFProvider.add_metric
    if hasattr(original, _GATE):
        return

    @wraps(original)
    def add_metric(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not any(self.metric_set is shared for shared in _SHARED):
            return original(self, *args, **kwargs)
        if _is_repeated():
            return None
        with _one_at_a_time:
            return original(self, *args, **kwargs)

    setattr(add_metric, _GATE, original)
    AmazonCloudWatchEMFProvider.add_metric = add_metric  # type: ignore[method-assign]


@on_reset
def _remove_gates() -> None:
    for gate in list(_GATES):
        gate.leave()
    _GATES.clear()
    _SHARED.clear()
    original = getattr(AmazonCloudWatchEMFProvider.add_metric, _GATE, None)
    if original is not None:
        AmazonCloudWatchEMFProvider.add_metric = original  # type: ignore[method-assign]
