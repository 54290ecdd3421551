"""Fixtures for pytest: a simulator, the log lines that would go out, the X-Ray documents that were sent.

pytest finds this by the entry point, in every run of an environment that has the package; so nothing is imported
until a test asks for it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from powertools_durable.testing.fixtures.captured_logs import CapturedLogs
    from powertools_durable.testing.fixtures.xray_daemon import XRayDaemon
    from powertools_durable.testing.simulation.simulated_run import SimulatedRun
    from powertools_durable.testing.simulation.simulator import Simulator

__all__ = ["captured_logs", "durable_simulator", "xray_segments"]

_RUNS: pytest.StashKey[list[SimulatedRun]] = pytest.StashKey()


@pytest.fixture
def durable_simulator(request: pytest.FixtureRequest) -> Callable[..., Simulator]:
    """Make simulators, as `Simulator` does; what a failing test ran is shown with the failure.

    Examples
    --------
    >>> def test_an_order(durable_simulator):
    ...     run = durable_simulator(handler).start({"id": 7}).finish()
    """
    from powertools_durable.testing.simulation.simulator import Simulator

    runs = request.node.stash.setdefault(_RUNS, [])

    class Remembering(Simulator):
        def start(self, event: object = None, name: str | None = None) -> SimulatedRun:
            run = super().start(event, name)
            runs.append(run)
            return run

    return Remembering


@pytest.fixture
def captured_logs() -> Iterator[CapturedLogs]:
    """Collect the lines that loggers let out, Powertools' and all others: replayed ones are not among them."""
    from powertools_durable.testing.fixtures.captured_logs import capturing

    with capturing() as lines:
        yield lines


@pytest.fixture
def xray_segments() -> Iterator[XRayDaemon]:
    """Be in Lambda as far as tracing goes, and collect the documents that would go to X-Ray.

    Needs ``aws-xray-sdk``, the extra ``tracer``. Make the `Tracer` inside the test.
    """
    try:
        from powertools_durable.testing.fixtures.xray_daemon import recording
    except ModuleNotFoundError as missing:
        pytest.fail(f"xray_segments needs {missing.name}: pip install 'powertools-durable[tracer]'", pytrace=False)

    with recording() as daemon:
        yield daemon


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[Any]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what a failing test's executions did."""
    report = yield
    if call.when == "call" and report.failed:
        runs: list[SimulatedRun] = item.stash.get(_RUNS, [])
        shown = "\n\n".join(map(_told, runs))
        if shown:
            report.sections.append(("Durable executions", shown))
    return report


def _told(run: SimulatedRun) -> str:
    """Say what became of a run: names and states, no payloads."""
    lines = [repr(run)]
    for record in run.operations:
        kind = record.sub_type or record.type.value
        attempts = f", {record.attempts} attempts" if record.attempts > 1 else ""
        lines.append(f"  {record.status.value:<9} {kind} {record.name or run.label(record)!r}{attempts}")
    return "\n".join(lines)
