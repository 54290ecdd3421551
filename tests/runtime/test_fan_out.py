"""`parallel` and `map` on real threads in virtual time: order, limits, identity, suspension.

See docs/contributing/protocol.md#scheduling.
"""

from __future__ import annotations

import contextvars
import threading
from collections import deque
from collections.abc import Sequence

import pytest

from powertools_durable import Completion, DurableConfig, Nesting, StepSemantics, durable
from powertools_durable._protocol.operation import OperationType
from powertools_durable._replay.frame import operation_id
from powertools_durable.testing import Simulator
from tests.runtime.rig import Gauge, Served, starts
from tests.waiting import pass_time

NESTINGS = [Nesting.NESTED, Nesting.FLAT]
TENANT = contextvars.ContextVar("TENANT", default="nobody")


def work(child, *_):
    return child.step(lambda: 1)


def test_branches_are_started_and_told_in_index_order():
    @durable
    def handler(event, ctx):
        return ctx.map(lambda child, n: child.step(lambda: n * n), list(range(40)), name="squares").results

    run = Served(handler).finish()
    assert run.result == [n * n for n in range(40)]
    assert starts(run) == ["squares", *(f"map-item-{n}" for n in range(40))]


def test_the_branches_of_a_mapping_have_its_names_and_keep_its_order():
    @durable
    def handler(event, ctx):
        result = ctx.parallel({"pay": lambda c: c.step(lambda: 1), "pack": lambda c: c.step(lambda: 2)}, name="ship")
        return [[item.index, item.name, item.status, item.result] for item in result]

    run = Served(handler).finish()
    assert run.result == [[0, "pay", "SUCCEEDED", 1], [1, "pack", "SUCCEEDED", 2]]
    assert starts(run) == ["ship", "pay", "pack"]


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_no_more_bodies_run_at_once_than_max_concurrency(limit):
    gauge = Gauge()

    def body(child, n):
        with gauge:
            return child.step(lambda: n)

    @durable
    def handler(event, ctx):
        return ctx.map(body, list(range(12)), max_concurrency=limit).success_count

    assert Simulator(handler).start().finish().result == 12
    assert gauge.most <= limit


def test_branches_run_side_by_side():
    meeting = threading.Barrier(3, timeout=60)

    @durable
    def handler(event, ctx):
        return ctx.parallel([lambda child: meeting.wait() >= 0] * 3).success_count

    assert Simulator(handler).start().finish().result == 3


def test_a_group_starts_when_every_branch_of_the_one_before_has_ended_also_over_a_suspension():
    log = []

    def body(child, n):
        child.step(lambda: log.append(f"{n} begins"))
        if n == 1:
            child.wait(60)
        child.step(lambda: log.append(f"{n} ends"))

    @durable
    def handler(event, ctx):
        return ctx.map(body, list(range(4)), batch_size=2).success_count

    run = Simulator(handler).start()
    assert not any(line[0] in "23" for line in log)
    assert run.finish().result == 4
    assert log.index("1 ends") < min(log.index("2 begins"), log.index("3 begins"))


def test_a_suspended_branch_keeps_its_slot():
    @durable
    def handler(event, ctx):
        return ctx.map(lambda child, n: child.wait(60), [0, 1, 2], max_concurrency=1).success_count

    run = Served(handler).settle()
    assert starts(run) == [None, "map-item-0"]
    run.finish()
    assert (run.result, len(run.invocations)) == (3, 4)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda ctx: ctx.map(work, {1, 2}), "not a set"),
        (lambda ctx: ctx.map(work, frozenset({1})), "not a frozenset"),
        (lambda ctx: ctx.map(work, {"a": 1}), "not a dict"),
        (lambda ctx: ctx.map(work, {"a": 1}.values()), "not a dict_values"),
        (lambda ctx: ctx.map(work, (n for n in [1])), "not a generator"),
        (lambda ctx: ctx.map(work, iter([1])), "not a list_iterator"),
        (lambda ctx: ctx.map(work, "text"), "not a str"),
        (lambda ctx: ctx.map(work, None), "not None"),
        (lambda ctx: ctx.map("work", [1]), "takes a function"),
        (lambda ctx: ctx.map(work, [1], item_name=lambda item, index: item), "name is text"),
        (lambda ctx: ctx.parallel({work}), "not a set"),
        (lambda ctx: ctx.parallel([work, "work"]), "is a str, which may be what"),
        (lambda ctx: ctx.map(work, [1, 2], completion=Completion(min_successful=3)), "can't be reached with 2"),
        (lambda ctx: ctx.map(work, [], completion=Completion.first_successful()), "can't be reached with 0"),
        (lambda ctx: ctx.map(work, [1], completion=Completion.all_completed), "such as Completion.all_completed()"),
        (lambda ctx: ctx.map(work, [1], max_concurrency=0), "max_concurrency is"),
        (lambda ctx: ctx.map(work, [1], max_concurrency=1.5), "max_concurrency is"),
        (lambda ctx: ctx.map(work, [1], batch_size=0), "batch_size is"),
        (lambda ctx: ctx.parallel([work], nesting="DEEP"), "nesting is"),
        (lambda ctx: ctx.parallel([work], serdes=7), "serdes"),
    ],
)
def test_what_can_never_work_is_refused_before_anything_is_recorded(call, says):
    run = Served(durable(lambda event, ctx: call(ctx))).finish()
    assert (run.status, run.error.error_type, run.told) == ("FAILED", "ValidationError", [])
    assert says in run.error.error_message


