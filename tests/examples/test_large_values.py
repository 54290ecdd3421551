"""examples/powertools/large_values: what docs/powertools/large-values.md shows."""

from __future__ import annotations

import json

from examples.powertools import large_values as example
from powertools_durable.testing import Simulator


def test_a_large_result_is_a_file_and_its_record_a_pointer_with_a_preview():
    run = Simulator(example.publish).start("Q1").finish()
    assert (run.result, len(run.invocations)) == (100, 2)
    record = json.loads(run.operation("render").result)
    assert record["preview"] == {"title": "Q1", "pages": 100}
    assert (example.MOUNT / record["file"]).stat().st_size == record["bytes"] > 700_000
    assert len(run.operation("render").result) < 300
