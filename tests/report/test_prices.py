"""The bills of twelve executions, computed by hand from the public prices."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from powertools_durable._report.prices import PRICES, Usage, price_of

ROOT = Path(__file__).parents[2]
MS = timedelta(milliseconds=1)
HOURS = timedelta(hours=1)
NO_TIME = timedelta()
MONTH = 730 * HOURS

ONE_GB, HALF_GB = (1024, "x86_64"), (512, "arm64")

# What is used; memory in MB and architecture of the function; months of retention; and by hand, in dollars:
# operations x 8e-6, bytes x 0.25e-9, bytes x months x 0.15e-9, requests x 0.2e-6, GB-seconds x their price.
BILLS = {
    "nothing but the execution": (Usage(1, 1, 0), None, 1, "8e-6 + 0 + 0 + 0.2e-6"),
    "one step": (Usage(2, 1, 100), None, 1, "16e-6 + 0.025e-6 + 0.015e-6 + 0.2e-6"),
    "a step with two retries": (Usage(4, 3, 0), None, 1, "32e-6 + 0 + 0 + 0.6e-6"),
    "a wait of a month": (Usage(2, 2, 1000, MONTH), None, 1, "16e-6 + 0.25e-6 + 0.3e-6 + 0.4e-6"),
    "data that is not kept": (Usage(2, 1, 1000), None, 0, "16e-6 + 0.25e-6 + 0 + 0.2e-6"),
    "an approval": (Usage(4, 2, 2000), None, 1, "32e-6 + 0.5e-6 + 0.3e-6 + 0.4e-6"),
    "a map of a hundred": (Usage(202, 1, 50_000), None, 1, "1616e-6 + 12.5e-6 + 7.5e-6 + 0.2e-6"),
    "3,000 operations": (Usage(3000, 12, 10_000_000), None, 1, "24000e-6 + 2500e-6 + 1500e-6 + 2.4e-6"),
    "100 MB": (Usage(100, 1, 100_000_000), None, 1, "800e-6 + 25000e-6 + 15000e-6 + 0.2e-6"),
    "one second": (Usage(1, 1, 0, NO_TIME, (1000 * MS,)), ONE_GB, 1, "8e-6 + 0 + 0 + 0.2e-6 + 16.6667e-6"),
    "three invocations": (
        Usage(7, 3, 5000, NO_TIME, (100 * MS, 100 * MS, 100 * MS)),
        HALF_GB,
        1,
        "56e-6 + 1.25e-6 + 0.75e-6 + 0.6e-6 + 2.00001e-6",
    ),
    "a part of a millisecond is one": (
        Usage(1, 1, 0, NO_TIME, (timedelta(microseconds=200), timedelta(microseconds=1001))),
        ONE_GB,
        1,
        "8e-6 + 0 + 0 + 0.2e-6 + 0.0500001e-6",
    ),
}


@pytest.mark.parametrize("shape", BILLS)
@pytest.mark.sampled(12)
def test_a_bill_is_the_one_computed_by_hand(shape):
    usage, function, months, by_hand = BILLS[shape]
    memory, architecture = function or (None, "x86_64")
    bill = price_of(usage, memory=memory, architecture=architecture, retention=months * MONTH)
    amounts = [Decimal(amount) for amount in by_hand.split(" + ")]
    assert [line.amount for line in bill.lines] == amounts
    assert bill.total == sum(amounts)


def test_there_are_twelve_bills():
    assert len(BILLS) == 12


def test_the_duration_is_priced_only_when_the_memory_is_known():
    usage = Usage(1, 1, 0, NO_TIME, (100 * MS,))
    assert [line.label for line in price_of(usage).lines][-1] == "Requests"
    assert [line.label for line in price_of(usage, memory=128).lines][-1] == "Duration, x86_64"


def test_the_prices_have_a_date_and_a_source_and_are_those_of_the_documentation():
    assert PRICES.as_of >= date(2026, 11, 29)
    assert PRICES.source == "https://aws.amazon.com/lambda/pricing/"
    page = (ROOT / "docs/deploy/quotas-and-prices.md").read_text(encoding="utf-8")
    for price in (
        f"| ${PRICES.operations} per million |",
        f"| ${PRICES.written} per GB |",
        f"| ${PRICES.retained} per GB and month |",
        f"| ${PRICES.requests} per million |",
        f"| ${PRICES.duration['x86_64']} per GB-second |",
        f"| ${PRICES.duration['arm64']} per GB-second |",
    ):
        assert price in page
    assert f"{PRICES.as_of:%B} {PRICES.as_of.day}, {PRICES.as_of.year}" in page
