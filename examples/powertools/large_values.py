"""Results too large for a record, in S3 or as files: docs/powertools/large-values.md."""

from __future__ import annotations

import json
import os
import tempfile
from datetime import timedelta
from pathlib import Path

from pydantic import BaseModel

from powertools_durable import DurableContext, durable
from powertools_durable.serdes import (
    CompressingSerDes,
    FileSystemSerDes,
    S3SerDes,
    SerDesContext,
)

BUCKET = os.environ.get("VALUES_BUCKET", "orders-values")
MOUNT = Path(tempfile.mkdtemp())  # /mnt/durable in a deployment


# --8<-- [start:files]
class Report(BaseModel):
    title: str
    pages: list[str]


def shown(report: Report) -> dict[str, object]:
    return {"title": report.title, "pages": len(report.pages)}


in_files = FileSystemSerDes(MOUNT, preview=shown)


def render(title: str) -> Report:
    return Report(title=title, pages=["a page " * 1_000] * 100)


@durable
def publish(title: str, ctx: DurableContext) -> int:
    # 700 kB, of which the record holds 200 bytes.
    report = ctx.step(render, title, serdes=in_files)
    ctx.wait(timedelta(days=1))
    return len(report.pages)


# --8<-- [end:files]


# --8<-- [start:s3]
in_s3 = S3SerDes(BUCKET, preview=shown)


@durable
def publish_to_s3(title: str, ctx: DurableContext) -> int:
    # 700 kB, of which the record holds 400 bytes.
    report = ctx.step(render, title, serdes=in_s3)
    ctx.wait(timedelta(days=1))
    return len(report.pages)


# --8<-- [end:s3]


# --8<-- [start:compressed]
small_in_s3 = S3SerDes(BUCKET, inner=CompressingSerDes())


def render_one(child: DurableContext, title: str) -> Report:
    return child.step(render, title)


@durable(serdes=small_in_s3)
def publish_all(titles: list[str], ctx: DurableContext) -> int:
    reports = ctx.map(render_one, titles)
    ctx.wait(timedelta(days=1))
    return sum(len(report.pages) for report in reports.results)


# --8<-- [end:compressed]


# --8<-- [start:result]
@durable(result_serdes=in_s3)
def report_of(title: str, ctx: DurableContext) -> Report:
    return ctx.step(render, title, serdes=in_s3)


def read_result(text: str, execution_arn: str) -> Report:
    """Read what GetDurableExecution returns as the result."""
    place = SerDesContext(operation_id="result", execution_arn=execution_arn)
    return Report.model_validate_json(in_s3.text_in(json.loads(text), place))


# --8<-- [end:result]
