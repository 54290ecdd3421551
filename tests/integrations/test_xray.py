"""What X-Ray is sent of an execution, by a real recorder, over a real socket, in Lambda's environment.

See docs/powertools/tracer.md.
"""

from __future__ import annotations

import asyncio
import functools
import json
import os
import socket
import threading

import pytest
from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit
from aws_xray_sdk.core import xray_recorder
from aws_xray_sdk.core.emitters.udp_emitter import UDPEmitter
from aws_xray_sdk.core.models.subsegment import Subsegment
from pydantic import BaseModel

from powertools_durable import DurableConfig, InvokeError, Nesting, Polling, Retry, StepError, StepSemantics, durable
from powertools_durable.testing import Simulator
from tests.integrations.lines import DEF_BELOW
from tests.integrations.xray_trees import Traced, flags, told
from tests.leaks import Objects
from tests.runtime.rig import Served
from tests.waiting import pass_time

ONCE = Retry(max_attempts=1)
SOON = Retry(max_attempts=3, initial_delay=5, jitter="none")


@pytest.fixture
def tracer(xray_segments):
    return Tracer(service="orders", auto_patch=False)


@pytest.fixture
def run(xray_segments, tracer):
    """Run a handler as Lambda has it, and return its trees; ``run.last`` is the execution."""

    def runs(function, *, config=None, outside=True, event=None, functions=None, sampled=lambda _: True):
        handler = durable(tracer=tracer, config=config)(function)
        if outside:
            handler = tracer.capture_lambda_handler(capture_response=False)(handler)
        traced = Traced(xray_segments, handler, sampled)
        runs.last = Simulator(traced.handler, functions=functions).start(event, name="order-7").finish()
        runs.parents = traced.parents
        return traced.trees()

    return runs


def broken():
    raise PermissionError("the card was declined")


# -- what must be shown ----------------------------------------------------------------------------------------


def test_one_tree_an_invocation_whose_parents_are_right_on_a_warm_process(xray_segments, tracer, captured_logs):
    """Module logger, three lines, a metric, a step, two waits: three invocations, and nothing of it twice."""
    logger, metrics = Logger(service="orders"), Metrics(namespace="shop", service="orders")

    @tracer.capture_lambda_handler(capture_response=False)
    @durable(tracer=tracer, metrics=metrics, logger=logger)
    def handler(event, ctx):
        logger.info("accepted")
        ctx.step(lambda: 1, name="charge")
        logger.info("charged")
        ctx.wait(60, name="cooling-off")
        metrics.add_metric("OrdersShipped", MetricUnit.Count, 1)
        ctx.wait(60, name="on-the-way")
        logger.info("arrived")

    counted = metrics.log_metrics(handler)
    traced = Traced(xray_segments, counted)
    run = Simulator(traced.handler).start(None, name="order-7").finish()
    assert traced.trees() == [
        {"## handler": {"## durable": {"## step charge": {}, "## wait cooling-off": {}}}},
        {"## handler": {"## durable": {"## replay": {}, "## wait on-the-way": {}}}},
        {"## handler": {"## durable": {"## replay": {}}}},
    ]
    assert len(set(traced.parents)) == 3
    assert captured_logs.messages == ["accepted", "charged", "arrived"]
    assert sum(sum(m["OrdersShipped"]) for i in run.invocations for m in i.metrics if "OrdersShipped" in m) == 1


def test_the_same_inside_three_branches_withno_one_and_three_waits(run):
    def branch(waits):
        def body(child):
            child.step(lambda: 1, name=f"charge-{waits}")
            for number in range(waits):
                child.wait(60, name=f"pause-{waits}-{number}")
            child.step(lambda: 1, name=f"ship-{waits}")

        return body

    def handler(event, ctx):
        ctx.parallel({f"with{n}": branch(n) for n in (0, 1, 3)}, name="orders")

    def seen(number):
        return {"## handler": {"## durable": number}}

    def orders(**branches):
        return seen({"## replay": {}, "## parallel orders": {f"## context {n}": x for n, x in branches.items()}})

    assert run(handler) == [
        seen(
            {
                "## parallel orders": {
                    "## context with0": {"## step charge-0": {}, "## step ship-0": {}},
                    "## context with1": {"## step charge-1": {}, "## wait pause-1-0": {}},
                    "## context with3": {"## step charge-3": {}, "## wait pause-3-0": {}},
                }
            }
        ),
        orders(with1={"## step ship-1": {}}, with3={"## wait pause-3-1": {}}),
        orders(with3={"## wait pause-3-2": {}}),
        orders(with3={"## step ship-3": {}}),
    ]


