"""Growth as counts: what one more costs does not depend on how many there are. Figures are for ``make growth``."""

from __future__ import annotations

import gc
import sqlite3
import weakref

import pytest

from powertools_durable import Completion, durable
from powertools_durable._replay.fan_out_plan import FanOutPlan
from powertools_durable.local import LocalExecutions, LocalRunner, SqliteStore
from powertools_durable.testing import Simulator, replay
from tests.guards.counts import Invocation, counted_calls, counted_lines, printed_by


@durable
def steps(count, ctx):
    for number in range(count):
        ctx.step(int, number, name="step")


@durable
def asks(count, ctx):
    callbacks = [ctx.create_callback(name=f"c{number}", timeout=3600) for number in range(count)]
    callbacks[0].result()


@durable
def a_year(count, ctx):
    for _ in range(count):
        ctx.wait(60)


@durable
def echo(event, ctx):
    return event


@pytest.mark.slow
@pytest.mark.parametrize("handler", [steps, asks])
def test_one_operation_more_costs_the_same_beside_many_as_beside_few(handler):
    """G1, G2. Failed with a walk over all records at each checkpoint: four times and twice as many."""
    Simulator(handler).start(3)
    averages = []  # of many each, because it is the seed that says how often threads change
    for count in (100, 400):
        with counted_calls() as calls:
            Simulator(handler).start(count)
        averages.append(calls.total() / count)
    few, many = averages
    assert many <= 1.05 * few


@durable
def maps(count, ctx):
    for _ in range(count):
        ctx.map(lambda child, item: item, [1], name="map")


def test_the_replay_of_one_fan_out_more_costs_the_same_after_many_as_after_few():
    """G7. Failed with the marks of patches searched in all records by each fan-out: three times as many."""
    averages = []
    for count in (50, 200):
        history = {"Events": Simulator(maps).start(count).finish().history()}
        with counted_lines("powertools_durable/testing/replays/") as lines:
            assert replay(maps, history)
        averages.append(lines.total() / count)
    few, many = averages
    assert many <= 1.05 * few


class Moment:
    """A moment that counts how often moments are compared."""

    compared = 0

    def __init__(self, number):
        self.number = number

    def __lt__(self, other):
        Moment.compared += 1
        return self.number < other.number

    def __le__(self, other):
        return not other < self


def test_the_earliest_of_many_timers_is_not_looked_for_among_all():
    """G5. Failed with the minimum over all that wait at each look: 500,000 comparisons."""
    plan = FanOutPlan(range(1000), Completion.all_completed())
    for index in range(1000):
        plan.admit()
        plan.suspended(index, Moment(-index if index % 2 else index))
        assert plan.earliest.number <= 0
    assert plan.wake(Moment(1000)) == [*range(1000)]
    assert Moment.compared < 1000 * 30


class Held:
    """What a branch holds while it waits."""


def test_what_a_suspended_branch_held_is_freed_at_once():
    """G5. Failed while the signal of a branch kept its traceback: most of the time went to the collector."""
    held = weakref.WeakSet()

    def waits_with(child, _):
        kept = Held()
        held.add(kept)
        child.wait(60)

    @durable
    def handler(event, ctx):
        ctx.map(waits_with, range(20))

    gc.disable()
    try:
        assert Invocation(handler).run()["Status"] == "PENDING"
        assert len(held) == 0
    finally:
        gc.enable()


def test_open_callbacks_are_not_written_again_with_each_save(tmp_path):
    """G2. Failed with the callbacks' timers in the header: 7,000 characters more."""
    runner = LocalRunner(asks, tmp_path / "store.sqlite")
    few, many = (runner.run(count, name=f"of-{count}", wait=False) for count in (10, 60))
    lengths = dict(runner.store.query("SELECT name, length(header) FROM executions"))
    assert abs(lengths["of-60"] - lengths["of-10"]) <= 10
    assert (len(few.open_callbacks), len(many.open_callbacks)) == (10, 60)


