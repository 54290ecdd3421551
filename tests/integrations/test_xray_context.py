"""Where the recorder's subsegments hang when code runs beside other code, late, or in another invocation."""

from __future__ import annotations

import asyncio
import json
import threading
from contextvars import copy_context

import botocore.client
import botocore.endpoint
import pytest
from aws_lambda_powertools import Tracer
from aws_lambda_powertools.warnings import PowertoolsUserWarning
from aws_xray_sdk.core import xray_recorder
from aws_xray_sdk.core.context import Context
from aws_xray_sdk.core.exceptions.exceptions import FacadeSegmentMutationException
from aws_xray_sdk.core.lambda_launcher import LambdaContext
from aws_xray_sdk.core.models.segment import Segment
from aws_xray_sdk.core.models.subsegment import Subsegment
from aws_xray_sdk.ext.botocore.patch import patch

from powertools_durable import DurableConfig, Retry, StepError, durable
from powertools_durable.errors import BackendError, DurableConfigError, SuspendExecution
from powertools_durable.integrations.xray_context import DurableXRayContext, install
from powertools_durable.integrations.xray_documents import MAX_DOCUMENT, GuardingEmitter
from powertools_durable.testing import Simulator, reset
from tests.integrations.xray_trees import Traced, check, flags, told, tree
from tests.leaks import Objects, started_threads
from tests.reliability.rig import Run
from tests.reliability.wire import Fault, wired
from tests.waiting import await_end

ONCE = Retry(max_attempts=1)


@pytest.fixture
def tracer(xray_segments):
    return Tracer(service="orders", auto_patch=False)


@pytest.fixture
def recorder(xray_segments):
    """The recorder as `durable` leaves it, in an invocation."""
    assert install(xray_recorder)
    return xray_recorder


# -- invocations -----------------------------------------------------------------------------------------------


def test_subsegments_of_a_resumed_invocation_hang_below_its_own_segment(recorder, xray_segments):
    parents = [xray_segments.next_invocation()]
    with recorder.in_subsegment("one"):
        pass
    parents.append(xray_segments.next_invocation())
    with recorder.in_subsegment("two"):
        pass
    check(xray_segments, parents)
    assert [tree(xray_segments, parent) for parent in parents] == [{"one": {}}, {"two": {}}]


def test_the_sdks_own_context_hangs_them_below_the_first(xray_segments):
    """What this is for; when the SDK does better, this test says so."""
    first = xray_segments.next_invocation()
    with xray_recorder.in_subsegment("one"):
        pass
    xray_segments.next_invocation()
    with xray_recorder.in_subsegment("two"):
        pass
    assert tree(xray_segments, first) == {"one": {}, "two": {}}


def test_what_an_invocation_left_open_is_not_the_next_ones_parent(recorder, xray_segments):
    xray_segments.next_invocation()
    recorder.begin_subsegment("forgotten")
    parent = xray_segments.next_invocation()
    with recorder.in_subsegment("two"):
        pass
    assert tree(xray_segments, parent) == {"two": {}}


def test_code_that_ends_in_another_invocation_closes_nothing_of_it(recorder, xray_segments):
    first = xray_segments.next_invocation()
    begun, goes_on = threading.Event(), threading.Event()

    def late():
        with recorder.in_subsegment("late"):
            begun.set()
            goes_on.wait(60)

    thread = threading.Thread(target=copy_context().run, args=(late,))
    thread.start()
    begun.wait(60)
    second = xray_segments.next_invocation()
    with recorder.in_subsegment("two"):
        goes_on.set()
        thread.join()
        with recorder.in_subsegment("inner"):
            pass
    assert tree(xray_segments, second) == {"two": {"inner": {}}}
    assert tree(xray_segments, first) == {}


# -- code beside code ------------------------------------------------------------------------------------------


