"""What an execution costs, by the public prices of one region.

Prices: https://aws.amazon.com/lambda/pricing/. What is counted:
https://docs.aws.amazon.com/lambda/latest/dg/durable-execution-sdk.html#durable-operations-checkpoint-consumption
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_CEILING, Decimal
from typing import Final, Literal

__all__ = ["PRICES", "RETENTION", "Architecture", "Bill", "BillLine", "Prices", "Usage", "price_of"]

Architecture = Literal["x86_64", "arm64"]

_MILLION: Final = 1_000_000
_GB: Final = 1_000_000_000
_MB_PER_GB: Final = 1_024  # of memory, as Lambda counts it
_MONTH: Final = timedelta(hours=730)  # as the AWS Pricing Calculator counts it
_MILLISECOND: Final = timedelta(milliseconds=1)

RETENTION: Final = timedelta(days=14)
"""How long Lambda keeps the data of an ended execution by default (``RetentionPeriodInDays``)."""


@dataclass(frozen=True, slots=True)
class Prices:
    """The public prices of a region, in US dollars, without the free tier and discounts.

    Attributes
    ----------
    region : str
        The region's code.
    as_of : date
        When they were last looked up.
    source : str
        The page that decides what they are.
    operations : Decimal
        For a million durable operations.
    written : Decimal
        For each GB that checkpoints write.
    retained : Decimal
        For each GB that is kept for a month.
    requests : Decimal
        For a million invocations.
    duration : dict[Architecture, Decimal]
        For one GB of memory for a second, by architecture.
    """

    region: str
    as_of: date
    source: str
    operations: Decimal
    written: Decimal
    retained: Decimal
    requests: Decimal
    duration: dict[Architecture, Decimal]


PRICES: Final = Prices(
    region="us-east-1",
    as_of=date(2026, 11, 29),
    source="https://aws.amazon.com/lambda/pricing/",
    operations=Decimal("8.00"),
    written=Decimal("0.25"),
    retained=Decimal("0.15"),
    requests=Decimal("0.20"),
    duration={"x86_64": Decimal("0.0000166667"), "arm64": Decimal("0.0000133334")},
)


@dataclass(frozen=True, slots=True)
class Usage:
    """What an execution is charged for.

    Attributes
    ----------
    operations : int
        Durable operations, as AWS counts them.
    invocations : int
        How often the handler was invoked.
    written : int
        The bytes that checkpoints wrote.
    lasted : timedelta
        From the start of the execution to its end. Data is kept that long and for the retention period.
    active : tuple[timedelta, ...]
        How long each invocation ran; empty if that is not known.
    """

    operations: int
    invocations: int
    written: int
    lasted: timedelta = timedelta()
    active: tuple[timedelta, ...] = ()


@dataclass(frozen=True, slots=True)
class BillLine:
    """One line of a bill.

    Attributes
    ----------
    label : str
        What is charged.
    quantity : str
        How much of it, with its unit.
    rate : str
        The price of one unit.
    amount : Decimal
        The product, in US dollars.
    """

    label: str
    quantity: str
    rate: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Bill:
    """What an execution costs.

    Attributes
    ----------
    lines : tuple[BillLine, ...]
        What is charged.
    prices : Prices
        The prices that were used.
    """

    lines: tuple[BillLine, ...]
    prices: Prices

    @property
    def total(self) -> Decimal:
        """The sum, in US dollars."""
        return sum((line.amount for line in self.lines), Decimal(0))


def price_of(
    usage: Usage,
    *,
    memory: int | None = None,
    architecture: Architecture = "x86_64",
    retention: timedelta = RETENTION,
    prices: Prices = PRICES,
) -> Bill:
    """Return what an execution costs.

    Parameters
    ----------
    usage : Usage
        What it is charged for.
    memory : int | None
        The function's memory in MB. A history does not contain it; without it the duration is not priced.
    architecture : str
        The function's architecture.
    retention : timedelta
        How long Lambda keeps the data after the end.
    prices : Prices
        The prices.
    """
    months = Decimal((usage.lasted + retention) / _MILLISECOND) / Decimal(_MONTH / _MILLISECOND)
    lines = [
        BillLine(
            "Durable operations",
            f"{usage.operations:,}",
            f"${prices.operations} per million",
            usage.operations * prices.operations / _MILLION,
        ),
        BillLine(
            "Data written",
            f"{usage.written:,} bytes",
            f"${prices.written} per GB",
            usage.written * prices.written / _GB,
        ),
        BillLine(
            "Data retained",
            f"{usage.written:,} bytes for {months:.2f} months",
            f"${prices.retained} per GB and month",
            usage.written * months * prices.retained / _GB,
        ),
        BillLine(
            "Requests",
            f"{usage.invocations:,}",
            f"${prices.requests} per million",
            usage.invocations * prices.requests / _MILLION,
        ),
    ]
    if memory is not None and usage.active:
        lines.append(_duration(usage.active, memory, architecture, prices))
    return Bill(tuple(lines), prices)


def _duration(active: tuple[timedelta, ...], memory: int, architecture: Architecture, prices: Prices) -> BillLine:
    milliseconds = sum(_billed_milliseconds(one) for one in active)
    rate = prices.duration[architecture]
    gb_seconds = Decimal(milliseconds) * memory / _MB_PER_GB / 1_000
    return BillLine(
        f"Duration, {architecture}",
        f"{milliseconds:,} ms with {memory:,} MB",
        f"${rate} per GB-second",
        gb_seconds * rate,
    )


def _billed_milliseconds(duration: timedelta) -> int:
    """Lambda rounds each invocation up to a millisecond."""
    return int((Decimal(duration / timedelta(microseconds=1)) / 1_000).to_integral_value(ROUND_CEILING))
