"""Handlers with a plug-in that writes down what it hears; `twin.load` runs this source on both SDKs."""

from __future__ import annotations

from aws_durable_execution_sdk_python import StepError, durable_execution
from aws_durable_execution_sdk_python.config import (
    CompletionConfig,
    Duration,
    JitterStrategy,
    MapConfig,
    NestingType,
    ParallelConfig,
    StepConfig,
)
from aws_durable_execution_sdk_python.lambda_service import OperationStatus
from aws_durable_execution_sdk_python.plugin import (
    DurableInstrumentationPlugin,
    InvocationStatus,
    OperationType,
    PropagationMetadata,
    UserFunctionOutcome,
)
from aws_durable_execution_sdk_python.retries import RetryPresets, RetryStrategyConfig, create_retry_strategy

HEARD = []
SECOND = Duration.from_seconds(1)
ONCE = StepConfig(retry_strategy=RetryPresets.none())


def operation(info):
    assert type(info.operation_type) is OperationType
    assert type(info.status) is OperationStatus
    assert info.sub_type is None or type(info.sub_type) is str
    error = None if info.error is None else [info.error.type, info.error.message]
    return [
        info.operation_id[:6],
        info.operation_type.value,
        info.sub_type,
        info.name,
        (info.parent_id or "")[:6],
        info.is_replayed,
        info.status.value,
        info.result,
        error,
        info.attempt,
        info.end_time is not None,
    ]


def function(info):
    return [*operation(info)[:7], info.attempt, info.is_replay_children]


class Recorder(DurableInstrumentationPlugin):
    def on_invocation_start(self, info):
        known = {identifier[:6]: info.operations[identifier].status.value for identifier in info.operations}
        updated = sorted(each.name or "" for each in info.updated_operations.values())
        HEARD.append(["invocation", info.is_first_invocation, info.execution_input, len(known), updated])

    def on_invocation_end(self, info):
        assert type(info.status) is InvocationStatus
        error = None if info.error is None else [info.error.type, info.error.message]
        HEARD.append(["invocation end", info.status.value, info.execution_result, error, len(info.operations)])

    def on_operation_start(self, info):
        HEARD.append(["start", *operation(info)])

    def on_operation_end(self, info):
        HEARD.append(["end", *operation(info)])

    def on_user_function_start(self, info):
        HEARD.append(["function", *function(info)])

    def on_user_function_end(self, info):
        assert type(info.outcome) is UserFunctionOutcome
        error = None if info.error is None else [info.error.type, info.error.message]
        HEARD.append(["function end", *function(info), info.outcome.value, error])

    def provide_propagation_metadata(self, info):
        HEARD.append(["propagation", info.target_function_name, info.operation_id[:6], info.parent_operation_id])
        return PropagationMetadata(x_amzn_trace_id="Root=1-5759e988-bd862e3fe1be46a994272793")


class Broken(DurableInstrumentationPlugin):
    def on_operation_end(self, info):
        raise RuntimeError("broken")


class Recorders:
    def __init__(self, plugin):
        self.plugin = plugin

    def create_plugin(self, info):
        HEARD.append(["create", info.is_first_invocation])
        return self.plugin()


observed = durable_execution(plugins=[Recorders(Broken), Recorders(Recorder)])


def fail(*_):
    raise ValueError("no")


@observed
def steps(event, context):
    return [context.step(lambda _: 1, name="one"), context.step(lambda _: event["n"])]


@observed
def retried(_event, context):
    def late(step):
        if step.attempt < 3:
            fail()
        return "late"

    strategy = create_retry_strategy(RetryStrategyConfig(initial_delay=SECOND, jitter_strategy=JitterStrategy.NONE))
    return context.step(late, name="late", config=StepConfig(retry_strategy=strategy))


@observed
def failed(_event, context):
    try:
        context.step(fail, name="fails", config=ONCE)
    except StepError:
        context.step(fail, name="fails too", config=ONCE)


@observed
def waited(_event, context):
    context.wait(SECOND, name="first")
    context.wait(SECOND)
    return "done"


@observed
def called_back(_event, context):
    return context.wait_for_callback(lambda _id, _context: None, name="approval")


@observed
def nested(_event, context):
    def inner(child):
        child.step(lambda _: 1, name="work")
        child.wait(SECOND)
        return "inner"

    return context.run_in_child_context(lambda child: child.run_in_child_context(inner, name="inner"), name="outer")


@observed
def mapped(_event, context):
    def item(branch, n, _index, _items):
        return branch.step(lambda _: 6 // n, name="divide", config=ONCE)

    config = MapConfig(max_concurrency=1, completion_config=CompletionConfig.all_completed())
    return context.map([1, 0, 2], item, "all", config).get_results()


@observed
def flat(_event, context):
    config = ParallelConfig(max_concurrency=1, nesting_type=NestingType.FLAT)
    return context.parallel([lambda branch: branch.step(lambda _: 1), lambda _: 2], "all", config).get_results()


@observed
def large(_event, context):
    def body(child):
        child.step(lambda _: 1, name="seed")
        return "x" * 300_000

    text = context.run_in_child_context(body, name="large")
    context.wait(SECOND)
    return len(text)


@observed
def stock(event, context):
    return event["n"]


@observed
def invoked(_event, context):
    return context.invoke("stock:1", {"n": 2}, name="ask")
