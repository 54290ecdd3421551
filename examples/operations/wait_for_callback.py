"""As docs/operations/wait-for-callback.md quotes it. Run by tests/examples/test_wait_for_callback.py."""

from __future__ import annotations

from pydantic import BaseModel

from powertools_durable import (
    DurableContext,
    durable,
)


# --8<-- [start:submit]
class Scan(BaseModel):
    clean: bool
    engine: str


def start_scan(callback_id: str, file: str) -> None:
    """Queue the file for a scanner, which answers the callback when it is done."""


@durable
def receive(file: str, ctx: DurableContext) -> str:
    scan = ctx.wait_for_callback(start_scan, file, name="scan", returns=Scan)
    return f"{file} is {'clean' if scan.clean else 'infected'}, says {scan.engine}"


# --8<-- [end:submit]
