"""A test that docs/powertools/large-values.md quotes: S3 without an account."""

from __future__ import annotations

# --8<-- [start:s3]
import boto3
from moto import mock_aws

from examples.powertools.large_values import BUCKET, publish_to_s3
from powertools_durable.testing import Simulator


@mock_aws
def test_the_report_is_in_the_bucket() -> None:
    s3 = boto3.client("s3", region_name="us-east-1")
    s3.create_bucket(Bucket=BUCKET)
    run = Simulator(publish_to_s3).start("Q1").finish()
    assert run.result == 100
    (report,) = s3.list_objects_v2(Bucket=BUCKET)["Contents"]
    assert report["Size"] > 700_000
    assert len(run.operation("render").result or "") < 500


# --8<-- [end:s3]