# -- documents -------------------------------------------------------------------------------------------------


def test_what_durable_tells_of_an_invocation(run, xray_segments):
    def handler(event, ctx):
        ctx.step(lambda: 1, name="charge")
        ctx.wait(60, name="cooling-off")
        ctx.step(lambda: 2, name="ship")

    run(handler)
    first, second = xray_segments.named("## durable")
    assert first["namespace"] == "local"
    assert first["annotations"] == {"DurableExecutionName": "order-7"}
    assert told(first, "invocation") == {
        "executionArn": run.last.arn,
        "status": "PENDING",
        "replay": False,
        "firstInvocation": True,
        "operations": {"replayed": 0, "started": 2, "completed": 1, "failed": 0, "notTraced": 0},
        "suspendedOn": [{"type": "WAIT", "name": "cooling-off"}],
    }
    assert second["annotations"] == {"DurableExecutionName": "order-7", "DurableStatus": "SUCCEEDED"}
    assert told(second, "invocation") == {
        "executionArn": run.last.arn,
        "status": "SUCCEEDED",
        "replay": True,
        "firstInvocation": False,
        "operations": {"replayed": 2, "started": 1, "completed": 2, "failed": 0, "notTraced": 0},
        "suspendedOn": [],
    }
    (replay,) = xray_segments.named("## replay")
    found = told(replay, "replay")
    assert found.pop("durationMs") >= 0
    assert found == {"operations": 2, "byType": {"STEP": 1, "WAIT": 1}, "statePages": 0}
    assert not flags(first) | flags(second) | flags(replay)


SENT = "secret-" + "4711"


class Contact(BaseModel):
    age: int


def refuses(*_):
    Contact(age=SENT)


REFUSING = {
    "step": lambda ctx: ctx.step(refuses, name="it", retry=Retry.none()),
    "condition": lambda ctx: ctx.wait_for_condition(refuses, initial=None, name="it", polling=Polling(until=bool)),
    "child": lambda ctx: ctx.run_in_child_context(refuses, name="it"),
    "item": lambda ctx: ctx.map(refuses, [1], name="it").raise_if_failed(),
    "handler": refuses,
}


@pytest.mark.parametrize("included", [False, True])
@pytest.mark.parametrize("code", REFUSING.values(), ids=REFUSING)
def test_what_pydantic_refused_is_shown_only_if_wanted(code, included, run, xray_segments):
    config = DurableConfig(include_validation_input=included)
    run(lambda event, ctx: code(ctx), config=config)
    text = json.dumps(xray_segments.documents)
    assert "1 validation error for Contact" in text
    assert (SENT in text) is included


def test_of_a_stack_the_user_s_own_lines_are_shown(run, xray_segments):
    run(lambda event, ctx: ctx.step(lambda: json.loads("{"), name="load", retry=Retry.none()))
    (exception,) = xray_segments.named("## step load")[0]["cause"]["exceptions"]
    assert {frame["path"] for frame in exception["stack"]} == {"test_xray.py"}


