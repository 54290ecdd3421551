from pydantic import BaseModel

from powertools_durable import DurableContext, durable


class Refund(BaseModel):
    order_id: str
    amount: int  # in dollars


def pay_back(refund: Refund) -> str:
    print(f"sending ${refund.amount} to the customer")
    return f"payment-{refund.order_id}"


def send_mail(refund: Refund, text: str) -> None:
    print(f"mail about order {refund.order_id}: {text}")


@durable
def handler(refund: Refund, ctx: DurableContext) -> str:
    payment = ctx.step(pay_back, refund)
    ctx.step(send_mail, refund, "Your money is on its way.")
    return payment
