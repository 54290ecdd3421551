"""What is sent of an execution by OpenTelemetry's own SDK and exporter, over HTTP.

See docs/powertools/opentelemetry.md.
"""

from __future__ import annotations

import asyncio
import functools
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased, TraceIdRatioBased

from powertools_durable import InvokeError, Nesting, Polling, Retry, StepError, durable
from powertools_durable.errors import DurableConfigError
from powertools_durable.integrations.otel import OpenTelemetry
from powertools_durable.integrations.otel_ids import derived_span_id
from powertools_durable.testing import Simulator, explore
from tests.integrations.otlp import HEADER, header, receiving
from tests.runtime.rig import Served

ONCE = Retry(max_attempts=1)
SOON = Retry(max_attempts=3, initial_delay=5, jitter="none")
ROOT = "6a1b2c3d00112233445566778899aabb"
SECRET = "secret-" + "4711"


@pytest.fixture(autouse=True)
def no_header(monkeypatch):
    monkeypatch.setenv(HEADER, "")  # so that what a test sets is undone


@pytest.fixture
def otlp():
    with receiving() as (received, provider):
        received.provider = provider
        received.tracer = provider.get_tracer("orders")
        yield received


@pytest.fixture
def run(otlp):
    """Run a handler to its end, and return the tree of its spans; ``run.last`` is the execution."""

    def runs(function, *, event=None, functions=None, name="order-7", **options):
        handler = durable(plugins=[OpenTelemetry(otlp.provider, **options)])(function)
        runs.last = Simulator(handler, functions=functions).start(event, name=name).finish()
        otlp.check()
        return otlp.tree()

    return runs


def broken():
    raise PermissionError(SECRET)


def spanning(otlp, name):
    """Return a body that opens a span of its own."""

    def body():
        with otlp.tracer.start_as_current_span(name):
            return name

    return body


# -- one trace an execution ------------------------------------------------------------------------------------


def test_all_invocations_of_an_execution_are_one_trace(run, otlp):
    def handler(event, ctx):
        ctx.step(spanning(otlp, "card"), name="charge")
        ctx.wait(60, name="cooling-off")
        ctx.step(lambda: 1, name="ship")
        ctx.wait(60, name="on-the-way")

    assert run(handler) == {
        "durable execution": {
            "simulated": {
                "step charge": {"step charge attempt 1": {"card": {}}},
                "wait cooling-off": {},
            },
            "simulated'": {"wait cooling-off": {}, "step ship": {"step ship attempt 1": {}}, "wait on-the-way": {}},
            "simulated''": {"wait on-the-way": {}},
        }
    }
    began = run.last.invocations[0].event["InitialExecutionState"]["Operations"][0]["StartTimestamp"]
    trace_id = otlp.spans[0].trace_id
    assert int(trace_id[:8], 16) == int(began) // (1000 if began > 1e11 else 1), "X-Ray wants the seconds of the start"


def test_each_execution_has_its_own_trace_also_when_they_take_turns_in_one_process(otlp):
    @durable(plugins=[OpenTelemetry(otlp.provider)])
    def handler(event, ctx):
        ctx.step(spanning(otlp, event), name="one")
        ctx.wait(60)
        ctx.step(spanning(otlp, event), name="two")

    runs = [Simulator(handler).start(name, name=name) for name in "ab"]
    for run in (*runs, *runs):
        run.step()
    otlp.check(traces=2)
    assert list(otlp.tree().values()) == [
        {
            "simulated": {"step one": {"step one attempt 1": {name: {}}}, "wait": {}},
            "simulated'": {"wait": {}, "step two": {"step two attempt 1": {name: {}}}},
        }
        for name in "ab"
    ]
    assert not trace.get_current_span().get_span_context().is_valid


def test_ids_are_derived_so_that_another_process_can_link_to_them(run, otlp):
    run(lambda event, ctx: ctx.wait(60, name="pause"))
    first, later = otlp.named("wait pause")
    arn, record = run.last.arn, run.last.operations[0]
    assert int(first.id, 16) == derived_span_id(arn, record.id)
    assert later.links == [(first.trace_id, first.id)]
    assert not first.links
    assert first["durable.operation.resumed"] is False
    assert later["durable.operation.resumed"] is True
    assert (first["durable.operation.status"], later["durable.operation.status"]) == ("STARTED", "SUCCEEDED")
    assert later["durable.operation.duration"] == 60


