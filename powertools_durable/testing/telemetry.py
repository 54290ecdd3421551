"""Takes out of the process what `durable` put into it for Logger, Tracer and Metrics."""

from __future__ import annotations

from powertools_durable.integrations import instrumentation

__all__ = ["reset"]


def reset() -> None:
    """Remove every filter, wrapper and emitter that durable functions put into loggers, metrics and recorders.

    The next invocation of a durable function puts in again what it needs. For a test that decorates functions with
    loggers of its own, before or after it.
    """
    instrumentation.reset()
