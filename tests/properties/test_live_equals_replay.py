"""The law of replay: what an operation came to when it ran is what every later run of the code is given."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from powertools_durable import Retry, StepError, durable
from tests.properties.bodies import LEDGER
from tests.properties.events import Began, Ended, Seen
from tests.properties.invariants import check
from tests.properties.line_kinds import KINDS, MISPLACED
from tests.properties.making import Drawn, Maker, Seeded
from tests.properties.programs import Program, Written, callbacks_of, functions_of, source
from tests.properties.trace import observe
from tests.size import tenth

LAST = "after the handler's end"


@st.composite
def programs(draw: st.DrawFn) -> Program:
    """Programs as users write them, for better or worse."""
    return Maker(Drawn(draw)).program()


def replayed(program):
    """Run a program; the process dies when the handler has returned, so all of it runs once more. Return that trace."""
    handler = Written(program).handler
    options = {"functions": functions_of(program), "callbacks": callbacks_of(program), "ledger": LEDGER}
    whole = observe(handler, **options)
    assert whole.moments[-1] == LAST
    return whole, observe(handler, kills=[len(whole.moments) - 1], **options)


def outcomes(trace):
    """Return what each operation of each execution came to, once for each time that the code was told."""
    found, arn = {}, ""
    for event in trace.events:
        if type(event) is Began:
            arn = event.arn
        elif type(event) is Seen and (not event.error or event.status == "FAILED"):
            found.setdefault((arn, event.operation, event.call), []).append((event.value, event.error, event.words))
    return found


def the_law_holds(program):
    whole, trace = replayed(program)
    assert [str(violation) for violation in check(trace, whole)] == [], source(program)
    for key, seen in outcomes(trace).items():
        assert len(set(seen)) == 1, (key, seen, source(program))
    return whole


@pytest.mark.sized
@settings(max_examples=tenth(60), derandomize=True)
@given(programs())
def test_the_outcome_of_every_operation_is_the_same_live_and_on_replay(program):
    the_law_holds(program)


@pytest.mark.sampled(5)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("number", [1, 2, 3])
def test_of_every_kind_of_operation_too(kind, number):
    line = Maker(Seeded(Random(number)), gestures=False).line(kind)._replace(number=number)
    whole = the_law_holds((line,))
    assert whole.status == ("FAILED" if kind == "fatal" or kind in MISPLACED else "SUCCEEDED")


def test_all_of_a_program_runs_again_when_its_process_dies_at_the_end():
    @durable
    def handler(event, ctx):
        def refuse():
            raise PermissionError("no")

        told = ctx.step(lambda: {"at": 1.5}, name="told")
        ctx.run_in_child_context(lambda below: below.wait(5), name="rests")
        try:
            ctx.step(refuse, name="refused", retry=Retry.none())
        except StepError as error:
            return [told, str(error), ctx.create_callback(name="asked", timeout=9).callback_id]

    whole = observe(handler)
    trace = observe(handler, kills=[len(whole.moments) - 1])
    assert [e.answer for e in trace.events if type(e) is Ended] == ["PENDING", "killed", "SUCCEEDED"]
    again = Counter(e.call for e in trace.events if type(e) is Seen and e.invocation == 3)
    assert again == {"step": 2, "context": 1, "create_callback": 1}  # a wait inside what has ended is not asked for
    assert sorted(map(len, outcomes(trace).values())) == [1, 2, 2, 2, 3]
