"""An author's mistake is never a tolerated failure; a failure that nobody tolerated can't vanish."""

from __future__ import annotations

import json

import pytest
from pydantic import BaseModel

from powertools_durable import (
    BatchError,
    ChildContextError,
    Completion,
    InvokeError,
    Nesting,
    Retry,
    StepError,
    durable,
)
from powertools_durable._protocol.operation import ErrorObject, OperationStatus, OperationType
from powertools_durable._replay.outcome import Raised, Returned
from powertools_durable.batch import BatchItem, BatchResult
from powertools_durable.errors import SerDesError
from powertools_durable.serdes.tagged import TaggedJson
from powertools_durable.testing import Simulator, explore
from tests.guards.counts import Invocation, finished
from tests.kit import FIRST, handle, step_record
from tests.replay.test_fan_out_plan import admitted, plan_of
from tests.runtime.rig import Served


class Report(BaseModel):
    score: int


class Unreadable:
    """Writes, and can't read what it wrote."""

    def serialize(self, value, context):
        return json.dumps(value)

    def deserialize(self, text, context):
        raise LookupError


def pull() -> Report:
    return Report(score=700)


def reads_nothing(child):
    return child.step(lambda: 1, name="inner", serdes=Unreadable(), retry=Retry(max_attempts=5, initial_delay=1))


MISTAKES = {
    "a result that can't be written": lambda child: child.step(pull),
    "a generator": lambda child: (n for n in "ab"),
    "a step's result that can't be read, not caught": reads_nothing,
    "the same in a child context": lambda child: child.run_in_child_context(reads_nothing),
    "the same in a virtual child": lambda child: child.run_in_child_context(reads_nothing, virtual=True),
    "the same with a retry": lambda child: child.with_retry(reads_nothing, retry=Retry(max_attempts=5)),
    "the same in a fan-out": lambda child: child.map(lambda below, n: reads_nothing(below), [1]).results,
    "the same in a flat one": lambda child: child.parallel([reads_nothing], nesting=Nesting.FLAT).results,
    "raised by the author's own hand": lambda child: raises(SerDesError("no")),
}


def raises(error):
    raise error


def sleeps(child):
    child.wait(3600)
    return 1


COMPLETIONS = {
    "none": None,
    "all completed": Completion.all_completed(),
    "tolerates": Completion(tolerated_failure_count=100),
    "a minimum": Completion(min_successful=1),
    "a rule": Completion(when=lambda status: None),
}
FAN_OUTS = {
    "map": lambda ctx, code, **options: ctx.map(
        lambda child, n: [sleeps, code][n](child), [0, 1], name="fan", **options
    ),
    "parallel": lambda ctx, code, **options: ctx.parallel({"a": sleeps, "b": code}, name="fan", **options),
}


@pytest.mark.sampled(12)
@pytest.mark.parametrize("completion", COMPLETIONS.values(), ids=COMPLETIONS)
@pytest.mark.parametrize("nesting", list(Nesting))
@pytest.mark.parametrize("fan_out", FAN_OUTS.values(), ids=FAN_OUTS)
@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
def test_a_value_that_cannot_cross_ends_the_fan_out_live_and_on_replay(mistake, fan_out, nesting, completion):
    raised = []

    @durable
    def handler(event, ctx):
        try:
            fan_out(ctx, mistake, nesting=nesting, completion=completion)
        except SerDesError as error:
            raised.append((type(error), str(error)))
        else:
            raised.append("tolerated")
        ctx.wait(60, name="nap")
        return "done"

    run = Served(handler).finish()
    assert (run.status, run.result) == ("SUCCEEDED", "done")
    assert len(raised) == 2
    assert raised[0] == raised[1]
    assert raised[0][0] is SerDesError
    failed = {op.name for op in run.operations if op.status is OperationStatus.FAILED}
    branch = {"b", "map-item-1"} & {op.name for op in run.operations}
    assert failed >= {"fan"} | (branch if nesting is Nesting.NESTED else set())
    assert run.operation("fan").error.error_type == "SerDesError"
    inner = [op for op in run.operations if op.name == "inner"]
    assert len(inner) <= 1  # no policy was asked for another attempt


