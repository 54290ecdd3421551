"""What the two handlers of `test_moving.py` have in common: the business, which knows of no SDK."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

ITEMS = ["cup", "pot", "lid"]


class OutOfStockError(Exception):
    """What the business knows."""


def charge(order: dict[str, Any]) -> dict[str, Any]:
    return {"id": f"pay-{order['id']}", "total": Decimal(order["total"]), "at": datetime(2026, 1, 2, tzinfo=UTC)}


def label(item: str) -> tuple[str, bytes]:
    return item.upper(), item.encode()


def reserve(item: str) -> str:
    raise OutOfStockError(f"no {item} left")


def receipt(payment: dict[str, Any], parcels: list[Any], excuse: str, polled: int) -> list[Any]:
    """Return all that was computed, as JSON: whatever was read otherwise than it was written shows."""
    kinds = [type(value).__name__ for value in payment.values()]
    total, at = payment["total"] + 1, payment["at"].isoformat()
    return [kinds, str(total), at, [[name, raw.decode(), told] for (name, raw), told in parcels], excuse, polled]
