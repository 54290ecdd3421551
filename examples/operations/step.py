"""Steps, as docs/operations/step.md quotes them. Each handler is run by tests/examples/test_step.py."""

from __future__ import annotations

from decimal import Decimal

from pydantic import BaseModel

from powertools_durable import (
    DurableContext,
    Retry,
    StepError,
    StepInterruptedError,
    StepSemantics,
    current_step,
    durable,
)


# --8<-- [start:step]
class Order(BaseModel):
    id: str
    total: Decimal


class Payment(BaseModel):
    order_id: str
    amount: Decimal


def charge(order: Order) -> Payment:
    """Charge the card. This is a plain function, so a test can call it directly."""
    return Payment(order_id=order.id, amount=order.total)


@durable
def place_order(order: Order, ctx: DurableContext) -> Payment:
    return ctx.step(charge, order)


# --8<-- [end:step]


# --8<-- [start:retry]
class ProviderBusyError(Exception):
    """The provider asks you to try again later."""


def exchange_rate(currency: str) -> Decimal:
    """Ask a provider that is busy in the first two attempts."""
    if current_step().attempt < 3:
        raise ProviderBusyError("come back later")
    return Decimal("1.08") if currency == "USD" else Decimal(1)


PATIENTLY = Retry(
    max_attempts=5, initial_delay=2, max_delay=60, retry_on=(ProviderBusyError,)
)


@durable
def convert(currency: str, ctx: DurableContext) -> Decimal:
    return ctx.step(exchange_rate, currency, retry=PATIENTLY)


# --8<-- [end:retry]


# --8<-- [start:idempotency]
def charge_once(amount: Decimal) -> str:
    """Charge with a key. A provider that knows the key repeats its first answer."""
    return post_charge(amount, idempotency_key=current_step().idempotency_key)


# --8<-- [end:idempotency]


ACCOUNTS: dict[str, Decimal] = {}


def post_charge(amount: Decimal, idempotency_key: str) -> str:
    """Stand in for the provider's API."""
    ACCOUNTS.setdefault(idempotency_key, amount)
    return f"charged {ACCOUNTS[idempotency_key]}"


@durable
def charge_safely(amount: Decimal, ctx: DurableContext) -> str:
    return ctx.step(charge_once, amount)


# --8<-- [start:at_most_once]
def transfer(account: str) -> str:
    """Order a bank transfer. The bank doesn't accept idempotency keys."""
    return f"sent to {account}"


def ask_the_bank(account: str) -> str:
    """Check whether the transfer is on the statement."""
    return f"found on the statement of {account}"


@durable
def pay_out(account: str, ctx: DurableContext) -> str:
    try:
        return ctx.step(
            transfer, account, semantics=StepSemantics.AT_MOST_ONCE, retry=Retry.none()
        )
    except StepInterruptedError:
        return ctx.step(ask_the_bank, account)


# --8<-- [end:at_most_once]


# --8<-- [start:failure]
class Shortage(BaseModel):
    sku: str
    missing: int


class OutOfStockError(Exception):
    """There is not enough left. `data` is recorded with the error."""

    def __init__(self, shortage: Shortage) -> None:
        super().__init__(f"{shortage.sku} is out of stock")
        self.data = shortage


def reserve(sku: str, quantity: int) -> int:
    """Reserve goods. There are three of each."""
    if quantity > 3:
        raise OutOfStockError(Shortage(sku=sku, missing=quantity - 3))
    return quantity


@durable
def reserve_what_there_is(quantity: int, ctx: DurableContext) -> int:
    try:
        return ctx.step(reserve, "teapot", quantity, retry=Retry.none())
    except StepError as error:
        shortage = error.data_as(Shortage)
        return ctx.step(
            reserve, shortage.sku, quantity - shortage.missing, name="reserve-the-rest"
        )


# --8<-- [end:failure]
