"""Random programs, with crashes, faults of the service and changed code: no invariant is violated.

More of them by ``make soak``; killed at every moment by ``python -m tests.properties.exploring``.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.properties.cases import Bench, against, examined, script
from tests.properties.changes import CHANGES
from tests.properties.corpus import CORPUS
from tests.properties.faults import CALLS, CLASSES
from tests.properties.line_kinds import GESTURES, KINDS, SWALLOWS, Kind
from tests.properties.making import Drawn, Maker
from tests.properties.soak import soaked
from tests.size import tenth

ROOT = Path(__file__).parents[2]
SEEDS, EXECUTIONS = 400, 2_000

TYPES = ("STEP", "WAIT", "CALLBACK", "CHAINED_INVOKE", "CONTEXT")
# The service must tell of these what it alone knows: until when to wait, the id of a callback.
NEVER = {(fault, kind) for kind in ("WAIT", "CALLBACK", "CHAINED_INVOKE") for fault in ("null delta", "partial delta")}
MOMENTS = (
    "before the checkpoint",
    "after the checkpoint",
    "before the body",
    "after the body",
    "after the effect",
    "after the handler's end",
)

# What must have been hit, and how often at least.
SOMETIMES = {
    **{f"gesture: {gesture}": 20 for gesture in GESTURES},
    **{f"suspension through: {gesture}": 5 for gesture in SWALLOWS},
    **{f"change: {change}, detected": 3 for change in CHANGES},
    **{f"crash: {moment}": 50 for moment in MOMENTS},
    **{f"fault: {fault}": 8 for fault in CLASSES},
    **{f"fault of {kind}: {fault}": 1 for fault in CALLS for kind in TYPES if (fault, kind) not in NEVER},
    **{f"orphan: {deep} deep": 20 for deep in (1, 2, 3)},
    "outcome: FAILED ValidationError": 40,
    "special: batch split": 2,
    "special: page 3 or later": 100,
}


@pytest.mark.parametrize("case", CORPUS, ids=range(len(CORPUS)))
def test_what_failed_once_is_right(case):
    one = examined(case)
    assert not one.violations, script(case, one.violations)


@pytest.mark.slow
def test_two_thousand_executions_violate_nothing_and_come_across_everything():
    found = soaked(0, SEEDS)
    print(*found.scripts[:1])  # noqa: T201 - to be copied and run
    assert not found.scripts
    assert found.executions == EXECUTIONS
    rare = {what: found.tally[what] for what, least in SOMETIMES.items() if found.tally[what] < least}
    assert rare == {}


@st.composite
def cases(draw):
    """Draw a program, and what is against it."""
    maker = Maker(Drawn(draw), rare=False)
    program = maker.program()
    bench = Bench(program)
    return bench, against(maker, program, 0, bench.reference)


PROFILE = settings(
    derandomize=True,
    database=None,
    deadline=None,
    print_blob=False,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def holds(drawn):
    bench, case = drawn
    for one in (bench.examined(), bench.examined(case)):
        if one.violations:
            raise AssertionError(script(one.case, one.violations))


def hold(count):
    """Draw *count* cases, or until one fails, made as small as it goes; its script is printed."""
    try:
        settings(PROFILE, max_examples=count)(given(cases())(holds))()
    except AssertionError as failed:
        print(failed)  # noqa: T201 - to be copied and run
        raise


@pytest.mark.sized
def test_whatever_is_drawn_violates_nothing():
    hold(tenth(100))


@pytest.mark.slow
def test_a_bug_is_found_made_small_and_printed_as_a_script_that_shows_it(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(KINDS, "step", Kind("got = f\"{name}/{{__import__('os').urandom(4).hex()}}\""))
    with pytest.raises(AssertionError):
        hold(100)
    text = capsys.readouterr().out
    file = tmp_path / "shows.py"
    file.write_text(text)
    done = subprocess.run(
        [sys.executable, str(file)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert "I03" in done.stdout
    assert text.count("told.append") == 1  # the line with the bug, and no other