# -- Lambda's trace --------------------------------------------------------------------------------------------


def under_header(otlp, function, *, sampled=1, **options):
    """Make a handler for which Lambda sets a header, another for each invocation; return it and the parents."""
    handler = durable(plugins=[OpenTelemetry(otlp.provider, **options)])(function)
    parents = []

    @functools.wraps(handler)
    def invoked(event, context):
        parents.append(header(ROOT, len(parents), sampled=sampled, rest=";Lineage=1:b4a8a6e1:3"))
        return handler(event, context)

    return invoked, parents


def test_invocations_hang_below_lambdas_own_segments(otlp):
    def handler(event, ctx):
        ctx.step(lambda: 1, name="one")
        ctx.wait(60, name="pause")

    invoked, parents = under_header(otlp, handler)
    Simulator(invoked).start().finish()
    otlp.check(parents=tuple(parents))
    assert {one.trace_id for one in otlp.spans} == {ROOT}
    assert [otlp.tree(parent) for parent in parents] == [
        {"simulated": {"step one": {"step one attempt 1": {}}, "wait pause": {}}},
        {"simulated": {"wait pause": {}}},
    ]
    assert otlp.named("simulated")[0].kind == "SERVER"


def test_below_a_span_of_the_same_trace_they_hang_there(otlp):
    """As it is with a layer that draws the invocation itself."""
    handler, _ = under_header(otlp, lambda event, ctx: ctx.step(lambda: 1, name="one"))
    parent = trace.NonRecordingSpan(
        trace.SpanContext(int(ROOT, 16), 7, is_remote=True, trace_flags=trace.TraceFlags(1))
    )

    @functools.wraps(handler)
    def layer(event, context):
        with otlp.tracer.start_as_current_span("layer", trace.set_span_in_context(parent)):
            return handler(event, context)

    Simulator(layer).start().finish()
    otlp.provider.force_flush()
    otlp.check(parents=(f"{7:016x}",))
    assert otlp.tree(f"{7:016x}") == {"layer": {"durable invocation": {"step one": {"step one attempt 1": {}}}}}
    assert otlp.named("durable invocation")[0].kind == "INTERNAL"


def test_a_span_of_another_trace_is_linked(otlp):
    handler = durable(plugins=[OpenTelemetry(otlp.provider)])(lambda event, ctx: None)
    with otlp.tracer.start_as_current_span("outside") as outside:
        Simulator(handler).start().finish()
        assert trace.get_current_span() is outside
    context = outside.get_span_context()
    otlp.provider.force_flush()
    otlp.check(traces=2)
    assert otlp.named("simulated")[0].links == [(f"{context.trace_id:032x}", f"{context.span_id:016x}")]


@pytest.mark.parametrize("sampled", [0, None])
def test_what_lambda_says_about_sampling_counts(sampled, otlp):
    def handler(event, ctx):
        ctx.step(spanning(otlp, "card"), name="charge")
        ctx.invoke("other:1", 1)

    invoked, parents = under_header(otlp, handler, sampled=sampled)
    run = Served(invoked)
    run.settle()
    otlp.provider.force_flush()
    assert [one.name for one in otlp.spans if one.name == "card"] == ([] if sampled == 0 else ["card"])
    sent = run.backend.updates[-1].chained_invoke_options.x_amzn_trace_id
    assert sent.startswith(f"Root=1-{ROOT[:8]}-{ROOT[8:]};Parent=")
    assert sent.endswith(f";Sampled={1 if sampled is None else 0};Lineage=1:b4a8a6e1:3")
    assert not trace.get_current_span().get_span_context().is_valid
    if sampled is None:
        otlp.check(parents=tuple(parents))
    else:
        assert otlp.bodies == []


def test_without_its_header_the_providers_sampler_decides(otlp):
    handler, _ = under_header(otlp, lambda event, ctx: ctx.wait(5), sampled=0, use_xray_header=False)
    Simulator(handler).start().finish()
    otlp.check()
    assert len(otlp.spans) == 5


