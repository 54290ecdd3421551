"""Run durable handlers in tests: virtual time, no account, no thread that outlives a run."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from powertools_durable.testing.crash_testing.crash_points import CrashPoint
    from powertools_durable.testing.crash_testing.effect_ledger import Entry, Ledger
    from powertools_durable.testing.crash_testing.explorer import explore
    from powertools_durable.testing.crash_testing.findings import Exploration, Failure
    from powertools_durable.testing.fixtures.telemetry_reset import reset
    from powertools_durable.testing.mocks.mock_context import MockDurableContext
    from powertools_durable.testing.mocks.recording_backend import CheckpointCall, OperationRecord, RecordingBackend
    from powertools_durable.testing.mocks.request_assertions import (
        MockRun,
        assert_checkpoint_count,
        assert_no_checkpoints,
        assert_operation_count,
        assert_operation_names,
        assert_operations,
    )
    from powertools_durable.testing.replays.replayer import replay
    from powertools_durable.testing.replays.verdict import ReplayVerdict
    from powertools_durable.testing.simulation.captured_output import SimulatedInvocation
    from powertools_durable.testing.simulation.simulated_run import SimulatedCallback, SimulatedRun
    from powertools_durable.testing.simulation.simulator import Simulator
    from powertools_durable.testing.simulation.virtual_time import spend

# Loaded when asked for: pytest imports the plug-in beside this file in every run, also where nothing is durable.
_HOME = {
    "CheckpointCall": "mocks.recording_backend",
    "CrashPoint": "crash_testing.crash_points",
    "Entry": "crash_testing.effect_ledger",
    "Exploration": "crash_testing.findings",
    "Failure": "crash_testing.findings",
    "Ledger": "crash_testing.effect_ledger",
    "MockDurableContext": "mocks.mock_context",
    "MockRun": "mocks.request_assertions",
    "OperationRecord": "mocks.recording_backend",
    "RecordingBackend": "mocks.recording_backend",
    "ReplayVerdict": "replays.verdict",
    "SimulatedCallback": "simulation.simulated_run",
    "SimulatedInvocation": "simulation.captured_output",
    "SimulatedRun": "simulation.simulated_run",
    "Simulator": "simulation.simulator",
    "assert_checkpoint_count": "mocks.request_assertions",
    "assert_no_checkpoints": "mocks.request_assertions",
    "assert_operation_count": "mocks.request_assertions",
    "assert_operation_names": "mocks.request_assertions",
    "assert_operations": "mocks.request_assertions",
    "explore": "crash_testing.explorer",
    "replay": "replays.replayer",
    "reset": "fixtures.telemetry_reset",
    "spend": "simulation.virtual_time",
}

__all__ = [
    "CheckpointCall",
    "CrashPoint",
    "Entry",
    "Exploration",
    "Failure",
    "Ledger",
    "MockDurableContext",
    "MockRun",
    "OperationRecord",
    "RecordingBackend",
    "ReplayVerdict",
    "SimulatedCallback",
    "SimulatedInvocation",
    "SimulatedRun",
    "Simulator",
    "assert_checkpoint_count",
    "assert_no_checkpoints",
    "assert_operation_count",
    "assert_operation_names",
    "assert_operations",
    "explore",
    "replay",
    "reset",
    "spend",
]


# Without a `__dir__`: what looks at each attribute of each module, as freezegun does, need not load all of it.
def __getattr__(name: str) -> Any:
    if name not in _HOME:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value
