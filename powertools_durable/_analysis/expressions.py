"""Reads expressions: what a value is, and why it may differ between replays."""

from __future__ import annotations

import ast
import builtins
import inspect
import os
import pathlib
import re
from collections.abc import Iterator
from dataclasses import replace
from types import FunctionType, ModuleType
from typing import Any

from powertools_durable._analysis.abstract_values import CLEAN, UNKNOWN, Closure, Scope, Taint, Value, joined
from powertools_durable._analysis.called import call
from powertools_durable._analysis.durable_operations import VALUES_OF_INVOCATION
from powertools_durable._analysis.library_calls import anonymous
from powertools_durable._analysis.reading_state import State
from powertools_durable._analysis.user_code import closure_of, is_project_class
from powertools_durable._analysis.vocabulary import is_client_class, is_quiet, is_random_object

__all__ = ["bind", "evaluate", "is_set_annotation", "iterated", "value_of"]

_SET = re.compile(r"^(typing\.|collections\.abc\.|<class ')?(set|frozenset|Set|FrozenSet|AbstractSet|MutableSet)\b")
_CONSTANTS = (int, float, complex, str, bytes, bool)


def evaluate(state: State, scope: Scope, node: ast.expr) -> Value:  # noqa: C901, PLR0912 - one arm for each expression
    """Return what is known of an expression's value, and note what reading it does."""
    match node:
        case ast.Constant(value=constant):
            return Value(live=constant) if isinstance(constant, _CONSTANTS) else CLEAN
        case ast.Name():
            return _name(state, scope, node)
        case ast.Attribute():
            return _attribute(state, scope, node)
        case ast.Call():
            return call(state, scope, node)
        case ast.Await(value=inner):
            return evaluate(state, scope, inner)
        case ast.Lambda():
            return Value(closure=Closure(node, scope.file, scope.namespace, scope))
        case ast.NamedExpr(target=target, value=inner):
            value = evaluate(state, scope, inner)
            bind(state, scope, target, value)
            return value
        case ast.BoolOp(values=[first, *others]):
            parts = [evaluate(state, scope, first)]
            for other in others:
                taints: frozenset[Taint] = frozenset().union(*(part.taints for part in parts))
                with state.decided_by(taints, "whether"):
                    parts.append(evaluate(state, scope, other))
            return joined(*parts)
        case ast.IfExp(test=test, body=body, orelse=orelse):
            condition = evaluate(state, scope, test)
            with state.decided_by(condition.taints, "whether"):
                either = joined(evaluate(state, scope, body), evaluate(state, scope, orelse))
            return either.with_taints(condition.taints)
        case ast.BinOp(left=left, op=operator, right=right):
            return _binary(evaluate(state, scope, left), operator, evaluate(state, scope, right))
        case ast.Compare(left=left, comparators=comparators):
            parts = [evaluate(state, scope, part) for part in (left, *comparators)]
            return CLEAN.with_taints(*(part.taints for part in parts)).without("set-order")
        case ast.List(elts=elements) | ast.Tuple(elts=elements):
            parts = [evaluate(state, scope, element) for element in elements]
            return Value(items=tuple(parts), taints=frozenset().union(*(part.taints for part in parts)))
        case ast.Set(elts=elements):
            parts = [evaluate(state, scope, element) for element in elements]
            return Value(kind="set", taints=frozenset().union(*(part.taints for part in parts)))
        case ast.Dict(keys=keys, values=values):
            parts = [evaluate(state, scope, part) for part in (*keys, *values) if part is not None]
            return Value(items=tuple(parts), taints=frozenset().union(*(part.taints for part in parts)))
        case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
            return _comprehension(state, scope, node)
        case ast.Subscript(value=inner, slice=index):
            return _item(state, scope, node, evaluate(state, scope, inner), index)
        case ast.Starred(value=inner):
            return iterated(scope, node, evaluate(state, scope, inner))
        case ast.FormattedValue(value=inner):
            value = evaluate(state, scope, inner)
            taints = evaluate(state, scope, node.format_spec).taints if node.format_spec is not None else frozenset()
            return Value(taints=value.taints | taints | anonymous(scope, node, value, "the text of an object"))
        case ast.Yield(value=inner) | ast.YieldFrom(value=inner):
            if inner is not None:
                scope.returned.append(evaluate(state, scope, inner).with_taints(state.control(scope)))
            return CLEAN
        case ast.UnaryOp(operand=inner):
            return CLEAN.with_taints(evaluate(state, scope, inner).taints)
        case _:  # slices, joined strings
            parts = [
                evaluate(state, scope, child) for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)
            ]
            return CLEAN.with_taints(*(part.taints for part in parts))


# -- names ----------------------------------------------------------------------------------------------------


