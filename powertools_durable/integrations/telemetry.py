"""What one function's ``logger=``, ``tracer=`` and ``metrics=`` ask for: made ready once, and at each invocation."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from types import FrameType
from typing import TYPE_CHECKING, Any

from powertools_durable.config import DurableConfig
from powertools_durable.integrations.instrumentation import report
from powertools_durable.integrations.log_buffer import instrument_buffers
from powertools_durable.integrations.loggers import LogIntegration
from powertools_durable.integrations.uncaught import act_as_at_an_uncaught_error

if TYPE_CHECKING:
    from powertools_durable.plugins import PluginSource

__all__ = ["Telemetry"]

_METRICS = "powertools_durable.integrations.metrics"  # loads Powertools' Metrics, which who has none does without
_TRACING = "powertools_durable.integrations.operation_tracing"
_ENGINE_METRICS = "powertools_durable.integrations.engine_metrics"


class Telemetry:
    """The integrations of one function.

    Parameters
    ----------
    logger, tracer, metrics : object
        As `durable` takes them.
    config : DurableConfig
        What is on.
    handler : Callable
        The user's function.

    Raises
    ------
    DurableConfigError
        One of them can't be used.
    """

    def __init__(
        self, *, logger: Any, tracer: Any, metrics: Any, config: DurableConfig, handler: Callable[..., Any]
    ) -> None:
        self._logs = LogIntegration(logger, config, handler)
        self._logs.attach()  # for what decorators above log
        self._keep_replayed = config.buffer_replayed
        self._metrics = metrics
        self.tracing: tuple[PluginSource, ...] = ()
        if tracer is not None:
            self.tracing = import_module(_TRACING).plugins_of_tracer(tracer, config)
        self.plugins: tuple[PluginSource, ...] = ()
        if metrics is not None:
            import_module(_METRICS).make_replay_safe(metrics)
        if config.engine_metrics:
            self.plugins = _engine_metrics(metrics)

    def begins(self, execution_arn: str, *, replaying: bool) -> None:
        """Prepare for an invocation: there may be loggers that were made since the last one."""
        instrument_buffers(keep_replayed=self._keep_replayed)
        self._logs.begin(execution_arn)
        if self._metrics is not None:
            import_module(_METRICS).make_replay_safe(self._metrics)
        _expect_nothing(expected=replaying)

    def ended(self, answer: Mapping[str, Any], caller: FrameType) -> None:
        """Take note of how an invocation ended that *caller* began, before decorators above do their part."""
        status = answer.get("Status")
        if status != "SUCCEEDED":  # what is counted may come later, or never for want of success
            _expect_nothing(expected=True)
        else:
            _answered()
        if status == "FAILED":
            act_as_at_an_uncaught_error(answer.get("Error") or {}, caller)

    def raised(self) -> None:
        """Take note that an invocation raises, so that Lambda makes another one."""
        _expect_nothing(expected=True)


def _expect_nothing(*, expected: bool) -> None:
    if (module := sys.modules.get(_METRICS)) is not None:  # somebody has metrics: here, or with a provider by hand
        module.expect_nothing(expected=expected)


def _answered() -> None:
    if (module := sys.modules.get(_METRICS)) is not None:
        module.expect_no_error()


def _engine_metrics(metrics: Any) -> tuple[PluginSource, ...]:
    if metrics is None:
        report("engine_metrics is on, but there is no namespace to send them to; say @durable(metrics=metrics)")
        return ()
    return tuple(import_module(_ENGINE_METRICS).engine_metrics(metrics))
