"""The seed's testing helpers, item by item: mock context, recorders, assertions."""

from __future__ import annotations

import pytest

from powertools_durable import CallbackError, DurableContext, ExecutionMode, Retry, StepError
from powertools_durable._protocol.operation import OperationType
from powertools_durable._protocol.update import OperationAction, OperationUpdate
from powertools_durable._replay.frame import operation_id
from powertools_durable.errors import SuspendExecution
from powertools_durable.testing import (
    CheckpointCall,
    MockDurableContext,
    OperationRecord,
    RecordingBackend,
    assert_checkpoint_count,
    assert_no_checkpoints,
    assert_operation_count,
    assert_operation_names,
    assert_operations,
)
from tests.kit import ARN
from tests.seed.rig import Noting, Rig

MOCK_ARN = "arn:aws:lambda:us-east-1:000000000000:durable-execution/mock"


def update(kind, action=OperationAction.START, name="op", **fields):
    return OperationUpdate(id=f"id-of-{name}", type=OperationType(kind), action=action, name=name, **fields)


def prepared():
    return (
        MockDurableContext()
        .with_step_result("charge", {"id": "p-1", "cents": 4200})
        .with_step_error("ship", "OutOfStock", {"sku": "cup"})
        .with_wait("cool-down")
        .with_callback("approval", "cb-123", {"approved": True})
        .with_invoke("ledger", {"entry": 7})
    )


# -- the builder ----------------------------------------------------------------------------------------------


def test_what_is_prepared_comes_back_in_call_order_without_a_request():
    ctx, calls, operations = prepared().build()
    assert ctx.step(pytest.fail, name="charge") == {"id": "p-1", "cents": 4200}
    with pytest.raises(StepError) as caught:
        ctx.step(pytest.fail, name="ship")
    assert (caught.value.error_type, caught.value.data_as(dict)) == ("OutOfStock", {"sku": "cup"})
    assert ctx.wait(60, name="cool-down") is None
    callback = ctx.create_callback(name="approval", returns=dict)
    assert (callback.callback_id, callback.result()) == ("cb-123", {"approved": True})
    assert ctx.invoke("ledger:1", name="ledger") == {"entry": 7}
    assert_no_checkpoints(calls)
    assert_operation_count(operations, 0)


def test_it_is_the_real_context_over_ids_of_the_normal_generator():
    ctx = prepared().build().ctx
    assert type(ctx) is DurableContext
    assert (ctx.execution_arn, ctx.checkpoint_token) == (MOCK_ARN, "mock-checkpoint-token")
    assert list(ctx.state.operations) == [operation_id(str(number)) for number in range(1, 6)]
    assert all(record.parent_id is None for record in ctx.state.operations.values())
    assert ctx.execution_mode is ExecutionMode.REPLAYING


def test_after_the_prepared_operations_it_is_live_and_steps_run():
    ctx, calls, operations = MockDurableContext().with_wait("cool-down").build()
    ctx.wait(60, name="cool-down")
    assert ctx.execution_mode is ExecutionMode.EXECUTING
    assert ctx.step(lambda: "sent", name="mail") == "sent"
    assert_checkpoint_count(calls, 1)
    assert_operations(operations, ["step:mail"])


def test_the_first_request_carries_the_first_token_and_every_other_the_one_of_all_answers():
    ctx, calls, _ = MockDurableContext().build()
    for name in ("a", "b", "c"):
        ctx.step(lambda: 1, name=name)
    assert [call.checkpoint_token for call in calls] == ["mock-checkpoint-token", "mock-token", "mock-token"]
    assert {call.arn for call in calls} == {MOCK_ARN}
    assert ctx.checkpoint_token == "mock-token"


def test_a_fresh_callback_fails_because_nobody_makes_its_id():
    ctx, _, operations = MockDurableContext().build()
    with pytest.raises(CallbackError, match=r"callback 'approval' \(#1\) has no callback id.*with_callback\(\)"):
        ctx.create_callback(name="approval")
    assert_operations(operations, ["callback:approval"])