@pytest.mark.parametrize(
    "malformed", ["", "Root=", "Root=1-xyz", "Root=2-6a1b2c3d-00112233445566778899aabb", "nothing"]
)
def test_a_header_that_names_no_trace_is_none(malformed, run, monkeypatch):
    monkeypatch.setenv(HEADER, malformed)
    assert run(lambda event, ctx: None) == {"durable execution": {"simulated": {}}}


@pytest.mark.parametrize("sampler", [ALWAYS_OFF, ParentBased(ALWAYS_OFF)], ids=["off", "by its parent"])
def test_unsampled_executions_send_nothing_and_observe_no_operation(sampler, monkeypatch):
    observed = []
    from powertools_durable._runtime import observers

    monkeypatch.setattr(observers.Observers, "_observe", lambda self, op, flow: observed.append(op) or flow)
    with receiving(sampler=sampler) as (received, provider):
        tracer = provider.get_tracer("orders")
        seen = []

        def body():
            with tracer.start_as_current_span("inside") as span:
                seen.append(span.get_span_context())

        @durable(plugins=[OpenTelemetry(provider)])
        def handler(event, ctx):
            ctx.step(body, name="one")

        Simulator(handler).start().finish()
        provider.force_flush()
        assert received.bodies == []
    assert not seen[0].trace_flags.sampled
    assert seen[0].is_valid, "what is called from there is told that nothing is sampled"
    assert observed == []


def test_a_share_of_the_executions_is_sampled_as_a_whole():
    with receiving(sampler=TraceIdRatioBased(0.5)) as (received, provider):

        @durable(plugins=[OpenTelemetry(provider)])
        def handler(event, ctx):
            ctx.step(lambda: 1, name="one")
            ctx.wait(60, name="pause")

        for number in range(20):
            Simulator(handler, seed=number).start(name=f"order-{number}").finish()
        trees = list(received.tree().values())
    assert 0 < len(trees) < 20
    assert all(len(tree) == 2 for tree in trees), "both invocations, or none"


# -- right parents ---------------------------------------------------------------------------------------------


def test_branches_hang_below_their_fan_out_and_their_code_below_them(run, otlp):
    def branch(waits):
        def body(child):
            child.step(spanning(otlp, f"card-{waits}"), name=f"charge-{waits}")
            for number in range(waits):
                child.wait(60, name=f"pause-{waits}-{number}")

        return body

    def handler(event, ctx):
        ctx.parallel({f"with{n}": branch(n) for n in (0, 1, 2)}, name="orders")

    def charge(waits):
        return {f"step charge-{waits}": {f"step charge-{waits} attempt 1": {f"card-{waits}": {}}}}

    assert list(run(handler)["durable execution"].values()) == [
        {
            "parallel orders": {
                "context with0": charge(0),
                "context with1": charge(1) | {"wait pause-1-0": {}},
                "context with2": charge(2) | {"wait pause-2-0": {}},
            }
        },
        {
            "parallel orders": {
                "context with1": {"wait pause-1-0": {}},
                "context with2": {"wait pause-2-0": {}, "wait pause-2-1": {}},
            }
        },
        {"parallel orders": {"context with2": {"wait pause-2-1": {}}}},
    ]


@pytest.mark.parametrize("nesting", Nesting)
def test_fan_outs_inside_fan_outs(nesting, run):
    def inner(child, item):
        child.step(lambda: item, name=f"step-{item}")

    def outer(child, item):
        child.map(inner, [item], name=f"inner-{item}", nesting=nesting)

    found = run(lambda event, ctx: ctx.map(outer, [1, 2], name="outer", nesting=nesting))
    assert found["durable execution"]["simulated"] == {
        "map outer": {
            f"context map-item-{at}": {
                f"map inner-{item}": {"context map-item-0": {f"step step-{item}": {f"step step-{item} attempt 1": {}}}}
            }
            for at, item in enumerate([1, 2])
        }
    }


