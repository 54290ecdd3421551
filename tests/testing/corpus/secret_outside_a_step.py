"""A secret token is drawn outside of a step, and the mail and the database get different ones."""

from __future__ import annotations

import secrets

from powertools_durable import durable

EVENT = {"id": "order-42"}
DOCTOR = "random"
SAYS = "in place of"


@durable
def handler(event, ctx):
    token = secrets.token_hex(8)
    ctx.step(str, token, name="store")
    return ctx.step(str, token, name="mail")
