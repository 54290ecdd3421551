"""Targets for ``run --trace``. Imported by the command: a Tracer that is made outside of Lambda stays disabled."""

from __future__ import annotations

import os

from aws_lambda_powertools import Tracer

from powertools_durable import Retry, durable

# Patching is for a whole process, so a test that shares its own asks for none.
tracer = Tracer(service="shop", auto_patch="PATCH" in os.environ)
_tries = []


def charge():
    _tries.append(1)
    if len(_tries) % 2:
        raise ConnectionError("the network is busy")


@tracer.capture_lambda_handler(capture_response=False)
@durable(tracer=tracer)
def handler(event, ctx):
    ctx.step(charge, name="charge", retry=Retry(max_attempts=3, initial_delay=5, jitter="none"))
    ctx.wait(60, name="pause")
    return ctx.invoke("greeter", event, name="greet")


@durable(tracer=tracer)
def greeter(event, ctx):
    return f"hello {event}"


@durable(tracer=tracer)
def asks(event, ctx):
    return ctx.create_callback(name="approval").result()


@durable
def untraced(event, ctx):
    ctx.step(lambda: 1, name="one")