def test_operations_hang_below_spans_of_the_users_own(run, otlp):
    def child_code(child):
        with otlp.tracer.start_as_current_span("within"):
            child.step(lambda: 1, name="inner")

    def handler(event, ctx):
        with otlp.tracer.start_as_current_span("order"):
            ctx.run_in_child_context(child_code, name="child")
            ctx.run_in_child_context(child_code, name="virtual", virtual=True)
        ctx.step(lambda: 1, name="after")

    inner = {"within": {"step inner": {"step inner attempt 1": {}}}}
    assert run(handler)["durable execution"]["simulated"] == {
        "order": {"context child": inner, "context virtual": inner},
        "step after": {"step after attempt 1": {}},
    }


def test_a_body_with_a_timeout_runs_in_its_span(run, otlp):
    def handler(event, ctx):
        ctx.step(spanning(otlp, "card"), name="charge", timeout=30)

    assert run(handler)["durable execution"]["simulated"] == {"step charge": {"step charge attempt 1": {"card": {}}}}


def test_a_thread_of_the_users_own_gets_the_span_by_bind(run, otlp):
    def handler(event, ctx):
        def body():
            with ThreadPoolExecutor(1) as pool:
                pool.submit(ctx.bind(spanning(otlp, "card"))).result()

        ctx.step(body, name="charge")

    assert run(handler)["durable execution"]["simulated"] == {"step charge": {"step charge attempt 1": {"card": {}}}}


@pytest.mark.only("async", "a 'def' handler has no tasks")
def test_parents_under_gather_and_tasks(run, otlp):
    async def charge(name):
        with otlp.tracer.start_as_current_span(f"card {name}"):
            await asyncio.sleep(0)

    async def order(ctx, name):
        with otlp.tracer.start_as_current_span(f"order {name}"):
            await ctx.step(charge, name, name=f"charge-{name}")
            await ctx.wait(60, name=f"pause-{name}")

    async def handler(event, ctx):
        await asyncio.gather(*(order(ctx, name) for name in "ab"), ctx.step(charge, "c", name="charge-c"))
        task = asyncio.create_task(order(ctx, "d"))
        await task

    def charged(name):
        return {f"step charge-{name}": {f"step charge-{name} attempt 1": {f"card {name}": {}}}}

    first, second, third = run(handler)["durable execution"].values()
    assert first == {
        **{f"order {name}": charged(name) | {f"wait pause-{name}": {}} for name in "ab"},
        **charged("c"),
    }
    assert second["order d"] == charged("d") | {"wait pause-d": {}}
    assert third["order d"] == {"wait pause-d": {}}
    assert {one.status for one in otlp.spans} == {"UNSET"}


@pytest.mark.slow
@pytest.mark.parametrize("waits", [11])
def test_a_map_of_100_and_12_invocations(waits, run, otlp):
    def item_code(child, item):
        for number in range(waits):
            child.step(spanning(otlp, f"card-{item}-{number}"), name=f"charge-{item}-{number}")
            child.wait(60, name=f"pause-{item}-{number}")

    def handler(event, ctx):
        ctx.map(item_code, range(100), name="all")

    invocations = list(run(handler)["durable execution"].values())
    assert len(run.last.invocations) == len(invocations) == 12
    for number, invocation in enumerate(invocations):
        (branches,) = invocation.values()
        assert len(branches) == 100
        for item in range(100):
            found = branches[f"context map-item-{item}"]
            before, here = f"{item}-{number - 1}", f"{item}-{number}"
            charged = {f"step charge-{here}": {f"step charge-{here} attempt 1": {f"card-{here}": {}}}}
            assert found == (
                ({f"wait pause-{before}": {}} if number else {})
                | ((charged | {f"wait pause-{here}": {}}) if number < waits else {})
            )
    assert {one.status for one in otlp.spans} == {"UNSET"}


# -- what spans tell -------------------------------------------------------------------------------------------


