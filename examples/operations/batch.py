"""Batch mode, as docs/operations/batch.md quotes it. Each handler is run by tests/examples/test_batch.py."""

from __future__ import annotations

from datetime import timedelta

from powertools_durable import DurableContext, durable


def parse(line: str) -> int:
    """Parse one line of a file: quick, and harmless to repeat."""
    return int(line)


# --8<-- [start:block]
@durable
def total(lines: list[str], ctx: DurableContext) -> int:
    with ctx.batch():
        numbers = [
            ctx.step(parse, line, name=f"line-{number}")
            for number, line in enumerate(lines, start=1)
        ]
    return sum(numbers)


# --8<-- [end:block]


# --8<-- [start:by_hand]
@durable
def total_in_pieces(lines: list[str], ctx: DurableContext) -> int:
    ctx.enable_batch_mode()
    numbers = []
    for number, line in enumerate(lines, start=1):
        numbers.append(ctx.step(parse, line, name=f"line-{number}"))
        if ctx.pending_update_count >= 20:
            ctx.flush_batch()
    ctx.wait(timedelta(hours=1))
    return sum(numbers)


# --8<-- [end:by_hand]
