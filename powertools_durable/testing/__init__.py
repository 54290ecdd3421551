"""Run durable handlers in tests: virtual time, no account, no thread that outlives a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from powertools_durable._lazy import lazy

if TYPE_CHECKING:
    from powertools_durable.testing.crash_testing.crash_points import CrashPoint as CrashPoint
    from powertools_durable.testing.crash_testing.effect_ledger import Entry as Entry
    from powertools_durable.testing.crash_testing.effect_ledger import Ledger as Ledger
    from powertools_durable.testing.crash_testing.explorer import explore as explore
    from powertools_durable.testing.crash_testing.findings import Exploration as Exploration
    from powertools_durable.testing.crash_testing.findings import Failure as Failure
    from powertools_durable.testing.fixtures.telemetry_reset import reset as reset
    from powertools_durable.testing.mocks.mock_context import MockDurableContext as MockDurableContext
    from powertools_durable.testing.mocks.recording_backend import CheckpointCall as CheckpointCall
    from powertools_durable.testing.mocks.recording_backend import OperationRecord as OperationRecord
    from powertools_durable.testing.mocks.recording_backend import RecordingBackend as RecordingBackend
    from powertools_durable.testing.mocks.request_assertions import MockRun as MockRun
    from powertools_durable.testing.mocks.request_assertions import assert_checkpoint_count as assert_checkpoint_count
    from powertools_durable.testing.mocks.request_assertions import assert_no_checkpoints as assert_no_checkpoints
    from powertools_durable.testing.mocks.request_assertions import assert_operation_count as assert_operation_count
    from powertools_durable.testing.mocks.request_assertions import assert_operation_names as assert_operation_names
    from powertools_durable.testing.mocks.request_assertions import assert_operations as assert_operations
    from powertools_durable.testing.replays.replayer import replay as replay
    from powertools_durable.testing.replays.verdict import ReplayVerdict as ReplayVerdict
    from powertools_durable.testing.simulation.captured_output import SimulatedInvocation as SimulatedInvocation
    from powertools_durable.testing.simulation.simulated_run import SimulatedCallback as SimulatedCallback
    from powertools_durable.testing.simulation.simulated_run import SimulatedRun as SimulatedRun
    from powertools_durable.testing.simulation.simulator import Simulator as Simulator
    from powertools_durable.testing.simulation.virtual_time import spend as spend
else:
    __all__, __getattr__ = lazy(
        __name__,
        {
            "crash_testing.crash_points": "CrashPoint",
            "crash_testing.effect_ledger": "Entry Ledger",
            "crash_testing.explorer": "explore",
            "crash_testing.findings": "Exploration Failure",
            "fixtures.telemetry_reset": "reset",
            "mocks.mock_context": "MockDurableContext",
            "mocks.recording_backend": "CheckpointCall OperationRecord RecordingBackend",
            "mocks.request_assertions": (
                "MockRun assert_checkpoint_count assert_no_checkpoints assert_operation_count "
                "assert_operation_names assert_operations"
            ),
            "replays.replayer": "replay",
            "replays.verdict": "ReplayVerdict",
            "simulation.captured_output": "SimulatedInvocation",
            "simulation.simulated_run": "SimulatedCallback SimulatedRun",
            "simulation.simulator": "Simulator",
            "simulation.virtual_time": "spend",
        },
    )
