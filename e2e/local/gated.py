"""An order that waits where its event says; `test_gate.py` changes this code under executions that wait."""

from __future__ import annotations

from powertools_durable import durable


def reserve(order):
    return {"reserved": order["stop"]}


def charge(order):
    return {"paid": order["stop"]}


def box(order):
    return order["stop"]


def pack(ctx, order):
    return ctx.step(box, order)


def weigh(ctx, part):
    return ctx.step(lambda: part * 2, name="scale")


@durable
def handler(order, ctx):
    def hold(stage):
        if order["stop"] == stage:
            ctx.wait(3600, name="hold")

    ctx.step(reserve, order)
    hold(1)
    ctx.step(charge, order)
    hold(2)
    ctx.run_in_child_context(pack, order)
    hold(3)
    ctx.map(weigh, [1, 2], name="parts")
    hold(4)
    ctx.parallel({"left": lambda ctx: ctx.step(box, order), "right": lambda ctx: ctx.step(box, order)}, name="labels")
    hold(5)
    ctx.create_callback(name="approval").result()
