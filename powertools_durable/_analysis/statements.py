"""Reads statements and functions: what is assigned, what decides that a statement runs, what is returned."""

from __future__ import annotations

import ast
import functools
import sys
from collections.abc import Iterable
from importlib import import_module
from typing import Any

from powertools_durable._analysis.abstract_values import CLEAN, UNKNOWN, Closure, Scope, Taint, Value, joined
from powertools_durable._analysis.expressions import bind, is_set_annotation, iterated, value_of
from powertools_durable._analysis.reading_state import MOST_RUNS, State
from powertools_durable._analysis.vocabulary import is_client_class

__all__ = ["run"]

_CONTEXT_NAMES = {"ctx", "context", "child"}
_DEPTH = 20
_MUTABLE = (dict, list, set)


# -- functions ------------------------------------------------------------------------------------------------


def run(state: State, closure: Closure, args: list[Value], kwargs: dict[str, Value]) -> tuple[Value, list[Value]]:
    """Read a call of a function; return its result, and its parameters as they are at its end."""
    key = (
        id(closure.node),
        state.is_background,
        tuple(value.key for value in args),
        tuple((k, v.key) for k, v in kwargs.items()),
    )
    if key in state.memory and closure.scope is None:
        value, after, last = state.memory[key]
        if last:
            state.operation(last)
        return value, after
    taints = frozenset[Taint]().union(*(value.taints for value in (*args, *kwargs.values())))
    recursive = sum(one[0] == key[0] for one in state.running) > 1
    if key in state.running or recursive or len(state.running) > _DEPTH or state.runs > MOST_RUNS:
        return Value(taints=taints), args
    state.runs += 1
    before = state.operations
    scope = Scope(closure.file, closure.namespace, closure.scope)
    scope.is_async = isinstance(closure.node, ast.AsyncFunctionDef)
    _bind_parameters(closure, scope, args, kwargs)
    state.running.append(key)
    state.frames.append(scope)
    state.bases.append(len(state.deciding))
    try:
        if isinstance(closure.node, ast.Lambda):
            scope.returned.append(state.evaluate(state, scope, closure.node.body))
        else:
            execute(state, scope, closure.node.body)
    finally:
        state.bases.pop()
        state.frames.pop()
        state.running.pop()
    value = joined(*scope.returned) if scope.returned else CLEAN
    after = [scope.names.get(parameter.arg, CLEAN) for parameter in closure.parameters]
    if closure.scope is None:
        state.memory[key] = (value, after, state.last_operation if state.operations > before else "")
    return value, after


def _bind_parameters(closure: Closure, scope: Scope, args: list[Value], kwargs: dict[str, Value]) -> None:
    parameters = closure.parameters
    for index, parameter in enumerate(parameters):
        given = args[index] if index < len(args) else kwargs.get(parameter.arg)
        scope.names[parameter.arg] = _parameter(closure, parameter, given)
    for parameter in closure.node.args.kwonlyargs:
        scope.names[parameter.arg] = _parameter(closure, parameter, kwargs.get(parameter.arg))
    rest = [*args[len(parameters) :], *kwargs.values()]
    taints = frozenset[Taint]().union(*(value.taints for value in rest))
    for collected in (closure.node.args.vararg, closure.node.args.kwarg):
        if collected is not None:
            scope.names[collected.arg] = Value(taints=taints, items=tuple(args[len(parameters) :]))


def _parameter(closure: Closure, parameter: ast.arg, given: Value | None) -> Value:
    if given is None:
        given = _default(closure, parameter.arg)
    if given.kind or given.live is not UNKNOWN or given.closure is not None:
        return given
    annotation = ast.unparse(parameter.annotation).strip("'\"") if parameter.annotation is not None else ""
    if "DurableContext" in annotation or (not annotation and parameter.arg in _CONTEXT_NAMES):
        return Value(kind="context")
    if is_set_annotation(annotation):
        return Value(kind="set", taints=given.taints)
    if annotation and given.cls is None:
        cls = _named(closure, annotation)
        if isinstance(cls, type):
            return Value(cls=cls, taints=given.taints, items=given.items, kind="client" if is_client_class(cls) else "")
    return given


def _named(closure: Closure, annotation: str) -> Any:
    found: Any = None
    for number, part in enumerate(annotation.split(".")):
        found = closure.namespace.get(part) if number == 0 else getattr(found, part, None)
    return found


def _default(closure: Closure, name: str) -> Value:
    function = closure.function
    if function is None:
        return CLEAN
    names = [parameter.arg for parameter in closure.parameters]
    values = getattr(function, "__defaults__", None) or ()
    defaults = dict(zip(names[len(names) - len(values) :], values, strict=False))
    defaults |= getattr(function, "__kwdefaults__", None) or {}
    if name not in defaults:
        return CLEAN
    origin = (closure.file, closure.name, name) if isinstance(defaults[name], _MUTABLE) else ()
    return value_of(defaults[name], name, origin)