def test_tasks_that_run_beside_each_other_are_siblings(recorder, xray_segments):
    parent = xray_segments.next_invocation()

    async def task(name):
        async with recorder.in_subsegment_async(name) as subsegment:
            await asyncio.sleep(0)
            recorder.put_annotation("task", name)
            await asyncio.sleep(0)
        assert subsegment.annotations == {"task": name}

    async def all_of_them():
        await asyncio.gather(*(task(name) for name in "abc"))

    with recorder.in_subsegment("handler"):
        asyncio.run(all_of_them())
    check(xray_segments, [parent])
    assert tree(xray_segments, parent) == {"handler": {"a": {}, "b": {}, "c": {}}}


def test_a_worker_that_outlives_its_subsegment_hangs_below_what_is_open_and_fails_nothing(recorder, xray_segments):
    parent = xray_segments.next_invocation()
    with recorder.in_subsegment("handler"):
        with recorder.in_subsegment("step"):
            context = copy_context()

        def late():
            recorder.put_annotation("late", 1)
            with recorder.in_subsegment("late"):
                pass

        thread = threading.Thread(target=context.run, args=(late,))
        thread.start()
        thread.join()
    check(xray_segments, [parent])
    assert tree(xray_segments, parent) == {"handler": {"step": {}, "late": {}}}
    assert xray_segments.named("handler")[0]["annotations"] == {"late": 1}


def test_a_subsegment_that_never_ends_holds_nothing_back(recorder, xray_segments):
    parent = xray_segments.next_invocation()
    with recorder.in_subsegment("handler"), recorder.in_subsegment("step"):
        context = copy_context()
        open_still = context.run(recorder.begin_subsegment, "goes on")
    assert tree(xray_segments, parent) == {"handler": {"step": {}}}
    context.run(recorder.end_subsegment)
    assert not open_still.in_progress
    check(xray_segments, [parent])
    assert tree(xray_segments, parent) == {"handler": {"step": {"goes on": {}}}}


def test_a_thread_without_context_hangs_below_the_invocation(recorder, xray_segments):
    parent = xray_segments.next_invocation()

    def bare():
        with recorder.in_subsegment("bare"):
            pass

    with recorder.in_subsegment("handler"):
        thread = threading.Thread(target=bare)
        thread.start()
        thread.join()
    check(xray_segments, [parent])
    assert tree(xray_segments, parent) == {"handler": {}, "bare": {}}


def ends(started, kind="def"):
    """Wait for the body of a step that was given up, and for its thread."""
    step = {"def": "powertools-durable-step", "async": "powertools-durable-body"}[kind]
    assert any(name.startswith(step) for name in started.names)
    assert await_end([thread for thread in started if thread.name.startswith(step)]) == []


@pytest.mark.only("def", "in an async handler the thread of a body ends with the invocation")
def test_a_step_that_outlives_its_timeout_fails_nothing(tracer, xray_segments):
    goes_on = threading.Event()

    def slow():
        with tracer.provider.in_subsegment("slow work"):
            goes_on.wait(60)

    @durable(tracer=tracer)
    def handler(event, ctx):
        with pytest.raises(StepError):
            ctx.step(slow, name="slow", timeout=0.05, retry=ONCE)
        goes_on.set()
        ends(started)
        ctx.step(lambda: 1, name="next")

    traced = Traced(xray_segments, handler)
    with started_threads() as started:
        Simulator(traced.handler).start().finish()
    assert traced.trees() == [{"## durable": {"## step slow": {"slow work": {}}, "## step next": {}}}]
    assert flags(xray_segments.named("## step slow")[0]) == {"fault"}
    assert not flags(xray_segments.named("slow work")[0])


def test_a_step_that_was_given_up_holds_nothing_back(tracer, xray_segments, kind):
    goes_on = threading.Event()

    def slow():
        with tracer.provider.in_subsegment("slow work"):
            goes_on.wait(60)

    @durable(tracer=tracer)
    def handler(event, ctx):
        with pytest.raises(StepError):
            ctx.step(slow, name="slow", timeout=0.05, retry=ONCE)

    traced = Traced(xray_segments, handler)
    with started_threads() as started:
        Simulator(traced.handler).start().finish()
    assert traced.trees() == [{"## durable": {"## step slow": {}}}]
    goes_on.set()
    ends(started, kind)
    assert traced.trees() == [{"## durable": {"## step slow": {"slow work": {}}}}]


