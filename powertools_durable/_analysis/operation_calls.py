"""Reads calls of durable operations: their names, what decides that they are made, and the functions they run."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from types import FunctionType

from powertools_durable._analysis.abstract_values import CLEAN, UNKNOWN, Closure, Scope, Taint, Value
from powertools_durable._analysis.durable_operations import OPERATIONS, REPLAYED, STEPS
from powertools_durable._analysis.reading_state import State, StepCall
from powertools_durable._analysis.user_code import closure_of

__all__ = ["operation"]

_CONTEXT = Value(kind="context")
_CONTEXT_NAMES = {"ctx", "context", "child"}
_RUN_IN_STEPS = {*STEPS, "defer", "undo"}
_WITH_FUNCTION = {*_RUN_IN_STEPS, *REPLAYED} - {"race", "parallel"}


@dataclass(eq=False, slots=True)
class _Operation:
    """A call of a durable operation: its arguments by the ids of their nodes, and its keywords."""

    state: State
    scope: Scope
    node: ast.Call
    method: str
    shown: str
    values: dict[int, Value]
    words: dict[str, Value]

    @property
    def arguments(self) -> list[ast.expr]:
        """The arguments of its function, or of the operation itself if it runs none."""
        return self.node.args[1:] if self.method in _WITH_FUNCTION else self.node.args

    def taints(self) -> frozenset[Taint]:
        """Return the taints of its arguments; a function has none that matter before it runs."""
        values = [*(self.values[id(one)] for one in self.arguments), *self.words.values()]
        return frozenset[Taint]().union(*(value.taints for value in values))


def operation(state: State, scope: Scope, node: ast.Call, method: str) -> Value:
    """Return what is known of the result of a durable operation, which its record holds."""
    shown = state.shown(scope, node)
    if method in OPERATIONS:
        state.operation(shown)
    values = {id(argument): state.evaluate(state, scope, argument) for argument in node.args}
    words = {word.arg or "": state.evaluate(state, scope, word.value) for word in node.keywords}
    one = _Operation(state, scope, node, method, shown, values, words)
    for value in _names(one):
        state.decides(value.taints, f"decides the name of {shown}", 3)
    state.used(one.taints())
    if node.args:
        _run_functions(one, values[id(node.args[0])])
    return CLEAN


def _names(one: _Operation) -> Iterator[Value]:
    """Yield what the name of the operation, or that of a branch of it, is made of."""
    if "name" in one.words:
        yield one.words["name"]
    if one.method in {"patched", "invoke"} and one.node.args:
        yield one.values[id(one.node.args[0])]
    if "item_name" in one.words:
        yield _run(one.state, one.words["item_name"], [Value(taints=one.taints()), CLEAN])


def _run_functions(one: _Operation, first: Value) -> None:
    """Read the functions that the operation runs outside of steps, and note those that it runs as steps."""
    if one.method in _RUN_IN_STEPS:
        _step(one, first, one.arguments)
        if "compensate" in one.words:
            _step(one, one.words["compensate"], [])
    elif one.method == "parallel":
        for branch in first.items or (first,):
            one.state.used(branch.taints)
            _run(one.state, branch, [_CONTEXT])
    elif one.method in _WITH_FUNCTION:
        given = [one.values[id(argument)] for argument in one.arguments if not isinstance(argument, ast.Starred)]
        if one.method == "map" and given:
            given = [_item_of(given[0], one.arguments[0], one.scope)]
            one.state.decides(given[0].taints, f"decides what {one.shown} runs", 1)
        one.state.used(_run(one.state, first, [_CONTEXT, *given]).taints)


def _item_of(items: Value, node: ast.expr, scope: Scope) -> Value:
    if items.kind == "set":
        return Value(taints=items.taints | {Taint("set-order", ast.unparse(node), scope.file, node.lineno)})
    return Value(taints=items.taints)


def _step(one: _Operation, function: Value, arguments: list[ast.expr]) -> None:
    """Note the body of a step; a function with a context runs in a child context instead."""
    closure = function.closure or (closure_of(function.live) if function.live is not UNKNOWN else None)
    if closure is None:
        return
    if len(closure.parameters) > len(arguments) and _takes_context(closure):
        _run(one.state, function, [_CONTEXT])
        return
    state = one.state
    state.used(_captured(closure))
    loop = state.loops[0] if state.loops else None
    state.steps.append(StepCall(one.shown, one.node, function, arguments, one.scope, state.targets, loop))


def _takes_context(closure: Closure) -> bool:
    first = closure.parameters[0]
    annotation = ast.unparse(first.annotation) if first.annotation is not None else ""
    return first.arg in _CONTEXT_NAMES or "DurableContext" in annotation


def _captured(closure: Closure) -> frozenset[Taint]:
    """Return the taints of the variables around a function that it reads."""
    if closure.scope is None:
        return frozenset()
    found: frozenset[Taint] = frozenset()
    own = {parameter.arg for parameter in ast.walk(closure.node.args) if isinstance(parameter, ast.arg)}
    for node in ast.walk(closure.node):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id not in own:
            holder = closure.scope.holder(node.id)
            if holder is not None:
                found |= holder.names[node.id].taints
    return found


def _run(state: State, function: Value, given: list[Value]) -> Value:
    closure = function.closure or (closure_of(function.live) if function.live is not UNKNOWN else None)
    if closure is None:
        return CLEAN
    bound = [function.owner] if function.owner is not None and isinstance(function.live, FunctionType) else []
    return state.run(state, closure, [*bound, *function.given, *given], {})[0]
