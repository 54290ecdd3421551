"""What every test may take for granted: no account, no AWS endpoint, no setting left over from the shell."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

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
