"""A small shop and its tests, as docs/testing/ quotes them. Run by tests/examples/test_testing.py."""

# --8<-- [start:top]
from __future__ import annotations

from datetime import timedelta

from powertools_durable import DurableContext, current_step, durable
from powertools_durable.testing import Ledger, Simulator, explore, spend

# --8<-- [end:top]

# --8<-- [start:fakes]
ledger = Ledger()


def charge(order_id: str) -> str:
    """Stand in for a payment service that recognises a key it has seen before."""
    ledger.record("charge", key=current_step().idempotency_key, order=order_id)
    return f"payment-of-{order_id}"


@ledger.effect
def send_mail(order_id: str) -> None:
    """Stand in for a mail service. Each call sends a mail."""


# --8<-- [end:fakes]


# --8<-- [start:handler]
@durable
def handler(order_id: str, ctx: DurableContext) -> str:
    payment = ctx.step(charge, order_id)
    ctx.wait(timedelta(days=1), name="cooling-off")
    approval = ctx.create_callback(name="approval", returns=str)
    return f"{payment}, approved by {approval.result()}"


# --8<-- [end:handler]


# --8<-- [start:explore]
def test_an_order_comes_out_the_same_wherever_lambda_dies() -> None:
    explore(
        handler, "order-42", ledger=ledger, callbacks={"approval": "ada"}
    ).assert_survives()


# --8<-- [end:explore]


# --8<-- [start:twice]
def test_two_crashes_in_one_run() -> None:
    found = explore(
        handler, "order-42", ledger=ledger, callbacks={"approval": "ada"}, crashes=2
    )
    found.assert_survives()
    assert found.runs > len(found.crash_points)


# --8<-- [end:twice]


# --8<-- [start:broken]
@durable
def mails_twice(order_id: str, ctx: DurableContext) -> str:
    payment = ctx.step(charge, order_id)
    send_mail(order_id)
    return payment


def test_a_mail_outside_of_a_step_is_found() -> None:
    (failure,) = explore(mails_twice, "order-42", ledger=ledger).failures
    assert failure.crash_point == "killed after the effect 'send_mail'"
    assert "it is made outside of any step" in failure.differed


# --8<-- [end:broken]


# --8<-- [start:spend]
def count_stock(order_id: str) -> int:
    """Stand in for a slow service. The first call exceeds Lambda's timeout."""
    spend(
        timedelta(minutes=20)
        if not ledger.count("asked") and ledger.record("asked")
        else 1
    )
    return 7


@durable
def counts(order_id: str, ctx: DurableContext) -> int:
    return ctx.step(count_stock, order_id)


def test_an_invocation_that_times_out_is_made_again() -> None:
    ledger.clear()
    run = Simulator(counts).start("order-42").finish()
    first, second = run.invocations
    assert "Task timed out after 900.00 seconds" in str(first.answer)
    assert (second.logs, second.metrics, run.result) == ([], [], 7)


# --8<-- [end:spend]
