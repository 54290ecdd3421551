"""A wait for a callback with every option, in an ``async def`` handler."""

from __future__ import annotations

from datetime import timedelta

from pydantic import BaseModel

from powertools_durable import (
    AsyncDurableContext,
    CallbackExternalError,
    CallbackSubmitterError,
    CallbackTimeoutError,
    Retry,
    durable,
)


class Scan(BaseModel):
    clean: bool


async def queue_scan(callback_id: str, file: str) -> None:
    """Queue the file for a scanner; the queue accepts no archives."""
    if file.endswith(".zip"):
        raise ConnectionError("the queue accepts no archives")


@durable
async def receive(file: str, ctx: AsyncDurableContext) -> str:
    try:
        scan = await ctx.wait_for_callback(
            queue_scan,
            file,
            name="scan",
            timeout=timedelta(hours=6),
            heartbeat_timeout=timedelta(minutes=10),
            retry=Retry(max_attempts=2, initial_delay=1),
            returns=Scan,
        )
    except CallbackSubmitterError as error:
        return f"not queued: {error.message}"
    except CallbackTimeoutError:
        return "no answer, or no heartbeat"
    except CallbackExternalError as error:
        return f"the scanner failed: {error.message}"
    return "clean" if scan.clean else "infected"
