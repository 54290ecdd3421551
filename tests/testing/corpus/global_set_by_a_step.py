"""A step stores its result in a module global. In a cold environment the step does not run, so nothing is there."""

from __future__ import annotations

from powertools_durable import durable

EVENT = {"user": "ada"}
DOCTOR = None
SAYS = "its result is 'None' in place of 'token-of-ada'"

session = {}


def log_in(user):
    session["token"] = f"token-of-{user}"


@durable
def handler(event, ctx):
    ctx.step(log_in, event["user"])
    return ctx.step(lambda: str(session.get("token")), name="order")