# -- statements -----------------------------------------------------------------------------------------------


def execute(state: State, scope: Scope, statements: Iterable[ast.stmt]) -> bool:
    """Read statements; return whether they certainly leave the block."""
    leaves = False
    for statement in _reachable(statements):
        leaves |= _statement(state, scope, statement)
    return leaves


def _reachable(statements: Iterable[ast.stmt]) -> Iterable[ast.stmt]:
    for statement in statements:
        yield statement
        if isinstance(statement, ast.Return | ast.Raise | ast.Break | ast.Continue):
            return


def _statement(state: State, scope: Scope, node: ast.stmt) -> bool:  # noqa: C901, PLR0912 - one arm for each statement
    match node:
        case ast.Expr(value=value):
            found = state.evaluate(state, scope, value)
            if isinstance(value, ast.Call) and not isinstance(value.func, ast.Attribute):
                state.used(found.taints)
        case ast.Assign(targets=targets, value=value):
            _assign(state, scope, targets, value)
        case ast.AnnAssign(target=target, value=ast.expr() as value, annotation=annotation):
            _assign(state, scope, [target], value, is_set=is_set_annotation(ast.unparse(annotation)))
        case ast.AugAssign(target=target, value=value):
            _augment(state, scope, target, value)
        case ast.Return(value=result):
            if result is not None:
                found = state.evaluate(state, scope, result).with_taints(state.control(scope))
                scope.returned.append(found)
            return True
        case ast.Raise(exc=exc):
            if exc is not None:
                state.evaluate(state, scope, exc)
            return True
        case ast.Break() | ast.Continue():
            return True
        case ast.If():
            return _if(state, scope, node.test, [node.body, node.orelse])
        case ast.Match(subject=subject, cases=cases):
            return _match(state, scope, subject, cases)
        case ast.While() | ast.For() | ast.AsyncFor():
            _loop(state, scope, node)
            execute(state, scope, node.orelse)
        case ast.With(items=items, body=body) | ast.AsyncWith(items=items, body=body):
            for item in items:
                entered = state.evaluate(state, scope, item.context_expr)
                if item.optional_vars is not None:
                    bind(state, scope, item.optional_vars, entered)
            return execute(state, scope, body)
        case ast.Try() | ast.TryStar():
            return _try(state, scope, node)
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            closure = Closure(node, scope.file, scope.namespace, scope)
            scope.names[node.name] = Value(closure=closure)
        case ast.Global(names=names):
            scope.shared.update(dict.fromkeys(names, "global"))
        case ast.Nonlocal(names=names):
            scope.shared.update(dict.fromkeys(names, "nonlocal"))
        case ast.Import() | ast.ImportFrom():
            _import(scope, node)
        case ast.Assert(test=test):
            scope.pending |= state.evaluate(state, scope, test).taints
        case _:
            pass
    return False


def _assign(state: State, scope: Scope, targets: list[ast.expr], node: ast.expr, *, is_set: bool = False) -> None:
    before, state.targets = state.targets, frozenset(one.id for one in targets if isinstance(one, ast.Name))
    value = state.evaluate(state, scope, node)
    state.targets = before
    if is_set and not value.kind:
        value = Value(kind="set", taints=value.taints)
    for target in targets:
        bind(state, scope, target, value)


def _augment(state: State, scope: Scope, target: ast.expr, node: ast.expr) -> None:
    value = state.evaluate(state, scope, node)
    if not isinstance(target, ast.Name):
        bind(state, scope, target, value)
        return
    holder = scope.holder(target.id)
    known = holder.names[target.id] if holder is not None else value_of(scope.namespace.get(target.id, UNKNOWN))
    if known.type in {int, float}:  # a sum does not depend on the order
        value = value.without("set-order")
    if known.origin:
        state.changed.add(known.origin)
    kind = "set" if "set" in {known.kind, value.kind} else ""
    bind(state, scope, target, Value(taints=known.taints | value.taints, kind=kind, cls=known.type))


def _if(state: State, scope: Scope, test: ast.expr, arms: list[list[ast.stmt]]) -> bool:
    taints = state.evaluate(state, scope, test).taints
    return _arms(state, scope, taints, arms)


