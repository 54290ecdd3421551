"""Run durable handlers in tests: virtual time, no account, no thread that outlives a run."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from powertools_durable.testing.assertions import (
        assert_checkpoint_count,
        assert_no_checkpoints,
        assert_operation_count,
        assert_operation_names,
        assert_operations,
    )
    from powertools_durable.testing.captured import SimulatedInvocation
    from powertools_durable.testing.crashes import CrashPoint
    from powertools_durable.testing.exploration import Exploration, Failure
    from powertools_durable.testing.explorer import explore
    from powertools_durable.testing.ledger import Entry, Ledger
    from powertools_durable.testing.mock import MockDurableContext, MockRun
    from powertools_durable.testing.recording import CheckpointCall, OperationRecord, RecordingBackend
    from powertools_durable.testing.replayer import replay
    from powertools_durable.testing.run import SimulatedCallback, SimulatedRun
    from powertools_durable.testing.simulator import Simulator
    from powertools_durable.testing.spending import spend
    from powertools_durable.testing.telemetry import reset
    from powertools_durable.testing.verdict import ReplayVerdict

# Loaded when asked for: pytest imports the plug-in beside this file in every run, also where nothing is durable.
_HOME = {
    "CheckpointCall": "recording",
    "CrashPoint": "crashes",
    "Entry": "ledger",
    "Exploration": "exploration",
    "Failure": "exploration",
    "Ledger": "ledger",
    "MockDurableContext": "mock",
    "MockRun": "mock",
    "OperationRecord": "recording",
    "RecordingBackend": "recording",
    "ReplayVerdict": "verdict",
    "SimulatedCallback": "run",
    "SimulatedInvocation": "captured",
    "SimulatedRun": "run",
    "Simulator": "simulator",
    "assert_checkpoint_count": "assertions",
    "assert_no_checkpoints": "assertions",
    "assert_operation_count": "assertions",
    "assert_operation_names": "assertions",
    "assert_operations": "assertions",
    "explore": "explorer",
    "replay": "replayer",
    "reset": "telemetry",
    "spend": "spending",
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
