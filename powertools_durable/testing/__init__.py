"""Run durable handlers in tests: virtual time, no account, no thread that outlives a run."""

from __future__ import annotations

from powertools_durable.testing.run import SimulatedCallback, SimulatedRun
from powertools_durable.testing.simulator import Simulator

__all__ = ["SimulatedCallback", "SimulatedRun", "Simulator"]
