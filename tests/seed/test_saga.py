"""Steps that can be undone (docs/contributing/protocol.md#compensations)."""

from __future__ import annotations

import pytest

from powertools_durable import Retry, StepError, durable
from powertools_durable.errors import ValidationError
from powertools_durable.testing import Simulator
from tests.seed.rig import Rig

UNDO = "Compensation"


@pytest.fixture
def rig():
    rig = Rig()
    yield rig
    rig.close()


def booked(context, undone, names=("hotel", "flight", "car"), failing=()):
    def undo(value):
        undone.append(value)
        if value in failing:
            raise LookupError(f"{value} is gone")

    for name in names:
        context.step_with_compensation(lambda name=name: name.upper(), compensate=undo, name=name)


def test_it_is_an_ordinary_step_that_remembers_how_to_undo_itself(rig):
    context = rig.context()
    value = context.step_with_compensation(lambda n: n + 1, 41, compensate=str, name="charge", sub_type="Mine")
    assert (value, context.compensation_count) == (42, 1)
    assert rig.backend.told == [["STEP START charge", "STEP SUCCEED charge"]]
    assert {update.sub_type for update in rig.backend.updates} == {"Mine"}


def test_a_step_that_fails_registers_nothing(rig):
    context = rig.context()
    with pytest.raises(StepError):
        context.step_with_compensation(lambda: {}["x"], compensate=str, retry=Retry.none())
    assert context.compensation_count == 0


def test_a_replayed_step_registers_again_with_its_recorded_value(rig):
    booked(rig.context(), [])
    context, undone = rig.context(), []
    booked(context, undone)
    assert (context.compensation_count, rig.backend.requests) == (3, [])
    context.run_compensations()
    assert undone == ["CAR", "FLIGHT", "HOTEL"]


def test_the_last_step_is_undone_first_and_the_count_goes_down(rig):
    context, undone = rig.context(), []
    booked(context, undone)
    result = context.run_compensations()
    assert undone == ["CAR", "FLIGHT", "HOTEL"]
    assert [(item.name, item.status, item.error) for item in result.items] == [
        ("car", "Succeeded", None),
        ("flight", "Succeeded", None),
        ("hotel", "Succeeded", None),
    ]
    assert result.all_succeeded
    assert context.compensation_count == 0


def test_one_that_fails_does_not_stop_the_others_and_is_told(rig):
    context, undone = rig.context(), []
    booked(context, undone, failing={"FLIGHT"})
    result = context.run_compensations()
    assert undone == ["CAR", "FLIGHT", "HOTEL"]
    assert [item.status for item in result.items] == ["Succeeded", "Failed", "Succeeded"]
    assert result.items[1].error == "FLIGHT is gone"
    assert not result.all_succeeded


def test_without_compensations_there_is_no_checkpoint_and_all_succeeded(rig):
    result = rig.context().run_compensations()
    assert (result.items, result.all_succeeded, rig.backend.requests) == ((), True, [])


def test_on_the_wire_each_is_a_context_named_like_its_step_and_a_failure_has_its_error(rig):
    context = rig.context()
    booked(context, [], names=("hotel", "car"), failing={"HOTEL"})
    before = len(rig.backend.updates)
    context.run_compensations()
    updates = rig.backend.updates[before:]
    assert [(u.type, u.action, u.sub_type, u.name) for u in updates] == [
        ("CONTEXT", "START", UNDO, "car"),
        ("CONTEXT", "SUCCEED", UNDO, "car"),
        ("CONTEXT", "START", UNDO, "hotel"),
        ("CONTEXT", "FAIL", UNDO, "hotel"),
    ]
    assert (updates[1].payload, updates[3].error.error_type) == (None, "LookupError")


def test_a_replay_tells_the_same_and_undoes_nothing_twice():
    undone, results = [], []

    @durable
    def handler(event, ctx):
        booked(ctx, undone, failing={"FLIGHT"})
        results.append(ctx.run_compensations())
        ctx.wait(60)

    assert Simulator(handler).start().finish().status == "SUCCEEDED"
    assert undone == ["CAR", "FLIGHT", "HOTEL"]
    assert len(results) == 2
    assert results[0] == results[1]


def test_an_interrupted_one_runs_again_and_is_not_started_twice():
    undone = []

    def undo(value):
        undone.append(value)
        if len(undone) == 1:
            raise SystemExit

    @durable
    def handler(event, ctx):
        ctx.step_with_compensation(lambda: "HOTEL", compensate=undo, name="hotel")
        ctx.wait(1)
        return ctx.run_compensations().all_succeeded

    run = Simulator(handler).start().finish()
    assert (run.status, run.result, undone) == ("SUCCEEDED", True, ["HOTEL", "HOTEL"])
    assert len(run.operations) == 3


def test_with_two_parameters_it_gets_a_context_of_its_own_for_durable_operations():
    undone = []

    def undo(child, value):
        child.step(undone.append, value, name="ask")
        child.wait(3600)
        child.step(undone.append, "refunded", name="refund")

    @durable
    def handler(event, ctx):
        ctx.step_with_compensation(lambda: "HOTEL", compensate=undo, name="hotel")
        return ctx.run_compensations().all_succeeded

    run = Simulator(handler).start().finish()
    assert (run.status, run.result) == ("SUCCEEDED", True)
    assert undone == ["HOTEL", "refunded"]
    parent = next(op for op in run.operations if op.sub_type == UNDO)
    assert {op.parent_id for op in run.operations if op.name in {"ask", "refund"}} == {parent.id}


def test_a_child_context_undoes_its_own_steps_only():
    undone = []

    @durable
    def handler(event, ctx):
        booked(ctx, undone, names=("outer",))

        def inner(child):
            booked(child, undone, names=("inner",))
            return len(child.run_compensations().items)

        return [ctx.run_in_child_context(inner), ctx.compensation_count]

    assert Simulator(handler).start().finish().result == [1, 1]
    assert undone == ["INNER"]


def test_in_batch_mode_compensations_are_acknowledged_at_once_after_what_was_held_back(rig):
    context = rig.context()
    context.enable_batch_mode()
    booked(context, [], names=("hotel",))
    assert rig.backend.requests == []
    context.run_compensations()
    told = [line for request in rig.backend.told for line in request]
    assert told == ["STEP START hotel", "STEP SUCCEED hotel", "CONTEXT START hotel", "CONTEXT SUCCEED hotel"]
    assert context.pending_update_count == 0


def test_a_compensation_that_is_no_function_is_refused_before_the_step_runs(rig):
    context = rig.context()
    with pytest.raises(ValidationError, match="takes a function"):
        context.step_with_compensation(lambda: 1, compensate="refund")
    assert rig.backend.requests == []