HELD = """
from powertools_durable.testing import Simulator
from tests.guards.counts import held
from tests.guards.test_growth import a_year

Simulator(a_year).start(3).finish()
for count in (50, 100, 200):
    kept, size = held(lambda: Simulator(a_year).start(count).finish())
    print(size, len(kept.invocations[-1].event["InitialExecutionState"]["Operations"]))
"""


@pytest.mark.slow
def test_what_an_invocation_was_shown_takes_no_copy_of_it():
    """G3. Failed with each invocation keeping its event: 3.8 times as much for twice as many."""
    (small, first), (medium, second), (large, third) = (
        map(int, line.split()) for line in printed_by(HELD).splitlines()
    )
    assert (first, second, third) == (51, 101, 201)
    assert large - medium <= 2.4 * (medium - small)


# -- G4: what a store of many is asked ---------------------------------------------------------------------------

PAYLOADS = {("executions", "result"), ("operations", "record"), ("events", "event")}
LOOKS = {
    "start": lambda runner: runner.start("new", name="new"),
    "list": lambda runner: list(runner.executions.summaries(newest=3)),
    "list all": lambda runner: list(runner.executions.summaries()),
    "find by name": lambda runner: runner.executions.find("order-3").status,
    "find by the beginning of its id": lambda runner: runner.executions.find(runner.first[:9]).status,
    "find the newest": lambda runner: runner.executions.find().status,
}


@pytest.fixture
def runner(tmp_path):
    runner = LocalRunner(echo, tmp_path / "store.sqlite")
    for number in range(6):
        runner.start("x" * 1000, name=f"order-{number}")
    runner.first = runner.executions.find("order-0").id
    return runner


def looked_at(runner, look):
    """Return the columns that are read, and the statements that are run, by one that holds nothing in memory."""
    first, runner = runner.first, LocalRunner(echo, SqliteStore(runner.store.path))
    runner.first = first
    connection = runner.store._connection  # noqa: SLF001 - SQLite says what it reads
    columns, statements = set(), []

    def note(action, table, column, *_):
        if action == sqlite3.SQLITE_READ:
            columns.add((table, column))
        return sqlite3.SQLITE_OK

    connection.set_authorizer(note)
    connection.set_trace_callback(statements.append)
    try:
        look(runner)
    finally:
        connection.set_authorizer(None)
        connection.set_trace_callback(None)
    return columns, statements


@pytest.mark.parametrize("look", LOOKS)
def test_no_payload_is_read_to_look_at_a_store(runner, look):
    """Failed with `list` loading each execution, and a start comparing itself with all inputs."""
    columns, _ = looked_at(runner, LOOKS[look])
    assert not columns & PAYLOADS


@pytest.mark.parametrize("look", LOOKS)
def test_an_index_leads_to_what_is_looked_for(runner, look):
    """Failed without the index of names, and with `list` reading the table of operations."""
    _, statements = looked_at(runner, LOOKS[look])
    for statement in statements:
        if statement.startswith("SELECT"):
            plan = [row[3] for row in runner.store.query(f"EXPLAIN QUERY PLAN {statement}")]
            scanned = [step for step in plan if step.startswith("SCAN")]
            assert scanned == (["SCAN executions"] if "list" in look and "header" in statement else []), plan


def test_a_key_is_compared_without_the_payload_beside_it(runner):
    """SQLite reads the whole row of a table WITHOUT ROWID to compare its key. Failed with events in such a table."""
    (rows,) = zip(*runner.store.query("SELECT name FROM sqlite_master WHERE sql LIKE '%WITHOUT ROWID%'"), strict=True)
    assert set(rows).isdisjoint(table for table, _ in PAYLOADS)


def test_of_many_executions_that_were_looked_at_few_are_held(runner):
    """Failed with each execution kept that was ever loaded."""
    quick = LocalRunner(echo, runner.store, skip_time=True)
    for number in range(20):
        quick.run("x", name=f"ended-{number}")
    for one in LocalExecutions(runner.store):
        assert one.operations == []
    held = runner.store._known.values()  # noqa: SLF001
    assert sum(execution.is_terminal for _, execution in held) == 1
