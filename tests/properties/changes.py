"""Code that changes under a running execution: what is done to a program, and what must not come of it (G6)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from inspect import iscoroutinefunction
from typing import Any, NamedTuple

from powertools_durable import DurableContext, durable
from tests.properties.programs import Line, Program, Written, lines_of

CHANGES = ("rename", "insert", "delete", "swap", "retype")

# What a line of one kind is turned into: something of another type or sub type, under the same name.
_RETYPED = {
    "wait": "step",
    "until": "callback",
    "step": "child",
    "poll": "wait",
    "callback": "poll",
    "invoke": "step",
    "child": "map",
    "parallel": "flat",
    "map": "parallel",
}
_NEW = "new"


class Change(NamedTuple):
    """A change of code, deployed between two invocations.

    ``at`` is which line, ``since`` the number of the invocation that is the first to run the changed code.
    """

    kind: str
    at: int
    since: int = 2


def changed(program: Program, change: Change) -> Program:
    """Return *program* as it is after *change*."""
    return tuple(_changed(program, change, iter(range(len(list(lines_of(program)))))))


def _changed(program: Program, change: Change, numbers: Iterator[int]) -> Iterator[Line]:
    held: Line | None = None
    for line in program:
        here = next(numbers) == change.at
        inside = tuple(tuple(_changed(part, change, numbers)) for part in line.inside)
        whole = line._replace(inside=inside)
        if here and change.kind == "swap":
            held = whole
            continue
        yield from _edited(whole, change.kind) if here else [whole]
        if held is not None:
            yield held
            held = None
    if held is not None:
        yield held


def _edited(line: Line, kind: str) -> list[Line]:
    match kind:
        case "rename":
            return [line._replace(name=f"{line.name}-{_NEW}")]
        case "insert":
            return [Line("step", f"{_NEW}-{line.name}"), line]
        case "delete":
            return []
        case _:
            into = _RETYPED.get(line.kind, "step")
            inside = line.inside or ((Line("step", f"{line.name}-{_NEW}"),),)
            return [line._replace(kind=into, inside=inside if into in {"child", "map", "parallel", "flat"} else ())]


class Deployed:
    """A handler whose code changes; what runs is decided by how many invocations there were."""

    def __init__(self, before: Callable[..., Any], after: Callable[..., Any], since: int) -> None:
        versions = (before.__wrapped__, after.__wrapped__)  # type: ignore[attr-defined]

        def version(ctx: DurableContext) -> Any:
            number = int(ctx.lambda_context.aws_request_id.rpartition("-")[2])
            return versions[number >= since]

        @durable
        def handler(event: Any, ctx: DurableContext) -> Any:
            return version(ctx)(event, ctx)

        @durable
        async def async_handler(event: Any, ctx: Any) -> Any:
            return await version(ctx)(event, ctx)

        self.handler = async_handler if iscoroutinefunction(versions[0]) else handler


def deployed(program: Program, change: Change, name: str = "program", *, awaits: bool = False) -> Callable[..., Any]:
    """Return the handler of *program* that becomes that of the changed one."""
    after = Written(changed(program, change), f"{name}-changed", awaits=awaits)
    return Deployed(Written(program, name, awaits=awaits).handler, after.handler, change.since).handler


# -- what is told of results -------------------------------------------------------------------------------------


def mixed(told: Any) -> Iterator[tuple[str, str]]:
    """Yield what was asked for and what came, where they are not of the same line: every result says whose it is."""
    if isinstance(told, dict):
        for asked, got in (pair for lines in told.values() for pair in lines):
            whose = _whose(got)
            if whose is not None and not f"{whose} ".startswith((f"{asked} ", f"{asked}/", f"{asked}-")):
                yield asked, whose
            yield from mixed(got)
    elif isinstance(told, list):
        for part in told:
            yield from mixed(part)


def _whose(got: Any) -> str | None:
    while isinstance(got, list | dict) and got:
        got = next(iter(got))
    return got if isinstance(got, str) else None
