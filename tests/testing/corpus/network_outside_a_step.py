"""A connection is opened outside of a step: each replay opens it again."""

from __future__ import annotations

import socket

from powertools_durable import durable

EVENT = {"id": "order-42"}
DOCTOR = "io"
SAYS = "connects to a host outside of any step"


def is_up():
    try:
        socket.create_connection(("127.0.0.1", 9), timeout=1).close()
    except OSError:
        return False
    return True


@durable
def handler(event, ctx):
    up = is_up()
    return ctx.step(str, up, name="report")
