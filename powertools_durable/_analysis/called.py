"""Reads calls of functions: the user's are followed, others are known by their names."""

from __future__ import annotations

import ast
import inspect
from functools import partial
from types import FunctionType

from powertools_durable._analysis.abstract_values import CLEAN, UNKNOWN, Scope, Taint, Value, joined
from powertools_durable._analysis.durable_operations import OPERATIONS
from powertools_durable._analysis.library_calls import FunctionCall, of_library
from powertools_durable._analysis.operation_calls import operation
from powertools_durable._analysis.reading_state import State
from powertools_durable._analysis.user_code import closure_of, is_project_class
from powertools_durable._analysis.vocabulary import MUTATORS, rule_of
from powertools_durable.parser.lint import unstable_fields

__all__ = ["call"]


def call(state: State, scope: Scope, node: ast.Call) -> Value:
    """Return what is known of what a call returns."""
    if isinstance(node.func, ast.Attribute):
        known = _of_kind(state, scope, node, node.func)
        if known is not None:
            return known
    function = state.evaluate(state, scope, node.func)
    before, state.is_background = state.is_background, state.is_background or _begins_task(node)
    args = [state.evaluate(state, scope, argument) for argument in node.args]
    state.is_background = before
    kwargs = {word.arg or "": state.evaluate(state, scope, word.value) for word in node.keywords}
    one = FunctionCall(state, scope, node, function, args, kwargs)
    known = _of_users(one) or of_library(one)
    if known is not None:
        return known
    for value in (*args, *kwargs.values()):  # a function that somebody calls
        one.run_argument(value)
    _change_owner(one)
    return Value(taints=one.taints)


def _of_kind(state: State, scope: Scope, node: ast.Call, function: ast.Attribute) -> Value | None:
    """Read a call of a method of a context, a saga or a logger."""
    owner = state.evaluate(state, scope, function.value)
    if owner.kind == "context":
        return _of_context(state, scope, node, function.attr)
    if owner.kind == "lambda_context":
        taint = Taint("invocation", f"{ast.unparse(function)}()", scope.file, node.lineno)
        return Value(taints=frozenset({taint}))
    if owner.kind == "saga" and function.attr == "undo":
        return operation(state, scope, node, "undo")
    if owner.kind == "quiet":
        for part in _parts(node):  # which may make operations
            state.evaluate(state, scope, part)
        return Value(kind="quiet")
    return None


def _of_context(state: State, scope: Scope, node: ast.Call, method: str) -> Value:
    if method in OPERATIONS or method == "defer":
        return operation(state, scope, node, method)
    values = [state.evaluate(state, scope, part) for part in _parts(node)]
    if method == "saga":
        return Value(kind="saga")
    return values[0] if method == "bind" and values else CLEAN


def _begins_task(node: ast.Call) -> bool:
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    return name in {"create_task", "ensure_future"}


def _parts(node: ast.Call) -> list[ast.expr]:
    return [*node.args, *(word.value for word in node.keywords)]


# -- the user's functions -------------------------------------------------------------------------------------


def _of_users(one: FunctionCall) -> Value | None:
    function = one.function
    closure = function.closure
    if closure is None and isinstance(function.live, type):
        return _made(one, function.live)
    if closure is None and function.live is not UNKNOWN and callable(function.live):
        closure = closure_of(function.live)
    if closure is None:
        return None
    bound = [function.owner] if function.owner is not None and isinstance(function.live, FunctionType) else []
    if bound and isinstance(bound[0].live, type) and not _is_class_method(function):
        bound = []  # a function that is called by its class
    if isinstance(function.live, partial):
        bound = [Value(live=argument) for argument in function.live.args]
    value, after = one.state.run(one.state, closure, [*bound, *function.given, *one.args], one.kwargs)
    if not any(isinstance(argument, ast.Starred) for argument in one.node.args):
        _taint_arguments(one.scope, one.node.args, after[len(bound) + len(function.given) :], one.args)
    if bound and isinstance(one.node.func, ast.Attribute) and after:
        _taint_arguments(one.scope, [one.node.func.value], after[:1], bound)
    return value.with_taints(function.taints)


def _is_class_method(function: Value) -> bool:
    owner = function.owner.live if function.owner is not None else None
    member = inspect.getattr_static(owner, getattr(function.live, "__name__", ""), None)
    return isinstance(member, classmethod)


def _taint_arguments(scope: Scope, arguments: list[ast.expr], after: list[Value], before: list[Value]) -> None:
    """Give the variables that were passed to a function the taints that it has put into them."""
    for argument, now, then in zip(arguments, after, before, strict=False):
        new = now.taints - then.taints
        root = argument
        while isinstance(root, ast.Attribute | ast.Subscript):
            root = root.value
        if new and isinstance(root, ast.Name):
            holder = scope.holder(root.id)
            if holder is not None:
                holder.names[root.id] = holder.names[root.id].with_taints(new)


def _made(one: FunctionCall, cls: type) -> Value | None:
    """Return a new object of one of the user's classes."""
    if not is_project_class(cls):
        return None
    taints = one.taints
    if "" not in one.kwargs:
        given = {*one.kwargs, *list(getattr(cls, "__dataclass_fields__", {}))[: len(one.args)]}
        for field, source in unstable_fields(cls):
            if field not in given:
                what = f"{cls.__name__}.{field}"
                taints |= {Taint(rule_of(source) or "random", what, one.scope.file, one.node.lineno)}
    made = Value(cls=cls, taints=taints)
    member = inspect.getattr_static(cls, "__init__", None)
    closure = closure_of(member) if isinstance(member, FunctionType) else None
    if closure is not None:
        _, after = one.state.run(one.state, closure, [made, *one.args], one.kwargs)
        made = made.with_taints(after[0].taints) if after else made
    return made


def _change_owner(one: FunctionCall) -> None:
    """Note that a method such as ``append`` has put its arguments into the object that it belongs to."""
    if not isinstance(one.node.func, ast.Attribute):
        return
    root: ast.expr = one.node.func.value
    while isinstance(root, ast.Attribute | ast.Subscript):
        root = root.value
    if not isinstance(root, ast.Name):
        return
    holder = one.scope.holder(root.id)
    if one.node.func.attr in MUTATORS:
        one.state.change(one.state, one.scope, one.node.func.value, joined(CLEAN, *one.args).with_taints(one.taints))
    elif holder is None:
        one.state.used(one.taints)
    elif one.taints:
        holder.names[root.id] = holder.names[root.id].with_taints(one.taints)
