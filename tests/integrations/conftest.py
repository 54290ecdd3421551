"""Each test of an integration begins in a process that nothing was put into."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from powertools_durable.testing import reset


@pytest.fixture(autouse=True)
def nothing_instrumented() -> Iterator[None]:
    reset()
    yield
    reset()
