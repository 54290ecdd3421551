"""Targets for the command line's tests."""

from __future__ import annotations

import functools
import sys

from powertools_durable import DurableContext, durable


def logged(function):
    @functools.wraps(function)
    def call(event, context):
        return function(event, context)

    return call


@logged
@durable
def handler(event: dict, ctx: DurableContext) -> dict:
    ctx.step(lambda: "ok", name="reserve")
    ctx.wait(30, name="cool")
    approval = ctx.create_callback(name="approval", returns=dict)
    return {"approved": approval.result(), "of": event.get("id")}


@durable
def fails(event, ctx):
    def declined():
        raise PermissionError("the card was declined")

    ctx.step(declined, name="charge", retry=lambda error, attempt: None)


@durable
def greets(event, ctx):
    sys.stdout.write("a line of the handler's own\n")
    return f"hello {event}"


@durable
def asks(event, ctx):
    if event:
        votes = [ctx.create_callback(name="vote") for _ in range(2)]
        return votes[0].result()
    return ctx.wait_for_callback(lambda callback_id: None, name="confirm")


@durable
def unnamed(event, ctx):
    if event:
        ctx.wait(3600)
    return [ctx.create_callback().result(), ctx.wait_for_callback(lambda callback_id: None)]


def plain(event, context):
    return None


answer = 42


@durable
def buys(event, ctx):
    return ctx.invoke("greeter:1", event, name="call")


def greeter(event, context):
    return f"good day {event}"