@pytest.mark.parametrize(
    "make",
    [
        lambda: (1, 2),
        lambda: range(1, 3),
        lambda: deque([1, 2]),
        lambda: enumerate("ab"),
        lambda: zip("ab", "cd", strict=True),
        lambda: OrderedItems({"b": 1, "a": 2}.items()),
    ],
    ids=["tuple", "range", "deque", "enumerate", "zip", "a Sequence of your own"],
)
def test_whatever_has_an_order_is_taken(make):
    @durable
    def handler(event, ctx):
        return ctx.map(lambda child, item: repr(item), make()).results

    assert Simulator(handler).start().finish().result == [repr(item) for item in make()]


class OrderedItems(Sequence):
    def __init__(self, items):
        self._items = list(items)

    def __getitem__(self, index):
        return self._items[index]

    def __len__(self):
        return len(self._items)


# -- identity --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("nesting", NESTINGS)
def test_flat_and_nested_branches_give_the_same_inner_ids(nesting):
    @durable
    def handler(event, ctx):
        ctx.map(lambda child, n: child.step(lambda: n, name="s"), ["a", "b"], name="m", nesting=nesting)

    run = Simulator(handler).start().finish()
    outer = operation_id("1")
    branches = [operation_id(f"{outer}-{index}") for index in (0, 1)]
    steps = [operation for operation in run.operations if operation.name == "s"]
    assert {step.id for step in steps} == {operation_id(f"{branch}-1") for branch in branches}
    assert {step.parent_id for step in steps} == ({outer} if nesting is Nesting.FLAT else set(branches))
    assert len(run.operations) == (3 if nesting is Nesting.FLAT else 5)


def test_a_fan_out_takes_one_number_of_its_context():
    @durable
    def handler(event, ctx):
        ctx.map(lambda child, n: child.step(lambda: n), [1, 2, 3])
        ctx.step(lambda: 0, name="after")

    assert Simulator(handler).start().finish().operation("after").id == operation_id("2")


def test_each_branch_has_a_copy_of_the_context_variables():
    def body(child, n):
        seen = TENANT.get()
        TENANT.set(f"branch {n}")
        child.step(lambda: None)
        return [seen, TENANT.get()]

    @durable
    def handler(event, ctx):
        TENANT.set("ada")
        return [*ctx.map(body, [0, 1, 2]).results, TENANT.get()]

    run = Simulator(handler).start().finish()
    assert run.result == [["ada", "branch 0"], ["ada", "branch 1"], ["ada", "branch 2"], "ada"]


# -- suspension ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("nesting", NESTINGS)
def test_two_branches_that_wait_are_one_pending_each_time_and_the_earliest_wakes_it(nesting):
    @durable
    def handler(event, ctx):
        return ctx.parallel([lambda c: c.wait(5), lambda c: c.wait(60)], nesting=nesting).success_count

    run = Simulator(handler).start()
    began = run.now
    assert [i.answer["Status"] for i in run.invocations] == ["PENDING"]
    run.step()
    assert (run.now - began).total_seconds() == 5
    run.finish()
    assert (run.now - began).total_seconds() == 60
    assert (run.result, [i.answer["Status"] for i in run.invocations]) == (2, ["PENDING", "PENDING", "SUCCEEDED"])


