"""``saga.undo``: a compensation for whatever was just done, kept in call order and run as a step."""

from __future__ import annotations

import pytest

from powertools_durable import CompensationError, Retry, StepError, current_step, durable
from powertools_durable.errors import ValidationError
from powertools_durable.testing import Ledger, MockDurableContext, Simulator, explore

WORLD: list[str] = []


@pytest.fixture(autouse=True)
def _empty_world():
    WORLD.clear()


def note(word):
    WORLD.append(word)


def refund(word):
    step = current_step()
    note(f"refund {word} at attempt {step.attempt} {'with a key' if step.idempotency_key else ''}")


def fails():
    raise LookupError("no")


@durable
def trip(event, ctx):
    with ctx.saga() as saga:
        seat = ctx.invoke("flights", "turin", returns=str)
        saga.undo(note, f"cancel {seat}")
        ctx.step_with_compensation(lambda: "room", name="hotel", compensate=lambda room: note(f"leave {room}"))
        ctx.wait(60)
        saga.undo(
            refund,
            "a",
        )
        if event == "fails":
            ctx.step(fails, retry=Retry.none())
    return "there"


FLIGHTS = {"flights": lambda city: f"seat to {city}"}


def test_what_was_done_is_undone_in_the_order_of_the_calls_the_last_first_as_steps():
    run = Simulator(trip, functions=FLIGHTS).start("fails").finish()
    assert (run.status, run.error.error_message) == ("FAILED", "no")
    assert WORLD == ["refund a at attempt 1 with a key", "leave room", "cancel seat to turin"]
    kinds = [(record.type, record.name, record.status) for record in run.operations][-3:]
    assert kinds == [("STEP", "refund", "SUCCEEDED"), ("CONTEXT", "hotel", "SUCCEEDED"), ("STEP", "note", "SUCCEEDED")]


def test_a_block_that_succeeds_undoes_nothing():
    run = Simulator(trip, functions=FLIGHTS).start("goes").finish()
    assert (run.status, run.result, WORLD) == ("SUCCEEDED", "there", [])


def test_undoing_is_tried_again_and_one_that_fails_stops_no_other():
    left = [2]

    def flaky():
        left[0] -= 1
        if left[0]:
            raise ConnectionError("not yet")
        note("undone at last")
        return object()  # what it returns is not kept, so it may be anything

    @durable(retry=Retry(max_attempts=2, initial_delay=60, jitter="none"))
    def handler(event, ctx):
        with ctx.saga() as saga:
            saga.undo(note, "first")
            saga.undo(fails)
            saga.undo(flaky)
            ctx.step(fails, name="goes wrong", retry=Retry.none())

    run = Simulator(handler).start().finish()
    assert WORLD == ["undone at last", "first"]
    assert run.error.error_type == "CompensationError"
    assert "undoing fails failed, after StepError" in run.error.error_message


def test_the_result_of_undoing_names_the_functions():
    seen = []

    @durable
    def handler(event, ctx):
        try:
            with ctx.saga() as saga:
                saga.undo(note, "x")
                saga.undo(fails)
                raise KeyError("a")
        except CompensationError as error:
            seen[:] = [(item.name, item.status, item.error) for item in error.result.items]

    ended = durable(retry=Retry.none())(handler.__wrapped__)
    Simulator(ended).start().finish()
    assert seen == [("fails", "Failed", "no"), ("note", "Succeeded", None)]


@pytest.mark.slow
def test_wherever_lambda_dies_the_same_is_undone():
    ledger = Ledger()

    @durable
    def handler(event, ctx):
        with ctx.saga() as saga:
            ctx.step(lambda: 1, name="one")
            saga.undo(lambda: ledger.record("undo", key=current_step().idempotency_key))
            ctx.wait(5)
            ctx.step(fails, retry=Retry.none())

    explore(handler, None, ledger=ledger).assert_survives()


def test_an_undo_outside_of_its_block_or_of_no_function_is_refused_and_remembered_by_nobody():
    caught = []

    @durable
    def handler(event, ctx):
        with ctx.saga() as saga:
            pass
        for wrong in (lambda: saga.undo(note, "late"), lambda: saga.undo("note"), lambda: saga.undo("name", note)):
            try:
                wrong()
            except ValidationError as error:
                caught.append(str(error))
        return ctx.compensation_count

    assert Simulator(handler).start().finish().result == 0
    assert "after the end of its block" in caught[0]
    assert caught[1].startswith("saga.undo() takes a function, not a str, which may be what it returned: pass the ")
    assert caught[1].endswith("and its arguments after it: saga.undo(charge, order)")
    assert caught[2] == "saga.undo() takes the function first: saga.undo(charge)"


def test_an_undo_in_a_step_is_refused():
    @durable
    def handler(event, ctx):
        with ctx.saga() as saga:
            ctx.step(lambda: saga.undo(note, "x"), name="s")

    run = Simulator(handler).start().finish()
    assert run.error.error_type == "ValidationError"
    assert run.error.error_message.startswith("saga.undo() is called inside the body of step 's', at test_undo.py:")
    assert WORLD == []


def test_by_hand_it_is_undone_too():
    @durable
    def handler(event, ctx):
        with ctx.saga() as saga:
            saga.undo(note, "x")
        assert ctx.compensation_count == 1
        return ctx.run_compensations().all_succeeded

    assert Simulator(handler).start().finish().result is True
    assert WORLD == ["x"]


def test_a_mock_prepares_it_as_the_step_that_it_is():
    run = MockDurableContext().with_step_error("fails", "no").with_step_result("note", None).build()
    with pytest.raises(KeyError), run.ctx.saga() as saga:
        saga.undo(note, "x")
        try:
            run.ctx.step(fails)
        except StepError:
            raise KeyError("a") from None
    assert WORLD == []
    run.assert_no_checkpoints()
    assert run.unused == []


@pytest.mark.parametrize("args", [(), (1, 2)], ids=["none", "two"])
def test_an_undo_that_can_not_be_called_so_is_refused_at_its_call(args):
    def release(seat):
        return seat

    @durable
    def handler(event, ctx):
        with ctx.saga() as saga:
            saga.undo(release, *args)
            ctx.step(lambda: 1, name="never reached")

    run = Simulator(handler).start().finish()
    assert run.status == "FAILED"
    assert run.error.error_type.endswith("ValidationError")
    assert f"release() takes (seat); saga.undo(release, ...) passes {len(args)}." in run.error.error_message
    assert "ctx.saga" not in run.error.error_message
    assert [operation.name for operation in run.operations if operation.name] == []
