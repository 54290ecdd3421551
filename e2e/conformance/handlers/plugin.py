"""Suite "plugin": what a plugin hears, printed as lines of JSON."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from handlers.common import ONE_SECOND, BrokenError, broken, logger
from powertools_durable import DurableContext, Retry, current_step, durable
from powertools_durable._protocol.operation import ErrorObject
from powertools_durable.plugins import AttemptInfo, InvocationInfo, OperationInfo, Plugin

Line = dict[str, Any] | None


class Change(NamedTuple):
    """One changed record of those that a hook is told of at once."""

    execution_arn: str
    record: Any
    operations: Mapping[str, Any]


class Printing(Plugin):
    """Prints a line for each hook that it is given words for."""

    def __init__(self, name: str = "CONFPLUGIN", **words: Callable[[Any], Line]) -> None:
        self._name = name
        self._words = words

    def _say(self, hook: str, info: Any) -> None:
        words = self._words.get(hook)
        line = words(info) if words else None
        if line is not None:
            shown = {"plugin": self._name, "hook": hook.replace("_", "-"), "durableExecutionArn": info.execution_arn}
            sys.stdout.write(json.dumps(shown | line) + "\n")
            sys.stdout.flush()

    def on_invocation_start(self, info: Any) -> None:
        self._say("invocation_start", info)

    def on_invocation_end(self, info: Any) -> None:
        self._say("invocation_end", info)

    def on_operation_start(self, info: Any) -> None:
        self._say("operation_start", info)

    def on_operation_end(self, info: Any) -> None:
        self._say("operation_end", info)

    def on_user_function_start(self, info: Any) -> None:
        self._say("attempt_start", info)
        self._say("fn_start", info)

    def on_user_function_end(self, info: Any) -> None:
        self._say("attempt_end", info)
        self._say("fn_end", info)

    def on_operation_change(self, info: Any) -> None:
        for record in info.updated.values():
            self._say("operation_change", Change(info.execution_arn, record, info.operations))


class Faulty(Printing):
    """Says its line, then fails."""

    def _say(self, hook: str, info: Any) -> None:
        super()._say(hook, info)
        raise BrokenError(f"{hook} fails on purpose")


def only(kind: str, words: Callable[[Any], Line]) -> Callable[[Any], Line]:
    return lambda info: words(info) if kind in {info.type, info.sub_type} else None


def first(info: InvocationInfo) -> Line:
    return {"first": info.is_first}


def status(info: Any) -> Line:
    return {"status": info.outcome}


def nothing(_: object) -> Line:
    return {}


def op(info: OperationInfo) -> Line:
    return {"op": info.id}


def op_status(info: OperationInfo) -> Line:
    return {"op": info.id, "status": info.status}


def greet(name: str) -> str:
    logger.info("Greeting step running for: %s", name)
    return f"Hello, {name}!"


def flaky(*, succeeds_at: int = 2) -> str:
    if current_step().attempt < succeeds_at:
        raise BrokenError("not yet")
    return "ok"


# -- invocations -----------------------------------------------------------------------------------------------

INVOCATIONS = Printing(invocation_start=first, invocation_end=status)


@durable(plugins=[INVOCATIONS])
def invocations(name: str, ctx: DurableContext) -> str:
    return ctx.step(greet, name)


@durable(plugins=[INVOCATIONS])
def failing(event: Any, ctx: DurableContext) -> None:
    ctx.step(broken, retry=Retry.none())


@durable(plugins=[INVOCATIONS])
def one_wait(event: Any, ctx: DurableContext) -> str:
    ctx.wait(2)
    return "Wait completed"


@durable(
    plugins=[
        Printing("CONFPLUGIN-A", invocation_start=nothing, invocation_end=status),
        Printing("CONFPLUGIN-B", invocation_start=nothing, invocation_end=status),
    ]
)
def two_plugins(name: str, ctx: DurableContext) -> str:
    return ctx.step(greet, name)


@durable(
    plugins=[
        Faulty(
            "CONFPLUGIN-FAULTY",
            invocation_start=nothing,
            invocation_end=nothing,
            operation_start=only("STEP", nothing),
            operation_end=only("STEP", nothing),
            attempt_start=only("STEP", nothing),
            attempt_end=only("STEP", nothing),
        )
    ]
)
def faulty(name: str, ctx: DurableContext) -> str:
    return ctx.step(greet, name)


def _ended(info: Any) -> Line:
    return {"first": info.is_first, "terminal": info.outcome in {"SUCCEEDED", "FAILED"}, "status": info.outcome}


@durable(plugins=[Printing(invocation_start=first, invocation_end=_ended)])
def every_end(event: Any, ctx: DurableContext) -> str:
    ctx.wait(2)
    return "Wait completed"


# -- operations ------------------------------------------------------------------------------------------------


@durable(plugins=[Printing(operation_start=only("STEP", op), operation_end=only("STEP", op_status))])
def operations(name: str, ctx: DurableContext) -> str:
    return ctx.step(greet, name)


def _change(change: Change) -> Line:
    record = change.record
    if record.type != "STEP":
        return None
    return {"op": record.id, "status": record.status, "in_full_map": record.id in change.operations}


@durable(plugins=[Printing(operation_change=_change)])
def changes(name: str, ctx: DurableContext) -> str:
    return ctx.step(greet, name)


def _typed(info: OperationInfo) -> Line:
    return {"op": info.id, "type": info.type}


@durable(
    plugins=[
        Printing(
            operation_start=only("WAIT", _typed),
            operation_end=only("WAIT", lambda info: {**(_typed(info) or {}), "status": info.status}),
        )
    ]
)
def waits(event: Any, ctx: DurableContext) -> str:
    ctx.wait(2)
    return "Wait completed"


def _linked(info: OperationInfo) -> Line:
    return {"op": info.id, "parent": info.parent_id or "NONE", "status": info.status}


@durable(plugins=[Printing(operation_end=_linked)])
def linked(name: str, ctx: DurableContext) -> str:
    return ctx.run_in_child_context(lambda child: child.step(greet, name))


@durable(
    plugins=[
        Printing(
            operation_start=only("STEP", lambda info: {"op": info.id, "replay": info.is_replayed}),
            operation_end=only("STEP", op_status),
        )
    ]
)
def replay_flag(event: Any, ctx: DurableContext) -> str:
    ctx.step(lambda: "a", name="step_a")
    ctx.step(flaky, name="step_b", retry=ONE_SECOND)
    return "Operation succeeded"


def _pending(info: OperationInfo) -> Line:
    shown = {"type": info.type, "name": info.name, "replay": info.is_replayed}
    return shown | {"pending": info.status in {None, "STARTED", "PENDING"}}


@durable(
    plugins=[
        Printing(
            operation_start=only("WAIT", _pending),
            operation_end=only("WAIT", lambda info: {"type": "WAIT", "name": info.name, "status": info.status}),
        )
    ]
)
def pending_again(event: Any, ctx: DurableContext) -> list[str]:
    def short(child: DurableContext) -> str:
        child.wait(2, name="short")
        return "short-done"

    def long(child: DurableContext) -> str:
        child.wait(8, name="long")
        return "long-done"

    return ctx.parallel([short, long], name="waits").results


# -- the user's functions --------------------------------------------------------------------------------------


def _branch(info: AttemptInfo) -> Line:
    shown = {"op": info.id, "parent": info.parent_id or "NONE"}
    return shown | ({"outcome": info.outcome} if hasattr(info, "outcome") else {})


@durable(plugins=[Printing(fn_start=only("ParallelBranch", _branch), fn_end=only("ParallelBranch", _branch))])
def branches(event: Any, ctx: DurableContext) -> list[str]:
    return ctx.parallel([lambda _: "task-1", lambda _: "task-2"], name="parallel", max_concurrency=1).results


@durable(
    plugins=[
        Printing(
            attempt_start=only("STEP", lambda info: {"n": info.attempt, "op": info.id}),
            attempt_end=only("STEP", lambda info: {"n": info.attempt, "outcome": info.outcome, "op": info.id}),
            operation_end=only("STEP", op_status),
        )
    ]
)
def exhausted(event: Any, ctx: DurableContext) -> None:
    ctx.step(broken, retry=Retry(max_attempts=2, initial_delay=1, jitter="none"))


# -- the shape of what a hook is told --------------------------------------------------------------------------

_NAMES = {
    "is_first": "isFirstInvocation",
    "request_id": "requestId",
    "operations": "operationsCount",
    "updated": "updatedOperationsCount",
    "outcome": "outcome",
    "id": "id",
    "name": "name",
    "type": "type",
    "sub_type": "subType",
    "parent_id": "parentId",
    "status": "status",
    "ended_at": "endTimestamp",
    "error": "error",
    "attempt": "attempt",
    "is_replayed": "isReplay",
    "is_replay_children": "isReplayingChildren",
}


def dump(info: Any) -> dict[str, Any]:
    """Return every field of *info* that is set, under the requirements' names."""
    invocation = isinstance(info, InvocationInfo)
    names = _NAMES | {"started_at": "executionStartTimestamp" if invocation else "startTimestamp"}
    if invocation:
        names |= {"outcome": "status", "error": "executionError"}
    found: dict[str, Any] = {}
    for field in dataclasses.fields(info):
        value = getattr(info, field.name)
        if field.name in names and value is not None:
            found[names[field.name]] = _shown(value)
    return found