def test_what_an_invocation_tells(run, otlp):
    def handler(event, ctx):
        ctx.step(lambda: 1, name="charge")
        ctx.wait(60, name="cooling-off")
        with pytest.raises(StepError):
            ctx.step(broken, name="ship", retry=ONCE)

    run(handler)
    first, second = otlp.named("simulated")
    expected = {
        "durable.execution.arn": run.last.arn,
        "durable.execution.name": "order-7",
        "cloud.account.id": run.last.arn.split(":")[4],
        "cloud.region": run.last.arn.split(":")[3],
        "faas.name": "simulated",
        "faas.version": "1",
        "aws.lambda.invoked_arn": run.last.arn.partition("/durable-execution/")[0],
    }
    told = dict(first.attributes)
    assert told.pop("durable.checkpoints") > 0
    assert told == expected | {
        "faas.invocation_id": run.last.invocations[0].request_id,
        "faas.coldstart": True,
        "durable.invocation.first": True,
        "durable.invocation.status": "PENDING",
        "durable.replay.operations": 0,
        "durable.operations.started": 2,
        "durable.operations.ended": 1,
        "durable.operations.failed": 0,
    }
    told = dict(second.attributes)
    assert told.pop("durable.checkpoints") > 0
    assert told.pop("durable.replay.duration") >= 0
    assert told == expected | {
        "faas.invocation_id": run.last.invocations[1].request_id,
        "faas.coldstart": False,
        "durable.invocation.first": False,
        "durable.invocation.status": "SUCCEEDED",
        "durable.replay.operations": 2,
        "durable.replay.step": 1,
        "durable.replay.wait": 1,
        "durable.replay.state_pages": 0,
        "durable.operations.started": 1,
        "durable.operations.ended": 2,
        "durable.operations.failed": 1,
    }
    (execution,) = otlp.named("durable execution")
    assert execution.attributes == {
        "durable.execution.arn": run.last.arn,
        "durable.execution.name": "order-7",
        "durable.execution.status": "SUCCEEDED",
    }


def test_what_operations_and_attempts_tell(run, otlp):
    def handler(event, ctx):
        ctx.step(charged, name="charge")

    def charged():
        pass

    run(handler)
    record = run.last.operations[0]
    (step,), (attempt,) = otlp.named("step charge"), otlp.named("step charge attempt 1")
    common = {
        "durable.execution.arn": run.last.arn,
        "durable.operation.id": record.id,
        "durable.operation.type": "STEP",
        "durable.operation.subtype": "Step",
        "durable.operation.name": "charge",
        "code.file.path": "test_otel.py",
    }
    line = handler.__code__.co_firstlineno
    told = dict(step.attributes)
    assert told.pop("durable.operation.duration") >= 0
    assert told == common | {
        "durable.operation.resumed": False,
        "durable.operation.status": "SUCCEEDED",
        "code.function.name": f"{__name__}.{handler.__qualname__}",
        "code.line.number": line + 1,
    }
    assert attempt.attributes == common | {
        "durable.attempt.number": 1,
        "durable.attempt.outcome": "SUCCEEDED",
        "code.function.name": f"{__name__}.{charged.__qualname__}",
        "code.line.number": charged.__code__.co_firstlineno,
    }


def test_every_kind_of_operation_has_its_name(run, otlp):
    def again(state):
        return state + 1

    def handler(event, ctx):
        ctx.step(lambda: 1)
        ctx.create_callback(name="answer")
        ctx.run_in_child_context(lambda child: child.step(lambda: 1, name="in it"), name="around")
        ctx.wait_for_condition(again, initial=0, polling=Polling(until=lambda state: state > 0), name="ready")
        ctx.invoke("arn:aws:lambda:eu-west-1:123456789012:function:other:1", 1, name="call")

    first, _ = run(handler, functions={"arn:aws:lambda:eu-west-1:123456789012:function:other:1": lambda event: event})[
        "durable execution"
    ].values()
    assert first == {
        "step": {"step attempt 1": {}},
        "callback answer": {},
        "context around": {"step in it": {"step in it attempt 1": {}}},
        "condition ready": {"condition ready attempt 1": {}},
        "invoke call": {},
    }
    call = otlp.named("invoke call")[0]
    assert call.kind == "CLIENT"
    assert call["faas.invoked_name"] == "other"
    assert call["faas.invoked_provider"] == "aws"
    assert call["faas.invoked_region"] == "eu-west-1"