def test_what_can_not_go_on_suspends():
    ctx, calls, operations = MockDurableContext().build()
    with pytest.raises(SuspendExecution):
        ctx.wait(60, name="cool-down")
    assert_checkpoint_count(calls, 1)
    assert_operations(operations, ["wait:cool-down"])


def test_the_batch_counter_counts_the_requests_of_several_operations():
    ctx, calls, operations, batches = MockDurableContext().build_with_batch_counter()
    ctx.step(lambda: 1, name="alone")
    assert (batches, int(batches), repr(batches)) == (0, 0, "0")
    ctx.enable_batch_mode()
    for name in ("a", "b", "c"):
        ctx.step(lambda: 1, name=name)
    assert (ctx.pending_update_count, len(calls)) == (6, 1)
    ctx.flush_batch()
    assert batches == 1
    assert_checkpoint_count(calls, 2)
    assert_operation_names(operations, ["alone", "a", "b", "c"])


# -- the recorders --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "sub_type", "printed"),
    [
        ("STEP", "Step", "step:op"),
        ("STEP", "WaitForCondition", "step:op"),
        ("WAIT", "Wait", "wait:op"),
        ("CALLBACK", "Callback", "callback:op"),
        ("CHAINED_INVOKE", "ChainedInvoke", "invoke:op"),
        ("CONTEXT", "RunInChildContext", "context:op"),
        ("CONTEXT", "Map", "map:op"),
        ("CONTEXT", "Parallel", "parallel:op"),
        ("CONTEXT", "ParallelBranch", "context:op"),
        ("CONTEXT", "Compensation", "compensation:op"),
        ("EXECUTION", None, "unknown:op"),
        ("TOMORROW", None, "unknown:op"),
    ],
)
def test_each_start_is_an_operation_by_kind_and_name(kind, sub_type, printed):
    backend = RecordingBackend()
    backend.checkpoint(ARN, "t", [update(kind, sub_type=sub_type)], "c")
    assert [str(operation) for operation in backend.operations] == [printed]


def test_only_starts_are_operations():
    backend = RecordingBackend()
    actions = [action for action in OperationAction if action is not OperationAction.START]
    backend.checkpoint(ARN, "t", [update("STEP", action) for action in actions], "c")
    assert backend.operations == []
    assert len(backend.calls[0].updates) == 4


def test_alone_it_accepts_everything_and_tells_of_nothing():
    backend = RecordingBackend()
    answer = backend.checkpoint(ARN, "anything", [update("CALLBACK")], "c")
    assert (answer.checkpoint_token, answer.new_execution_state) == ("mock-token", None)
    page = backend.get_execution_state(ARN, "anything", "", 1000)
    assert (page.operations, page.next_marker) == ((), None)
    assert backend.calls == [CheckpointCall(ARN, "anything", (update("CALLBACK"),))]


def test_around_another_backend_that_one_answers():
    rig = Rig(page_items=1)
    inner = rig.context().backend
    assert isinstance(inner, Noting)
    backend = RecordingBackend(inner)
    ctx = DurableContext.create(backend, ARN, rig.token, rig.first_page)
    ctx.step(lambda: 1, name="a")
    assert ctx.create_callback(name="approval").callback_id  # the twin makes one
    assert backend.calls[1].checkpoint_token == inner.requests[1][0] != "mock-token"
    assert_operations(backend.operations, ["step:a", "callback:approval"])
    assert len(backend.get_execution_state(ARN, ctx.checkpoint_token, "", 1).operations) == 1
    ctx.close()
    rig.close()


def test_a_refused_request_is_recorded_too():
    class Refusing(RecordingBackend):
        def checkpoint(self, *_):
            raise RuntimeError("no")

    backend = RecordingBackend(Refusing())
    with pytest.raises(RuntimeError):
        backend.checkpoint(ARN, "t", [], "c")
    assert len(backend.calls) == 1