@pytest.mark.only("def", "on the thread of an async handler's body what it opens is open there alone")
def test_what_a_body_opens_and_forgets_is_closed_with_it(tracer, xray_segments):
    @durable(tracer=tracer)
    def handler(event, ctx):
        ctx.step(lambda: tracer.provider.begin_subsegment("forgotten") and 1, name="one")
        ctx.step(lambda: 1, name="two")

    traced = Traced(xray_segments, handler)
    assert Simulator(traced.handler).start().finish().status == "SUCCEEDED"
    assert traced.trees() == [{"## durable": {"## step one": {"forgotten": {}}, "## step two": {}}}]


def test_a_fan_out_inside_a_branch_that_suspends_keeps_its_place(tracer, xray_segments):
    def inner(child, item):
        child.step(lambda: item, name=f"s{item}")
        child.wait(60, name=f"w{item}")

    def outer(child, item):
        child.map(inner, [1, 2], name=f"inner-{item}")

    @durable(tracer=tracer)
    def handler(event, ctx):
        ctx.map(outer, ["a"], name="outer")

    traced = Traced(xray_segments, handler)
    Simulator(traced.handler).start().finish()
    first, second = traced.trees()
    branches = {f"## context map-item-{n - 1}": {f"## step s{n}": {}, f"## wait w{n}": {}} for n in (1, 2)}
    assert first == {"## durable": {"## map outer": {"## context map-item-0": {"## map inner-a": branches}}}}
    assert [*second["## durable"]] == ["## replay", "## map outer"]


# -- Lambda's segment ------------------------------------------------------------------------------------------


def test_outside_of_an_execution_the_segment_refuses_as_ever(recorder):
    with pytest.raises(FacadeSegmentMutationException):
        recorder.put_annotation("order", 7)
    with pytest.raises(FacadeSegmentMutationException):
        recorder.put_metadata("order", 7)


def test_ending_what_was_never_begun_is_no_error(recorder):
    recorder.end_subsegment()
    assert recorder.current_subsegment() is None


def test_an_entity_can_be_handed_over_and_forgotten(recorder, xray_segments):
    parent = xray_segments.next_invocation()
    with recorder.in_subsegment("handler") as handler:
        segment = handler.parent_segment

        def elsewhere():
            recorder.set_trace_entity(handler)
            with recorder.in_subsegment("below the handler"):
                pass
            recorder.set_trace_entity(segment)
            with recorder.in_subsegment("below the segment"):
                pass
            recorder.clear_trace_entities()
            assert recorder.current_subsegment() is None

        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        assert recorder.current_subsegment() is handler
    check(xray_segments, [parent])
    assert tree(xray_segments, parent) == {"handler": {"below the handler": {}}, "below the segment": {}}


# -- into the recorder, and out of it ----------------------------------------------------------------------------


def test_it_is_put_in_once_and_taken_out_by_reset(xray_segments, tracer):
    context, emitter = xray_recorder.context, xray_recorder.emitter
    xray_recorder.stream_sql = False
    for _ in range(3):
        durable(tracer=tracer)(lambda event, ctx: 1)
    assert type(xray_recorder.context) is DurableXRayContext
    assert xray_recorder.context.replaced is context
    assert xray_recorder.emitter.replaced is emitter
    assert xray_recorder.stream_sql is False
    reset()
    assert (xray_recorder.context, xray_recorder.emitter) == (context, emitter)
    reset()
    xray_recorder.stream_sql = True