def _arms(state: State, scope: Scope, taints: frozenset[Taint], arms: list[list[ast.stmt]]) -> bool:
    """Read the arms of a branch, each with the variables from before it."""
    start, ends, leave = dict(scope.names), [], []
    for arm in arms:
        scope.names = dict(start)
        with state.decided_by(taints, "whether"):
            leaves = execute(state, scope, arm)
        leave.append(leaves)
        if not leaves:
            ends.append(scope.names)
    if any(leave) and not all(leave):
        scope.pending |= taints
    scope.names = _merged(ends) if ends else scope.names
    return all(leave)


def _merged(ends: list[dict[str, Value]]) -> dict[str, Value]:
    names = dict.fromkeys(name for end in ends for name in end)
    return {name: joined(*(end[name] for end in ends if name in end)) for name in names}


def _match(state: State, scope: Scope, subject: ast.expr, cases: list[ast.match_case]) -> bool:
    value = state.evaluate(state, scope, subject)
    taints = value.taints
    for case in cases:
        for node in ast.walk(case.pattern):
            name = getattr(node, "name", None) or getattr(node, "rest", None)
            if isinstance(name, str):
                scope.names[name] = Value(taints=value.taints)
        if case.guard is not None:
            taints |= state.evaluate(state, scope, case.guard).taints
    everything = any(isinstance(case.pattern, ast.MatchAs) and case.pattern.pattern is None for case in cases)
    arms = [case.body for case in cases] + ([] if everything else [[]])
    return _arms(state, scope, taints, arms)


def _loop(state: State, scope: Scope, node: ast.While | ast.For | ast.AsyncFor) -> None:
    """Read the body of a loop twice: its second turn reads what its first one has changed."""
    loop, tests = (None, [node.test]) if isinstance(node, ast.While) else (node, [])
    pending = scope.pending
    source = state.evaluate(state, scope, loop.iter) if loop is not None else CLEAN
    is_cancelling = loop is not None and _cancels(loop)
    state.loops.append(node)
    for _ in range(2):
        taints = frozenset[Taint]()
        if loop is not None and not is_cancelling:
            item = iterated(scope, loop.iter, source)
            bind(state, scope, loop.target, item)
            taints = item.taints
        elif loop is not None:
            bind(state, scope, loop.target, CLEAN)
        for test in tests:
            taints |= state.evaluate(state, scope, test).taints
        start = dict(scope.names)
        with state.decided_by(taints, "how often"):
            execute(state, scope, node.body)
        scope.names = _merged([start, scope.names])
    state.loops.pop()
    left = {type(one) for one in ast.walk(node)} & {ast.Return, ast.Raise}
    if not left:
        scope.pending = pending


def _cancels(loop: ast.For | ast.AsyncFor) -> bool:
    """Tell whether a loop only cancels tasks, in whatever order."""
    return all(
        isinstance(line, ast.Expr)
        and isinstance(line.value, ast.Call)
        and isinstance(line.value.func, ast.Attribute)
        and line.value.func.attr == "cancel"
        for line in loop.body
    )


def _try(state: State, scope: Scope, node: ast.Try | ast.TryStar) -> bool:
    start = dict(scope.names)
    leaves = execute(state, scope, [*node.body, *node.orelse])
    ends = [] if leaves else [scope.names]
    for handler in node.handlers:
        scope.names = _merged([start, scope.names])
        if handler.name is not None:
            scope.names[handler.name] = CLEAN
        if not execute(state, scope, handler.body):
            leaves = False
            ends.append(scope.names)
    scope.names = _merged(ends) if ends else scope.names
    return execute(state, scope, node.finalbody) or leaves


# -- imports --------------------------------------------------------------------------------------------------


def _import(scope: Scope, node: ast.Import | ast.ImportFrom) -> None:
    for alias in node.names:
        name = alias.asname or alias.name.partition(".")[0]
        if isinstance(node, ast.Import):
            module = alias.name if alias.asname else alias.name.partition(".")[0]
            scope.names[name] = _module(module)
        else:
            package = str(scope.namespace.get("__package__") or "")
            base = ".".join(package.split(".")[: len(package.split(".")) - node.level + 1]) if node.level else ""
            source = ".".join(filter(None, (base, node.module or "")))
            module_value = _module(source)
            live = getattr(module_value.live, alias.name, UNKNOWN) if module_value.live is not UNKNOWN else UNKNOWN
            text = f"{source}.{alias.name}"
            scope.names[name] = (
                value_of(live, alias.name, (source, alias.name)) if live is not UNKNOWN else Value(text=text)
            )


@functools.cache
def _standard(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError:  # of another platform
        return UNKNOWN


def _module(name: str) -> Value:
    """Return a module; only those of Python are imported for this."""
    if name in sys.modules:
        return Value(live=sys.modules[name])
    if name.partition(".")[0] in sys.stdlib_module_names:
        live = _standard(name)
        return Value(live=live) if live is not UNKNOWN else Value(text=name)
    return Value(text=name)