def test_an_attempt_that_is_tried_again_is_an_error_and_the_last_a_fault(run, xray_segments):
    def handler(event, ctx):
        with pytest.raises(StepError):
            ctx.step(broken, name="charge", retry=SOON)
        ctx.wait(60)

    run(handler)
    one, two, three = xray_segments.named("## step charge")
    record = run.last.operations[0]
    assert told(one, "operation") == {
        "id": record.id,
        "parentId": None,
        "subType": "Step",
        "attempt": 1,
        "outcome": "RETRY",
        "nextAttemptSeconds": 5,
    }
    assert told(two, "operation")["attempt"] == 2
    assert told(two, "operation")["nextAttemptSeconds"] == 10
    assert flags(one) == flags(two) == {"error"}
    assert "cause" not in one
    assert flags(three) == {"fault"}
    assert told(three, "operation")["outcome"] == "FAILED"
    (exception,) = three["cause"]["exceptions"]
    assert (exception["type"], exception["message"]) == ("PermissionError", "the card was declined")
    assert three["annotations"] == {"DurableOperation": "charge"}
    assert [flags(one) for one in xray_segments.named("## durable")] == [set()] * 4
    assert len(xray_segments.named("## replay")) == 1, "an attempt that is made again is no replay"
    assert [told(one, "invocation")["operations"]["failed"] for one in xray_segments.named("## durable")] == [
        0,
        0,
        1,
        0,
    ]


@pytest.mark.only("def", "a thread passes the time here, which a loop that sleeps does not see")
def test_attempts_of_one_invocation_are_all_drawn(tracer, xray_segments):
    """A branch is tried again while another runs."""
    tries, done = [], threading.Event()

    def flaky():
        tries.append(1)
        if len(tries) < 3:
            raise ConnectionError("busy")
        done.set()

    def works():
        pass_time(execution, done)

    @durable(tracer=tracer)
    def handler(event, ctx):
        again = lambda child: child.step(flaky, name="charge", retry=SOON)  # noqa: E731
        slow = lambda child: child.step(works, name="work", semantics=StepSemantics.AT_MOST_ONCE)  # noqa: E731
        ctx.parallel({"again": again, "slow": slow}, name="both")

    traced = Traced(xray_segments, handler)
    execution = Served(traced.handler)
    execution.settle()
    assert execution.status == "SUCCEEDED"
    (found,) = traced.trees()
    assert found["## durable"]["## parallel both"] == {
        "## context again": {"## step charge": {}},
        "## context slow": {"## step work": {}},
        "## context again'": {"## step charge": {}},
        "## context again''": {"## step charge": {}},
    }
    outcomes = [told(one, "operation")["outcome"] for one in xray_segments.named("## step charge")]
    assert outcomes == ["RETRY", "RETRY", "SUCCEEDED"]


def test_what_failed_between_two_invocations_is_a_fault_where_it_is_seen(run, xray_segments):
    def refuses(event):
        raise PermissionError("no")

    def handler(event, ctx):
        with pytest.raises(InvokeError):
            ctx.invoke("other:1", 1, name="call")
        ctx.wait(60)

    _, second, third = run(handler, functions={"other:1": refuses})
    assert [*second["## handler"]["## durable"]][:2] == ["## replay", "## invoke call"]
    assert third == {"## handler": {"## durable": {"## replay": {}}}}
    began, failed = xray_segments.named("## invoke call")
    assert not flags(began)
    assert flags(failed) == {"fault"}
    assert failed["cause"]["exceptions"][0]["type"] == "PermissionError"
    assert failed["annotations"] == {"DurableOperation": "call"}


def test_what_a_retry_policy_does_is_no_part_of_the_attempt(run, tracer):
    def policy(error, attempt):
        with tracer.provider.in_subsegment("policy"):
            pass

    def handler(event, ctx):
        with pytest.raises(StepError):
            ctx.step(broken, name="charge", retry=policy)

    assert run(handler) == [{"## handler": {"## durable": {"## step charge": {}, "policy": {}}}}]


def test_what_goes_on_outside_is_drawn_where_it_began(run):
    def handler(event, ctx):
        ctx.create_callback(name="answer")
        ctx.wait(60, name="pause")

    assert run(handler) == [
        {"## handler": {"## durable": {"## callback answer": {}, "## wait pause": {}}}},
        {"## handler": {"## durable": {"## replay": {}}}},
    ]