def test_attempts_that_are_tried_again_are_events(run, otlp):
    def handler(event, ctx):
        with pytest.raises(StepError):
            ctx.step(broken, name="charge", retry=SOON)

    first, second, third = run(handler)["durable execution"].values()
    assert [first, second, third] == [{"step charge": {f"step charge attempt {n}": {}}} for n in (1, 2, 3)]
    one, two, last = otlp.named("step charge")
    for number, span, delay in ((1, one, 5), (2, two, 10)):
        (name, told), *others = span.events
        assert (name, others) == ("durable.retry", [])
        assert told["durable.attempt.number"] == number
        assert told["error.type"] == "PermissionError"
        assert told["durable.retry.delay"] == pytest.approx(delay, abs=1)
        assert span.status == "UNSET"
        assert span["durable.operation.status"] == "PENDING"
    assert last.events == []
    assert (last.status, last.message, last["durable.operation.status"]) == ("ERROR", "PermissionError", "FAILED")
    assert last["error.type"] == "PermissionError"
    for number in (1, 2, 3):
        (attempt,) = otlp.named(f"step charge attempt {number}")
        assert (attempt.status, attempt["durable.attempt.outcome"]) == ("ERROR", "FAILED")
        ((name, told),) = attempt.events
        assert name == "exception"
        assert told.pop("exception.stacktrace").endswith("in broken")
        assert told == {"exception.type": "PermissionError"}
    assert [one.status for one in otlp.named("simulated")] == ["UNSET"] * 3


def test_what_failed_outside_is_an_error_where_it_is_seen(run, otlp):
    def refuses(event):
        raise PermissionError("no")

    def handler(event, ctx):
        with pytest.raises(InvokeError):
            ctx.invoke("other:1", 1, name="call")

    run(handler, functions={"other:1": refuses})
    began, failed = otlp.named("invoke call")
    assert (began.status, failed.status) == ("UNSET", "ERROR")
    assert failed["error.type"] == "PermissionError"


def test_an_execution_that_fails_is_an_error(run, otlp):
    run(lambda event, ctx: ctx.run_in_child_context(lambda child: child.step(broken, retry=ONCE), name="around"))
    assert {one.name: one.status for one in otlp.spans} == dict.fromkeys(
        ("durable execution", "simulated", "context around", "step broken", "step broken attempt 1"), "ERROR"
    )


def test_a_suspension_is_no_error(run, otlp):
    def handler(event, ctx):
        with otlp.tracer.start_as_current_span("order"):
            ctx.run_in_child_context(lambda child: child.wait(60), name="around")

    run(handler)
    assert {one.status for one in otlp.spans} == {"UNSET"}
    assert [event for one in otlp.spans for event in one.events] == []


# -- what they never tell --------------------------------------------------------------------------------------


def test_no_payload_token_or_callback_id_is_sent(otlp):
    seen = []

    def submit(callback_id):
        seen.append(callback_id)

    @durable(plugins=[OpenTelemetry(otlp.provider)])
    def handler(event, ctx):
        ctx.step(lambda: SECRET, name="result")
        with pytest.raises(StepError):
            ctx.step(broken, name="fails", retry=SOON)
        ctx.wait_for_callback(submit, name="answer")
        ctx.run_in_child_context(lambda child: SECRET, name="child")
        ctx.invoke("other:1", {"card": SECRET}, name="call")
        raise ValueError(SECRET)

    run = Simulator(handler, functions={"other:1": lambda event: SECRET}).start({"card": SECRET})
    while run.status == "RUNNING" and not seen:
        run.step()
    run.callback("answer").succeed(SECRET)
    run.finish()
    assert run.status == "FAILED"
    text = b"".join(otlp.bodies)
    tokens = {invocation.event["CheckpointToken"] for invocation in run.invocations}
    assert otlp.spans
    for hidden in (SECRET, seen[0], *tokens):
        assert hidden
        assert hidden.encode() not in text


def test_messages_of_exceptions_are_shown_if_that_is_asked_for(run, otlp):
    run(lambda event, ctx: ctx.step(broken, name="charge", retry=ONCE), exception_messages=True)
    (attempt,) = otlp.named("step charge attempt 1")
    assert attempt.message == f"PermissionError: {SECRET}"
    assert attempt.events[0][1]["exception.message"] == SECRET


# -- before the answer -----------------------------------------------------------------------------------------


