"""The model of an execution: what is read from our histories, the official SDK's, the simulator and a local store."""

from __future__ import annotations

import json
import pickle
from datetime import timedelta
from pathlib import Path

import pytest

from powertools_durable import Completion, Nesting, Retry, durable
from powertools_durable._service.history_reader import UnreadableHistory
from powertools_durable._timeline import Counts, Kind, TimelineReader, read_events, read_execution
from powertools_durable.local import LocalRunner
from powertools_durable.testing import Simulator

HISTORIES = Path(__file__).parents[1] / "histories"


def golden(name):
    found = json.loads((HISTORIES / f"{name}.json").read_text())
    return read_events(found["Events"], arn=found["DurableExecutionArn"])


def outline(operations, depth=0):
    """Return a line for each operation: what people see of it."""
    for one in operations:
        attempts = f" x{len(one.attempts)}" if len(one.attempts) > 1 else ""
        waits = " waits" if one.is_waiting else ""
        yield f"{'  ' * depth}{one.kind} {one.label}{attempts} {one.status}{waits}"
        yield from outline(one.children, depth + 1)


# -- one execution, from everywhere ----------------------------------------------------------------------------


def fails_at_first(count):
    calls = []

    def flaky():
        calls.append(1)
        if len(calls) <= count:
            raise OSError("not yet")
        return len(calls)

    return flaky


def program(flaky):
    @durable
    def handler(event, ctx):
        ctx.step(flaky, name="charge", retry=Retry(max_attempts=3, jitter="none"))
        ctx.wait(5)
        ctx.wait(5)
        ctx.map(lambda child, n: child.step(lambda: n, name="extract"), [1, 2], name="etl")
        ctx.map(lambda child, n: child.wait(1), [1, 2], name="flat", nesting=Nesting.FLAT)
        ctx.step(str, name="charge")
        return ctx.wait_for_callback(lambda callback_id: None, name="approval")

    return handler


def async_program(flaky):
    @durable
    async def handler(event, ctx):
        async def branch(child, n):
            return await child.step(lambda: n, name="extract")

        async def waiting(child, n):
            return await child.wait(1)

        await ctx.step(flaky, name="charge", retry=Retry(max_attempts=3, jitter="none"))
        await ctx.wait(5)
        await ctx.wait(5)
        await ctx.map(branch, [1, 2], name="etl")
        await ctx.map(waiting, [1, 2], name="flat", nesting=Nesting.FLAT)
        await ctx.step(str, name="charge")
        return await ctx.wait_for_callback(lambda callback_id: None, name="approval")

    return handler


EXPECTED = """\
step charge x3 SUCCEEDED
wait wait #1 SUCCEEDED
wait wait #2 SUCCEEDED
map etl SUCCEEDED
  branch map-item-0 SUCCEEDED
    step extract SUCCEEDED
  branch map-item-1 SUCCEEDED
    step extract SUCCEEDED
map flat SUCCEEDED
  branch map-item-0 SUCCEEDED
    wait wait #1 SUCCEEDED
  branch map-item-1 SUCCEEDED
    wait wait #1 SUCCEEDED
step charge #2 SUCCEEDED
wait_for_callback approval STARTED waits"""


def simulated(handler, _folder):
    return read_execution(Simulator(handler).start(name="it").finish())


def local(handler, folder):
    return read_execution(LocalRunner(handler, folder / "store.sqlite", skip_time=True).run(name="it", wait=False))


def exported(handler, _folder):
    run = Simulator(handler).start(name="it").finish()
    return read_events(json.loads(json.dumps(run.history())), arn=run.arn)


