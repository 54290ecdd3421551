"""The items are shuffled outside of a step, so a replay asks for them in another order."""

from __future__ import annotations

import random

from powertools_durable import durable

EVENT = ["ada", "bob", "cy", "dan"]
DOCTOR = "random"
SAYS = "the code asks for"


@durable
def handler(event, ctx):
    names = list(event)
    random.shuffle(names)
    return [ctx.step(str.upper, name, name=f"ask-{name}") for name in names]
