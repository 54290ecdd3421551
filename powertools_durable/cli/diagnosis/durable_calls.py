"""Checks a handler's durable calls: whether their functions take the arguments, and whether they have names."""

from __future__ import annotations

import ast
import inspect
from collections import defaultdict
from collections.abc import Iterator
from difflib import get_close_matches
from functools import partial
from types import FunctionType, MethodType
from typing import Any, get_origin

from powertools_durable._contexts.async_context import AsyncDurableContext
from powertools_durable._contexts.blocking import DurableContext
from powertools_durable._contexts.core import LAMBDA_NAMES
from powertools_durable._functions import fits, innermost
from powertools_durable.cli.diagnosis.finding import Finding
from powertools_durable.cli.diagnosis.source import DurableCall, Source
from powertools_durable.serdes.models import annotation_of

__all__ = ["calls"]

_SUBJECT = "calls"
# What the operation passes to its function before the arguments of the call.
_PASSES = {
    "step": (),
    "run_in_child_context": ("the child context",),
    "child_context": ("the child context",),
    "with_retry": ("the child context",),
    "wait_for_callback": ("the callback id",),
}
_PASSES_ALL = {
    "map": ("the child context", "the item"),
    "parallel": ("the child context",),
    "wait_for_condition": ("the state",),
}
_KINDS = {
    "wait": "wait",
    "wait_until": "wait",
    "create_callback": "callback",
    "invoke": "invoke",
    "step": "step",
    "run_in_child_context": "context",
    "child_context": "context",
}
_NAMED_BY_FUNCTION = {"step", "run_in_child_context", "child_context"}


def calls(source: Source) -> Iterator[Finding]:
    """Yield calls that can't work, and those that a changed handler could take for another one."""
    unnamed: dict[str, list[DurableCall]] = defaultdict(list)
    for call in source.calls:
        if not hasattr(_context_class(source), call.method):
            yield _unknown(source, call)
            continue
        yield from [*_wrong_arguments(source, call)] or _uncallable(source, call)
        kind = _KINDS.get(call.method)
        if kind is not None and _is_unnamed(call):
            unnamed[kind].append(call)
    for kind, twins in unnamed.items():
        if len(twins) > 1 or twins[0].in_loop:
            places = ", ".join(source.place(call.node) for call in twins)
            message = f"several operations of kind {kind} have no name, at {places}: a replay can't tell them apart"
            advice = "pass name=..., so that a change of their order is detected"
            yield Finding.warning(_SUBJECT, message, advice, source.at(twins[0].node), "unnamed")


def _context_class(source: Source) -> type[DurableContext | AsyncDurableContext]:
    return AsyncDurableContext if source.is_async else DurableContext


def _unknown(source: Source, call: DurableCall) -> Finding:
    context = _context_class(source)
    article = "an" if source.is_async else "a"
    no_such = f"{call.shown}() at {source.place(call.node)}: {article} {context.__name__} has no {call.method!r}"
    if call.method in LAMBDA_NAMES:
        message = f"{no_such}; Lambda's context has"
        advice = f"write {call.shown.replace('.', '.lambda_context.', 1)}()"
        return Finding.error(_SUBJECT, message, advice, source.at(call.node), "no-such-method")
    close = get_close_matches(call.method, [name for name in dir(context) if name[0] != "_"], n=1)
    advice = f"did you mean {close[0]!r}?" if close else "see the reference of the class"
    return Finding.error(_SUBJECT, no_such, advice, source.at(call.node), "no-such-method")


