"""Results over 256 KiB are rebuilt from the branches' records; and fan-outs of thousands.

See docs/contributing/protocol.md#large-results.
"""

from __future__ import annotations

import json
import threading
from dataclasses import replace

import pytest

from powertools_durable import Completion, DurableConfig, Nesting, durable
from powertools_durable._protocol.operation import OperationType
from tests.kit import ARN
from tests.leaks import started_threads
from tests.runtime.rig import BRANCH, Gauge, Served

NESTINGS = [Nesting.NESTED, Nesting.FLAT]
LARGE = "x" * 100_000


def outer(run, sub_type):
    return next(operation for operation in run.operations if operation.sub_type == sub_type)


def rewrite(run, sub_type, text):
    """Have the record of the fan-out hold *text*, as another SDK, or a fault, might have left it."""
    with run.host.changing(ARN) as execution:
        record = outer(run, sub_type)
        details = replace(record.context_details, result=text)
        execution.operations[record.id] = replace(record, context_details=details)


def told(result):
    return [
        [(item.index, item.name, item.status, item.result and len(item.result), item.error and str(item.error))]
        for item in result
    ] + [result.completion_reason]


@pytest.fixture
def large():
    """A fan-out of four, one of which fails and one is cut off, whose result is large; then a wait."""

    def make(nesting, summary=None):
        seen, ran, runs = [], [], []

        def body(child, n):
            runs.append(n)
            if n == 1:
                child.wait(86_400)
            if n == 2:
                raise KeyError("no")
            return child.step(lambda: ran.append(n) or LARGE + str(n))

        @durable
        def handler(event, ctx):
            done = Completion(min_successful=3)
            result = ctx.map(body, [0, 1, 2, 3, 4], name="m", nesting=nesting, completion=done, summary=summary)
            seen.append(told(result))
            ctx.wait(60)
            return result.completion_reason

        return Served(handler).settle(), seen, ran, runs

    return make


@pytest.mark.parametrize("nesting", NESTINGS)
def test_a_large_result_is_left_out_of_the_record_and_rebuilt_the_same(large, nesting):
    run, seen, ran, runs = large(nesting)
    record = outer(run, "Map")
    kept = json.loads(record.result)
    assert record.context_details.replay_children
    assert {key: kept[key] for key in ("type", "totalCount", "startedIndexes", "completionReason")} == {
        "type": "MapResult",
        "totalCount": 5,
        "startedIndexes": [1],
        "completionReason": "MIN_SUCCESSFUL_REACHED",
    }
    requests = len(run.backend.requests)
    assert run.finish().result == "MIN_SUCCESSFUL_REACHED"
    assert len(seen) == 2
    assert seen[0] == seen[1]
    assert sorted(ran) == [0, 3, 4]
    assert runs.count(1) == 1  # what was cut off is not entered again
    assert len(run.backend.requests) == requests  # a rebuild writes nothing


def test_a_summary_stands_beside_the_counts(large):
    run, *_ = large(Nesting.NESTED, summary=lambda result: f"{result.success_count} pages")
    kept = json.loads(outer(run, "Map").result)
    assert (kept["summary"], kept["successCount"], kept["failureCount"], kept["status"]) == ("3 pages", 3, 1, "FAILED")


MALFORMED = [
    "",
    "no json",
    "[]",
    "3",
    '{"totalCount": 5}',
    '{"totalCount": "5", "completionReason": "ALL_COMPLETED", "startedIndexes": []}',
    '{"totalCount": 1.5, "completionReason": "ALL_COMPLETED", "startedIndexes": []}',
    '{"totalCount": true, "completionReason": "ALL_COMPLETED", "startedIndexes": []}',
    '{"totalCount": -1, "completionReason": "ALL_COMPLETED", "startedIndexes": []}',
    '{"totalCount": 999999999999, "completionReason": "ALL_COMPLETED", "startedIndexes": []}',
    '{"totalCount": 999999999999, "completionReason": "ALL_COMPLETED", "completedIndexes": []}',
    '{"totalCount": 5, "completionReason": 7, "startedIndexes": []}',
    '{"totalCount": 5, "completionReason": "ALL_COMPLETED", "startedIndexes": [7]}',
    '{"totalCount": 5, "completionReason": "ALL_COMPLETED", "startedIndexes": [[]]}',
    '{"totalCount": 5, "completionReason": "ALL_COMPLETED", "startedIndexes": null}',
]


@pytest.mark.parametrize("nesting", NESTINGS)
@pytest.mark.parametrize("text", MALFORMED, ids=range(len(MALFORMED)))
def test_a_record_that_says_nothing_useful_is_made_up_for_by_the_branches_own(large, text, nesting):
    run, seen, ran, _ = large(nesting)
    rewrite(run, "Map", text)
    run.finish()
    assert (run.status, run.error) == ("SUCCEEDED", None)
    assert seen[0] == seen[1]
    assert sorted(ran) == [0, 3, 4]


