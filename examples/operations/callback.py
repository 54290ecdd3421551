"""Callbacks, as docs/operations/callback.md quotes them. Each handler is run by tests/examples/test_callback.py."""

from __future__ import annotations

from datetime import timedelta

from pydantic import BaseModel

from powertools_durable import (
    CallbackExternalError,
    CallbackTimeoutError,
    DurableContext,
    durable,
)


# --8<-- [start:approval]
class Decision(BaseModel):
    approved: bool
    by: str


def ask_for_approval(order_id: str, callback_id: str) -> None:
    """Send the callback id to the person who decides, by mail, chat or a queue."""


@durable
def approve(order_id: str, ctx: DurableContext) -> str:
    approval = ctx.create_callback(name="approval", returns=Decision)
    ctx.step(ask_for_approval, order_id, approval.callback_id)
    decision = approval.result()
    return (
        f"{order_id} {'approved' if decision.approved else 'declined'} by {decision.by}"
    )


# --8<-- [end:approval]


# --8<-- [start:timeout]
@durable
def approve_in_time(order_id: str, ctx: DurableContext) -> str:
    approval = ctx.create_callback(
        name="approval", timeout=timedelta(days=2), returns=Decision
    )
    ctx.step(ask_for_approval, order_id, approval.callback_id)
    try:
        return "approved" if approval.result().approved else "declined"
    except CallbackTimeoutError:
        return "nobody answered"
    except CallbackExternalError as error:
        return f"could not be decided: {error.message}"


# --8<-- [end:timeout]


def start_render(film: str, callback_id: str) -> None:
    """Queue the film for a worker that sends a heartbeat for each rendered minute."""


# --8<-- [start:heartbeat]
@durable
def render(film: str, ctx: DurableContext) -> str:
    rendered = ctx.create_callback(
        name="rendered",
        timeout=timedelta(hours=12),
        heartbeat_timeout=timedelta(minutes=5),
        returns=str,
    )
    ctx.step(start_render, film, rendered.callback_id)
    return rendered.result()


# --8<-- [end:heartbeat]