def test_an_execution_that_fails_is_a_fault_withits_exception(run, xray_segments):
    run(lambda event, ctx: ctx.step(broken, name="charge", retry=ONCE))
    (one,) = xray_segments.named("## durable")
    assert flags(one) == {"fault"}
    assert one["annotations"]["DurableStatus"] == "FAILED"
    (exception,) = one["cause"]["exceptions"]
    assert exception["type"] == "StepError"
    assert "the card was declined" in exception["message"]


def test_an_input_that_does_not_fit_is_an_error_without_exception_and_without_input(run, xray_segments):
    def handler(order: int, ctx):
        ctx.step(lambda: 1)

    assert run(handler, event={"card": "card-number"}) == [{"## handler": {"## durable": {}}}]
    (one,) = xray_segments.named("## durable")
    assert flags(one) == {"error"}
    assert "card-number" not in json.dumps(xray_segments.documents)


def test_failures_are_found_by_annotation_five_an_invocation(run, xray_segments):
    def handler(event, ctx):
        for number in range(8):
            with pytest.raises(StepError):
                ctx.step(broken, name=f"charge-{number}", retry=ONCE)

    run(handler)
    indexed = [
        one["annotations"]["DurableOperation"]
        for one in xray_segments.subsegments
        if "cause" in one
        if one.get("annotations")
    ]
    assert indexed == [f"charge-{number}" for number in range(5)]


def test_every_operation_has_its_name(run):
    def again(state):
        return state + 1

    def handler(event, ctx):
        ctx.step(lambda: 1, name="one")
        ctx.create_callback(name="answer")
        ctx.run_in_child_context(lambda child: child.step(lambda: 1, name="in it"), name="around")
        ctx.map(lambda child, item: child.step(lambda: item, name="each"), [1], name="all")
        ctx.wait_for_condition(again, initial=0, polling=Polling(until=lambda state: state > 0), name="ready")
        ctx.step(lambda: 1, name=";*(?")
        ctx.step(lambda: 1, name='"quoted", [b] {c} | x@y.z ' + "n" * 200)
        ctx.invoke("other:1", 1, name="call")

    first, *_ = run(handler, functions={"other:1": lambda event: event})
    inside = first["## handler"]["## durable"]
    (unnamable,) = [one for one in run.last.operations if one.name == ";*(?"]
    assert inside == {
        "## step one": {},
        "## callback answer": {},
        "## context around": {"## step in it": {}},
        "## map all": {"## context map-item-0": {"## step each": {}}},
        "## condition ready": {},
        f"## step {unnamable.id[:8]}": {},
        ("## step quoted b c  x@y.z " + "n" * 200)[:200]: {},
        "## invoke call": {},
    }


# -- modes and caps --------------------------------------------------------------------------------------------


def many(event, ctx):
    for number in range(30):
        ctx.step(lambda: 1, name=f"s{number}")
    with pytest.raises(StepError):
        ctx.step(broken, name="late", retry=ONCE)
    ctx.wait(60, name="pause")


def test_beyond_the_cap_operations_are_counted_and_failures_shown(run, xray_segments):
    first, second = run(many)
    inside = first["## many"]["## durable"]
    assert [*inside] == [*(f"## step s{number}" for number in range(20)), "## step late"]
    assert told(xray_segments.named("## durable")[0], "invocation")["operations"]["notTraced"] == 11
    (late,) = xray_segments.named("## step late")
    assert flags(late) == {"fault"}
    assert second == {"## many": {"## durable": {"## replay": {}}}}


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("off", [{"## handler": {}}] * 2),
        ("summary", [{"## handler": {"## durable": {}}}] * 2),
        (
            "live",
            [
                {"## handler": {"## durable": {"## step one": {}, "## wait pause": {}}}},
                {"## handler": {"## durable": {"## replay": {}}}},
            ],
        ),
        (
            "all",
            [
                {"## handler": {"## durable": {"## step one": {}, "## wait pause": {}}}},
                {"## handler": {"## durable": {"## replay": {}, "## step one": {}}}},
            ],
        ),
    ],
)
def test_a_mode_says_how_much_is_drawn(run, mode, expected):
    def handler(event, ctx):
        ctx.step(lambda: 1, name="one")
        ctx.wait(60, name="pause")

    assert run(handler, config=DurableConfig(trace_operations=mode)) == expected


