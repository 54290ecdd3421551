"""Checks the source of an ``async def`` handler and of the ``async def`` functions that it uses.

It finds calls that block the event loop, code that does something else at each replay, and syntax of ``def`` handlers.
"""

from __future__ import annotations

import ast
import inspect
import time
from collections.abc import Iterator
from types import FunctionType
from typing import Any

from powertools_durable._contexts.awaited import DURABLE_METHODS
from powertools_durable._functions import innermost
from powertools_durable.cli.diagnosis.finding import Finding
from powertools_durable.cli.diagnosis.source import Source
from powertools_durable.parser.determinism import limits_by_clock

__all__ = ["coroutines"]

_SUBJECT = "async"
_CONTEXT_NAMES = {"ctx", "context", "child"}  # parameters without an annotation that are taken for contexts
_BLOCKS = {"batch", "saga"}
_BLOCKING_MODULES = {"requests", "urllib3", "httpx"}
_BLOCKING_CLASSES = {  # by the module and the name of one of their bases
    ("botocore.client", "BaseClient"),
    ("boto3.resources.base", "ServiceResource"),
    ("requests.sessions", "Session"),
    ("httpx", "Client"),
}
_MAKERS = {"boto3.client", "boto3.resource", "requests.Session", "requests.session", "httpx.Client"}


def coroutines(source: Source) -> Iterator[Finding]:
    """Yield the findings of an async handler; for a ``def`` handler only ``async with`` on its context."""
    if not source.is_async:
        for block in source.nodes(ast.AsyncWith):
            yield from _blocks(source, block, asynchronous=False)
        return
    for one in _reachable(source):
        yield from _Reading(one, is_handler=one is source).findings()


def _reachable(handler: Source) -> Iterator[Source]:
    """Yield the source of the handler and, each once, of the async functions that it reaches by name."""
    seen: set[Any] = set()
    waiting = [handler]
    while waiting:
        source = waiting.pop(0)
        if source.code in seen:
            continue
        seen.add(source.code)
        yield source
        for node in source.nodes(ast.Name, ast.Attribute):
            value = source.value(node)
            found = innermost(value) if callable(value) else None
            if isinstance(found, FunctionType) and inspect.iscoroutinefunction(found) and _is_same_code(source, found):
                waiting.append(Source(found))


def _is_same_code(source: Source, function: FunctionType) -> bool:
    """Return whether a function belongs to the user's program, not to a library."""
    top = source.module.partition(".")[0]
    return function.__module__.partition(".")[0] == top


