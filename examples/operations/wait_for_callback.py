"""As docs/operations/wait-for-callback.md quotes it. Run by tests/examples/test_wait_for_callback.py."""

from __future__ import annotations

from datetime import timedelta

from pydantic import BaseModel

from powertools_durable import (
    CallbackExternalError,
    CallbackSubmitterError,
    CallbackTimeoutError,
    DurableContext,
    Retry,
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


def queue_scan(callback_id: str, file: str) -> None:
    """Queue a file; the queue takes no archives."""
    if file.endswith(".zip"):
        raise ConnectionError("the queue takes no archives")


# --8<-- [start:failure]
@durable
def receive_in_time(file: str, ctx: DurableContext) -> str:
    try:
        scan = ctx.wait_for_callback(
            queue_scan,
            file,
            name="scan",
            timeout=timedelta(hours=6),
            heartbeat_timeout=timedelta(minutes=10),
            retry=Retry(max_attempts=2, initial_delay=1),
            returns=Scan,
        )
    except CallbackSubmitterError as error:
        return f"not even queued: {error.message}"
    except CallbackTimeoutError:
        return "no answer, or no sign of life"
    except CallbackExternalError as error:
        return f"the scanner gave up: {error.message}"
    return "clean" if scan.clean else "infected"


# --8<-- [end:failure]