def test_everything_is_sent_before_the_answer(otlp):
    handler = durable(plugins=[OpenTelemetry(otlp.provider)])(lambda event, ctx: ctx.wait(60, name="pause"))
    sent = []

    @functools.wraps(handler)
    def outside(event, context):
        try:
            return handler(event, context)
        finally:
            sent.append([one.name for one in otlp.spans])

    Simulator(outside).start().finish()
    assert sent == [
        ["wait pause", "simulated"],
        ["wait pause", "simulated", "wait pause", "simulated", "durable execution"],
    ]
    assert len(otlp.bodies) == 3, "the execution's span, which may be long, is in a request of its own"


@pytest.mark.slow
def test_a_receiver_that_does_not_answer_holds_an_invocation_up_for_a_limited_time(otlp, captured_logs):
    otlp.hold = threading.Event()

    @durable(plugins=[OpenTelemetry(otlp.provider, flush_timeout=0.2)])
    def handler(event, ctx):
        ctx.wait(60)
        return 1

    assert Simulator(handler).start().finish().result == 1
    (line,) = [line for line in captured_logs.messages if "spans" in line]
    assert line == "spans were not sent within 0.2 s; the execution goes on, and they may be lost"
    otlp.hold.set()


# -- the engine is not weakened --------------------------------------------------------------------------------


def ordinary(event, ctx):
    with pytest.raises(StepError):
        ctx.step(broken, name="charge", retry=SOON)
    ctx.map(lambda child, item: child.step(lambda: item, name="each"), [1, 2], name="all", max_concurrency=1)
    return ctx.invoke("other:1", 1)


def updates_of(handler):
    run = Simulator(handler, functions={"other:1": lambda event: event + 1}).start(None, name="order-7").finish()
    return run.result, [(one.id, one.type, one.status, one.name) for one in run.operations]


class Fails:
    """A provider all of whose parts fail, one after the other."""

    def __init__(self, provider, at):
        self.provider, self.at = provider, at

    def get_tracer(self, *args, **options):
        if self.at == "get_tracer":
            raise RuntimeError(self.at)
        self.tracer = self.provider.get_tracer(*args, **options)
        return self

    @property
    def id_generator(self):
        if self.at == "id_generator":
            raise RuntimeError(self.at)
        return self.tracer.id_generator

    @id_generator.setter
    def id_generator(self, generator):
        self.tracer.id_generator = generator

    @property
    def sampler(self):
        if self.at == "sampler":
            raise RuntimeError(self.at)
        return self.tracer.sampler

    def start_span(self, *args, **options):
        if self.at == "start_span":
            raise RuntimeError(self.at)
        span = self.tracer.start_span(*args, **options)
        return _FailingSpan(span, self.at)

    def force_flush(self, timeout):
        raise RuntimeError("flush")


class _FailingSpan(trace.NonRecordingSpan):
    def __init__(self, span, at):
        super().__init__(span.get_span_context())
        self.at = at

    def is_recording(self):
        return True

    def _fails(self, *args, **options):
        if self.at == "span":
            raise RuntimeError(self.at)

    end = set_attribute = set_attributes = add_event = set_status = _fails


@pytest.mark.parametrize("at", ["get_tracer", "id_generator", "sampler", "start_span", "span", "flush"])
def test_a_provider_that_fails_changes_nothing(at, otlp, captured_logs):
    expected = updates_of(durable(ordinary))
    handler = durable(plugins=[OpenTelemetry(Fails(otlp.provider, at))])(ordinary)
    assert updates_of(handler) == expected
    assert not trace.get_current_span().get_span_context().is_valid
    assert any("plugin" in line or "spans" in line for line in captured_logs.messages)


def test_an_exporter_that_is_refused_changes_nothing(otlp, captured_logs):
    expected = updates_of(durable(ordinary))
    otlp.is_broken = True
    assert updates_of(durable(plugins=[OpenTelemetry(otlp.provider)])(ordinary)) == expected
    assert otlp.bodies == []