def test_tokens_are_in_no_repr():
    ctx, calls, _ = MockDurableContext().build()
    ctx.step(lambda: 1, name="a")
    assert "mock-checkpoint-token" not in repr(calls) + repr(ctx.backend)
    assert repr(ctx.backend) == "<RecordingBackend, 1 requests>"
    assert repr(RecordingBackend(ctx.backend)) == "<RecordingBackend around RecordingBackend, 0 requests>"


# -- the assertions -------------------------------------------------------------------------------------------

STARTED = [OperationRecord("charge", "step"), OperationRecord("cool-down", "wait"), OperationRecord(None, "step")]
CALLS = [
    CheckpointCall(ARN, "secret-token", (update("STEP", name="a"), update("STEP", OperationAction.SUCCEED, name="a"))),
    CheckpointCall(ARN, "secret-token", ()),
]


def test_the_assertions_pass_when_it_is_so():
    assert_no_checkpoints([])
    assert_checkpoint_count(CALLS, 2)
    assert_operations(STARTED, ["step:charge", "wait:cool-down", "step:"])
    assert_operation_names(STARTED, ["charge", "cool-down", None])
    assert_operation_count(STARTED, 3)


@pytest.mark.parametrize(
    ("fails", "message"),
    [
        (
            lambda: assert_no_checkpoints(CALLS),
            "expected no checkpoint, recorded 2:\n  1. START step:a, SUCCEED step:a\n  2. nothing",
        ),
        (
            lambda: assert_checkpoint_count(CALLS, 1),
            "expected 1 checkpoint, recorded 2:\n  1. START step:a, SUCCEED step:a\n  2. nothing",
        ),
        (lambda: assert_checkpoint_count([], 3), "expected 3 checkpoints, recorded 0"),
        (
            lambda: assert_operations(STARTED, ["step:charge", "step:ship", "step:"]),
            (
                "operations differ first at index 1: expected 'step:ship', recorded 'wait:cool-down'\n"
                "  expected: ['step:charge', 'step:ship', 'step:']\n"
                "  recorded: ['step:charge', 'wait:cool-down', 'step:']"
            ),
        ),
        (
            lambda: assert_operations(STARTED[:1], ["step:charge", "step:ship"]),
            (
                "operations differ first at index 1: expected 'step:ship', recorded nothing\n"
                "  expected: ['step:charge', 'step:ship']\n"
                "  recorded: ['step:charge']"
            ),
        ),
        (
            lambda: assert_operation_names(STARTED, ["charge", "cool-down"]),
            (
                "operation names differ first at index 2: expected nothing, recorded None\n"
                "  expected: ['charge', 'cool-down']\n"
                "  recorded: ['charge', 'cool-down', None]"
            ),
        ),
        (
            lambda: assert_operation_count(STARTED, 1),
            "expected 1 operation, recorded 3: ['step:charge', 'wait:cool-down', 'step:']",
        ),
    ],
)
def test_a_failing_assertion_shows_both_sides_and_the_first_difference(fails, message):
    with pytest.raises(AssertionError) as caught:
        fails()
    assert str(caught.value) == message
    assert "secret-token" not in str(caught.value)


def test_a_run_has_the_assertions_as_methods():
    run = MockDurableContext().build()
    run.assert_no_checkpoints()
    run.ctx.step(lambda: 1, name="a", retry=Retry.none())
    run.assert_checkpoint_count(1)
    run.assert_operations(["step:a"])
    run.assert_operation_names(["a"])
    run.assert_operation_count(1)
    for fails in (
        run.assert_no_checkpoints,
        lambda: run.assert_checkpoint_count(0),
        lambda: run.assert_operations([]),
        lambda: run.assert_operation_names([]),
        lambda: run.assert_operation_count(0),
    ):
        with pytest.raises(AssertionError):
            fails()