def value_of(live: Any, name: str = "", origin: tuple[str, ...] = ()) -> Value:
    """Return what is known of an object that exists."""
    kind = ""
    if live is os.environ:
        return Value(live=live, text="os.environ", origin=origin)
    if isinstance(live, set | frozenset):
        kind = "set"
    elif isinstance(live, pathlib.PurePath):
        kind = "path"
    elif is_random_object(live):
        kind = "random"
    elif not isinstance(live, ModuleType | type | FunctionType):
        cls = type(live)
        if is_client_class(cls):
            kind = "client"
        elif is_quiet(cls, name):
            kind = "quiet"
    return Value(live=live, kind=kind, origin=origin)


def _name(state: State, scope: Scope, node: ast.Name) -> Value:
    holder = scope.holder(node.id)
    if holder is not None:
        state.read(scope, node, holder, "")
        value = holder.names[node.id]
        return _outliving(state, scope, node, value, f"the default of {node.id}") if value.origin else value
    if node.id == "__file__":
        return Value(kind="bundled")
    module = str(scope.namespace.get("__name__", ""))
    if node.id in scope.namespace:
        state.read(scope, node, None, module)
        value = value_of(scope.namespace[node.id], node.id, (module, node.id))
        return _outliving(state, scope, node, value, f"the global variable {node.id}")
    if hasattr(builtins, node.id):
        return Value(live=getattr(builtins, node.id))
    return Value(text=node.id, kind="quiet" if is_quiet(None, node.id) else "")


def _outliving(state: State, scope: Scope, node: ast.Name, value: Value, what: str) -> Value:
    if value.origin in state.outliving:
        return value.with_taints(frozenset({Taint("global", what, scope.file, node.lineno)}))
    return value


def bind(state: State, scope: Scope, target: ast.expr, value: Value) -> None:
    """Assign *value* to *target*."""
    match target:
        case ast.Name(id=name):
            value = value.with_taints(state.control(scope))
            declared = scope.shared.get(name)
            if declared == "global":
                state.changed.add((str(scope.namespace.get("__name__", "")), name))
            holder = scope.holder(name) if declared == "nonlocal" else None
            (holder or scope).names[name] = value
        case ast.Tuple(elts=elements) | ast.List(elts=elements):
            known = value.items if len(value.items) == len(elements) and value.items else None
            for number, element in enumerate(elements):
                part = known[number] if known is not None else Value(taints=value.taints)
                bind(state, scope, element, part)
        case ast.Starred(value=inner):
            bind(state, scope, inner, Value(taints=value.taints))
        case ast.Attribute(value=inner) | ast.Subscript(value=inner):
            evaluate(state, scope, inner)
            if isinstance(target, ast.Subscript):
                value = value.without("set-order")  # its place does not depend on when it was put there
                index = evaluate(state, scope, target.slice).without("set-order")
                value = value.with_taints(index.taints)
            changed(state, scope, inner, value)
        case _:
            pass


def changed(state: State, scope: Scope, node: ast.expr, value: Value) -> None:
    """Note that the object of *node* is changed, and holds *value* now."""
    root = node
    while isinstance(root, ast.Attribute | ast.Subscript | ast.Call):
        root = root.func if isinstance(root, ast.Call) else root.value
    if not isinstance(root, ast.Name):
        return
    holder = scope.holder(root.id)
    if holder is None:
        if root.id in scope.namespace:
            state.changed.add((str(scope.namespace.get("__name__", "")), root.id))
            state.used(value.taints)
        return
    known = holder.names[root.id]
    if known.origin:
        state.changed.add(known.origin)
    holder.names[root.id] = replace(known.with_taints(value.taints, state.control(scope)), items=())


# -- parts ----------------------------------------------------------------------------------------------------


def is_set_annotation(annotation: object) -> bool:
    """Tell whether an annotation says that a value is a set."""
    return _SET.match(annotation if isinstance(annotation, str) else str(annotation)) is not None


def _attribute(state: State, scope: Scope, node: ast.Attribute) -> Value:
    base = evaluate(state, scope, node.value)
    name = node.attr
    if base.kind == "context":
        if name in VALUES_OF_INVOCATION:
            return Value(taints=frozenset({Taint("invocation", ast.unparse(node), scope.file, node.lineno)}))
        kinds = {"lambda_context": "lambda_context", "logger": "quiet", "tracer": "quiet"}
        return Value(kind=kinds.get(name, ""))
    if base.kind == "lambda_context":
        return Value(taints=frozenset({Taint("invocation", ast.unparse(node), scope.file, node.lineno)}))
    if base.kind == "bundled":
        return base
    kind = "client" if base.kind == "client" and name not in {"meta", "exceptions"} else ""
    if isinstance(base.live, ModuleType):
        live = vars(base.live).get(name, UNKNOWN)
        if live is UNKNOWN and not hasattr(base.live, name):
            return Value(text=f"{base.live.__name__}.{name}")
        live = getattr(base.live, name) if live is UNKNOWN else live
        return value_of(live, name, (base.live.__name__, name))
    if base.text and base.live is UNKNOWN:
        return replace(base, text=f"{base.text}.{name}")
    if isinstance(base.live, type):
        live = getattr(base.live, name, UNKNOWN)
        return CLEAN if live is UNKNOWN else replace(value_of(live, name), taints=base.taints, owner=base)
    return _member(state, base, name, kind)