def test_after_a_reset_the_next_invocation_puts_it_in_again_in_the_middle_of_things(xray_segments, tracer):
    @tracer.capture_lambda_handler(capture_response=False)
    @durable(tracer=tracer)
    def handler(event, ctx):
        ctx.step(lambda: 1, name="one")

    reset()
    traced = Traced(xray_segments, handler)
    Simulator(traced.handler).start().finish()
    assert type(xray_recorder.context) is DurableXRayContext
    (above,) = xray_segments.named("## handler")
    check(xray_segments, [above["parent_id"]])
    assert tree(xray_segments, above["id"]) == {"## durable": {"## step one": {}}}


def test_a_context_that_a_user_has_installed_is_left_alone(xray_segments, tracer):
    mine = Context()
    xray_recorder.configure(context=mine)
    with pytest.warns(PowertoolsUserWarning, match="has a context of its own, a Context") as warned:

        @durable(tracer=tracer)
        def handler(event, ctx):
            ctx.step(lambda: 1, name="one")

    assert warned[0].filename == __file__
    assert xray_recorder.context is mine
    with xray_recorder.in_segment("mine"):
        assert Simulator(handler).start().finish().status == "SUCCEEDED"
    assert [document["name"] for document in xray_segments] == ["## durable", "mine"]
    inside, mine = xray_segments
    assert inside["parent_id"] == mine["id"]
    assert told(inside, "invocation")["status"] == "SUCCEEDED"
    assert inside["annotations"] == {"DurableExecutionName": "run-1", "DurableStatus": "SUCCEEDED"}
    assert "subsegments" not in inside


@pytest.mark.parametrize("wrong", ["orders", object(), 7])
def test_something_else_than_a_tracer_is_refused_where_it_is_given(wrong):
    with pytest.raises(DurableConfigError, match=r"durable\(tracer=\.\.\.\) takes a Tracer of Powertools, not a"):
        durable(tracer=wrong)(lambda event, ctx: 1)


# -- documents that are too large ------------------------------------------------------------------------------


def test_a_response_of_70_kb_leaves_the_annotations_and_says_what_is_missing(xray_segments, tracer):
    @tracer.capture_lambda_handler
    @durable(tracer=tracer)
    def handler(event, ctx):
        return "x" * 70_000

    traced = Traced(xray_segments, handler)
    Simulator(traced.handler).start().finish()
    assert traced.trees() == [{"## handler": {"## durable": {}}}]
    (one,) = xray_segments.named("## handler")
    assert one["annotations"] == {"ColdStart": one["annotations"]["ColdStart"], "Service": "orders"}
    assert one["metadata"].keys() == {"powertools_durable"}
    assert 70_000 < told(one, "truncated_bytes") < 71_000


def test_a_message_of_70_kb_is_cut(xray_segments, tracer):
    def fails():
        raise ValueError("x" * 70_000)

    @durable(tracer=tracer)
    def handler(event, ctx):
        with pytest.raises(StepError):
            ctx.step(fails, name="one", retry=ONCE)

    traced = Traced(xray_segments, handler)
    Simulator(traced.handler).start().finish()
    assert traced.trees() == [{"## durable": {"## step one": {}}}]
    (one,) = xray_segments.named("## step one")
    assert one["cause"]["exceptions"][0]["message"] == "x" * 1000


def test_what_lies_inside_of_a_large_document_is_sent_by_itself(recorder, xray_segments):
    parent = xray_segments.next_invocation()
    recorder.streaming_threshold = 100  # nothing is sent before its parent
    with recorder.in_subsegment("outer") as outer:
        for number in range(4):
            with recorder.in_subsegment(f"inner-{number}") as inner:
                inner.put_metadata("text", "x" * 20_000)
    recorder.emitter.send_entity(outer)
    assert len(xray_segments.documents) == 5
    check(xray_segments, [parent])
    assert tree(xray_segments, parent) == {"outer": {f"inner-{number}": {} for number in range(4)}}
    assert all("text" in one["metadata"]["default"] for one in xray_segments if one["name"] != "outer")