def test_contexts_that_leave_no_record_are_not_drawn_while_they_repeat(run):
    def handler(event, ctx):
        for number in range(3):
            ctx.run_in_child_context(lambda child: child.step(lambda: 1, name="in"), name=f"v{number}", virtual=True)
        ctx.map(lambda child, item: child.step(lambda: 1, name="each"), [1, 2], name="flat", nesting=Nesting.FLAT)
        ctx.wait(60, name="pause")

    first, second = run(handler)
    assert [*first["## handler"]["## durable"]] == [
        *("## context v0", "## context v1", "## context v2", "## map flat", "## wait pause")
    ]
    assert second == {"## handler": {"## durable": {"## replay": {}}}}


def test_a_result_that_is_rebuilt_draws_nothing(run):
    def handler(event, ctx):
        ctx.run_in_child_context(lambda child: child.step(lambda: "x", name="in") * 300_000, name="large")
        ctx.map(lambda child, item: child.step(lambda: "x" * 100_000, name="each"), [1, 2, 3, 4], name="all")
        ctx.wait(60, name="pause")

    _, second = run(handler)
    assert second == {"## handler": {"## durable": {"## replay": {}}}}


# -- a suspension is no fault ----------------------------------------------------------------------------------


@DEF_BELOW
def test_suspending_below_capture_lambda_handler_is_no_fault(run, tracer, xray_segments):
    @tracer.capture_lambda_handler(capture_response=False)
    def handler(event, ctx):
        ctx.wait(60, name="pause")

    first, second = run(handler, outside=False)
    assert first == {"## durable": {"## handler": {"## wait pause": {}}}}
    assert second == {"## durable": {"## replay": {}, "## handler": {}}}
    one, two = xray_segments.named("## handler")
    assert not flags(one) | flags(two)
    assert "cause" not in one
    assert told(one, "suspended") is True
    assert "metadata" not in two


def test_suspending_inside_subsegments_and_methods_is_no_fault_and_errors_stay_some(run, tracer, xray_segments):
    @tracer.capture_method
    def waits(ctx):
        with tracer.provider.in_subsegment("inner"):
            ctx.wait(60, name="pause")

    @tracer.capture_method
    def fails():
        raise PermissionError("no")

    def handler(event, ctx):
        with pytest.raises(StepError):
            ctx.step(fails, name="charge", retry=ONCE)
        waits(ctx)

    first, _ = run(handler)
    assert [*first["## handler"]["## durable"]] == [
        "## step charge",
        f"## {waits.__module__}.{waits.__qualname__}".replace("<", "").replace(">", ""),
    ]
    named = {one["name"]: one for one in xray_segments.subsegments[:8]}
    assert not flags(named["inner"])
    assert told(named["inner"], "suspended") is True
    (method,) = [one for name, one in named.items() if name.endswith("fails")]
    assert flags(method) == {"fault"}
    assert method["cause"]["exceptions"][0]["type"] == "PermissionError"
    step = named["## step charge"]
    assert step["cause"] == method["cause"]["exceptions"][0]["id"]


# -- sampling, headers, switches -------------------------------------------------------------------------------


@pytest.mark.slow
def test_an_unsampled_trace_sends_nothing_and_keeps_nothing(run, tracer, xray_segments):
    @tracer.capture_method
    def work():
        return 1

    def handler(event, ctx):
        with ctx.batch():
            for _ in range(5000):
                ctx.step(work)

    subsegments = Objects(lambda thing: isinstance(thing, Subsegment))
    run(handler, sampled=lambda _: False)
    assert len(xray_segments) == 0
    assert subsegments.new() == []


def test_the_sampling_decision_is_that_of_each_invocation(run):
    def handler(event, ctx):
        ctx.wait(60, name="a")
        ctx.wait(60, name="b")
        ctx.wait(60, name="c")

    assert run(handler, sampled=lambda number: number % 2 == 0) == [
        {},
        {"## handler": {"## durable": {"## replay": {}, "## wait b": {}}}},
        {},
        {"## handler": {"## durable": {"## replay": {}}}},
    ]


