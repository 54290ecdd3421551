"""One program as ``def`` and as ``async def``: what they record is the same, so histories are interchangeable."""

from __future__ import annotations

import json
import re
from random import Random

import pytest

from tests.properties.cases import Bench, examined_of, script
from tests.properties.events import Requested
from tests.properties.making import Maker, Seeded
from tests.properties.programs import lines_of, source
from tests.properties.soak import unseen_lines
from tests.size import tenth

SIDE_BY_SIDE = {"parallel", "flat", "map", "tolerant", "raced", "straggling", "narrow", "tolerating"}
# What other branches get done before a failure, or before enough have succeeded, depends on timing.
TIMED = {"raced", "straggling", "fatal"}
_LINE = re.compile(r"(program-\d+\.py):\d+")


def sent(program, seed, *, awaits):
    """Return every update of every request, as text."""
    trace = Bench(program, seed, awaits=awaits).reference
    return trace.result, [
        _LINE.sub(r"\1", json.dumps(update, sort_keys=True))  # the twin is printed in fewer lines
        for event in trace.events
        if type(event) is Requested
        for update in event.updates
    ]


@pytest.mark.slow
@pytest.mark.sized
def test_what_is_recorded_is_the_same_byte_for_byte():
    compared = 0
    with unseen_lines():
        for seed in range(tenth(400)):
            program = Maker(Seeded(Random(seed)), gestures=False).program()
            kinds = {line.kind for line in lines_of(program)}
            (result, one), (other_result, other) = (sent(program, seed, awaits=awaits) for awaits in (False, True))
            if not kinds & SIDE_BY_SIDE:
                assert (result, one) == (other_result, other), (seed, source(program))
                compared += 1
            elif not kinds & TIMED:
                assert (result, sorted(one)) == (other_result, sorted(other)), (seed, source(program))
    assert compared >= tenth(200)


@pytest.mark.slow
@pytest.mark.sized
def test_random_programs_violate_nothing_as_async_def():
    with unseen_lines():
        for seed in range(tenth(400)):
            for one in examined_of(seed, awaits=True):
                assert not one.violations, script(one.case, one.violations)