def test_a_branch_that_waits_for_somebody_does_not_hold_up_the_others():
    @durable
    def handler(event, ctx):
        return ctx.parallel(
            [lambda c: c.create_callback(name="yes").result(), lambda c: c.step(lambda: "done")]
        ).results

    run = Simulator(handler).start()
    assert run.status == "RUNNING"
    assert [op.status for op in run.operations if op.type is OperationType.STEP] == ["SUCCEEDED"]
    assert run.callback("yes").succeed("ok").finish().result == ['"ok"', "done"]


def test_a_step_that_is_retried_in_a_branch_is_run_again_after_its_delay():
    tries = []

    def flaky():
        tries.append(1)
        if len(tries) < 3:
            raise OSError
        return len(tries)

    @durable
    def handler(event, ctx):
        return ctx.parallel([lambda c: c.step(flaky), lambda c: c.step(lambda: "other")]).results

    run = Simulator(handler).start().finish()
    assert (run.result, len(run.invocations)) == ([3, "other"], 3)


def test_a_finished_branch_is_not_run_again_by_a_replay():
    ran = []

    def body(child, n):
        ran.append(n)
        child.step(lambda: n)
        if n == 2:
            child.wait(60)

    @durable
    def handler(event, ctx):
        return ctx.map(body, [0, 1, 2]).success_count

    assert Simulator(handler).start().finish().result == 3
    assert sorted(ran) == [0, 1, 2, 2]


def waits(child):
    child.wait(5)
    return "woken"


def waits_below(child):
    return child.map(
        lambda inner, seconds: inner.wait(seconds), [5, 500], completion=Completion(min_successful=1)
    ).status


@pytest.mark.parametrize(("sleeps", "told"), [(waits, "woken"), (waits_below, "SUCCEEDED")], ids=["wait", "fan-out"])
def test_the_timer_of_one_branch_is_served_while_another_runs(sleeps, told):
    woken = threading.Event()

    def sleeper(child):
        result = sleeps(child)
        woken.set()
        return result

    def works(child):
        def body():
            return pass_time(run, woken)

        return child.step(body, semantics=StepSemantics.AT_MOST_ONCE)  # so nothing is left to be sent meanwhile

    @durable
    def handler(event, ctx):
        return ctx.parallel([sleeper, works]).results

    run = Served(handler)
    run.settle()
    assert (run.status, run.result) == ("SUCCEEDED", [told, True])
    assert len(run.invocations) == 1


# -- nested ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("nesting", NESTINGS)
@pytest.mark.parametrize("threads", [1, 2, 32])
def test_fan_outs_inside_fan_outs_end_whatever_the_number_of_threads(threads, nesting):
    def leaf(child, n):
        return child.step(lambda: n)

    def middle(child, n):
        return sum(child.map(leaf, [n, n + 1, n + 2], nesting=nesting).results)

    def top(child, n):
        return sum(child.map(middle, [n, 10 * n], nesting=nesting).results) + child.step(lambda: 0)

    @durable(config=DurableConfig(max_threads=threads))
    def handler(event, ctx):
        return ctx.map(top, [1, 2, 3, 4], nesting=nesting).results

    assert Simulator(handler).start().finish().result == [3 * (n + 1) + 3 * (10 * n + 1) for n in (1, 2, 3, 4)]


@pytest.mark.parametrize("threads", [1, 2])
def test_requests_inside_of_nested_fan_outs_wait_for_nobody_who_can_not_come(threads):
    def inner(child, _):
        return child.map(lambda below, n: below.step(lambda: n), [1, 2]).results

    handler = durable(config=DurableConfig(max_threads=threads))(lambda event, ctx: ctx.map(inner, [1, 2]).results)
    for seed in range(10):
        run = Simulator(handler, seed=seed).start()
        assert run.result == [[1, 2], [1, 2]]
        assert run.now == run.operations[0].start_timestamp


@pytest.mark.parametrize("threads", [1, 2])
def test_a_nested_fan_out_that_suspends_hands_the_earliest_moment_upward(threads):
    def inner(child, n):
        return child.map(lambda c, m: c.wait(m), [n, 10 * n]).success_count

    @durable(config=DurableConfig(max_threads=threads))
    def handler(event, ctx):
        return ctx.map(inner, [7, 30], completion=Completion.all_completed()).results

    run = Simulator(handler).start()
    began = run.now
    moments = []
    while run.status == "RUNNING":
        run.step()
        moments.append((run.now - began).total_seconds())
    assert (run.result, moments) == ([2, 2], [7, 30, 70, 300])
