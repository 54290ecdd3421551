"""Run durable handlers in tests: virtual time, no account, no thread that outlives a run."""

from __future__ import annotations

from powertools_durable.testing.captured import SimulatedInvocation
from powertools_durable.testing.run import SimulatedCallback, SimulatedRun
from powertools_durable.testing.sandbox import spend
from powertools_durable.testing.simulator import Simulator

__all__ = ["SimulatedCallback", "SimulatedInvocation", "SimulatedRun", "Simulator", "spend"]