def test_without_a_trace_header_nothing_is_sent_and_nothing_said(xray_segments, tracer, monkeypatch, captured_logs):
    monkeypatch.delenv("_X_AMZN_TRACE_ID")

    @tracer.capture_lambda_handler(capture_response=False)
    @durable(tracer=tracer)
    def handler(event, ctx):
        tracer.put_annotation("order", 7)
        return ctx.step(lambda: 1, name="one")

    assert Simulator(handler).start().finish().result == 1
    assert len(xray_segments) == 0
    assert captured_logs.messages == []


def test_annotations_outside_of_every_subsegment_fail_no_execution(run, tracer):
    def handler(event, ctx):
        tracer.put_annotation("order", 7)
        tracer.put_metadata("order", 7)
        ctx.wait(60)
        return 1

    assert run(handler, config=DurableConfig(trace_operations="off"), outside=False) == [{}, {}]
    assert run.last.result == 1


def test_annotations_of_the_handler_lie_on_the_invocation(run, tracer, xray_segments):
    run(lambda event, ctx: tracer.put_annotation("order", 7), outside=False)
    (one,) = xray_segments.named("## durable")
    assert one["annotations"]["order"] == 7


@pytest.mark.parametrize("switch", ["POWERTOOLS_TRACE_DISABLED", "AWS_SAM_LOCAL", "not in Lambda", "disabled=True"])
def test_a_disabled_tracer_changes_nothing(xray_segments, monkeypatch, switch):
    if switch.isupper():
        monkeypatch.setenv(switch, "true")
    elif switch == "not in Lambda":
        monkeypatch.delenv("LAMBDA_TASK_ROOT")
    tracer = Tracer(disabled=True if "=" in switch else None, auto_patch=False)
    assert tracer.disabled
    before = xray_recorder.context, xray_recorder.emitter

    @tracer.capture_lambda_handler
    @durable(tracer=tracer)
    def handler(event, ctx):
        assert ctx.tracer is tracer
        return ctx.step(lambda: 1)

    assert Simulator(handler).start().finish().result == 1
    assert (xray_recorder.context, xray_recorder.emitter) == before
    assert len(xray_segments) == 0


# -- what a tracer must not do ---------------------------------------------------------------------------------


def test_a_tracer_that_fails_everywhere_changes_no_execution(run, xray_segments, monkeypatch, captured_logs):
    from powertools_durable.integrations.xray import XRayTracer

    def fails(*_, **__):
        raise RuntimeError("no")

    for method in ("start_invocation", "start_operation", "leave", "end", "note_replay", "inject"):
        monkeypatch.setattr(XRayTracer, method, fails)

    def handler(event, ctx):
        with pytest.raises(StepError):
            ctx.step(broken, name="charge", retry=SOON)
        return ctx.invoke("other:1", 1)

    run(handler, functions={"other:1": lambda event: event + 1})
    assert run.last.result == 2
    assert not any("charge" not in message for message in captured_logs.messages)  # the step's failures alone


@pytest.mark.parametrize("trouble", ["nobody listens", "the emitter raises"])
def test_documents_that_can_not_be_sent_change_nothing(tracer, monkeypatch, captured_logs, trouble):
    monkeypatch.delenv("AWS_XRAY_DAEMON_ADDRESS")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
        gone.bind(("127.0.0.1", 0))
        port = gone.getsockname()[1]
    sent = []

    class Emitter(UDPEmitter):
        def _send_data(self, data):
            sent.append(data)
            if trouble == "nobody listens":
                super()._send_data(data)

        def send_entity(self, entity):
            super().send_entity(entity)
            if trouble == "the emitter raises":
                raise OSError("no network")

        def close(self):
            self._socket.close()

    emitter = Emitter(f"127.0.0.1:{port}")
    assert emitter.port == port
    xray_recorder.configure(emitter=emitter)

    @tracer.capture_lambda_handler(capture_response=False)
    @durable(tracer=tracer)
    def handler(event, ctx):
        ctx.step(lambda: 1, name="one")
        ctx.wait(60)
        return 1

    assert Simulator(handler).start().finish().result == 1
    emitter.close()
    assert len(sent) == 7
    assert captured_logs.messages == []


