"""examples/powertools/large_values: what docs/powertools/large-values.md shows."""

from __future__ import annotations

import json

import pytest

from examples.powertools import large_values as example
from examples.powertools.test_large_values import test_the_report_is_in_the_bucket as shown_test
from powertools_durable.testing import Simulator


@pytest.fixture
def no_endpoint(monkeypatch):
    """What moto intercepts are the addresses of AWS."""
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_REGION", "us-east-1")


def test_the_test_on_the_page_runs(no_endpoint):
    shown_test()


def test_compressed_reports_fit_in_the_record():
    """No bucket is there, and none is asked for."""
    run = Simulator(example.publish_all).start(["Q1", "Q2"]).finish()
    assert run.result == 200
    assert len(str(run.operations)) < 50_000


def test_the_result_of_a_handler_is_read_by_who_has_the_serdes(s3, monkeypatch):
    monkeypatch.setattr(example.in_s3, "bucket", s3.bucket)
    monkeypatch.setattr(example.in_s3._objects, "_bucket", s3.bucket)  # noqa: SLF001 - the example names a bucket of its own
    run = Simulator(example.report_of).start("Q1").finish()
    assert example.read_result(json.dumps(run.result), run.arn).title == "Q1"


def test_a_large_result_is_a_file_and_its_record_a_pointer_with_a_preview():
    run = Simulator(example.publish).start("Q1").finish()
    assert (run.result, len(run.invocations)) == (100, 2)
    record = json.loads(run.operation("render").result)
    assert record["preview"] == {"title": "Q1", "pages": 100}
    assert (example.MOUNT / record["file"]).stat().st_size == record["bytes"] > 700_000
    assert len(run.operation("render").result) < 300
