"""What the service can't see of an execution, as CloudWatch metrics; ``DurableConfig(engine_metrics=True)``.

A blob of its own at the end of each invocation, so that neither the user's metrics nor their dimensions are touched.
An execution's ARN is metadata: as a dimension each execution would be a metric of its own.
See docs/powertools/metrics.md#metrics-of-the-engine.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch import AmazonCloudWatchEMFProvider

from powertools_durable._protocol.operation import OperationStatus, OperationType, SubType
from powertools_durable.errors.wording import class_name
from powertools_durable.integrations.instrumentation import report
from powertools_durable.plugins import InvocationEnd, InvocationInfo, OperationInfo, Plugin, PluginSource, ReplayInfo

__all__ = ["EngineMetrics", "engine_metrics"]

_REJECTIONS = ("PayloadValidationError", "PayloadModelChangedError")


def engine_metrics(metrics: Any) -> Iterable[PluginSource]:
    """Return what makes an `EngineMetrics` for each invocation; nothing for another provider than CloudWatch's."""
    provider = getattr(metrics, "provider", metrics)
    if not isinstance(provider, AmazonCloudWatchEMFProvider):
        report(f"engine_metrics are written for CloudWatch; {class_name(provider)} gets none")
        return ()
    return (partial(EngineMetrics, provider),)


class EngineMetrics(Plugin):
    """Counts one invocation.

    Parameters
    ----------
    provider : AmazonCloudWatchEMFProvider
        Its namespace and service are taken, its metrics and dimensions are left alone.
    """

    def __init__(self, provider: AmazonCloudWatchEMFProvider) -> None:
        self._provider = provider
        self._began = time.perf_counter()
        self._replay: tuple[int, float] | None = None
        self._finished_before: dict[str, int] = {}  # attempts of each step that was met
        self._lock = threading.Lock()  # branches are threads

    def on_replay_end(self, info: ReplayInfo) -> None:
        """Note what was repeated, and how long that took."""
        self._replay = (info.operations, (time.perf_counter() - self._began) * 1e3)

    def on_operation_start(self, info: OperationInfo) -> None:
        """Note how often a step was tried before this invocation."""
        if info.type == OperationType.STEP and info.sub_type != SubType.WAIT_FOR_CONDITION:  # that one is no failure
            with self._lock:
                self._finished_before[info.id] = info.attempt or 0

    def on_invocation_end(self, info: InvocationEnd) -> None:
        """Write all of it."""
        counts = {
            "DurableInvocation": 1,
            "DurableSuspended": info.outcome == "PENDING",
            "DurableExecutionSucceeded": info.outcome == "SUCCEEDED",
            "DurableExecutionFailed": info.outcome == "FAILED",
            "DurablePayloadRejected": info.error is not None and info.error.error_type in _REJECTIONS,
            **self._steps(info.operations),
        }
        durations = {}
        if self._replay is not None:
            counts["DurableReplayedOperations"], durations["DurableReplayDuration"] = self._replay
        if info.calls.checkpoints:
            durations["DurableCheckpointLatency"] = info.calls.seconds / info.calls.checkpoints * 1e3
        self._write(info, counts, durations)

    def _steps(self, operations: Mapping[str, OperationInfo]) -> dict[str, int]:
        """Compare the attempts that are finished now with those from before."""
        retries = failures = 0
        for identifier, before in self._finished_before.items():
            record = operations.get(identifier)
            if record is not None:
                status = OperationStatus(record.status or "")
                retries += max(0, (record.attempt or 0) - before - status.is_terminal)
                failures += status is OperationStatus.FAILED
        return {"DurableStepRetry": retries, "DurableStepFailed": failures}

    def _write(self, info: InvocationInfo, counts: Mapping[str, int], durations: Mapping[str, float]) -> None:
        own = AmazonCloudWatchEMFProvider(namespace=self._provider.namespace, service=self._provider.service)
        own.add_dimension("function_name", _function_name(info.execution_arn))
        own.add_metadata("executionArn", info.execution_arn)
        for name, count in counts.items():
            if count or name == "DurableReplayedOperations":
                own.add_metric(name, MetricUnit.Count, int(count))
        for name, milliseconds in durations.items():
            own.add_metric(name, MetricUnit.Milliseconds, round(milliseconds, 3))
        own.flush_metrics()


def _function_name(arn: str) -> str:
    """Return NAME of ``arn:aws:lambda:<region>:<account>:function:NAME:<version>/durable-execution/...``."""
    parts = arn.split(":")
    return parts[6] if len(parts) > 6 else "unknown"