class _Reading:
    """Reads one function and its nested async functions."""

    def __init__(self, source: Source, *, is_handler: bool) -> None:
        self._source = source
        self._is_handler = is_handler
        self._contexts = {*source.contexts} | _CONTEXT_NAMES
        self._clients = {
            target.id
            for node in source.nodes(ast.Assign)
            if isinstance(node.value, ast.Call) and ast.unparse(node.value.func) in _MAKERS
            for target in node.targets
            if isinstance(target, ast.Name)
        }

    def findings(self) -> Iterator[Finding]:
        for call in self._source.nodes(ast.Call):
            yield from self._of_call(call)
        for block in self._source.nodes(ast.With):
            yield from _blocks(self._source, block, asynchronous=True, contexts=self._contexts)
        for name, limit in limits_by_clock(self._source.nodes(ast.AsyncWith, ast.Call), self._is_durable):
            yield self._clock_finding(name, limit)
        for loop in self._source.nodes(ast.While):
            yield from self._of_loop(loop)
        for line in self._source.nodes(ast.Expr):
            if isinstance(line.value, ast.Call) and self._is_durable(line.value, DURABLE_METHODS):
                message = f"{ast.unparse(line.value.func)}() at {self._source.place(line)} is not awaited"
                advice = "write 'await' before it, or assign it and await it later"
                yield Finding.warning(_SUBJECT, message, advice, self._source.at(line), "not-awaited")

    # -- calls -----------------------------------------------------------------------------------------------

    def _of_call(self, call: ast.Call) -> Iterator[Finding]:
        function, name, place = self._source.value(call.func), ast.unparse(call.func), self._source.place(call)
        if _is(function, "asyncio.runners", "run"):
            message = f"asyncio.run() at {place} raises an error, because an event loop runs already"
            yield Finding.error(_SUBJECT, message, "await the coroutine", self._source.at(call), "asyncio-run")
        elif function is time.sleep and not self._is_own(call):  # `Source` finds it in the handler's own lines
            message = f"{name}() at {place} {_BLOCKED}"
            yield Finding.warning(_SUBJECT, message, "await asyncio.sleep(...)", self._source.at(call), "blocking")
        elif self._blocks_the_loop(call.func, function):
            message = f"{name}() at {place} {_BLOCKED}"
            advice = "call it in a 'def' function of a step, which runs on a thread"
            yield Finding.warning(_SUBJECT, message, advice, self._source.at(call), "blocking")

    def _is_own(self, node: ast.AST) -> bool:
        """Return whether *node* is in the handler's own lines, which run in each replay; others may be in a step."""
        return self._is_handler and self._source.is_own(node)

    def _blocks_the_loop(self, node: ast.expr, function: Any) -> bool:
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            owner = self._source.value(node.value)
            if node.value.id in self._clients or (owner is not None and _is_blocking_client(owner)):
                return node.attr not in {"close", "meta", "exceptions"}
        if not isinstance(function, FunctionType) or inspect.iscoroutinefunction(function):
            return False
        module = function.__module__
        return module.partition(".")[0] in _BLOCKING_MODULES or _is(function, "urllib.request", "urlopen")

    def _is_durable(self, call: ast.AST, methods: frozenset[str] = DURABLE_METHODS) -> bool:
        match call:
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=attr)):
                return name in self._contexts and attr in methods
            case _:
                return False

    # -- blocks ----------------------------------------------------------------------------------------------

    def _clock_finding(self, name: str, node: ast.AST) -> Finding:
        place = self._source.place(node)
        message = f"{name}() at {place} limits a durable call by the clock, which starts again in each replay"
        advice = "await ctx.race({...: the call, 'late': ctx.wait(...)})"
        return Finding.warning(_SUBJECT, message, advice, self._source.at(node), "timeout")

    def _of_loop(self, loop: ast.While) -> Iterator[Finding]:
        calls = list(_calls_in([loop.test])), list(_calls_in(loop.body))
        names = [{call.func.attr for call in part if isinstance(call.func, ast.Attribute)} for part in calls]
        if "done" in names[0] and "sleep" in names[1]:
            message = f"the loop at {self._source.place(loop)} polls whether a task is done"
            yield Finding.warning(_SUBJECT, message, "await the task", self._source.at(loop), "polling")
        if names[1] & {"get", "get_nowait"} and any(map(self._is_durable, calls[1])) and self._is_queue(calls[1]):
            message = (
                f"the loop at {self._source.place(loop)} takes items from a queue and makes durable calls for them: "
                "which worker takes which item is repeated only if nothing but durable calls decides it"
            )
            advice = "ctx.map(func, items, max_concurrency=...) has one branch for each item"
            yield Finding.warning(_SUBJECT, message, advice, self._source.at(loop), "queue")

    def _is_queue(self, calls: list[ast.Call]) -> bool:
        """Return whether ``get`` is that of a queue: called without arguments."""
        return any(
            isinstance(call.func, ast.Attribute)
            and call.func.attr in {"get", "get_nowait"}
            and not call.args
            and not call.keywords
            for call in calls
        )


_BLOCKED = "blocks the event loop: no other task runs meanwhile, and no checkpoint is received"


def _is(function: Any, module: str, name: str) -> bool:
    return isinstance(function, FunctionType) and (function.__module__, function.__name__) == (module, name)


def _is_blocking_client(value: Any) -> bool:
    bases = type(value).__mro__
    return any((cls.__module__, cls.__name__) in _BLOCKING_CLASSES for cls in bases) or any(
        cls.__name__ == "Client" and cls.__module__.startswith("httpx") for cls in bases
    )


def _blocks(
    source: Source, block: ast.With | ast.AsyncWith, *, asynchronous: bool, contexts: set[str] | None = None
) -> Iterator[Finding]:
    """Yield batches and sagas with the ``with`` of the other kind of handler."""
    for item in block.items:
        match item.context_expr:
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=attr)) as call:
                if attr in _BLOCKS and name in (contexts or source.contexts):
                    right = f"{'async ' if asynchronous else ''}with {ast.unparse(call)}:"
                    wrong = "with" if asynchronous else "async with"
                    message = f"'{wrong} {ast.unparse(call)}' at {source.place(call)} raises an error"
                    yield Finding.error(_SUBJECT, message, f"write '{right}'", source.at(call), "async-with")
            case _:
                pass


def _calls_in(nodes: list[Any]) -> Iterator[ast.Call]:
    return (node for part in nodes for node in ast.walk(part) if isinstance(node, ast.Call))
