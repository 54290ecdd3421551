"""Speed as counts: what one operation costs, whatever the machine. Milliseconds are for ``make bench``.

A bound is what Python 3.11 counts, and a few in a hundred more; later ones count less. Each was seen to fail with the
change named beside it.
"""

from __future__ import annotations

import pytest

from powertools_durable import StepSemantics, durable
from powertools_durable._protocol.operation import OperationType
from powertools_durable._replay.frame import operation_id
from powertools_durable.serdes import SerDesContext
from tests.guards.counts import Invocation, calls_each, counted_calls, finished, finished_steps, printed_by

FAN = operation_id("1")


def value(n):
    return n


def stepping(count):
    @durable
    def handler(event, ctx):
        for n in range(1, count + 1):
            ctx.step(value, n, name=f"s{n}")
        return count

    return handler


def mapping(count, **options):
    @durable
    def handler(event, ctx):
        return ctx.map(lambda child, n: child.step(value, n), range(count), name="fan", **options).success_count

    return handler


def mapped_but_one(count):
    fan = finished(OperationType.CONTEXT, FAN, "fan", "", "Map") | {"Status": "STARTED", "ContextDetails": {}}
    return [
        fan,
        *(
            finished(
                OperationType.CONTEXT, operation_id(f"{FAN}-{n}"), f"map-item-{n}", "7", "MapIteration", parent=FAN
            )
            for n in range(count - 1)
        ),
    ]


# -- replay ----------------------------------------------------------------------------------------------------


def test_a_replayed_step_costs_so_many_calls():
    """Failed with the driver looking for a misuse where there is none (+2).

    One of them is the flow that fetches a value which the record only points to.
    """
    assert calls_each(lambda n: Invocation(stepping(n), finished_steps(n))) <= 31


def test_a_replay_starts_no_thread_and_calls_nobody():
    """Failed with `_ensure_sender` in the checkpointer's constructor."""
    invocation = Invocation(stepping(50), finished_steps(50))
    assert invocation.run() == {"Status": "SUCCEEDED", "Result": "50"}
    assert (invocation.threads.started, invocation.service.requests) == ([], [])


def test_of_the_moments_in_a_history_only_the_first_is_read():
    """Failed without `moments` on the record: two for each."""
    invocation = Invocation(stepping(50), finished_steps(50))
    with counted_calls() as calls:
        invocation.run()
    assert calls["parse_timestamp"] <= 2


PEAKS = """
import gc, tracemalloc
from tests.guards.counts import Invocation, finished_steps
from tests.guards.test_counts import stepping
peaks = []
Invocation(stepping(3), finished_steps(3)).run()
for count in (200, 1200):
    invocation = Invocation(stepping(count), finished_steps(count))
    gc.collect()
    tracemalloc.start()
    invocation.run()
    peaks.append(tracemalloc.get_traced_memory()[1])
    tracemalloc.stop()
print((peaks[1] - peaks[0]) / 1000)
"""


def test_a_replayed_step_holds_so_many_bytes():
    """Failed with ids kept beside those of the records (+113), with moments made at once (+96), with the ids that were
    asked for in a set (+24), and with a slot for the details of each type (+40)."""
    assert float(printed_by(PEAKS)) <= 235


# -- new steps -------------------------------------------------------------------------------------------------


def test_a_new_step_costs_so_many_calls():
    """Failed with 25 calls more for each step."""
    assert calls_each(lambda n: Invocation(stepping(n))) <= 160


SENDER = "powertools-durable-checkpointer"


def test_a_new_step_is_one_request_of_two_updates_that_one_thread_sends():
    """Failed with the START of a step awaited, two requests of one; and with the calling thread sending."""
    invocation = Invocation(stepping(30))
    invocation.run()
    assert [len(request) for request in invocation.service.requests] == [2] * 30
    assert invocation.service.callers == [SENDER] * 30
    assert invocation.threads.started == [SENDER]


def test_what_is_waited_for_starts_no_thread_but_the_sender():
    """Failed with a sender for each request."""

    @durable
    def handler(event, ctx):
        for n in range(3):
            ctx.step(value, n, name=f"s{n}", semantics=StepSemantics.AT_MOST_ONCE)
        ctx.wait(60)

    invocation = Invocation(handler)
    assert invocation.run() == {"Status": "PENDING"}
    assert (len(invocation.service.requests), invocation.threads.started) == (7, [SENDER])


def test_a_batch_of_steps_fills_its_requests():
    """Failed with 100 updates a request."""

    @durable
    def handler(event, ctx):
        with ctx.batch():
            for n in range(500):
                ctx.step(value, n, name=f"s{n}")

    invocation = Invocation(handler)
    invocation.run()
    assert len(invocation.service.requests) <= 6  # 1,000 updates, 250 in a request; the first may go out earlier


@pytest.mark.parametrize(("records", "expected"), [((), (1, 1)), (finished_steps(1), (0, 1))], ids=["new", "replayed"])
def test_what_was_read_to_prove_it_is_not_read_again(records, expected):
    """Failed without the memory of what was proved: two reads of a new step's result."""
    counted = {"write": 0, "read": 0}

    class Counting:
        def serialize(self, value: object, context: SerDesContext) -> str:
            counted["write"] += 1
            return str(value)

        def deserialize(self, text: str, context: SerDesContext) -> object:
            counted["read"] += 1
            return int(text)

    @durable
    def handler(event, ctx):
        return ctx.step(value, 7, name="s1", serdes=Counting())

    assert Invocation(handler, records).run()["Result"] == "7"
    assert (counted["write"], counted["read"]) == expected