@pytest.mark.parametrize("make", [program, async_program], ids=["def", "async def"])
@pytest.mark.parametrize("read", [simulated, local, exported], ids=lambda read: read.__name__)
def test_an_execution_looks_the_same_wherever_it_ran(make, read, tmp_path):
    timeline = read(make(fails_at_first(2)), tmp_path)
    assert "\n".join(outline(timeline.operations)) == EXPECTED
    assert (timeline.name, timeline.status, timeline.ended) == ("it", "RUNNING", None)
    extract = timeline.find("etl > map-item-1 > extract")
    assert (extract.label, extract.number) == ("extract", 1)
    assert timeline.find("charge", 2).label == "charge #2"
    approval = timeline.find("approval")
    assert [part.kind for part in approval.parts] == [Kind.CALLBACK, Kind.STEP]
    charge = timeline.find("charge")
    assert [attempt.failure.text if attempt.failure else None for attempt in charge.attempts] == [
        "OSError: not yet",
        "OSError: not yet",
        None,
    ]
    assert [attempt.invocation for attempt in charge.attempts] == [1, 2, 3]
    assert charge.attempts[0].retry_at is not None
    assert timeline.invocations[-1].replayed == 6
    assert [one.number for one in timeline.invocations] == list(range(1, len(timeline.invocations) + 1))
    assert all(one.ended is not None for one in timeline.invocations)


