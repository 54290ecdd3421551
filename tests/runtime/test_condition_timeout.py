"""The overall timeout of `wait_for_condition`, in virtual time, and what is refused."""

from __future__ import annotations

from datetime import timedelta

import pytest

from powertools_durable import Polling, WaitForConditionError, durable
from powertools_durable.errors import ValidationError
from powertools_durable.testing import MockDurableContext, Simulator, explore, spend


def looks(timeout, *, every=25, meets=None, takes=0):
    @durable
    def handler(event, ctx):
        def check(number):
            spend(takes)
            return number + 1

        polling = Polling.every(every, lambda number: number == meets)
        try:
            return ctx.wait_for_condition(check, initial=0, polling=polling, timeout=timeout, name="ready")
        except WaitForConditionError as error:
            return str(error)

    return handler


@pytest.mark.parametrize("timeout", [60, 60.0, timedelta(minutes=1)])
def test_it_ends_when_the_time_is_over_with_a_last_look_then(timeout):
    run = Simulator(looks(timeout)).start().finish()
    # 0, 25, 50 and 60 seconds
    assert "step 'ready' (#1) was not met within 60 seconds, in 4 checks" in run.result
    record = run.operation("ready")
    assert record.end_timestamp - record.start_timestamp == timedelta(seconds=60)


def test_looks_that_take_long_count_too():
    run = Simulator(looks(60, takes=30)).start().finish()
    assert "was not met within 60 seconds, in 2 checks" in run.result


def test_a_condition_that_is_met_in_time_ends_it():
    assert Simulator(looks(60, meets=4)).start().finish().result == 4


def test_without_one_it_goes_on():
    assert "in 60 checks" in Simulator(looks(None)).start().finish().result


def test_wherever_lambda_dies_it_ends_alike():
    explore(looks(3600, meets=3), None).assert_survives()


@pytest.mark.parametrize("timeout", [0, -1, "60", float("nan"), True])
def test_what_is_no_time_is_refused_before_anything_is_recorded(timeout):
    run = MockDurableContext().build()
    with pytest.raises(ValidationError, match="timeout"):
        run.ctx.wait_for_condition(lambda n: n, initial=0, polling=Polling(bool), timeout=timeout)
    run.assert_no_checkpoints()


def test_a_mock_takes_it():
    run = MockDurableContext().with_wait_for_condition("ready", 7).build()
    assert run.ctx.wait_for_condition(lambda n: n, initial=0, polling=Polling(bool), timeout=5, name="ready") == 7


def test_a_part_of_a_second_that_is_left_is_waited_for_as_a_whole_one():
    run = Simulator(looks(60.5)).start().finish()
    # 0, 25, 50 and 61 seconds
    assert "was not met within 60.5 seconds, in 4 checks" in run.result
