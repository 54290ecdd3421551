"""A callback with every option."""

from __future__ import annotations

from datetime import timedelta

from pydantic import BaseModel

from powertools_durable import (
    CallbackExternalError,
    CallbackTimeoutError,
    DurableContext,
    durable,
)


class Video(BaseModel):
    url: str


def start_render(film: str, callback_id: str) -> None:
    """Queue the film for a worker, which sends a heartbeat every minute."""


@durable
def render(film: str, ctx: DurableContext) -> str:
    rendered = ctx.create_callback(
        name="rendered",
        timeout=timedelta(hours=12),
        heartbeat_timeout=timedelta(minutes=5),
        returns=Video,
        sub_type="Render",
    )
    ctx.step(start_render, film, rendered.callback_id)
    try:
        return rendered.result().url
    except CallbackTimeoutError:
        return "the worker stopped answering"
    except CallbackExternalError as error:
        return f"the worker failed: {error.error_type}: {error.message}"
