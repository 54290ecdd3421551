"""Results too large for a record, as files: docs/powertools/large-values.md."""

from __future__ import annotations

import tempfile
from datetime import timedelta
from pathlib import Path

from pydantic import BaseModel

from powertools_durable import DurableContext, durable
from powertools_durable.serdes import FileSystemSerDes

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