def _member(state: State, base: Value, name: str, kind: str) -> Value:
    """Return an attribute of an object, which may be a method or a property of the user's."""
    cls = base.type
    if cls is None:
        return Value(taints=base.taints, kind=kind, owner=base)
    member = inspect.getattr_static(cls, name, UNKNOWN)
    if isinstance(member, property) and is_project_class(cls):
        closure = closure_of(member.fget)
        if closure is not None:
            return state.run(state, closure, [base], {})[0].with_taints(base.taints)
    if isinstance(member, staticmethod | classmethod):
        owner = Value(live=cls) if isinstance(member, classmethod) else None
        return Value(live=member.__func__, taints=base.taints, owner=owner)
    if isinstance(member, FunctionType):
        return Value(live=member, taints=base.taints, owner=base, kind=kind)
    if base.live is not UNKNOWN and not is_project_class(cls):
        found = getattr(base.live, name, UNKNOWN) if cls.__module__ in {"builtins", "random", "datetime"} else UNKNOWN
        return Value(live=found, taints=base.taints, kind=kind, owner=base)
    if is_set_annotation(getattr(cls, "__annotations__", {}).get(name, "")):
        kind = "set"
    held = getattr(base.live, "__dict__", {}).get(name, UNKNOWN) if base.live is not UNKNOWN else UNKNOWN
    found = value_of(held, name) if held is not UNKNOWN else Value(kind=kind)
    return replace(found, taints=base.taints, owner=base, origin=base.origin)


def _item(state: State, scope: Scope, node: ast.Subscript, base: Value, index: ast.expr) -> Value:
    at = evaluate(state, scope, index)
    if base.text == "os.environ":
        return Value(taints=frozenset({Taint("environment", ast.unparse(node), scope.file, node.lineno)}))
    if isinstance(at.live, int) and not isinstance(at.live, bool) and -len(base.items) <= at.live < len(base.items):
        return base.items[at.live].with_taints(at.taints)
    if isinstance(base.live, dict) and base.live:  # a table of functions
        parts = [value_of(part) for part in list(base.live.values())[:20] if callable(part)]
        if parts:
            return joined(*parts).with_taints(base.taints, at.taints)
    return Value(taints=base.taints | at.taints, kind=base.kind if base.kind == "bundled" else "")


def _binary(left: Value, operator: ast.operator, right: Value) -> Value:
    kind = ""
    if "set" in {left.kind, right.kind} and isinstance(operator, ast.Sub | ast.BitAnd | ast.BitOr | ast.BitXor):
        kind = "set"
    elif isinstance(operator, ast.Div) and {"bundled", "path"} & {left.kind, right.kind}:
        kind = "bundled" if "bundled" in {left.kind, right.kind} else "path"
    number = left.live if isinstance(left.live, int | float) else right.live
    live = number if isinstance(number, int | float) else UNKNOWN
    return Value(taints=left.taints | right.taints, kind=kind, cls=type(live) if live is not UNKNOWN else None)


def iterated(scope: Scope, node: ast.expr, value: Value) -> Value:
    """Return the value of an item of what is iterated at *node*; of a set, its place depends on the process."""
    taints = value.taints
    if value.kind == "set":
        line = getattr(node, "lineno", 0)
        taints |= {Taint("set-order", ast.unparse(node), scope.file, line)}
    if value.items:
        return joined(*value.items).with_taints(taints)
    return Value(taints=taints)


def _comprehension(
    state: State, scope: Scope, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp
) -> Value:
    inner = Scope(scope.file, scope.namespace, scope, is_async=scope.is_async)
    deciding: list[frozenset[Taint]] = []
    for generator in node.generators:
        source = evaluate(state, inner, generator.iter)
        item = iterated(scope, generator.iter, source)
        bind(state, inner, generator.target, item)
        deciding.append(item.taints)
        deciding += [evaluate(state, inner, test).taints for test in generator.ifs]
    state.loops.append(node)
    with state.decided_by(frozenset().union(*deciding), "how often"):
        parts = [evaluate(state, inner, part) for part in _elements(node)]
    state.loops.pop()
    taints: frozenset[Taint] = frozenset().union(*deciding, *(part.taints for part in parts))
    if isinstance(node, ast.SetComp):
        return Value(kind="set", taints=taints).without("set-order")
    return Value(taints=taints, items=tuple(parts) if not isinstance(node, ast.DictComp) else ())


def _elements(node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp) -> Iterator[ast.expr]:
    if isinstance(node, ast.DictComp):
        yield node.key
        yield node.value
    else:
        yield node.elt
