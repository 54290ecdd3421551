"""Each test of an integration begins in a process that nothing was put into."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from powertools_durable.testing import reset
from tests.integrations.lines import Log


@pytest.fixture(autouse=True)
def nothing_instrumented() -> Iterator[None]:
    reset()
    yield
    reset()


@pytest.fixture
def log() -> Iterator[Log]:
    made = Log()
    yield made
    made.forget()
