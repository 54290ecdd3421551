"""What every test may take for granted: no account, no AWS endpoint, no setting left over from the shell."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

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

settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("default"), derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")


def pytest_configure() -> None:
    """Clean the environment before anything is collected: examples decorate when they are imported."""
    for name in [name for name in os.environ if name.startswith(("POWERTOOLS_", "AWS_"))]:
        del os.environ[name]
    os.environ.update(AWS)


OURS = ("powertools-durable-checkpointer", "powertools-durable-branch")  # a step left behind by its timeout may go on


def _threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(OURS)]


@pytest.fixture(autouse=True)
def no_thread_outlives_a_test() -> Iterator[None]:
    """An invocation ends its threads; a context made by hand must be closed."""
    yield
    until = time.monotonic() + 2
    while _threads() and time.monotonic() < until:
        time.sleep(0.01)
    assert _threads() == []