# -- chained invokes -------------------------------------------------------------------------------------------


@pytest.fixture
def invoked_with(tracer, xray_segments):
    """Return the trace header that the service is asked to hand to an invoked function, and the invocation's."""

    def invoke(*, sampled=True, **config):
        @durable(tracer=tracer, config=DurableConfig(**config))
        def handler(event, ctx):
            ctx.invoke("other:1", 1, name="call")

        traced = Traced(xray_segments, handler, lambda _: sampled)
        run = Served(traced.handler)
        run.settle()
        update = run.backend.updates[0]
        return update.chained_invoke_options.x_amzn_trace_id, traced.parents[0]

    return invoke


def test_what_is_invoked_hangs_below_the_invoke(invoked_with, xray_segments):
    header, _ = invoked_with()
    call, *_ = xray_segments.named("## invoke call")
    assert header == f"Root={xray_segments.trace_id};Parent={call['id']};Sampled=1"


def test_what_lambda_counts_against_loops_is_handed_on(tracer, xray_segments):
    lineage = "Lineage=1:b4a8a6e1:3"

    @durable(tracer=tracer)
    def handler(event, ctx):
        ctx.invoke("other:1", 1, name="call")

    def invoked(event, context):
        xray_segments.next_invocation()
        os.environ["_X_AMZN_TRACE_ID"] += f";{lineage}"
        return handler(event, context)

    run = Served(functools.wraps(handler)(invoked))
    run.settle()
    assert run.backend.updates[0].chained_invoke_options.x_amzn_trace_id.endswith(f";Sampled=1;{lineage}")


def test_beyond_the_cap_what_is_invoked_hangs_below_the_code_that_invokes(invoked_with, xray_segments):
    header, _ = invoked_with(trace_operations="summary")
    around, *_ = xray_segments.named("## durable")
    assert header == f"Root={xray_segments.trace_id};Parent={around['id']};Sampled=1"


def test_what_is_invoked_by_an_unsampled_trace_is_not_sampled_either(invoked_with, xray_segments):
    header, parent = invoked_with(sampled=False)
    assert header == f"Root={xray_segments.trace_id};Parent={parent};Sampled=0"


# -- tasks of an async handler -------------------------------------------------------------------------------------


@pytest.mark.only("async", "a 'def' handler has no tasks")
def test_subsegments_keep_their_parents_under_gather(run, tracer, xray_segments):
    @tracer.capture_method
    async def charge(name):
        await asyncio.sleep(0)
        return name

    async def order(ctx, name):
        with tracer.provider.in_subsegment(f"order {name}"):
            await ctx.step(charge, name, name=f"charge-{name}")
            await ctx.wait(60, name=f"pause-{name}")

    async def handler(event, ctx):
        await asyncio.gather(*(order(ctx, name) for name in "ab"))
        with tracer.provider.in_subsegment("after"):
            await ctx.step(charge, "c", name="charge-c")

    method = f"## {charge.__module__}.{charge.__qualname__}".replace("<", "").replace(">", "")
    first, second = run(handler)
    assert first["## handler"]["## durable"] == {
        f"order {name}": {f"## step charge-{name}": {method: {}}, f"## wait pause-{name}": {}} for name in "ab"
    }
    assert second["## handler"]["## durable"]["after"] == {"## step charge-c": {method: {}}}
    assert not any(flags(one) for one in xray_segments.subsegments)


@pytest.mark.only("async", "a 'def' handler has no tasks")
def test_a_cancellation_of_the_users_own_is_a_fault(run, tracer, xray_segments):
    async def waits(ctx):
        with tracer.provider.in_subsegment("waits"):
            await ctx.wait(60)

    async def handler(event, ctx):
        task = asyncio.create_task(waits(ctx))
        await asyncio.sleep(0)
        task.cancel()
        await ctx.step(lambda: 1, name="one")

    run(handler)
    assert flags(xray_segments.named("waits")[0]) == {"fault"}
