"""with_retry as a series: what it asks for after each outcome."""

from __future__ import annotations

import pytest

from powertools_durable import Retry
from powertools_durable._operations.with_retry import with_retry
from powertools_durable._protocol.operation import OperationType
from powertools_durable._replay.effects import Perform, Raised, Returned, Run
from powertools_durable._replay.frame import Frame
from powertools_durable.errors import OperationError, SerDesError
from tests.kit import ended_with, engine

BROKEN = Raised(ConnectionError("gone"))
THRICE = Retry(max_attempts=3, initial_delay=7, jitter="none", retry_if=lambda e: not isinstance(e, StopIteration))


def body():
    raise AssertionError("a series runs nothing itself")


@pytest.mark.parametrize(
    ("outcomes", "kinds", "end"),
    [
        ([Returned(1)], [Run], Returned(1)),
        ([BROKEN, Returned(None), Returned(2)], [Run, Perform, Run], Returned(2)),
        ([BROKEN, Returned(None), BROKEN, Returned(None), BROKEN], [Run, Perform, Run, Perform, Run], BROKEN),
        ([wrong := Raised(SerDesError("x"))], [Run], wrong),
        ([BROKEN, Returned(None), stop := Raised(StopIteration(3))], [Run, Perform, Run], stop),
        ([BROKEN, late := Raised(OperationError("stopped"))], [Run, Perform], late),
    ],
    ids=["at once", "second", "given up", "unwritable", "what ends generators", "the wait fails"],
)
def test_what_it_asks_for_and_how_it_ends(outcomes, kinds, end):
    series = with_retry(Frame(engine()), body, THRICE, "pay")
    effects, returned = ended_with(series, outcomes)
    assert ([type(effect) for effect in effects], returned) == (kinds, end)


def test_each_pause_is_a_wait_with_an_id_of_its_own_that_is_taken_when_it_is_performed():
    frame = Frame(engine())
    effects, _ = ended_with(with_retry(frame, body, THRICE, "pay"), [BROKEN, Returned(None)] * 2 + [Returned(0)])
    assert frame.counter == 0
    calls = [effect.begin() for effect in effects if isinstance(effect, Perform)]
    assert [(c.op.type, c.op.name, c.op.number) for c in calls] == [
        (OperationType.WAIT, "pay-backoff-1", 1),
        (OperationType.WAIT, "pay-backoff-2", 2),
    ]
    assert next(calls[0].flow).update.wait_options.wait_seconds == 7


def test_what_it_repeats_is_said_for_the_log():
    effects, _ = ended_with(with_retry(Frame(engine()), body, THRICE, "pay"), [BROKEN, Returned(None), Returned(0)])
    (after,) = [effect.after for effect in effects if isinstance(effect, Perform)]
    assert (after.name, after.number, after.delay, after.error) == ("pay", 1, 7, BROKEN.error)


def test_a_policy_is_asked_where_no_durable_call_may_be_made():
    frame, seen = Frame(engine()), []
    series = with_retry(frame, body, lambda error, attempt: seen.append(frame.busy_with), "pay")
    assert ended_with(series, [BROKEN])[1] is BROKEN
    assert (seen, frame.busy_with) == (["the retry policy of ctx.with_retry()"], None)
