"""How much of a long test runs: a tenth of it in ``make test``, all of it in ``make test-long``."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable

import pytest

__all__ = ["IS_WHOLE", "mark_the_rest_slow", "tenth"]

IS_WHOLE = os.environ.get("TEST_SIZE") == "whole"


def tenth(number: int) -> int:
    """Return *number* where all of a test runs, else a tenth of it. For tests that are marked ``sized``."""
    return number if IS_WHOLE else max(1, number // 10)


def mark_the_rest_slow(items: Iterable[pytest.Item]) -> None:
    """Of each test that is marked ``sampled(count)``, leave so many of its cases quick, evenly chosen.

    The others are marked ``slow``: no case is lost, and none runs twice.
    """
    families: dict[tuple[str, str], list[pytest.Item]] = defaultdict(list)
    for item in items:
        if item.get_closest_marker("sampled") is not None:
            families[str(item.path), getattr(item, "originalname", item.name)].append(item)
    for cases in families.values():
        cases.sort(key=lambda item: item.name)  # pytest-randomly has shuffled them
        count = min(len(cases), cases[0].get_closest_marker("sampled").args[0])
        quick = {number * len(cases) // count for number in range(count)}
        for number, case in enumerate(cases):
            if number not in quick:
                case.add_marker(pytest.mark.slow)
