"""MockDurableContext: every kind of operation, prepared, in its scope and by its name; and what stays live."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pydantic
import pytest
from aws_lambda_powertools import Logger
from hypothesis import given
from hypothesis import strategies as st

from powertools_durable import (
    BatchResult,
    CallbackError,
    CallbackExternalError,
    CallbackSubmitterError,
    CallbackTimeoutError,
    ChildContextError,
    Completion,
    InvokeError,
    Nesting,
    Polling,
    Retry,
    StepError,
    WaitForConditionError,
    current_step,
    durable,
)
from powertools_durable.batch import BatchItem
from powertools_durable.errors import NonDeterminismError, SerDesError, SuspendExecution, ValidationError
from powertools_durable.serdes import PassThrough, TaggedJson
from powertools_durable.testing import MockDurableContext, RecordingBackend, Simulator, assert_operations
from tests.leaks import started_threads


class Payment(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(populate_by_name=True)
    id: str
    cents: int = pydantic.Field(0, alias="amountInCents")


@dataclass
class Parcel:
    sku: str
    when: date | None = None


def charge(order: str) -> Payment:
    raise AssertionError(order)


def pack(order: str) -> Parcel:
    raise AssertionError(order)


def pack_all(order: str) -> list[Parcel]:
    raise AssertionError(order)


def untyped(*_):
    raise AssertionError


def mock():
    return MockDurableContext()


# -- values ---------------------------------------------------------------------------------------------------

RICH = {"when": datetime(2026, 1, 1, tzinfo=UTC), "price": Decimal("1.50"), "pair": (1, 2), "raw": b"\xff", 3: {1, 2}}


@pytest.mark.parametrize(
    ("function", "prepared", "seen"),
    [
        (charge, Payment(id="p-1", cents=7), Payment(id="p-1", cents=7)),
        (charge, {"id": "p-1", "amountInCents": 7}, Payment(id="p-1", cents=7)),
        (pack, Parcel("cup", date(2026, 1, 2)), Parcel("cup", date(2026, 1, 2))),
        (pack, {"sku": "cup", "when": "2026-01-02"}, Parcel("cup", date(2026, 1, 2))),
        (pack_all, [Parcel("cup"), {"sku": "pot"}], [Parcel("cup"), Parcel("pot")]),
        (untyped, {"id": "p-1"}, {"id": "p-1"}),
        (untyped, RICH, RICH),
        (untyped, float("inf"), float("inf")),
        (untyped, None, None),
        (untyped, "text", "text"),
        (untyped, [1, [2, "a"]], [1, [2, "a"]]),
    ],
)
def test_a_prepared_value_is_read_as_the_type_that_the_call_asks_for(function, prepared, seen):
    run = mock().with_step_result(None, prepared).build()
    value = run.ctx.step(function, "order")
    assert value == seen
    assert type(value) is type(seen)


def test_returns_asks_for_a_type_too():
    run = mock().with_step_result("untyped", {"sku": "cup"}).build()
    assert run.ctx.step(untyped, returns=Parcel) == Parcel("cup")


def test_a_value_that_a_real_step_could_not_return_is_refused_as_the_step_would_be():
    run = mock().with_step_result("untyped", Parcel("cup")).with_step_result("charge", {"no": "id"}).build()
    with pytest.raises(SerDesError, match="a Parcel can't be recorded by default; annotate"):
        run.ctx.step(untyped)
    with pytest.raises(SerDesError, match=r"not a Payment: result.id \(missing\)"):
        run.ctx.step(charge, "order")


def test_a_value_that_nothing_can_record_is_refused_when_it_is_prepared():
    with pytest.raises(ValidationError, match="prepared for step 'charge' can't be recorded"):
        mock().with_step_result("charge", object())


def test_a_serdes_of_the_call_is_given_to_the_builder_too():
    run = mock().with_step_result("a", "as it is", serdes=PassThrough()).build()
    assert run.ctx.step(untyped, name="a", serdes=PassThrough()) == "as it is"
    run = mock().with_context("a", {"n": 1}, serdes=TaggedJson()).build()
    assert run.ctx.run_in_child_context(untyped, name="a", serdes=TaggedJson()) == {"n": 1}


def test_a_prepared_value_is_not_shared_with_the_code():
    given = {"items": [1]}
    run = mock().with_step_result("untyped", given).build()
    run.ctx.step(untyped)["items"].append(2)
    assert given == {"items": [1]}


# -- names ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prepared", "asks"),
    [
        (lambda m: m.with_step_result("charge"), lambda ctx: ctx.step(untyped, name="refund")),
        (lambda m: m.with_step_result(""), lambda ctx: ctx.step(untyped, name="refund")),
        (lambda m: m.with_wait("a"), lambda ctx: ctx.wait(1, name="b")),
        (lambda m: m.with_wait("a"), lambda ctx: ctx.wait(1)),
        (lambda m: m.with_wait(), lambda ctx: ctx.step(untyped)),
        (lambda m: m.with_step_result(None), lambda ctx: ctx.step(untyped, sub_type="Own")),
        (lambda m: m.with_callback("a"), lambda ctx: ctx.create_callback(name="b")),
        (lambda m: m.with_invoke("a"), lambda ctx: ctx.invoke("f", name="b")),
        (lambda m: m.with_context("a"), lambda ctx: ctx.run_in_child_context(untyped, name="b")),
        (lambda m: m.with_map("a"), lambda ctx: ctx.map(untyped, [], name="b")),
        (lambda m: m.with_map("a"), lambda ctx: ctx.parallel([], name="a")),
    ],
)
def test_another_operation_than_the_prepared_one_is_a_non_determinism_error(prepared, asks):
    run = prepared(mock()).build()
    with pytest.raises(NonDeterminismError, match=r"test_mock_context\.py:\d+ is not what this execution recorded"):
        asks(run.ctx)
    run.assert_no_checkpoints()


@pytest.mark.parametrize("name", ["charge", "", None])
def test_a_name_that_is_not_given_is_any_name(name):
    run = mock().with_step_result(None, 1).build()
    assert run.ctx.step(untyped, name=name) == 1


def test_an_empty_name_is_none():
    assert mock().with_wait("").build().ctx.wait(1) is None


def test_an_own_sub_type_is_given_to_the_builder_too():
    run = mock().with_step_result("a", 1, sub_type="Own").with_callback("b", "id", 2, sub_type="Own").build()
    assert run.ctx.step(untyped, name="a", sub_type="Own") == 1
    assert run.ctx.create_callback(name="b", sub_type="Own").result() == "2"


# -- failures -------------------------------------------------------------------------------------------------


class DeclinedError(Exception):
    def __init__(self, message):
        super().__init__(message)
        self.data = {"code": 51}


@pytest.mark.parametrize(
    ("prepared", "asks", "error", "told"),
    [
        (
            lambda m: m.with_step_error("a", "Declined", {"code": 51}, message="no funds"),
            lambda ctx: ctx.step(untyped, name="a"),
            StepError,
            ("Declined", "no funds", '{"code": 51}'),
        ),
        (
            lambda m: m.with_step_error("a", DeclinedError("no funds")),
            lambda ctx: ctx.step(untyped, name="a"),
            StepError,
            (f"{__name__}.DeclinedError", "no funds", '{"code": 51}'),
        ),
        (
            lambda m: m.with_callback("a", "id", error="rejected"),
            lambda ctx: ctx.create_callback(name="a").result(),
            CallbackExternalError,
            ("CallbackExternalError", "rejected", None),
        ),
        (
            lambda m: m.with_callback("a", "id", error=CallbackTimeoutError("too late")),
            lambda ctx: ctx.create_callback(name="a").result(),
            CallbackTimeoutError,
            ("CallbackTimeoutError", "too late", None),
        ),
        (
            lambda m: m.with_invoke("a", error=ValueError("bad order")),
            lambda ctx: ctx.invoke("f", name="a"),
            InvokeError,
            ("ValueError", "bad order", None),
        ),
        (
            lambda m: m.with_wait_for_condition("a", error=ValueError("gone")),
            lambda ctx: ctx.wait_for_condition(untyped, initial=0, polling=Polling(bool), name="a"),
            WaitForConditionError,
            ("ValueError", "gone", None),
        ),
        (
            lambda m: m.with_context("a", error=ValueError("inside")),
            lambda ctx: ctx.run_in_child_context(untyped, name="a"),
            ChildContextError,
            ("ValueError", "inside", None),
        ),
        (
            lambda m: m.with_wait_for_callback("a", error="rejected"),
            lambda ctx: ctx.wait_for_callback(untyped, name="a"),
            CallbackExternalError,
            ("CallbackExternalError", "rejected", None),
        ),
        (
            lambda m: m.with_wait_for_callback("a", error=CallbackTimeoutError("too late")),
            lambda ctx: ctx.wait_for_callback(untyped, name="a"),
            CallbackTimeoutError,
            ("Callback.Timeout", "too late", None),
        ),
        (
            lambda m: m.with_wait_for_callback("a", error=CallbackSubmitterError("no mail")),
            lambda ctx: ctx.wait_for_callback(untyped, name="a"),
            CallbackSubmitterError,
            ("StepError", "no mail", None),
        ),
    ],
)
def test_a_prepared_failure_is_raised_as_its_call_raises_it(prepared, asks, error, told):
    run = prepared(mock()).build()
    with pytest.raises(error) as caught:
        asks(run.ctx)
    assert type(caught.value) is error
    assert (caught.value.error_type, caught.value.message, caught.value.data) == told
    run.assert_no_checkpoints()


def test_an_exception_brings_its_own_data_and_message():
    with pytest.raises(ValidationError, match="an exception has its own"):
        mock().with_step_error("a", ValueError("x"), {"code": 1})


# -- one record each ------------------------------------------------------------------------------------------


def test_conditions_and_submitted_callbacks_call_nothing():
    run = mock().with_wait_for_condition("poll", {"state": "done"}).with_wait_for_callback("ask", "yes").build()
    polling = Polling(lambda state: state["state"] == "done")
    assert run.ctx.wait_for_condition(untyped, initial={}, polling=polling, name="poll") == {"state": "done"}
    assert run.ctx.wait_for_callback(untyped, name="ask") == "yes"
    run.assert_no_checkpoints()


def test_an_open_callback_has_an_id_and_suspends_when_its_answer_is_asked_for():
    run = mock().with_callback("ask", "cb-9").build()
    callback = run.ctx.create_callback(name="ask")
    assert callback.callback_id == "cb-9"
    with pytest.raises(SuspendExecution):
        callback.result()
    run.assert_no_checkpoints()


def test_the_callback_s_answer_is_sent_as_json_and_read_as_asked():
    run = mock().with_callback("a", "1", Parcel("cup")).with_callback("b", "2", {"n": 1}).with_callback("c", "3", None)
    ctx = run.build().ctx
    assert ctx.create_callback(name="a", returns=Parcel).result() == Parcel("cup")
    assert ctx.create_callback(name="b").result() == '{"n": 1}'
    assert ctx.create_callback(name="c").result() is None


@pytest.mark.parametrize("stands", ["first", "last"])
def test_a_patch_stands_beside_the_order(stands):
    builder = mock().with_patch("by-air") if stands == "first" else mock()
    builder.with_step_result("a", 1).with_step_result("b", 2)
    if stands == "last":
        builder.with_patch("by-air")
    ctx = builder.build().ctx
    assert ctx.step(untyped, name="a") == 1
    assert (ctx.patched("by-air"), ctx.patched("by-sea")) == (True, False)
    assert ctx.step(untyped, name="b") == 2
    assert ctx.patched("by-sea") is False


# -- scopes ---------------------------------------------------------------------------------------------------


def ship(ctx, order):
    label = ctx.step(untyped, name="label")
    ctx.wait(60, name="pick-up")
    return f"{label} of {order}"


INSIDE = MockDurableContext().with_step_result("label", "L-1").with_wait("pick-up")


def test_a_prepared_context_is_not_entered():
    run = mock().with_context("ship", "shipped").with_context("again", Parcel("cup")).build()
    assert run.ctx.run_in_child_context(untyped, name="ship") == "shipped"
    assert run.ctx.with_retry(pack, retry=Retry.none(), name="again") == Parcel("cup")
    run.assert_no_checkpoints()


def test_a_context_with_an_inside_is_entered_and_only_its_end_is_recorded():
    run = mock().with_context("ship", inside=INSIDE).with_step_result("mail", "sent").build()
    assert run.ctx.run_in_child_context(ship, "order-42") == "L-1 of order-42"
    assert run.ctx.step(untyped, name="mail") == "sent"
    assert [str(call) for call in run.calls] == ["SUCCEED context:ship"]
    assert run.unused == []


def test_contexts_lie_inside_contexts_to_any_depth():
    builder = INSIDE
    for depth in range(3):
        builder = mock().with_context(f"depth-{depth}", inside=builder)

    def descend(ctx, depth):
        if depth < 0:
            return ship(ctx, "it")
        return ctx.run_in_child_context(descend, depth - 1, name=f"depth-{depth}")

    run = builder.build()
    assert descend(run.ctx, 2) == "L-1 of it"
    run.assert_operation_count(0)
    run.assert_checkpoint_count(3)


def test_a_virtual_context_has_only_an_inside():
    run = mock().with_context("ship", inside=INSIDE, virtual=True).build()
    assert run.ctx.run_in_child_context(ship, "it", virtual=True) == "L-1 of it"
    run.assert_no_checkpoints()


@pytest.mark.parametrize("options", [{"result": 1, "error": "x"}, {"result": 1, "inside": INSIDE}, {"virtual": True}])
def test_a_context_is_prepared_in_one_way(options):
    if "virtual" in options:
        options |= {"result": 1}
    with pytest.raises(ValidationError, match="takes one of result, error and inside"):
        mock().with_context("ship", **options)


@pytest.mark.parametrize("call", ["map", "parallel"])
def test_a_prepared_fan_out_runs_no_branch(call):
    results = [Parcel("cup"), ValueError("out of stock"), {"sku": "pot"}]
    builder = mock()
    getattr(builder, f"with_{call}")("pack", results)
    run = builder.build()
    if call == "map":
        batch = run.ctx.map(lambda _, item: item, [1, 2, 3], name="pack", returns=Parcel)
    else:
        batch = run.ctx.parallel([pack] * 3, name="pack")
    assert batch.results == [Parcel("cup"), Parcel("pot")]
    (error,) = batch.errors
    assert (type(error), error.error_type, error.message) == (ChildContextError, "ValueError", "out of stock")
    assert batch.completion_reason == "ALL_COMPLETED"
    run.assert_no_checkpoints()


@pytest.mark.parametrize("results", [[], [1, {"a": (1, 2)}], [ValueError("x")]])
def test_an_untyped_fan_out_reads_the_tagged_format(results):
    run = mock().with_map("m", results).build()
    batch = run.ctx.map(untyped, results, name="m")
    assert batch.results == [part for part in results if not isinstance(part, Exception)]
    assert [item.name for item in batch] == [f"map-item-{index}" for index in range(len(results))]


def test_a_whole_batch_result_is_prepared_as_it_is():
    given = BatchResult((BatchItem(0, None, "SUCCEEDED", result=1), BatchItem(1, None, "STARTED")), "MIN_SUCCESSFUL")
    run = mock().with_parallel("p", given).build()
    batch = run.ctx.parallel([untyped] * 3, name="p")
    assert [item.status for item in batch] == ["SUCCEEDED", "STARTED"]
    assert batch.completion_reason == "MIN_SUCCESSFUL"


@pytest.mark.parametrize("nesting", Nesting)
def test_branches_have_scopes_of_their_own(nesting):
    other = MockDurableContext().with_step_result("label", "L-2").with_wait("pick-up")
    run = mock().with_map("ship", inside=[INSIDE, other], nesting=nesting).build()
    batch = run.ctx.map(ship, ["cup", "pot"], nesting=nesting)
    assert batch.results == ["L-1 of cup", "L-2 of pot"]
    run.assert_operation_count(0)


def test_a_branch_without_a_scope_is_live():
    run = mock().with_parallel("both", inside=[INSIDE, None]).build()
    batch = run.ctx.parallel(
        {"a": lambda ctx: ship(ctx, "it"), "b": lambda ctx: ctx.step(int, name="fresh")}, name="both"
    )
    assert batch.results == ["L-1 of it", 0]
    run.assert_operations(["context:b", "step:fresh"])


def test_results_and_inside_exclude_one_another():
    with pytest.raises(ValidationError, match=r"with_map\(\) takes results or inside"):
        mock().with_map("m", [1], inside=[INSIDE])


def test_a_saga_with_prepared_compensations():
    undone = []
    run = (
        mock()
        .with_step_result("hotel", "h-1")
        .with_step_result("flight", "f-1")
        .with_step_error("car", "NoCar")
        .with_compensation("flight", error="closed")
        .build()
    )
    for name in ("hotel", "flight"):
        run.ctx.step_with_compensation(untyped, compensate=undone.append, name=name)
    with pytest.raises(StepError):
        run.ctx.step(untyped, name="car")
    result = run.ctx.run_compensations()
    assert [(item.name, item.status, item.error) for item in result.items] == [
        ("flight", "Failed", "closed"),
        ("hotel", "Succeeded", None),
    ]
    assert undone == ["h-1"]
    run.assert_operations(["compensation:hotel"])


# -- what is live ---------------------------------------------------------------------------------------------


def test_an_operation_that_must_wait_raises_suspend_execution_and_so_does_every_one_after_it():
    run = mock().build()
    for wait in (lambda: run.ctx.wait(60), lambda: run.ctx.step(int)):
        with pytest.raises(SuspendExecution):
            wait()
    run.assert_operations(["wait:"])


def test_a_failing_step_waits_for_its_next_attempt_unless_there_is_none():
    def fails():
        raise ValueError("no")

    run = mock().build()
    with pytest.raises(StepError, match="no"):
        run.ctx.step(fails, retry=Retry.none())
    with pytest.raises(SuspendExecution):
        run.ctx.step(fails)
    assert [str(call) for call in run.calls] == [
        "START step:fails, FAIL step:fails",
        "START step:fails, RETRY step:fails",
    ]


def test_a_live_step_knows_its_attempt_and_can_not_use_the_context():
    run = mock().build()
    assert run.ctx.step(lambda: current_step().attempt) == 1
    with pytest.raises(ValidationError, match="inside the body of step"):
        run.ctx.step(lambda: run.ctx.step(int), name="outer")


def test_live_branches_run_one_after_the_other_on_the_thread_of_the_test():
    def branch(ctx, item):
        nested = ctx.map(
            lambda inner, n: inner.step(lambda: (n, threading.get_ident()), name=f"s-{n}"), [item, item + 1]
        )
        return nested.results

    run = mock().build()
    batch = run.ctx.map(branch, [10, 20], name="outer")
    assert batch.results == [[(n, threading.get_ident()) for n in (m, m + 1)] for m in (10, 20)]
    names = [record.name for record in run.operations if record.operation_type == "step"]
    assert names == ["s-10", "s-11", "s-20", "s-21"]


def test_a_fan_out_with_a_branch_that_waits_suspends_when_the_others_are_done():
    run = mock().build()
    with pytest.raises(SuspendExecution):
        run.ctx.parallel([lambda ctx: ctx.wait(60), lambda ctx: ctx.step(int)], completion=Completion.all_completed())
    run.assert_operation_names([None, "parallel-branch-0", None, "parallel-branch-1", "int"])


def test_every_build_is_another_context_and_no_thread_is_left_behind():
    builder = mock().with_wait()
    with started_threads() as started:
        for _ in range(3):
            run = builder.build()
            run.ctx.wait(1)
            assert run.ctx.map(lambda ctx, n: ctx.step(int, name=f"s{n}"), [1, 2, 3]).results == [0, 0, 0]
    assert started.alive == []


def test_requests_are_the_same_in_every_run_whatever_a_body_takes():
    def told():
        run = mock().build()
        run.ctx.run_in_child_context(lambda ctx: [ctx.step(int, name=f"s{n}") for n in range(3)], name="c")
        run.ctx.map(lambda ctx, n: ctx.step(int, name=f"s{n}"), range(5), name="m")
        return [str(call) for call in run.calls]

    assert told() == told()


def test_time_stands_still():
    moment = datetime(2025, 6, 1, tzinfo=UTC)
    ctx = MockDurableContext(started_at=moment).build().ctx
    assert (ctx.started_at, ctx.now(), ctx.remaining_time) == (moment, moment, timedelta(minutes=15))
    assert mock().build().ctx.started_at == datetime(2026, 1, 1, tzinfo=UTC)


def test_what_was_prepared_in_vain_is_told():
    run = mock().with_step_result("a").with_wait().with_context("ship", inside=INSIDE).build()
    run.ctx.step(untyped, name="a")
    assert run.unused == ["WAIT *", "CONTEXT ship"]  # what is inside goes with it


@pytest.mark.parametrize("call", ["child", "branch"])
def test_the_outer_context_in_a_child_or_branch_is_refused_as_in_lambda(call):
    run = mock().build()
    with pytest.raises(ValidationError, match="use the context that was passed to this function"):
        if call == "child":
            run.ctx.run_in_child_context(lambda _: run.ctx.step(int))
        else:
            run.ctx.map(lambda _, item: run.ctx.step(int), [1])


def test_log_lines_come_out_whatever_is_prepared_and_whatever_ran_before(captured_logs):
    logger = Logger(service="mocked")

    @durable(logger=logger)
    def before(event, ctx):
        ctx.wait(60)

    Simulator(before).start().finish()  # puts a filter into the logger

    def code(ctx, item):
        logger.info("before the prepared one")
        ctx.step(untyped, name="label")
        logger.info("behind it")

    scope = MockDurableContext().with_step_result("label")
    run = mock().with_context("code", inside=scope).with_map("codes", inside=[scope]).with_wait().build()
    run.ctx.run_in_child_context(code, 1, name="code")
    run.ctx.map(code, [1], name="codes")
    assert captured_logs.messages == ["before the prepared one", "behind it"] * 2


# -- a prepared outcome is the one that the real operation has ------------------------------------------------

plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
values = st.recursive(
    plain | st.binary(max_size=3) | st.decimals(allow_nan=False) | st.dates() | st.datetimes() | st.uuids(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=3), inner, max_size=3)
        | st.frozensets(plain, max_size=2)
    ),
    max_leaves=6,
)


@given(values)
def test_whatever_a_step_returns_can_be_prepared_and_comes_back_the_same(value):
    real = mock().build().ctx.step(lambda: value, name="s")
    prepared = mock().with_step_result("s", value).build().ctx.step(untyped, name="s")
    assert (repr(prepared), type(prepared)) == (repr(real), type(real))


ERRORS = [ValueError("no"), KeyError("k"), DeclinedError("no funds"), SerDesError("unreadable"), StepError("inner")]


def caught_from(call):
    with pytest.raises((StepError, ChildContextError, SerDesError)) as caught:
        call()
    error = caught.value
    told = [getattr(error, name, None) for name in ("message", "error_type", "data", "operation")]
    return type(error), str(error), told, repr(error.__cause__)


def raises(error):
    def body(*_):
        raise error

    return body


@pytest.mark.parametrize("error", ERRORS, ids=repr)
def test_whatever_a_step_or_context_raises_can_be_prepared_and_is_raised_the_same(error):
    real = mock().build().ctx
    step = caught_from(lambda: real.step(raises(error), name="s", retry=Retry.none()))
    child = caught_from(lambda: real.run_in_child_context(raises(error), name="c"))
    prepared = mock().with_step_error("s", error).with_context("c", error=error).build().ctx
    assert caught_from(lambda: prepared.step(untyped, name="s")) == step
    assert caught_from(lambda: prepared.run_in_child_context(untyped, name="c")) == child


FAILURES = [error for error in ERRORS if not isinstance(error, SerDesError)]  # the others end a fan-out


def kept(batch):
    errors = [item.error and (type(item.error), item.error.error_type, item.error.data) for item in batch]
    return batch.results, errors, batch.completion_reason


@given(st.lists(values | st.sampled_from(FAILURES), max_size=4))
def test_whatever_a_fan_out_returns_can_be_prepared_and_is_returned_the_same(outcomes):
    def branch(_, outcome):
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    tolerant = Completion.all_completed()
    real = mock().build().ctx.map(branch, outcomes, name="m", completion=tolerant)
    prepared = mock().with_map("m", outcomes).build().ctx.map(branch, outcomes, name="m", completion=tolerant)
    assert repr(prepared.items) == repr(real.items)
    assert kept(prepared) == kept(real)  # but for the line that raised: nothing was raised for a prepared one


@pytest.mark.parametrize(
    ("happens", "prepared"),
    [
        (lambda run: run.callback("ask").fail("declined"), "declined"),
        (lambda run: run.callback("ask").fail(DeclinedError("no funds")), DeclinedError("no funds")),
        (lambda run: run.advance(timedelta(minutes=2)), CallbackTimeoutError("Callback timed out")),
        (lambda _: None, CallbackSubmitterError("no mail", error_type="RuntimeError")),
    ],
    ids=["text", "error", "timeout", "submitter"],
)
def test_a_submitted_callback_fails_as_in_the_simulator(happens, prepared):
    submit = raises(RuntimeError("no mail")) if isinstance(prepared, CallbackSubmitterError) else print
    told = []

    def ask(ctx):
        try:
            ctx.wait_for_callback(submit, name="ask", timeout=60, retry=Retry.none())
        except CallbackError as error:
            told.append((type(error).__name__, error.message, error.error_type, error.data, error.operation))

    happens(Simulator(durable(lambda _event, ctx: ask(ctx))).start())
    ask(mock().with_wait_for_callback("ask", error=prepared).build().ctx)
    assert len(told) == 2
    assert told[0] == told[1]


# -- handlers -------------------------------------------------------------------------------------------------


@durable
def place_order(order: str, ctx) -> str:
    payment = ctx.step(charge, order)
    ctx.wait(timedelta(days=1), name="cool-down")
    return f"{order}: {payment.id}"


def test_the_function_of_a_handler_takes_a_mock_context_and_comes_out_as_in_the_simulator():
    run = mock().with_step_result("charge", Payment(id="p-1")).with_wait("cool-down").build()
    assert place_order.__wrapped__("order-42", run.ctx) == "order-42: p-1"

    @durable
    def same(order: str, ctx) -> str:
        payment = ctx.step(lambda: Payment(id="p-1"), name="charge", returns=Payment)
        ctx.wait(timedelta(days=1), name="cool-down")
        return f"{order}: {payment.id}"

    assert Simulator(same).start("order-42").finish().result == "order-42: p-1"


def test_a_whole_handler_runs_on_a_recording_backend():
    @durable
    def greet(name: str, ctx) -> str:
        greeting = ctx.step(lambda: f"hello, {name}", name="greet")
        ctx.run_in_child_context(lambda child: child.step(int, name="inner"), name="child")
        return greeting

    record = {
        "Id": "e",
        "Type": "EXECUTION",
        "Status": "STARTED",
        "StartTimestamp": 0,
        "ExecutionDetails": {"InputPayload": '"ada"'},
    }
    event = {
        "DurableExecutionArn": "arn:aws:lambda:us-east-1:000000000000:durable-execution/mock",
        "CheckpointToken": "first",
        "InitialExecutionState": {"Operations": [record]},
    }
    backend = RecordingBackend()
    assert greet.invoke(event, None, backend=backend) == {"Status": "SUCCEEDED", "Result": '"hello, ada"'}
    assert_operations(backend.operations, ["step:greet", "context:child", "step:inner"])
    assert [call.checkpoint_token for call in backend.calls][:2] == ["first", "mock-token"]
