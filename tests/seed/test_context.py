"""Every public item of the seed's context, one by one: identity, state, children, determinism helpers."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

import pytest

from powertools_durable import DurableContext, ExecutionMode, durable
from powertools_durable._replay.frame import operation_id
from powertools_durable.errors import BackendError, SuspendExecution, ValidationError
from powertools_durable.testing import Simulator
from tests.kit import ARN, S, step_record
from tests.seed.rig import Rig


@pytest.fixture
def rig():
    rig = Rig()
    yield rig
    rig.close()


def finish(handler, event=None):
    run = Simulator(handler).start(event or {}).finish()
    assert run.status == "SUCCEEDED", run.error
    return run


# -- DurableContext::new --------------------------------------------------------------------------------------


def test_create_reads_every_page_a_thousand_at_a_time_until_there_is_no_marker():
    rig = Rig(page_items=2)
    first = rig.context()
    for n in range(6):
        first.step(lambda n=n: n, name=f"s{n}")
    context = rig.context()
    assert len(rig.first_page) == 2
    assert [(token, size) for token, _, size in rig.backend.pages] == [(rig.token, 1000)] * 3
    assert len({marker for _, marker, _ in rig.backend.pages}) == 3
    assert [context.step(pytest.fail, name=f"s{n}") for n in range(6)] == list(range(6))
    assert rig.backend.requests == []
    rig.close()


def test_create_takes_the_records_and_the_marker_as_options(rig):
    rig.context()
    assert DurableContext.create(rig.backend, ARN, "t").state.operations == {}


def test_create_lets_a_fault_of_a_page_pass(rig):
    rig.context()
    with pytest.raises(BackendError, match="Invalid marker"):
        DurableContext.create(rig.backend, ARN, rig.token, next_marker="no marker")


# -- execution_mode(), is_replaying() -------------------------------------------------------------------------


def test_an_empty_history_is_executing(rig):
    context = rig.context()
    assert len(context.state.operations) == 1  # the execution's own record counts for nothing
    assert (context.execution_mode, context.is_replaying) == (ExecutionMode.EXECUTING, False)


def test_it_replays_until_the_last_recorded_operation_is_behind(rig):
    first = rig.context()
    for name in ("a", "b"):
        first.step(lambda: 1, name=name)
    context, seen = rig.context(), []
    for name in ("a", "b", "c"):
        seen.append(context.execution_mode)
        context.step(lambda: 1, name=name)
    assert seen == [ExecutionMode.REPLAYING, ExecutionMode.REPLAYING, ExecutionMode.EXECUTING]
    assert not context.is_replaying


def test_an_operation_that_goes_on_ends_the_replay(rig):
    rig.context()
    context = DurableContext.create(rig.backend, ARN, rig.token, [step_record(S.READY, attempt=1, name="again")])
    seen = [context.is_replaying]
    context.step(lambda: seen.append(context.is_replaying), name="again")
    context.close()
    assert seen == [True, False]


# -- arn(), checkpoint_token(), set_checkpoint_token() --------------------------------------------------------


def test_the_arn_is_the_execution_s(rig):
    assert rig.context().execution_arn == ARN


def test_the_token_is_the_newest_and_each_request_carries_the_one_before(rig):
    context, seen = rig.context(), []
    for n in range(3):
        seen.append(context.checkpoint_token)
        context.step(lambda: 1, name=f"s{n}")
    assert seen[0] == rig.token
    assert len({*seen, context.checkpoint_token}) == 4
    assert [token for token, _ in rig.backend.requests] == seen


@pytest.mark.parametrize(
    "name",
    [
        "checkpoint_token",
        "execution_arn",
        "parent_id",
        "execution_mode",
        "is_batch_mode",
        "compensation_count",
        "state",
    ],
)
def test_what_the_engine_owns_is_read_only(rig, name):
    with pytest.raises(AttributeError):
        setattr(rig.context(), name, "mine")


def test_the_token_is_in_no_repr(rig):
    context = rig.context()
    assert context.checkpoint_token not in repr(context)
    assert "root" in repr(context)


# -- backend(), replay_engine() -------------------------------------------------------------------------------


def test_the_backend_is_the_one_that_was_given(rig):
    assert rig.context().backend is rig.backend


def test_the_engine_looks_records_up_and_tells_which_have_ended(rig):
    context = rig.context()
    context.step(lambda: "x", name="done")
    with pytest.raises(SuspendExecution):
        context.wait(60, name="open")
    engine = context.replay_engine
    done, open_ = operation_id("1"), operation_id("2")
    assert (engine.get(done).name, engine.get(open_).name, engine.get("nothing")) == ("done", "open", None)
    assert engine.check_result(done) is engine.get(done)
    assert engine.check_result(done).result == '"x"'
    assert (engine.check_result(open_), engine.check_result("nothing")) == (None, None)
    assert {done, open_} < set(engine.operations)
    assert engine.operations is context.state.operations


def test_the_engine_replays_as_soon_as_there_is_a_record_beside_the_execution_s(rig):
    context = rig.context()
    assert not context.replay_engine.is_replaying
    context.step(lambda: 1)
    assert rig.context().replay_engine.is_replaying


# -- create_child_context(), parent_op_id() -------------------------------------------------------------------


def test_a_child_context_numbers_its_operations_below_its_own_id_and_sends_its_parent(rig):
    rig.open_context("parent-op")
    root = rig.context()
    child = root.create_child_context("parent-op")
    child.step(lambda: 1, name="inner")
    root.step(lambda: 2, name="outer")
    assert (root.parent_id, child.parent_id) == (None, "parent-op")
    ids = {update.name: (update.id, update.parent_id) for update in rig.backend.updates}
    assert ids == {"inner": (operation_id("parent-op-1"), "parent-op"), "outer": (operation_id("1"), None)}


def test_a_child_context_shares_the_engine_and_replays_for_itself(rig):
    rig.open_context("a")
    rig.context().create_child_context("a").step(lambda: 1, name="inner")
    root = rig.context()
    recorded, fresh = root.create_child_context("a"), root.create_child_context("b")
    assert recorded.replay_engine is root.replay_engine
    assert (recorded.is_replaying, fresh.is_replaying, root.is_replaying) == (True, False, False)
    assert recorded.step(pytest.fail, name="inner") == 1


def test_a_child_context_inherits_no_compensation(rig):
    rig.open_context("parent-op")
    root = rig.context()
    root.step_with_compensation(lambda: 1, compensate=str, name="outer")
    child = root.create_child_context("parent-op")
    child.step_with_compensation(lambda: 2, compensate=str, name="inner")
    child.step_with_compensation(lambda: 3, compensate=str, name="inner")
    assert (root.compensation_count, child.compensation_count) == (1, 2)


def test_a_closed_context_is_refused(rig):
    context = rig.context()
    context.close()
    with pytest.raises(ValidationError, match="after its context has ended"):
        context.step(lambda: 1)


def test_a_context_made_by_hand_is_refused_while_code_below_it_runs(rig):
    rig.open_context("parent-op")
    root = rig.context()

    def code(child):
        with pytest.raises(ValidationError, match="on a context other than the one whose code is running"):
            root.step(lambda: 1, name="wrong")
        with pytest.raises(ValidationError, match="on a context other than the one whose code is running"):
            child.run_in_child_context(lambda _: child.step(lambda: 1), name="deeper")
        by_hand = child.create_child_context("parent-op")  # what is made by hand there, is used there
        return by_hand.step(lambda: 1, name="inner"), child.step(lambda: 2, name="right")

    assert root.run_in_child_context(code, name="child") == (1, 2)
    assert root.step(lambda: 3, name="after") == 3
    started = [update.name for update in rig.backend.updates if update.action == "START"]
    assert started == ["child", "deeper", "inner", "right", "after"]


def test_child_context_is_run_in_child_context():
    assert DurableContext.child_context is DurableContext.run_in_child_context


# -- log, log_debug, log_warn, log_error ----------------------------------------------------------------------


def test_without_another_logger_it_is_that_of_the_handler_s_module(caplog, monkeypatch):
    # Other tests, and examples, leave Powertools loggers in the process.
    known = logging.Logger.manager.loggerDict
    ordinary = {name: entry for name, entry in known.items() if not hasattr(entry, "powertools_handler")}
    monkeypatch.setattr(logging.Logger.manager, "loggerDict", ordinary)

    @durable
    def handler(event, ctx):
        ctx.logger.warning("low stock", extra={"sku": "a"})

    finish(handler)
    assert [(r.name, r.levelname, r.sku) for r in caplog.records if r.message == "low stock"] == [
        (__name__, "WARNING", "a")
    ]


@pytest.mark.parametrize("given", [logging.getLogger("orders"), [logging.getLogger("orders")]], ids=["one", "several"])
def test_the_decorator_s_logger_goes_first(given):
    names = []

    @durable(logger=given)
    def handler(event, ctx):
        names.append(ctx.logger.name)

    finish(handler)
    assert names == ["orders"]


# -- what Powertools looks for --------------------------------------------------------------------------------


def test_the_state_is_recognised_as_a_durable_context_s():
    seen = []

    @durable
    def handler(event, ctx):
        seen.append((ctx.state.durable_execution_arn == ctx.execution_arn, len(ctx.state.operations)))
        ctx.wait(60)

    finish(handler)
    assert seen == [(True, 1), (True, 2)]  # Idempotency takes more than one for a replay


def test_lambda_s_context_and_the_time_that_is_left_are_this_invocation_s():
    seen = []

    @durable
    def handler(event, ctx):
        seen.append((ctx.lambda_context.aws_request_id, ctx.remaining_time))
        ctx.wait(60)

    run = Simulator(handler, invocation_timeout=90).start({}).finish()
    assert [request for request, _ in seen] == [i.request_id for i in run.invocations]
    assert len({request for request, _ in seen}) == 2
    assert [left for _, left in seen] == [timedelta(seconds=90)] * 2


def test_a_context_made_by_hand_has_no_lambda_context_and_fifteen_minutes(rig):
    context = rig.context()
    assert context.lambda_context is None
    assert timedelta(minutes=14) < context.remaining_time <= timedelta(minutes=15)


# -- uuid4, random, started_at, now ---------------------------------------------------------------------------


def drawn(ctx):
    return [str(ctx.uuid4()), str(ctx.uuid4()), ctx.random.random(), ctx.random.randint(0, 10**9)]


def test_uuids_and_random_numbers_are_the_same_on_every_replay_and_different_elsewhere():
    seen = []

    @durable
    def handler(event, ctx):
        seen.append(drawn(ctx))
        seen.append(ctx.run_in_child_context(drawn, name="a", virtual=True))
        seen.append(ctx.run_in_child_context(drawn, name="b", virtual=True))
        ctx.wait(60)

    run = finish(handler)
    assert [op.name for op in run.operations] == [None]  # the wait: none of these is an operation
    assert seen[:3] == seen[3:]
    values = [value for line in seen[:3] for value in line]
    assert len(set(values)) == len(values)


def test_uuids_are_random_between_executions():
    seen = []

    @durable
    def handler(event, ctx):
        seen.append((ctx.uuid4(), ctx.random.random()))

    simulator = Simulator(handler)
    simulator.start()
    simulator.start()
    assert len({uuid for uuid, _ in seen}) == len({number for _, number in seen}) == 2
    assert {uuid.version for uuid, _ in seen} == {4}


def test_the_start_is_the_execution_s_and_now_is_recorded():
    seen = []

    @durable
    def handler(event, ctx):
        seen.append((ctx.started_at, ctx.now()))
        ctx.wait(3600)
        return (ctx.now() - ctx.started_at).total_seconds()

    run = finish(handler)
    assert seen[0] == seen[1] == (datetime(2026, 1, 1, tzinfo=UTC),) * 2
    assert run.result == 3600
    assert [op.name for op in run.operations] == ["now", None, "now"]
