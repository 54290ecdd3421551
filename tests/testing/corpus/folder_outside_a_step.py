"""The files of a folder are listed outside of a step, and there are others later, in another order."""

from __future__ import annotations

import os
from tempfile import gettempdir

from powertools_durable import durable

EVENT = {"id": "order-42"}
DOCTOR = "io"
SAYS = None


@durable
def handler(event, ctx):
    files = [
        name
        for name in os.listdir(gettempdir())  # noqa: PTH208
        if name.startswith("powertools-durable-corpus-folder")
    ]
    return [ctx.step(str, name, name=name) for name in files]
