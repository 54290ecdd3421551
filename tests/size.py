"""How much of a long test runs: a tenth of it in ``make test``, all of it in ``make test-long``."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable

import pytest

__all__ = ["IS_WHOLE", "QUICK_CASES", "mark_the_rest_slow", "tenth"]

QUICK_CASES = 12  # of one test, and as many of its twin with ``async def`` handlers
IS_WHOLE = os.environ.get("TEST_SIZE") == "whole"


def tenth(number: int) -> int:
    """Return *number* where all of a test runs, else a tenth of it. For tests that are marked ``sized``."""
    return number if IS_WHOLE else max(1, number // 10)


def mark_the_rest_slow(items: Iterable[pytest.Item]) -> None:
    """Of each test, leave at most `QUICK_CASES` cases quick, or as many as its mark ``sampled(count)`` says.

    They are chosen evenly in the order of their names. The others are marked ``slow``: no case is lost, and none runs
    twice. What hypothesis draws the values of is ``sized``.
    """
    families: dict[tuple[pytest.Collector, str], list[pytest.Item]] = defaultdict(list)
    for item in items:
        if getattr(getattr(item, "obj", None), "is_hypothesis_test", False):
            item.add_marker(pytest.mark.sized)
        families[item.parent, getattr(item, "originalname", item.name)].append(item)
    for cases in families.values():
        mark = cases[0].get_closest_marker("sampled")
        count = QUICK_CASES if mark is None else mark.args[0]
        if len(cases) <= count:
            continue
        cases.sort(key=lambda item: item.name)  # pytest-randomly has shuffled them
        quick = {number * len(cases) // count for number in range(count)}
        for number, case in enumerate(cases):
            if number not in quick:
                case.add_marker(pytest.mark.slow)
