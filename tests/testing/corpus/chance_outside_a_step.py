"""A random value decides whom to ask, and decides differently on replay."""

from __future__ import annotations

import random

from powertools_durable import durable

EVENT = {"reviewers": ["ada", "bob", "cyd", "dan", "eve"]}
DOCTOR = "random"
SAYS = "the code asks for"


@durable
def handler(event, ctx):
    reviewer = random.choice(event["reviewers"])
    ctx.step(str, reviewer, name=f"ask-{reviewer}")
    return ctx.step(str, "done", name="thank")