def test_a_document_of_just_the_limit_is_whole(recorder, xray_segments):
    with recorder.in_subsegment("one") as one:
        one.put_metadata("text", "")
    recorder.emitter.send_entity(one)
    bare = len(json.dumps(xray_segments.documents[-1]))
    one.metadata["default"]["text"] = "x" * (MAX_DOCUMENT - bare)
    recorder.emitter.send_entity(one)
    assert len(xray_segments.documents[-1]["metadata"]["default"]["text"]) == MAX_DOCUMENT - bare
    one.metadata["default"]["text"] += "x"
    recorder.emitter.send_entity(one)
    assert told(xray_segments.documents[-1], "truncated_bytes") > 60_000


def test_the_guard_is_the_emitter_it_replaced_in_everything_else(recorder):
    assert isinstance(recorder.emitter, GuardingEmitter)
    assert recorder.emitter.port == recorder.emitter.replaced.port
    recorder.emitter.set_daemon_address(None)


def test_the_mark_of_a_suspension_lies_in_nested_documents_too(recorder, xray_segments):
    recorder.streaming_threshold = 100
    with pytest.raises(SuspendExecution), recorder.in_subsegment("outer") as outer, recorder.in_subsegment("inner"):
        raise SuspendExecution
    recorder.emitter.send_entity(outer)
    (document,) = xray_segments.documents
    for one in (document, document["subsegments"][0]):
        assert not flags(one)
        assert "cause" not in one
        assert told(one, "suspended") is True


def test_what_can_not_be_prepared_is_sent_as_it_is(recorder, xray_segments, monkeypatch):
    def fails(entity):
        raise RuntimeError("no")

    monkeypatch.setattr("powertools_durable.integrations.xray_documents._forgive", fails)
    with recorder.in_subsegment("one"):
        pass
    assert [one["name"] for one in xray_segments] == ["one"]


def test_a_failure_that_can_not_be_written_down_leaves_nothing_open(tracer, xray_segments, monkeypatch):
    def fails(*_):
        raise RuntimeError("no")

    monkeypatch.setattr("powertools_durable.integrations.xray._write_failure", fails)

    def broken():
        raise PermissionError("declined")

    @durable(tracer=tracer)
    def handler(event, ctx):
        ctx.step(broken, name="charge", retry=ONCE)

    traced = Traced(xray_segments, handler)
    assert Simulator(traced.handler).start().finish().status == "FAILED"
    assert traced.trees() == [{"## durable": {"## step charge": {}}}]


# -- calls of the engine -----------------------------------------------------------------------------------------


@pytest.fixture
def patched():
    """Botocore with the SDK's patch, as a Tracer makes it; without it afterwards."""
    before = botocore.client.BaseClient._make_api_call, botocore.endpoint.Endpoint.prepare_request  # noqa: SLF001
    patch()
    yield
    botocore.client.BaseClient._make_api_call, botocore.endpoint.Endpoint.prepare_request = before  # noqa: SLF001
    del botocore.client._xray_enabled  # noqa: SLF001


@pytest.fixture
def over_http(xray_segments, tracer, patched):
    """Run a step, a wait and a step by real botocore; return the trees."""

    def run(*faults, pages=1000, **config):
        with wired() as wire:

            @tracer.capture_lambda_handler(capture_response=False)
            @durable(tracer=tracer, config=DurableConfig(**config))
            def handler(event, ctx):
                ctx.step(lambda: 1, name="one")
                ctx.wait(60, name="pause")
                ctx.step(lambda: 2, name="two")

            traced = Traced(xray_segments, handler)
            execution = Run(traced.handler, over=wire, page_items=pages)
            wire.server.fail("checkpoint", *faults)
            execution.settle()
            execution.finish()
        return traced.trees()

    return run


def test_api_calls_of_the_engine_are_not_traced(over_http):
    assert over_http() == [
        {"## handler": {"## durable": {"## step one": {}, "## wait pause": {}}}},
        {"## handler": {"## durable": {"## replay": {}, "## step two": {}}}},
    ]