# -- fan-outs --------------------------------------------------------------------------------------------------


def test_a_new_branch_costs_so_many_calls():
    """One at a time, so that it matters little which thread comes first. Failed with a look ahead in vain (+14)."""
    assert calls_each(lambda n: Invocation(mapping(n, max_concurrency=1))) <= 410


def test_a_branch_hashes_its_own_id_and_that_of_its_step():
    """Failed without `ReplayEngine.has_no_history`: seven."""
    invocation = Invocation(mapping(50))
    with counted_calls() as calls:
        invocation.run()
    assert calls["operation_id"] <= 2.2 * 50


def test_a_branch_takes_a_lock_so_many_times():
    """Failed with the checkpointer's taken once more by who waits: 19.4."""
    invocation = Invocation(mapping(50, max_concurrency=1))
    with counted_calls() as calls:
        invocation.run()
    assert calls["__enter__"] <= 19 * 50


def test_a_branch_one_at_a_time_is_one_request():
    """Failed with the end of a branch awaited: two."""
    invocation = Invocation(mapping(40, max_concurrency=1))
    assert invocation.run()["Result"] == "40"
    assert len(invocation.service.requests) <= 41
    assert len(invocation.service.updates) == 40 * 4 + 2


def test_a_map_without_limit_starts_at_most_as_many_threads_as_the_pool_has():
    """Failed with a pool that forgets its limit: 61."""
    invocation = Invocation(mapping(200))
    invocation.run()
    assert len(invocation.threads.started) <= 33  # and the one that Lambda called


def test_what_replays_in_a_map_starts_no_thread():
    """Failed with every branch handed to the pool."""
    invocation = Invocation(mapping(100), mapped_but_one(100))
    assert invocation.run()["Result"] == "100"
    assert sorted(invocation.threads.started) == ["powertools-durable-branch-0", SENDER]


def test_a_replayed_branch_costs_so_many_calls():
    """Failed with news of a branch that ended at once sent through the queue (+20)."""
    assert calls_each(lambda n: Invocation(mapping(n), mapped_but_one(n))) <= 60


# -- suspending and starting -----------------------------------------------------------------------------------


def test_a_suspension_is_one_request_and_so_is_what_comes_behind_it():
    """Failed with a flush of nothing at the end of each invocation: two."""

    @durable
    def handler(event, ctx):
        ctx.step(value, 1, name="s1")
        ctx.wait(60)
        ctx.step(value, 2, name="s3")

    first = Invocation(handler, finished_steps(1))
    assert first.run() == {"Status": "PENDING"}
    assert len(first.service.requests) == 1
    waited = {"Id": operation_id("2"), "Type": "WAIT", "SubType": "Wait", "Status": "SUCCEEDED"}
    second = Invocation(handler, [*finished_steps(1), waited])
    assert second.run()["Status"] == "SUCCEEDED"
    assert len(second.service.requests) == 1


def loaded_by(code, **environment):
    return set(printed_by(f"{code}\nimport sys\nprint(*sys.modules)", **environment).split())


def ours(modules):
    return {name for name in modules if name.startswith("powertools_durable")}


LOAD = "from powertools_durable import DurableContext, durable"


def test_importing_the_decorator_loads_neither_pydantic_nor_what_runs_a_handler():
    """Failed with ``from powertools_durable.parser.payload import PayloadParser`` at the decorator's top."""
    loaded = loaded_by(LOAD)
    unwanted = ("pydantic", "boto3", "botocore", "asyncio", "importlib.metadata", "aws_lambda_powertools")
    assert not loaded.intersection(unwanted)
    assert not {
        name for name in loaded if name.startswith(("powertools_durable._runtime", "powertools_durable._replay"))
    }
    assert len(ours(loaded)) <= 31


COUNTING = """
import builtins, dataclasses, inspect, logging, typing
run, written = exec, []
def counting(code, *scopes):
    if isinstance(code, str):
        written.append(code)
    return run(code, *scopes)
builtins.exec = counting
"""


def test_importing_writes_and_compiles_no_function():
    """Failed with `ScopeInfo` a dataclass: six."""
    assert loaded_by(f"{COUNTING}\n{LOAD}\nassert not written, written")


def test_decorating_loads_no_boto3_and_no_twin_of_the_service():
    """Failed with boto3 imported where a handler is made."""
    loaded = loaded_by(f"{LOAD}\ndurable(lambda event, ctx: None)")
    assert not loaded.intersection({"boto3", "botocore.session", "powertools_durable._service.host"})


FIRST = """
from tests.guards.counts import Invocation
import sys
handler = durable(backend=object())(lambda event, ctx: ctx.step(int, 1, name="s"))
before = set(sys.modules)
Invocation(handler).run()
late = set(sys.modules) - before
assert not late, late
"""


def test_a_first_invocation_in_lambda_loads_nothing():
    """Failed without `_load_the_rest`: eight modules of ours, and pydantic's dataclasses."""
    assert loaded_by(f"{LOAD}\n{FIRST}", AWS_LAMBDA_FUNCTION_NAME="orders")
