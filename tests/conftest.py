"""What every test may take for granted: no account, no AWS endpoint, no setting left over from the shell."""

from __future__ import annotations

import gc
import os
import signal
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.kinds import AsyncFile, concerns, file_of, kind_of
from tests.leaks import no_thread_outlives_a_test  # noqa: F401 - used by every test
from tests.size import mark_the_rest_slow, tenth

# The extra "tracer" may be missing; what needs it can't even be imported then.
XRAY = (
    "integrations/test_xray*.py",
    "cli/test_trace.py",
    "examples/test_tracer.py",
    "examples/test_decorator_order.py",
)
OTEL = ("integrations/test_otel*.py", "examples/test_opentelemetry.py")  # their SDK is in the group "dev" alone
collect_ignore_glob = [
    f"{Path(__file__).parent}/{file}"
    for module, files in (("aws_xray_sdk", XRAY), ("opentelemetry", OTEL))
    if find_spec(module) is None
    for file in files
]

pytest_plugins = ["pytester", "powertools_durable.testing.pytest_plugin"]

AWS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_REGION": "eu-west-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    # A client that was not told where to go finds the discard port of this machine, never an account.
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
}

settings.register_profile(
    "default", max_examples=tenth(100), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("ci", settings.get_profile("default"), derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> AsyncFile | None:
    """Collect the twin of a module, in which handlers are ``async def``."""
    return file_of(file_path, parent)


@pytest.fixture
def kind(request: pytest.FixtureRequest) -> str:
    """Of the handlers in this test: ``def`` or ``async``."""
    return kind_of(request.node)


@pytest.hookimpl(tryfirst=True)  # before -m selects
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort slow cases out; skip what needs the extra "tracer" where that is missing."""
    items[:] = [item for item in items if concerns(item)]
    mark_the_rest_slow(items)
    if find_spec("aws_xray_sdk") is None:
        for item in items:
            if "xray_segments" in getattr(item, "fixturenames", ()) or item.get_closest_marker("xray"):
                item.add_marker(pytest.mark.skip(reason="aws-xray-sdk is not installed; pip install '.[tracer]'"))


def pytest_collection_finish() -> None:
    """Leave what was collected out of later collections of garbage: 15,000 tests would be looked at in each."""
    gc.enable()
    gc.collect()
    gc.freeze()


def pytest_configure() -> None:
    """Clean the environment before anything is collected: examples decorate when they are imported."""
    for name in [name for name in os.environ if name.startswith(("POWERTOOLS_", "AWS_"))]:
        del os.environ[name]
    os.environ.update(AWS)
    gc.disable()  # while tests are collected, nearly nothing is garbage
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where a shell began this in the background
