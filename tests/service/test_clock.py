"""Time: virtual, the machine's, and the machine's with the waits left out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from powertools_durable._service.clock import SkippingClock, VirtualClock, WallClock


def test_virtual_time_passes_only_when_somebody_says_so():
    clock = VirtualClock()
    assert clock.now() == clock.now() == datetime(2026, 1, 1, tzinfo=UTC)
    clock.sleep(1.5)
    clock.sleep(-7)
    assert clock.monotonic() == 1.5
    clock.move_to(datetime(2027, 1, 1, tzinfo=UTC))
    clock.move_to(datetime(2026, 6, 1, tzinfo=UTC))
    assert clock.now() == datetime(2027, 1, 1, tzinfo=UTC)
    assert clock.monotonic() == 365 * 86_400


def test_the_machine_s_time_is_in_utc_and_whole_milliseconds():
    clock = WallClock()
    now = clock.now()
    assert now.tzinfo is UTC
    assert now.microsecond % 1000 == 0
    assert abs(datetime.now(UTC) - now) < timedelta(minutes=1)
    before = clock.monotonic()
    clock.sleep(0)
    assert clock.monotonic() >= before


def test_a_clock_that_skips_runs_ahead_by_what_was_skipped():
    clock, wall = SkippingClock(), WallClock()
    clock.sleep(3600)
    clock.sleep(-3600)
    assert clock.ahead == timedelta(hours=1)
    assert timedelta(minutes=59) < clock.now() - wall.now() < timedelta(minutes=61)
    clock.move_to(wall.now())
    assert clock.ahead == timedelta(hours=1)
    clock.move_to(wall.now() + timedelta(hours=2))
    assert timedelta(minutes=119) < clock.ahead <= timedelta(hours=2)