def test_wherever_the_process_dies_the_execution_ends_alike_and_no_context_is_left(otlp):
    handler = durable(plugins=[OpenTelemetry(otlp.provider)])(
        lambda event, ctx: ctx.map(lambda child, item: child.step(lambda: item, name="each"), [1, 2], max_concurrency=1)
    )
    explore(handler, None).assert_survives()
    assert not trace.get_current_span().get_span_context().is_valid


@pytest.mark.parametrize("when", ["before", "after"])
def test_after_a_crash_spans_hang_where_they_belong(when, otlp):
    @durable(plugins=[OpenTelemetry(otlp.provider)])
    def handler(event, ctx):
        ctx.step(lambda: 1, name="one")
        ctx.wait(60, name="pause")
        ctx.step(spanning(otlp, "card"), name="two")

    run = Served(handler, kills=[(1, when)])
    run.settle()
    run.finish()
    assert run.status == "SUCCEEDED"
    assert not trace.get_current_span().get_span_context().is_valid
    last = otlp.named(otlp.named("durable execution")[0].name)
    assert len(last) == 1
    *_, final = otlp.tree()["durable execution"].values()
    assert final["step two"] == {"step two attempt 1": {"card": {}}}


def test_without_a_provider_nothing_happens(captured_logs):
    handler = durable(plugins=[OpenTelemetry()])(ordinary)
    assert updates_of(handler) == updates_of(durable(ordinary))
    assert not any("plugin" in line for line in captured_logs.messages)


class Other:
    """A provider that is not the SDK's: it chooses ids by itself."""

    def __init__(self, provider):
        self._provider = provider

    def get_tracer(self, *args, **options):
        tracer = self._provider.get_tracer(*args, **options)

        class OtherTracer(trace.Tracer):
            start_span = staticmethod(tracer.start_span)
            start_as_current_span = staticmethod(tracer.start_as_current_span)

        return OtherTracer()


def test_with_another_provider_the_trace_is_one_too_and_a_warning_says_what_is_missing(otlp, captured_logs):
    @durable(plugins=[OpenTelemetry(Other(otlp.provider))])
    def handler(event, ctx):
        ctx.step(lambda: 1, name="one")
        ctx.wait(60, name="pause")

    run = Simulator(handler).start().finish()
    otlp.provider.force_flush()
    root = f"{derived_span_id(run.arn):016x}"
    otlp.check(parents=(root,))
    assert otlp.tree(root) == {
        "simulated": {"step one": {"step one attempt 1": {}}, "wait pause": {}},
        "simulated'": {"wait pause": {}},
    }
    trace_id = otlp.spans[0].trace_id
    assert [one.links for one in otlp.named("simulated")] == [[(trace_id, root)]] * 2
    assert len([line for line in captured_logs.messages if line.startswith("spans get the ids that")]) == 1


def test_the_ids_of_other_spans_are_left_to_the_provider(otlp, run):
    before = otlp.provider.id_generator
    run(lambda event, ctx: ctx.step(spanning(otlp, "card")))
    assert otlp.provider.id_generator is before
    assert otlp.tracer.id_generator is before


# -- other functions -------------------------------------------------------------------------------------------


def test_what_is_invoked_hangs_below_the_invoke(otlp):
    run = Served(
        durable(plugins=[OpenTelemetry(otlp.provider)])(lambda event, ctx: ctx.invoke("other:1", 1, name="call"))
    )
    run.settle()
    call, *_ = otlp.named("invoke call")
    sent = run.backend.updates[0].chained_invoke_options.x_amzn_trace_id
    assert sent == f"Root=1-{call.trace_id[:8]}-{call.trace_id[8:]};Parent={call.id};Sampled=1"


def test_if_lambdas_header_is_not_used_none_is_handed_on(otlp):
    plugin = OpenTelemetry(otlp.provider, use_xray_header=False)
    run = Served(durable(plugins=[plugin])(lambda event, ctx: ctx.invoke("other:1", 1, name="call")))
    run.settle()
    assert run.backend.updates[0].chained_invoke_options.x_amzn_trace_id is None


# -- mistakes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "options"), [((object(),), {}), ((), {"flush_timeout": -1}), ((), {"flush_timeout": "soon"})]
)
def test_wrong_arguments_are_refused(arguments, options):
    with pytest.raises(DurableConfigError):
        OpenTelemetry(*arguments, **options)
