"""A durable handler that runs the program it is given, and a maker of such programs.

A program is a list of operations, as JSON: ``{"do": "step", "name": "a", "result": 1}``. Everything in it is
deterministic, so that wherever it runs, the same execution must come out.
"""

from __future__ import annotations

from random import Random
from typing import Any

from powertools_durable import (
    CompensationError,
    Completion,
    DurableContext,
    Nesting,
    OperationError,
    Polling,
    Retry,
    StepSemantics,
    current_step,
    durable,
)

Program = list[dict[str, Any]]


class ProgramError(Exception):
    """What failing parts of a program raise."""


# -- running a program -----------------------------------------------------------------------------------------


@durable
def echo(event: dict[str, Any], ctx: DurableContext) -> Any:
    """What programs invoke."""
    ctx.wait(1)
    if event.get("fails"):
        raise ProgramError("the echo fails")
    return event["says"]


@durable
def handler(event: dict[str, Any], ctx: DurableContext) -> Any:
    results = _run(event["program"], ctx)
    if event.get("fails"):
        raise ProgramError("the program fails at its end")
    return results


def _run(program: Program, ctx: DurableContext) -> list[Any]:
    return [_caught(operation, ctx) for operation in program]


def _caught(operation: dict[str, Any], ctx: DurableContext) -> Any:
    try:
        return _OPERATIONS[operation["do"]](operation, ctx)
    except (OperationError, ProgramError) as error:
        return f"{type(error).__name__}: {error}"


def _body(operation: dict[str, Any]) -> Any:
    step = current_step()
    if step.attempt <= operation.get("failures", 0):
        raise ProgramError(f"attempt {step.attempt}")
    return operation["result"]


def _step(operation: dict[str, Any], ctx: DurableContext) -> Any:
    once = operation.get("once", False)
    return ctx.step(
        _body,
        operation,
        name=operation["name"],
        retry=Retry(max_attempts=operation.get("attempts", 1), initial_delay=1, backoff_rate=1, jitter="none"),
        semantics=StepSemantics.AT_MOST_ONCE if once else StepSemantics.AT_LEAST_ONCE,
    )


def _wait(operation: dict[str, Any], ctx: DurableContext) -> None:
    ctx.wait(operation["seconds"], name=operation["name"])


def _child(operation: dict[str, Any], ctx: DurableContext) -> Any:
    def body(child: DurableContext) -> Any:
        results = _run(operation["body"], child)
        if operation.get("fails"):
            raise ProgramError(f"{operation['name']} fails")
        return results

    return ctx.run_in_child_context(body, name=operation["name"], virtual=operation.get("virtual", False))


def _parallel(operation: dict[str, Any], ctx: DurableContext) -> Any:
    def branch(body: Program) -> Any:
        def run(child: DurableContext) -> Any:
            results = _run(body, child)
            if any(part.get("breaks") for part in body):
                raise ProgramError("a branch fails")
            return results

        return run

    batch = ctx.parallel(
        [branch(body) for body in operation["branches"]],
        name=operation["name"],
        max_concurrency=operation["concurrency"],
        nesting=Nesting(operation["nesting"]),
        completion=Completion.all_completed(),
    )
    return [batch.completion_reason, batch.results, [str(error) for error in batch.errors]]


def _map(operation: dict[str, Any], ctx: DurableContext) -> Any:
    def each(child: DurableContext, item: int) -> int:
        return child.step(lambda: item * 10, name="tenfold")

    batch = ctx.map(
        each,
        operation["items"],
        name=operation["name"],
        max_concurrency=1,
        completion=Completion(min_successful=operation["enough"]),
    )
    return [batch.completion_reason, batch.results]


def _race(operation: dict[str, Any], ctx: DurableContext) -> Any:
    """Enough branches end at once, the others never."""

    def each(child: DurableContext, ends: int) -> int:
        child.step(lambda: ends, name="begin")
        child.wait(1 if ends else 3600)
        return ends

    batch = ctx.map(
        each,
        operation["items"],
        name=operation["name"],
        max_concurrency=operation["concurrency"],
        nesting=Nesting(operation["nesting"]),
        completion=Completion(min_successful=sum(operation["items"])),
    )
    return [batch.completion_reason, [item.status for item in batch], batch.results]


def _large(operation: dict[str, Any], ctx: DurableContext) -> Any:
    """Results too large for their record: the code runs again over what is in it."""
    page = "x" * 90_000

    def body(child: DurableContext) -> str:
        return "".join(child.step(lambda: page, name=f"page {number}") for number in range(3))

    def each(child: DurableContext, number: int) -> str:
        return child.step(lambda: page, name="page")

    if operation["nesting"] is None:
        found = ctx.run_in_child_context(body, name=operation["name"], summary=lambda text: f"{len(text)} characters")
    else:
        nesting = Nesting(operation["nesting"])
        found = "".join(ctx.map(each, range(3), name=operation["name"], nesting=nesting, max_concurrency=1).results)
    ctx.wait(1)
    return len(found)


def _invoke(operation: dict[str, Any], ctx: DurableContext) -> Any:
    return ctx.invoke("echo:1", operation["payload"], name=operation["name"])


def _ask(operation: dict[str, Any], ctx: DurableContext) -> Any:
    """Somebody outside says what the name says."""
    return ctx.wait_for_callback(lambda _id: None, name=operation["name"])