@pytest.mark.parametrize("path", sorted(HISTORIES.glob("*/*.json")), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_golden_history_is_read(path):
    found = json.loads(path.read_text())
    timeline = read_events(found["Events"], arn=found["DurableExecutionArn"])
    seen = {event["Id"] for event in found["Events"] if not event["EventType"].startswith(("Execution", "Invocation"))}
    shown = {part.id for one in timeline.walk() for part in (one, *one.parts) if not one.is_virtual}
    shown |= {part.id for one in timeline.walk() for part in one.parts}
    assert shown == seen
    for one in timeline.walk():
        assert one.id[:8] not in one.label + one.path
        assert one.result is None
        assert one.ended is None or one.started <= one.ended <= timeline.until
    assert timeline.invocations


TREES = {
    "official/mapped_flat": [
        "map all SUCCEEDED",
        *(
            line
            for n in range(3)
            for line in (
                f"  branch map-item-{n} SUCCEEDED",
                "    wait wait #1 SUCCEEDED",
                "    step double SUCCEEDED",
            )
        ),
    ],
    "official/asked_unnamed": ["wait_for_callback wait_for_callback #1 SUCCEEDED"],
    "official/retried_together": [
        "with_retry attempts x2 SUCCEEDED",
        "  step work SUCCEEDED",
        "  step work #2 SUCCEEDED",
    ],
    "ours/with_retry": [
        "with_retry attempts x2 FAILED",
        "  step double SUCCEEDED",
        "  step double #2 SUCCEEDED",
        "step excuse SUCCEEDED",
    ],
    "ours/saga": [
        "step charge SUCCEEDED",
        "step ship SUCCEEDED",
        "step label FAILED",
        "compensation ship SUCCEEDED",
        "  step phone SUCCEEDED",
        "compensation charge SUCCEEDED",
        "step tell SUCCEEDED",
    ],
    "official/parallel_running": [
        "parallel four STARTED waits",
        "  branch parallel-branch-0 SUCCEEDED",
        "    step double SUCCEEDED",
        "  branch parallel-branch-1 STARTED waits",
        "    step begin SUCCEEDED",
        "    wait rest STARTED waits",
        "  branch parallel-branch-2 STARTED waits",
        "    wait_for_callback approval STARTED waits",
        "  branch parallel-branch-3 STARTED waits",
        "    step try PENDING waits",
    ],
    "ours/parallel_flat_early": [
        "parallel race SUCCEEDED",
        "  branch parallel-branch-0 STARTED waits",
        "    wait wait #1 STARTED waits",
        "  branch parallel-branch-1 SUCCEEDED",
        "    wait wait #1 SUCCEEDED",
        "    step double SUCCEEDED",
    ],
}


@pytest.mark.parametrize("name", TREES)
def test_what_an_operation_is_made_of_is_folded_into_it(name):
    assert list(outline(golden(name).operations)) == TREES[name]


def test_the_branches_of_a_fan_out_are_counted():
    (all_,) = golden("official/mapped_with_failures").operations
    assert (all_.counts, all_.branches) == (Counts(succeeded=2, failed=1), 3)
    (four,) = golden("official/parallel_running").operations
    assert (four.counts, four.branches) == (Counts(succeeded=1, waiting=3), None)
    (race,) = golden("ours/parallel_flat_early").operations
    assert (race.counts, race.branches) == (Counts(succeeded=1, abandoned=1), None)


@durable
def stops_early(event, ctx):
    return ctx.map(
        lambda child, n: child.wait(5 if n < 2 else 50),
        range(40),
        name="pages",
        nesting=Nesting[event],
        max_concurrency=4,
        completion=Completion(min_successful=2),
    ).success_count


@durable
async def stops_early_async(event, ctx):
    async def branch(child, n):
        await child.wait(5 if n < 2 else 50)

    result = await ctx.map(
        branch,
        range(40),
        name="pages",
        nesting=Nesting[event],
        max_concurrency=4,
        completion=Completion(min_successful=2),
    )
    return result.success_count


@pytest.mark.parametrize("handler", [stops_early, stops_early_async], ids=["def", "async def"])
@pytest.mark.parametrize("nesting", ["NESTED", "FLAT"])
def test_a_history_does_not_say_how_many_branches_a_fan_out_has_that_ended_early(handler, nesting):
    """Failed: those that had started were taken for all."""
    run = Simulator(handler).start(nesting).finish()
    (pages,) = read_events(run.history()).operations
    assert pages.counts.succeeded == 2
    assert pages.counts.abandoned
    assert pages.branches is None
    assert read_execution(run).operations[0].branches == 40


def test_invocations_say_what_they_replayed_and_where_official_histories_do_not_say_when_they_began():
    ours, official = golden("ours/order_flow"), golden("official/order_flow")
    assert [one.replayed for one in ours.invocations] == [one.replayed for one in official.invocations] == [0, 3, 3]
    for timeline in (ours, official):
        for one in timeline.invocations:
            assert timeline.started <= one.started <= one.ended


# -- payloads --------------------------------------------------------------------------------------------------


def test_there_are_no_payloads_unless_they_are_wanted():
    @durable
    def handler(event, ctx):
        ctx.invoke("other", {"secret": 1}, name="call")
        return ctx.step(lambda: "s3cret ä", name="read")

    run = Simulator(handler, functions={"other": lambda event: "s3cret"}).start("s3cret").finish()
    timeline = read_execution(run)
    assert "s3cret" not in str(timeline)
    assert b"s3cret" not in pickle.dumps(timeline)
    full = read_execution(run, values=True)
    assert (full.input, json.loads(full.result)) == ('"s3cret"', "s3cret ä")
    assert full.find("call").input == '{"secret": 1}'
    assert json.loads(full.find("read").result) == "s3cret ä"
    assert "s3cret" not in str(full)
    for one in (timeline, full):
        assert (one.input_bytes, one.result_bytes) == (8, len(full.result))
        assert one.find("read").result_bytes == len(full.find("read").result.encode())
        assert one.find("call").input_bytes == len('{"secret": 1}')


# -- a history that is not one ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("events", "message"),
    [
        ([], "begins with ExecutionStarted"),
        ([{"EventType": "StepStarted"}], "begins with ExecutionStarted"),
        ([{"no": "type"}], "has no EventType"),
        ([{"EventType": "ExecutionStarted", "EventTimestamp": "yesterday"}], "event 1, ExecutionStarted: its Event"),
        ([{"EventType": "ExecutionStarted"}, {"EventType": "StepStarted"}], "event 2, StepStarted: it has no Id"),
    ],
)
def test_what_is_no_history_is_refused(events, message):
    with pytest.raises(UnreadableHistory, match=message):
        read_events(events)


