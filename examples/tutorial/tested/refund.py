from datetime import timedelta

from pydantic import BaseModel

from powertools_durable import DurableContext, Retry, StepError, current_step, durable


class Refund(BaseModel):
    order_id: str
    amount: int  # in dollars


class Decision(BaseModel):
    approved: bool
    by: str


class BankBusyError(Exception):
    """The bank asks to come back later."""


class CardClosedError(Exception):
    """The card takes no money any more."""


def pay_back(refund: Refund) -> str:
    step = current_step()
    if refund.order_id == "closed-card":
        raise CardClosedError("the card was closed in May")
    if step.attempt < 3:
        raise BankBusyError("try again later")
    # A real bank gets step.idempotency_key with the request.
    print(f"sending ${refund.amount} to the customer")
    return f"payment-{refund.order_id}"


def send_mail(refund: Refund, text: str) -> None:
    print(f"mail about order {refund.order_id}: {text}")


def ask_manager(callback_id: str, refund: Refund) -> None:
    print(f"asking a manager about ${refund.amount}")


BANK_IS_BUSY = Retry(max_attempts=5, initial_delay=2, retry_on=(BankBusyError,))


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

    try:
        payment = ctx.step(pay_back, refund, retry=BANK_IS_BUSY)
    except StepError:
        ctx.step(send_mail, refund, "Please give us another card.", name="ask-for-card")
        return "waiting for another card"

    ctx.step(send_mail, refund, "Your money is on its way.")
    ctx.wait(timedelta(days=7), name="a-week")
    ctx.step(send_mail, refund, "Did your money arrive?", name="ask-customer")
    return payment