@pytest.mark.sampled(1)
@pytest.mark.parametrize("fan_out", FAN_OUTS.values(), ids=FAN_OUTS)
@pytest.mark.parametrize("nesting", list(Nesting))
def test_whatever_dies_the_mistake_is_the_same(fan_out, nesting):
    @durable
    def handler(event, ctx):
        try:
            return fan_out(ctx, lambda child: child.step(pull), nesting=nesting).success_count
        except SerDesError as error:
            return str(error)

    explore(handler, {}).assert_survives()
    assert "returns=Report" in Simulator(handler).start().finish().result


@pytest.mark.parametrize("fan_out", FAN_OUTS.values(), ids=FAN_OUTS)
def test_what_a_branch_catches_itself_is_no_mistake_of_the_fan_out(fan_out):
    def careful(child):
        try:
            return reads_nothing(child)
        except SerDesError:
            return "caught"

    @durable
    def handler(event, ctx):
        return fan_out(ctx, careful).succeeded[1].result

    assert Simulator(handler).start().finish().result == "caught"


def test_with_retry_asks_no_policy_about_it():
    asked = []

    def policy(error, attempt):
        asked.append(error)
        return 1

    @durable
    def handler(event, ctx):
        return ctx.with_retry(reads_nothing, retry=policy)

    run = Simulator(handler).start().finish()
    assert (run.status, run.error.error_type, asked) == ("FAILED", "SerDesError", [])


class RefusedError(SerDesError):
    """A class of the serdes' own."""


class Refuses:
    def serialize(self, value, context):
        raise RefusedError("no such bucket")

    def deserialize(self, text, context):
        raise RefusedError("no such bucket")


@pytest.mark.parametrize("nesting", list(Nesting))
@pytest.mark.parametrize("fan_out", FAN_OUTS.values(), ids=FAN_OUTS)
def test_a_class_of_the_serdes_own_is_a_serdes_error_too(fan_out, nesting):
    raised = []

    @durable
    def handler(event, ctx):
        try:
            fan_out(ctx, quick, nesting=nesting, item_serdes=Refuses(), completion=Completion.all_completed())
        except SerDesError as error:
            raised.append((type(error), str(error)))
        ctx.wait(60)

    assert Simulator(handler).start().finish().status == "SUCCEEDED"
    assert raised == [(SerDesError, "no such bucket")] * 2


def quick(child):
    return 1


# -- whose SerDesError it is ------------------------------------------------------------------------------------


@pytest.mark.parametrize("error_type", ["SerDesError", "PayloadTooLargeError"])
def test_what_an_invoked_function_says_of_its_values_is_its_failure_and_may_be_tolerated(error_type):
    @durable
    def handler(event, ctx):
        def asks(child):
            return child.invoke("other", {}, name="call")

        batch = ctx.parallel([asks, lambda child: 1], completion=Completion.all_completed(), name="fan")
        try:
            ctx.invoke("other", {})
        except InvokeError as error:
            return [batch[0].error.__class__.__name__, batch.results, error.error_type]

    class Error(Exception):
        pass

    Error.__name__ = Error.__qualname__ = error_type
    Error.__module__ = "builtins"

    def other(event):
        raise Error("no")

    run = Simulator(handler, functions={"other": other}).start().finish()
    assert run.result == ["ChildContextError", [1], error_type], run.error


