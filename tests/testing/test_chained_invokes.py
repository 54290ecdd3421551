"""Simulator(functions=...): what ctx.invoke calls, fakes and durable handlers."""

from __future__ import annotations

import pytest
from pydantic import BaseModel

from powertools_durable import InvokeError, durable
from powertools_durable.testing import Simulator


class Order(BaseModel):
    id: str


class Payment(BaseModel):
    order: str
    amount: int


@durable
def pays(order: Order, ctx) -> Payment:
    ctx.wait(3600, name="settling")
    return Payment(order=order.id, amount=ctx.step(lambda: 7, name="amount"))


@durable
def buys(event: dict, ctx) -> dict:
    payment = ctx.invoke("payments:1", Order(id=event["id"]), name="pay", returns=Payment)
    return {"paid": payment.amount, "for": payment.order}


@durable
def calls(event, ctx):
    try:
        return ctx.invoke("other", event, name="call")
    except InvokeError as error:
        return f"{error.error_type}: {error.message}"


@pytest.mark.parametrize("name", ["payments:1", "payments"])
def test_a_durable_handler_is_run_with_its_own_waits(name):
    run = Simulator(buys, functions={name: pays}).start({"id": "42"})
    assert [record.name for record in run.waiting_for] == ["pay"]
    assert run.finish().result == {"paid": 7, "for": "42"}
    assert len(run.invocations) == 2


@pytest.mark.parametrize(
    "other",
    [lambda event: {"got": event}, lambda event, context: {"got": event}],
    ids=["fake", "Lambda handler"],
)
def test_a_fake_answers_at_once(other):
    assert Simulator(calls, functions={"other": other}).start({"n": 1}).result == {"got": {"n": 1}}


def test_an_answer_with_nan_in_it_is_refused_as_no_json():
    run = Simulator(calls, functions={"other": lambda _event: {"rate": float("nan")}}).start().finish()
    assert (run.status, run.error.error_type) == ("FAILED", "SerDesError")
    assert "holds NaN, which is no JSON" in run.error.error_message


def test_no_payload_is_null_on_the_wire_and_none_for_the_target():
    seen = []

    @durable
    def handler(event, ctx):
        return ctx.invoke("other")

    run = Simulator(handler, functions={"other": seen.append}).start()
    assert (run.status, run.result, seen) == ("SUCCEEDED", None, [None])


def test_a_target_that_fails_is_an_invoke_error():
    def broken(event):
        raise LookupError("no such customer")

    run = Simulator(calls, functions={"other": broken}).start({})
    assert run.result == "LookupError: no such customer"


def test_a_durable_target_that_fails_is_an_invoke_error():
    @durable
    def broken(event, ctx):
        raise PermissionError("declined")

    assert Simulator(calls, functions={"other": broken}).start({}).result == "PermissionError: declined"


def test_a_function_that_is_not_there_fails_the_invoke_and_not_the_test():
    run = Simulator(calls).start({})
    assert run.result == "ResourceNotFoundException: Function not found: other."


def test_functions_may_invoke_each_other():
    @durable
    def doubles(event, ctx):
        ctx.wait(5)
        return ctx.invoke("leaf", event["n"]) * 2

    run = Simulator(calls, functions={"other": doubles, "leaf": lambda n: n + 1}).start({"n": 4})
    assert run.finish().result == 10


def test_many_invokes_side_by_side_take_the_time_of_one():
    @durable
    def fans_out(event, ctx):
        return ctx.map(lambda child, n: child.invoke("payments", Order(id=str(n)))["amount"], list(range(5))).results

    run = Simulator(fans_out, functions={"payments": pays}).start()
    began = run.now
    assert run.finish().result == [7] * 5
    assert (run.now - began).total_seconds() == 3600
