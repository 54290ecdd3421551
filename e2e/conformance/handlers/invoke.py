"""Suite "invoke"."""

from __future__ import annotations

import json
import os
from datetime import timedelta
from typing import Any

from handlers.common import Uppercase, same
from powertools_durable import DurableContext, durable
from powertools_durable.serdes import SerDesContext

LARGE = 200 * 1024  # characters


def target() -> str:
    """The function to invoke; the mapping says which."""
    return os.environ["TARGET"]


class UppercaseJson:
    """A serdes for events whose work is visible in the history."""

    def serialize(self, value: Any, context: SerDesContext) -> str:
        return json.dumps(value).upper()

    def deserialize(self, text: str, context: SerDesContext) -> Any:
        return json.loads(text)


@durable
def basic(event: Any, ctx: DurableContext) -> Any:
    return ctx.invoke(target(), event)


@durable
def named(event: dict[str, Any], ctx: DurableContext) -> Any:
    return ctx.invoke(target(), event["payload"], name=event["name"])


@durable
def nothing(event: Any, ctx: DurableContext) -> Any:
    return ctx.invoke(target(), None)


@durable
def large(event: Any, ctx: DurableContext) -> int:
    return len(ctx.invoke(target(), "x" * LARGE))


@durable
def tenant(event: dict[str, Any], ctx: DurableContext) -> Any:
    return ctx.invoke(target(), event["payload"], tenant_id=event["tenantId"])


@durable
def skipped_on_replay(event: Any, ctx: DurableContext) -> Any:
    result = ctx.invoke(target(), "once")
    ctx.wait(timedelta(seconds=1))
    return result


@durable
def after_a_step(event: Any, ctx: DurableContext) -> Any:
    return ctx.invoke(target(), ctx.step(same, "from the step"))


@durable
def before_a_step(event: Any, ctx: DurableContext) -> str:
    return ctx.step(same, ctx.invoke(target(), "for the step"))


@durable
def inside_a_child(event: Any, ctx: DurableContext) -> Any:
    def invokes(child: DurableContext) -> Any:
        return child.invoke(target(), "from the child")

    return ctx.run_in_child_context(invokes)


@durable
def custom_payload_serdes(event: Any, ctx: DurableContext) -> Any:
    return ctx.invoke(target(), event["data"], payload_serdes=UppercaseJson())


@durable
def custom_result_serdes(event: str, ctx: DurableContext) -> str:
    class Result(Uppercase):
        def deserialize(self, text: str, context: SerDesContext) -> str:
            return text.upper()

    return ctx.invoke(target(), event, serdes=Result())
