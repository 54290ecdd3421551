from __future__ import annotations

import pytest

from examples import nightly_import

# --8<-- [start:test]
from examples.nightly_import import handler
from powertools_durable.testing import Simulator


def test_the_import_publishes_what_it_could_load(tmp_path):
    run = Simulator(handler).start({"month": "2026-11"}).finish()
    run.callback("approval").succeed(True)
    run.finish()
    run.report(tmp_path / "nightly-import.html")
    assert run.result == "27 files are published"


# --8<-- [end:test]


@pytest.fixture(autouse=True)
def without_sleeping(monkeypatch):
    monkeypatch.setattr(nightly_import.time, "sleep", lambda seconds: None)