@pytest.mark.parametrize("nesting", NESTINGS)
def test_fewer_inputs_than_a_large_result_had_are_a_change_of_code(nesting):
    items = [0, 1, 2, 3]

    @durable
    def handler(event, ctx):
        result = ctx.map(lambda child, n: child.step(lambda: LARGE), items, nesting=nesting)
        ctx.wait(60)
        return result.success_count

    run = Served(handler).settle()
    items.pop()
    run.finish()
    assert (run.status, run.error and run.error.error_type) == ("FAILED", "NonDeterminismError")


def test_a_large_branch_of_a_large_fan_out_is_rebuilt_too():
    ran = []

    def body(child, n):
        ran.append(n)
        return "".join([child.step(lambda: LARGE, name=f"part-{part}") for part in range(3)])

    @durable
    def handler(event, ctx):
        result = ctx.map(body, [0, 1])
        ctx.wait(60)
        return [len(value) for value in result.results]

    run = Served(handler).finish()
    assert run.result == [300_000, 300_000]
    assert sorted(ran) == [0, 0, 1, 1]


# -- many ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("nesting", NESTINGS)
def test_three_thousand_items_need_few_threads_and_few_requests(nesting):
    gauge = Gauge()

    def work(n):
        with gauge:
            return n * 2

    @durable
    def handler(event, ctx):
        return sum(ctx.map(lambda child, n: child.step(work, n), list(range(3000)), nesting=nesting).results)

    with started_threads() as started:
        run = Served(handler).finish()
    assert (run.status, run.result) == ("SUCCEEDED", 2999 * 3000)
    assert len(gauge.threads) <= 32
    assert all(name.startswith(BRANCH) for name in gauge.threads)
    updates = 2 * 3000 * (2 if nesting is Nesting.NESTED else 1) + 2
    assert len(run.backend.updates) == updates
    assert len(run.backend.requests) <= 2 * 48 + 8  # one for each round of 32 threads; a slow machine makes some more
    assert started.alive == []


def test_thousands_of_branches_that_wait_are_one_suspension():
    @durable
    def handler(event, ctx):
        return ctx.map(lambda child, n: child.wait(60), list(range(1000))).success_count

    run = Served(handler).settle()
    assert len([op for op in run.operations if op.type is OperationType.WAIT]) == 1000
    assert run.finish().result == 1000
    assert len(run.invocations) == 2


@pytest.mark.parametrize("threads", [1, 3])
def test_the_pool_is_as_large_as_it_is_configured(threads):
    gauge = Gauge()

    def body(child, n):
        with gauge:
            return child.step(lambda: n)

    @durable(config=DurableConfig(max_threads=threads))
    def handler(event, ctx):
        return ctx.map(body, list(range(50))).success_count

    assert Served(handler).finish().result == 50
    assert len(gauge.threads) <= threads


@pytest.mark.parametrize("nesting", NESTINGS)
@pytest.mark.parametrize("threads", [0, 1, 3])
def test_row_65_when_the_sandbox_has_no_more_threads_those_there_are_must_do(monkeypatch, threads, nesting):
    started, start, gauge = [], threading.Thread.start, Gauge()

    def scarce(thread):
        if thread.name.startswith(BRANCH):
            if len(started) >= threads:
                raise RuntimeError("can't start new thread")
            started.append(thread)
        start(thread)

    def inner(child, n):
        with gauge:
            return child.step(lambda: n)

    @durable
    def handler(event, ctx):
        outer = ctx.map(lambda child, n: child.map(inner, [n, n + 1], nesting=nesting).results, list(range(20)))
        ctx.parallel([lambda child: child.wait(60), lambda child: child.step(lambda: 1)])
        return sum(map(sum, outer.results))

    monkeypatch.setattr(threading.Thread, "start", scarce)
    run = Served(handler).settle()
    started.clear()  # each invocation has as few
    assert run.finish().result == sum(2 * n + 1 for n in range(20))
    assert len(gauge.threads) <= max(1, threads)


def test_without_a_thread_to_send_checkpoints_another_invocation_is_asked_for(monkeypatch):
    started, start = [], threading.Thread.start

    def scarce(thread):
        started.append(thread)
        if len(started) == 1:
            raise RuntimeError("can't start new thread")
        start(thread)

    @durable
    def handler(event, ctx):
        return ctx.step(lambda: 1)

    monkeypatch.setattr(threading.Thread, "start", scarce)
    run = Served(handler).settle()
    assert run.invocations[0].answer.error_type == "BackendError"
    assert run.finish().result == 1