def test_names_may_contain_anything_and_unknown_events_are_passed_over():
    started = {"EventType": "ExecutionStarted", "EventTimestamp": 0, "Name": "a\x1b[31m"}
    step = {"EventType": "StepStarted", "Id": "1", "Name": "<script>\n", "EventTimestamp": 1}
    timeline = read_events([started, {"EventType": "Comet", "EventTimestamp": 5}, step])
    assert (timeline.name, timeline.operations[0].label) == ("a\x1b[31m", "<script>\n")


# -- while it runs ---------------------------------------------------------------------------------------------


def test_the_reader_tells_after_each_event_what_reading_all_of_them_tells():
    @durable
    def handler(event, ctx):
        ctx.map(lambda child, n: child.step(lambda: n, name="a"), range(5), name="m", nesting=Nesting.FLAT)
        ctx.map(lambda child, n: child.step(lambda: n, name="a"), range(5), name="n")
        ctx.wait(3)

    events = Simulator(handler).start().finish().history()
    reader = TimelineReader()
    for count, event in enumerate(events, 1):
        reader.add(event)
        assert reader.timeline() == read_events(events[:count])


def test_what_did_not_change_is_not_made_again():
    @durable
    def handler(event, ctx):
        ctx.map(lambda child, n: child.step(lambda: n, name="a"), range(5), name="m")
        ctx.step(str, name="last")

    *events, last = Simulator(handler).start().finish().history()[:-2]
    assert last["EventType"] == "StepSucceeded"
    reader = TimelineReader()
    for event in events:
        reader.add(event)
    before = reader.timeline()
    reader.add(last)
    after = reader.timeline()
    assert after.operations[0] is before.operations[0]
    assert after.operations[1] is not before.operations[1]


def test_a_wait_says_until_when_and_a_callback_when_it_times_out():
    @durable
    def handler(event, ctx):
        ctx.create_callback(name="c", timeout=60, heartbeat_timeout=20)
        ctx.wait(timedelta(minutes=5))

    timeline = read_execution(Simulator(handler).start())
    callback, wait = timeline.operations
    assert (wait.due - wait.started, callback.due - callback.started) == (timedelta(minutes=5), timedelta(seconds=20))


@durable
def beats(event, ctx):
    callback = ctx.create_callback(name="job", **event)
    ctx.wait(15)
    return callback.result()


@durable
async def beats_async(event, ctx):
    callback = await ctx.create_callback(name="job", **event)
    await ctx.wait(15)
    return await callback.result()


@pytest.mark.parametrize("handler", [beats, beats_async], ids=["def", "async def"])
@pytest.mark.parametrize(
    ("timeouts", "before", "after", "in_a_history"),
    [
        ({"timeout": 60, "heartbeat_timeout": 20}, 20, 35, 60),
        ({"timeout": 30, "heartbeat_timeout": 20}, 20, 30, 30),
        ({"heartbeat_timeout": 20}, 20, 35, None),
        ({"timeout": 60}, 60, 60, 60),
        ({}, None, None, None),
    ],
)
def test_a_heartbeat_moves_the_moment_at_which_a_callback_times_out(
    handler, timeouts, before, after, in_a_history, tmp_path
):
    """Failed: no event says that there was a heartbeat, so what was left was counted down to 0."""

    def due(timeline):
        job = timeline.find("job")
        return round((job.due - job.started).total_seconds()) if job.due else None

    run = Simulator(handler).start(timeouts)
    assert due(read_execution(run)) == before
    run.advance(15)
    run.callback("job").heartbeat()
    assert due(read_execution(run)) == after
    assert due(read_events(run.history())) == in_a_history
    one = LocalRunner(handler, tmp_path / "store.sqlite", skip_time=True).run(timeouts, wait=False)
    (callback,) = one.callbacks("job")
    callback.heartbeat()
    job = read_execution(one).find("job")
    assert job.due == one.expires(callback.record)
    assert (due(read_execution(one)) or 0) >= (after or 0)
