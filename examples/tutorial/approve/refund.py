from datetime import timedelta

from pydantic import BaseModel

from powertools_durable import DurableContext, durable


class Refund(BaseModel):
    order_id: str
    amount: int  # in dollars


class Decision(BaseModel):
    approved: bool
    by: str


def pay_back(refund: Refund) -> str:
    print(f"sending ${refund.amount} to the customer")
    return f"payment-{refund.order_id}"


def send_mail(refund: Refund, text: str) -> None:
    print(f"mail about order {refund.order_id}: {text}")


def ask_manager(callback_id: str, refund: Refund) -> None:
    print(f"asking a manager about ${refund.amount}")


@durable
def handler(refund: Refund, ctx: DurableContext) -> str:
    if refund.amount > 100:
        decision = ctx.wait_for_callback(
            ask_manager,
            refund,
            name="approval",
            timeout=timedelta(days=3),
            returns=Decision,
        )
        if not decision.approved:
            ctx.step(send_mail, refund, "We can't refund this order.")
            return f"refused by {decision.by}"

    payment = ctx.step(pay_back, refund)
    ctx.step(send_mail, refund, "Your money is on its way.")
    ctx.wait(timedelta(days=7), name="a-week")
    ctx.step(send_mail, refund, "Did your money arrive?", name="ask-customer")
    return payment
