"""Each test of an integration begins in a process that nothing was put into."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from aws_lambda_powertools import Metrics

from powertools_durable.testing import reset
from tests.integrations.lines import Log


@pytest.fixture(autouse=True)
def nothing_instrumented() -> Iterator[None]:
    reset()
    Metrics(namespace="shared").clear_metrics()  # all instances without a provider of their own share one set
    yield
    reset()


@pytest.fixture
def log() -> Iterator[Log]:
    made = Log()
    yield made
    made.forget()