def _wrong_arguments(source: Source, call: DurableCall) -> Iterator[Finding]:
    """Yield wrong arguments: keywords meant for the function, and a call in place of the function."""
    known = inspect.signature(getattr(_context_class(source), call.method)).parameters
    function = ast.unparse(call.node.args[0]) if call.node.args else "func"
    for keyword in call.node.keywords:
        if keyword.arg is not None and keyword.arg not in known:
            message = f"{call.shown}() at {source.place(call.node)} has no option {keyword.arg!r}"
            advice = f"to pass it to the function: functools.partial({function}, {keyword.arg}=...)"
            yield Finding.error(_SUBJECT, message, advice, source.at(call.node), "arguments")
    if call.method in {*_PASSES, *_PASSES_ALL} - {"parallel"} and call.node.args:
        first = call.node.args[0]
        if isinstance(first, ast.Call) and _returns_no_function(source.value(first.func)):
            name = ast.unparse(first.func)
            message = f"{call.shown}() at {source.place(call.node)} gets what {name}() returns, not the function"
            advice = f"leave out the parentheses: {call.shown}({name}, ...)"
            yield Finding.error(_SUBJECT, message, advice, source.at(call.node), "arguments")


def _returns_no_function(function: Any) -> bool:
    """Return whether *function* certainly returns something that is not callable."""
    if not isinstance(function, FunctionType):
        return False
    annotation = annotation_of(function)
    cls = get_origin(annotation) or annotation
    if not isinstance(cls, type) or cls in {object, Any}:
        return False
    return not any("__call__" in vars(base) for base in cls.__mro__)


def _uncallable(source: Source, call: DurableCall) -> Iterator[Finding]:
    """Yield functions that do not take the arguments that the operation passes."""
    arguments = call.node.args
    if not arguments or any(isinstance(argument, ast.Starred) for argument in arguments):
        return
    first, more = arguments[0], len(arguments) - 1
    if call.method in _PASSES:
        passes = [
            *_PASSES[call.method],
            *(["your argument"] if more == 1 else [f"your {more} arguments"] if more else []),
        ]
        yield from _checked(source, call, first, passes, len(_PASSES[call.method]) + more)
    elif call.method in _PASSES_ALL:
        passed = _PASSES_ALL[call.method]
        branches = first.elts if call.method == "parallel" and isinstance(first, ast.List | ast.Tuple) else [first]
        for branch in branches:
            yield from _checked(source, call, branch, list(passed), len(passed))
        if call.method == "map" and more and _is_function(source.value(arguments[1])):
            message = f"{call.shown}() at {source.place(call.node)} has the function second"
            advice = f"pass the function first, then the items: {call.shown}(func, items)"
            yield Finding.error(_SUBJECT, message, advice, source.at(call.node), "arguments")


def _checked(source: Source, call: DurableCall, node: ast.expr, passes: list[str], count: int) -> Iterator[Finding]:
    function = source.value(node)
    if not _is_function(function):
        return
    if inspect.iscoroutinefunction(innermost(function)) and not source.is_async:
        message = f"{call.shown}() at {source.place(call.node)} calls {ast.unparse(node)}(), which is async"
        advice = "a 'def' handler takes 'def' functions; call asyncio.run(...) in one of them"
        yield Finding.error(_SUBJECT, message, advice, source.at(call.node), "arguments")
        return
    if not fits(function, count, follow_wrapped=True):
        name = ast.unparse(node)
        called = f"{call.shown}() at {source.place(call.node)} calls {name}() with {' and '.join(passes) or 'nothing'}"
        message = f"{called}, which it does not take"
        advice = f"its signature is {name}{inspect.signature(function)}; change it to take them"
        yield Finding.error(_SUBJECT, message, advice, source.at(call.node), "arguments")


def _is_function(value: Any) -> bool:
    return isinstance(value, FunctionType | MethodType | partial)


def _is_unnamed(call: DurableCall) -> bool:
    for keyword in call.node.keywords:
        if keyword.arg == "name":
            return isinstance(keyword.value, ast.Constant) and not keyword.value.value
        if keyword.arg is None:  # **options may contain a name
            return False
    if call.method not in _NAMED_BY_FUNCTION:
        return True
    return bool(call.node.args) and isinstance(call.node.args[0], ast.Lambda)