@pytest.mark.parametrize(
    "kind", [kind for kind in OperationType if kind not in {OperationType.STEP, OperationType.CONTEXT}]
)
def test_only_records_of_steps_and_contexts_tell_of_our_values(kind):
    error = ErrorObject(error_type="SerDesError", error_message="theirs")
    op = handle(step_record(OperationStatus.FAILED, error=error))
    assert type(op.failure(StepError)) is SerDesError
    op.type = kind
    found = op.failure(StepError)
    assert (type(found), found.error_type, found.message) == (StepError, "SerDesError", "theirs")


# -- what has succeeded is not judged again --------------------------------------------------------------------


def test_a_fan_out_that_an_earlier_version_recorded_with_such_an_error_is_read_as_it_is():
    old = BatchResult(
        (BatchItem(0, None, "SUCCEEDED", 1), BatchItem(1, None, "FAILED", error=SerDesError("no"))), "ALL_COMPLETED"
    )
    text = TaggedJson().serialize(old, None)
    fan = finished(OperationType.CONTEXT, FIRST, "fan", text, "Parallel")

    @durable
    def handler(event, ctx):
        batch = ctx.parallel([sleeps, reads_nothing], name="fan")
        return [batch.results, type(batch[1].error).__name__]

    answer = Invocation(handler, [fan]).run()
    assert answer == {"Status": "SUCCEEDED", "Result": '[[1], "SerDesError"]'}


def test_nor_is_one_whose_result_is_rebuilt_from_its_branches():
    plan = plan_of(2, rebuilds=True)
    admitted(plan)
    plan.ended(0, Raised(SerDesError("no")))
    plan.ended(1, Returned(1))
    assert (plan.reason, list(plan.outcomes)) == ("ALL_COMPLETED", [0, 1])


@pytest.mark.parametrize("completion", COMPLETIONS.values(), ids=COMPLETIONS)
def test_a_plan_passes_the_mistake_on(completion):
    plan = plan_of(3, completion)
    admitted(plan)
    with pytest.raises(SerDesError, match="no"):
        plan.ended(1, Raised(SerDesError("no")))


# -- as a handler meets it -------------------------------------------------------------------------------------


def refuses(child, *_):
    raise KeyError("sku")


INTOLERANT = {
    "map": lambda ctx: ctx.map(lambda child, n: n or refuses(child), [1, 0], name="fan", max_concurrency=1),
    "parallel": lambda ctx: ctx.parallel([lambda child: 1, refuses], name="fan", max_concurrency=1),
    "a count": lambda ctx: ctx.parallel([lambda c: 1, refuses], completion=Completion(tolerated_failure_count=0)),
    "a rule": lambda ctx: ctx.parallel(
        [lambda c: 1, refuses], completion=Completion(when=lambda status: "failed" if status.failed else None)
    ),
}


@pytest.mark.parametrize("nap", [False, True], ids=["live", "replayed"])
@pytest.mark.parametrize("fan_out", INTOLERANT.values(), ids=INTOLERANT)
def test_a_handler_that_takes_the_results_of_a_failed_fan_out_fails(fan_out, nap):
    @durable
    def handler(event, ctx):
        batch = fan_out(ctx)
        if nap:
            ctx.wait(60)
        return batch.results

    run = Simulator(handler).start().finish()
    assert (run.status, run.error.error_type) == ("FAILED", "BatchError")
    assert "(index 1) failed with KeyError: 'sku'" in run.error.error_message


@pytest.mark.parametrize("fan_out", INTOLERANT.values(), ids=INTOLERANT)
def test_the_error_has_what_succeeded_and_is_rebuilt_from_a_child_s_record(fan_out):
    @durable
    def handler(event, ctx):
        try:
            fan_out(ctx).results  # noqa: B018
        except BatchError as error:
            partial = [item.result for item in error.succeeded]
        ctx.wait(60)
        try:
            ctx.run_in_child_context(lambda child: fan_out(child).results)
        except ChildContextError as error:
            return [partial, type(error.__cause__).__name__, list(error.__cause__.succeeded)]

    assert Simulator(handler).start().finish().result == [[1], "BatchError", []]
