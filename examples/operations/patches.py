"""Changes of code, as docs/operations/patches.md quotes them. Each handler is run by tests/examples/test_patches.py."""

from __future__ import annotations

from datetime import timedelta

from powertools_durable import DurableConfig, DurableContext, durable


def greet(user: str) -> str:
    return f"hello {user}"


def send_gift(user: str) -> str:
    return f"a gift for {user}"


def say_goodbye(user: str) -> str:
    return f"goodbye {user}"


# --8<-- [start:before]
@durable
def welcome(user: str, ctx: DurableContext) -> list[str]:
    said = [ctx.step(greet, user)]
    ctx.wait(timedelta(days=3), name="three-days")
    return [*said, ctx.step(say_goodbye, user)]


# --8<-- [end:before]


# --8<-- [start:patched]
@durable
def welcome_with_gift(user: str, ctx: DurableContext) -> list[str]:
    said = [ctx.step(greet, user)]
    if ctx.patched("a-gift"):
        said.append(ctx.step(send_gift, user))
    ctx.wait(timedelta(days=3), name="three-days")
    return [*said, ctx.step(say_goodbye, user)]


# --8<-- [end:patched]


# --8<-- [start:deprecated]
@durable
def welcome_always_with_gift(user: str, ctx: DurableContext) -> list[str]:
    ctx.deprecate_patch("a-gift")
    said = [ctx.step(greet, user), ctx.step(send_gift, user)]
    ctx.wait(timedelta(days=3), name="three-days")
    return [*said, ctx.step(say_goodbye, user)]


# --8<-- [end:deprecated]


# --8<-- [start:unconsumed]
@durable(config=DurableConfig(on_unconsumed="fail"))
def welcome_briefly(user: str, ctx: DurableContext) -> list[str]:
    return [ctx.step(greet, user)]


# --8<-- [end:unconsumed]