def _shown(value: Any) -> Any:
    match value:
        case datetime():
            return value.isoformat()
        case ErrorObject():
            return value.error_message
        case Mapping() | frozenset():
            return len(value)
        case _:
            return value


def _dump_end(info: Any) -> Line:
    return dump(info) | {"terminal": info.outcome in {"SUCCEEDED", "FAILED"}}


@durable(plugins=[Printing(invocation_start=dump, invocation_end=_dump_end)])
def invocation_shape(name: str, ctx: DurableContext) -> str:
    ctx.wait(2)
    return f"done-{name}"


@durable(plugins=[Printing(operation_start=only("STEP", dump), operation_end=only("STEP", dump))])
def operation_shape(event: Any, ctx: DurableContext) -> str:
    return ctx.step(lambda: "task-a", name="greet")


@durable(plugins=[Printing(attempt_start=only("STEP", dump), attempt_end=only("STEP", dump))])
def attempt_shape(event: Any, ctx: DurableContext) -> str:
    return ctx.step(flaky, retry=Retry(max_attempts=2, initial_delay=1, jitter="none"))


@durable(plugins=[Printing(operation_start=only("CONTEXT", dump), fn_start=only("CONTEXT", dump))])
def context_shape(event: Any, ctx: DurableContext) -> list[str]:
    def first_branch(child: DurableContext) -> str:
        child.step(lambda: "x", name="inner")
        child.wait(2)
        return "a-done"

    named = {"branch-a": first_branch, "branch-b": lambda _: "b-done"}
    return ctx.parallel(named, name="ctx", max_concurrency=1).results
