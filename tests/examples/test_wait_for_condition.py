"""Each handler that docs/operations/wait-for-condition.md quotes."""

from __future__ import annotations

from datetime import timedelta

import pytest

from examples.operations import wait_for_condition as example
from powertools_durable.testing import Simulator


def test_create_checks_until_the_stack_is_up():
    run = Simulator(example.create).start("shop").finish()
    assert (run.status, run.result) == ("SUCCEEDED", "shop was up after 4 checks")
    check = run.operation("check_stack")
    assert (check.type, check.sub_type, check.attempts) == ("STEP", "WaitForCondition", 4)
    assert len(run.invocations) == 4


@pytest.mark.parametrize(
    ("start", "told"),
    [
        (18.0, "20.0 degrees"),
        (15.5, "20.0 degrees"),
        (10.0, "not warm enough: the condition of step 'temperature' (#1) was not met in 10 checks"),
        (30.0, "not warm enough: the thermometer has burst"),
    ],
)
def test_warm_up_tells_how_it_ended(start, told):
    run = Simulator(example.warm_up).start(start).finish()
    assert (run.status, run.result) == ("SUCCEEDED", told)


def test_warm_up_checks_once_a_minute():
    run = Simulator(example.warm_up).start(18.0).finish()
    temperature = run.operation("temperature")
    assert temperature.end_timestamp - temperature.start_timestamp == timedelta(minutes=3)


def test_import_rows_sees_the_end():
    assert Simulator(example.import_rows).start(3000).finish().result == "imported"


def test_import_rows_sees_that_nothing_moves_any_more(monkeypatch):
    monkeypatch.setattr(example, "count_rows", lambda last: min(last + 1000, 2000))
    run = Simulator(example.import_rows).start(3000).finish()
    assert (run.result, run.operation("watch").attempts) == ("stuck", 5)
