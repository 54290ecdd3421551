"""ctx.patched as a table: see docs/operations/patches.md."""

from __future__ import annotations

import pytest

from powertools_durable._operations.patch import patched, patched_once
from powertools_durable._protocol.operation import SubType
from powertools_durable._replay.frame import Frame, operation_id
from tests.kit import S, engine, play, step_record


def asked(found=None, *, replaying=False):
    records = engine(found) if found else engine()
    op = Frame(records).mark("ship-by-air", SubType.PATCH)
    return play(op, patched(op, replaying=replaying))


def marked(status):
    made = step_record(status, name="ship-by-air", id=operation_id("patch-ship-by-air"))
    object.__setattr__(made, "sub_type", SubType.PATCH)
    return made


def test_new_code_is_taken_and_marked_without_waiting():
    result = asked()
    assert (result.returned, result.updates) == (True, ["START", "SUCCEED"])
    assert [effect.wait for effect in result.effects] == [False, False]
    assert {effect.update.id for effect in result.effects} == {operation_id("patch-ship-by-air")}
    assert {effect.update.sub_type for effect in result.effects} == {SubType.PATCH}


def test_history_that_went_on_without_the_mark_stays_on_the_old_way():
    result = asked(replaying=True)
    assert (result.returned, result.effects) == (False, [])


@pytest.mark.parametrize("replaying", [True, False])
@pytest.mark.parametrize("status", [S.STARTED, S.SUCCEEDED])
def test_a_mark_decides_for_ever(status, replaying):
    result = asked(marked(status), replaying=replaying)
    assert (result.returned, result.effects) == (True, [])


def test_a_mark_inside_a_context_has_the_context_s_prefix_and_shifts_no_id():
    frame = Frame(engine(), context_id="abc", parent_id="abc")
    op = frame.mark("x", SubType.PATCH)
    assert (op.id, op.parent_id, frame.counter) == (operation_id("abc-patch-x"), "abc", 0)


def test_asked_again_in_the_same_invocation_it_is_answered_the_same_and_asks_for_nothing():
    op, answers = Frame(engine()).mark("ship-by-air", SubType.PATCH), {}
    first = play(op, patched_once(op, answers, "ship-by-air", replaying=True))
    again = play(op, patched_once(op, answers, "ship-by-air", replaying=False))
    assert (first.returned, again.returned, again.effects) == (False, False, [])
