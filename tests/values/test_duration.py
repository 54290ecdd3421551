"""Spans of time."""

from __future__ import annotations

from datetime import timedelta

import pytest

from powertools_durable._protocol.duration import seconds_of, whole_seconds


@pytest.mark.parametrize(
    ("given", "exact", "whole"),
    [
        (timedelta(minutes=2), 120.0, 120),
        (timedelta(milliseconds=1), 0.001, 1),
        (3, 3.0, 3),
        (2.1, 2.1, 3),
        (0, 0.0, 0),
    ],
)
def test_a_time_span_is_seconds_and_rounded_up_on_the_wire(given, exact, whole):
    assert (seconds_of(given), whole_seconds(given)) == (exact, whole)


@pytest.mark.parametrize("given", ["5", None, True, [1], b"1"])
def test_what_is_no_time_span_is_a_type_error(given):
    with pytest.raises(TypeError, match="a timedelta or a number of seconds, not"):
        seconds_of(given)


@pytest.mark.parametrize("given", [-1, -0.1, timedelta(seconds=-1), float("nan"), float("inf"), 10**400])
def test_time_does_not_go_back_nor_on_for_ever(given):
    with pytest.raises(ValueError, match="finite number of seconds, 0 or more"):
        seconds_of(given)