def _poll(operation: dict[str, Any], ctx: DurableContext) -> Any:
    polling = Polling(
        lambda state: state >= operation["until"], max_attempts=operation["attempts"], initial_delay=1, jitter="none"
    )
    return ctx.wait_for_condition(lambda state: state + 1, initial=0, polling=polling, name=operation["name"])


def _saga(operation: dict[str, Any], ctx: DurableContext) -> Any:
    undone: list[Any] = []

    def undo(value: Any) -> None:
        undone.append(value)
        if value == operation.get("stuck"):
            raise ProgramError("can't be undone")

    try:
        with ctx.saga():
            for number in range(operation["steps"]):
                ctx.step_with_compensation(lambda n=number: n, compensate=undo, name=f"{operation['name']} {number}")
            raise ProgramError("the saga fails")
    except CompensationError as error:
        return [item.status for item in error.result.items]  # type: ignore[attr-defined]
    except ProgramError as error:
        return str(error)


def _batch(operation: dict[str, Any], ctx: DurableContext) -> Any:
    with ctx.batch():
        return _run(operation["body"], ctx)


def _callback(operation: dict[str, Any], ctx: DurableContext) -> Any:
    """Nobody answers."""
    callback = ctx.create_callback(name=operation["name"], timeout=operation["seconds"])
    return callback.result()


def _patch(operation: dict[str, Any], ctx: DurableContext) -> bool:
    return ctx.patched(operation["name"])


_OPERATIONS = {
    "step": _step,
    "wait": _wait,
    "child": _child,
    "parallel": _parallel,
    "map": _map,
    "race": _race,
    "large": _large,
    "invoke": _invoke,
    "ask": _ask,
    "poll": _poll,
    "saga": _saga,
    "batch": _batch,
    "callback": _callback,
    "patch": _patch,
}


# -- making one ------------------------------------------------------------------------------------------------

_RESULTS: tuple[Any, ...] = (None, True, 0, -1.5, "", "ü 𝄞", [1, [2, "a"]], {"a": {"b": [None]}}, "x" * 2000)


class Maker:
    """Makes programs that a seed decides."""

    def __init__(self, seed: int) -> None:
        self._random = Random(f"program {seed}")
        self._names = 0

    def event(self) -> dict[str, Any]:
        """Make a whole event."""
        return {"program": self.program(depth=2), "fails": self._random.random() < 0.15}

    def program(self, depth: int) -> Program:
        """Make some operations, with contexts nested at most *depth* deep."""
        kinds = ["step"] * 4 + ["wait", "poll", "saga", "batch", "callback", "patch", "ask", "invoke", "large"]
        kinds += ["child", "child", "parallel", "map", "race"] if depth else []
        return [self._operation(self._random.choice(kinds), depth) for _ in range(self._random.randint(1, 4))]

    def _operation(self, kind: str, depth: int) -> dict[str, Any]:  # noqa: C901, PLR0912 - a row for each kind
        draw = self._random
        self._names += 1
        operation: dict[str, Any] = {"do": kind, "name": f"{kind} {self._names}"}
        match kind:  # what a kind has besides its name
            case "step":
                operation |= self._outcome() | {"once": draw.random() < 0.25}
            case "wait":
                operation["seconds"] = draw.randint(1, 2)
            case "child":
                operation |= {"body": self.program(depth - 1), "fails": draw.random() < 0.2}
                operation["virtual"] = draw.random() < 0.2
            case "parallel":
                operation |= {"nesting": draw.choice(list(Nesting)).value, "concurrency": draw.choice([1, 2, None])}
                operation["branches"] = [self.program(depth - 1) for _ in range(draw.randint(1, 3))]
                if draw.random() < 0.3:
                    operation["branches"][0][0]["breaks"] = True
            case "map":
                items = list(range(draw.randint(1, 4)))
                operation |= {"items": items, "enough": draw.randint(1, len(items))}
            case "race":
                # With one free slot those that end come one by one, and the last branch never begins.
                endless = draw.randint(1, 2)
                items = [0] * endless + [1] * draw.randint(1, 2) + [0]
                slots = draw.choice([endless + 1, None])
                operation |= {"items": items, "concurrency": slots, "nesting": draw.choice(list(Nesting)).value}
            case "large":
                operation["nesting"] = draw.choice([None, *(nesting.value for nesting in Nesting)])
            case "invoke":
                operation["payload"] = draw.choice([{"says": result} for result in _RESULTS] + [{"fails": True}])
            case "ask":
                operation["name"] += draw.choice([" yes", " no"])
            case "poll":
                operation |= {"until": draw.randint(1, 3), "attempts": 2}
            case "saga":
                operation |= {"steps": draw.randint(1, 3), "stuck": draw.choice([None, 0])}
            case "batch":
                operation["body"] = [self._operation("step", 0) for _ in range(draw.randint(1, 3))]
            case "callback":
                operation["seconds"] = 1
            case _:
                pass
        return operation

    def _outcome(self) -> dict[str, Any]:
        draw = self._random
        outcome: dict[str, Any] = {"result": draw.choice(_RESULTS)}
        if draw.random() < 0.3:
            outcome |= {"failures": draw.randint(1, 2), "attempts": draw.randint(1, 3)}
        return outcome