def test_api_calls_of_the_engine_are_traced_when_that_is_asked_for(over_http, xray_segments):
    first, second = over_http(trace_backend_calls=True, pages=1)
    assert [name for name in first["## handler"]["## durable"] if "lambda" in name]
    assert [name for name in second["## handler"]["## durable"] if "lambda" in name]
    assert "lambda" in second["## handler"], "pages are read before the invocation's plugins know of it"
    calls = xray_segments.named("lambda")
    assert {one["aws"]["operation"] for one in calls} == {"CheckpointDurableExecution", "GetDurableExecutionState"}
    for one in calls:
        assert one["namespace"] == "aws"
        assert one["aws"]["region"] == "eu-west-1"
        assert one["http"]["response"]["status"] == 200
    pages = sum(one["aws"]["operation"] == "GetDurableExecutionState" for one in calls)
    assert told(xray_segments.named("## replay")[0], "replay")["statePages"] == pages > 0


def test_calls_of_the_users_own_are_traced_where_they_are_made(over_http, xray_segments, tracer):
    with wired() as wire:

        @durable(tracer=tracer)
        def handler(event, ctx):
            def asks():
                with pytest.raises(Exception, match="no"):
                    wire.client.get_durable_execution_state(
                        DurableExecutionArn="arn:aws:lambda:x", CheckpointToken="t", Marker="m", MaxItems=1
                    )

            ctx.step(asks, name="asks")

        traced = Traced(xray_segments, handler)
        execution = Run(traced.handler, over=wire)
        wire.server.fail("state", Fault(status=400, code="InvalidParameterValueException"))
        execution.finish()
    assert traced.trees() == [{"## durable": {"## step asks": {"lambda": {}}}}]
    assert flags(xray_segments.named("lambda")[0]) == {"error", "fault"}


@pytest.mark.parametrize(
    ("fault", "shown"),
    [
        (Fault(status=429, code="TooManyRequestsException"), {"throttle", "error"}),
        (Fault(status=500, code="ServiceException"), set()),
    ],
)
def test_a_refused_call_that_was_repeated_shows_on_the_invocation(over_http, xray_segments, fault, shown):
    over_http(fault)
    first, second = xray_segments.named("## durable")
    assert (flags(first), flags(second)) == (shown, set())


def test_an_invocation_that_will_be_repeated_is_a_fault(tracer, xray_segments):
    class Down:
        def checkpoint(self, *_):
            raise BackendError("down", retryable=True)

        get_execution_state = checkpoint

    def broken():
        raise PermissionError("declined")

    @durable(tracer=tracer)
    def handler(event, ctx):
        ctx.step(broken, name="charge", retry=Retry(max_attempts=3, initial_delay=5))

    execution = Run(handler, over=lambda host: Down(), seconds=1)
    execution.host.invoke(execution.arn, execution.invoker)
    attempt, one = xray_segments
    assert attempt["name"] == "## step charge"
    assert flags(attempt) == {"error"}
    assert told(attempt, "operation")["outcome"] == "FAILED", "nothing is recorded of another attempt"
    assert flags(one) == {"fault"}
    assert told(one, "invocation")["status"] == "RETRY"
    assert "DurableStatus" not in one["annotations"]


# -- leaks -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_thousand_invocations_leave_nothing_behind(tracer, xray_segments):
    @tracer.capture_lambda_handler(capture_response=False)
    @durable(tracer=tracer)
    def handler(event, ctx):
        ctx.parallel([lambda child: child.step(lambda: 1)])
        ctx.wait(60)

    traced = Traced(xray_segments, handler)
    simulator = Simulator(traced.handler)
    simulator.start().finish()
    segments = Objects(lambda thing: isinstance(thing, (Segment, Subsegment)))
    for _ in range(500):
        simulator.start().finish()
    assert len(traced.parents) > 1000
    assert len(segments.new()) <= 1  # the last invocation's
    assert type(xray_recorder.context.replaced) is LambdaContext
    assert not isinstance(xray_recorder.emitter.replaced, GuardingEmitter)
