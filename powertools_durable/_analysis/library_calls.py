"""Reads calls of Python's own functions and of libraries: clocks, random values, files, the network, orders."""

from __future__ import annotations

import ast
from dataclasses import dataclass, replace
from random import Random
from types import FunctionType

from powertools_durable._analysis.abstract_values import CLEAN, UNKNOWN, Scope, Taint, Value
from powertools_durable._analysis.code_finding import of_effect
from powertools_durable._analysis.reading_state import State
from powertools_durable._analysis.user_code import closure_of, is_project_class
from powertools_durable._analysis.vocabulary import (
    CLIENT_MAKERS,
    CONNECTIONS,
    HARMLESS_METHODS,
    ORDERLY,
    PATH_IO,
    SEQUENCES,
    SET_METHODS,
    dotted_name,
    rule_of,
)

__all__ = ["FunctionCall", "anonymous", "of_library"]

_BUNDLED = {"importlib.resources.files", "importlib.resources._common.files", "importlib.resources.read_text"}
_PATHS = {"pathlib.Path", "Path", "pathlib._local.Path"}
_WAITS = {"asyncio.tasks.wait", "asyncio.wait"}
_GENERATORS = {"random.Random", "numpy.random.default_rng"}
_OF_VALUES = {"clock", "random", "environment", "process"}
_LOOPS = ("get_running_loop().time()", "get_event_loop().time()", "loop.time()")
_QUIET_METHODS = {"seed", "getstate", "setstate"}


@dataclass(eq=False, slots=True)
class FunctionCall:
    """A call of a function, with what is known of its parts."""

    state: State
    scope: Scope
    node: ast.Call
    function: Value
    args: list[Value]
    kwargs: dict[str, Value]

    @property
    def taints(self) -> frozenset[Taint]:
        """The taints of the function and its arguments."""
        return self.function.taints.union(*(value.taints for value in (*self.args, *self.kwargs.values())))

    @property
    def attribute(self) -> str:
        """The name of the method; empty if a function is called."""
        return self.node.func.attr if isinstance(self.node.func, ast.Attribute) else ""

    @property
    def written(self) -> str:
        """The call without its arguments."""
        return f"{ast.unparse(self.node.func)}()"

    @property
    def owner(self) -> Value:
        """The object of the method."""
        return self.function.owner or CLEAN

    def taint(self, rule: str, what: str = "") -> Taint:
        """Return a taint of this line."""
        return Taint(rule, what or self.written, self.scope.file, self.node.lineno)

    def run_argument(self, value: Value) -> Value:
        """Read a function that is an argument, and that somebody calls."""
        if value.closure is None and not isinstance(value.live, FunctionType):
            return CLEAN
        closure = value.closure or closure_of(value.live)
        if closure is None:
            return CLEAN
        bound = [value.owner] if value.owner is not None and isinstance(value.live, FunctionType) else []
        given = [*bound, *value.given]
        given += [Value(taints=self.taints) for _ in closure.parameters[len(given) :]]
        return self.state.run(self.state, closure, given, {})[0]


def of_library(one: FunctionCall) -> Value | None:
    """Return what is known of the result; None of functions that are not known."""
    live = None if one.function.live is UNKNOWN else one.function.live
    name = one.function.text or (dotted_name(live) if live is not None else "")
    known = _of_objects(one, name)
    if known is None:
        known = _of_builtins(one, name.removeprefix("builtins."))
    return _by_rule(one, rule_of(live, one.function.text)) if known is None else known


def _of_objects(one: FunctionCall, name: str) -> Value | None:
    """Read calls that make partials, clients, paths and generators, or that belong to one."""
    if one.function.text == "os.environ.get" or (one.owner.text == "os.environ" and one.attribute == "get"):
        return Value(taints=one.taints | {one.taint("environment")})
    if name == "functools.partial" and one.args:
        return replace(one.args[0], given=(*one.args[0].given, *one.args[1:]))
    if name in CONNECTIONS:
        one.state.add(of_effect("io", one.written, one.scope.file, one.node.lineno))
    if name in CLIENT_MAKERS or (one.owner.kind == "client" and one.attribute in {"client", "resource"}):
        return Value(kind="client", taints=one.taints)
    if name in _PATHS or name in _BUNDLED:
        is_bundled = name in _BUNDLED or any(value.kind == "bundled" for value in one.args)
        return Value(kind="bundled" if is_bundled else "path", taints=one.taints)
    if any(value.kind == "bundled" for value in (one.function, one.owner, *one.args)):
        return Value(kind="bundled", taints=one.taints)
    if name in _GENERATORS:
        return Value(taints=one.taints) if one.args else Value(kind="random")
    return None


def _of_builtins(one: FunctionCall, name: str) -> Value | None:
    """Read calls that depend on the order of items, on an address, or on neither."""
    if name in ORDERLY:
        return Value(taints=one.taints, kind="set" if name in {"set", "frozenset"} else "").without("set-order")
    if name in {"id", "hash"}:
        return Value(taints=one.taints | {one.taint("process")})
    if name in {"repr", "str", "format"} and one.args:
        return Value(taints=one.taints | anonymous(one.scope, one.node, one.args[0], one.written))
    if one.owner.kind == "set" and one.attribute in SET_METHODS:
        return Value(kind="set", taints=one.taints)
    if name in _WAITS:
        both = Value(kind="set", taints=one.taints)
        return Value(items=(both, both), taints=one.taints)
    if name in SEQUENCES or one.attribute == "join":
        return _ordered(one, name)
    if one.attribute == "pop" and one.owner.kind == "set" and isinstance(one.node.func, ast.Attribute):
        return Value(taints=one.taints | {one.taint("set-order", ast.unparse(one.node.func.value))})
    return None


def _ordered(one: FunctionCall, name: str) -> Value:
    sets = [node for node, value in zip(one.node.args, one.args, strict=False) if value.kind == "set"]
    taints = one.taints | {Taint("set-order", ast.unparse(node), one.scope.file, node.lineno) for node in sets}
    if name in {"map", "filter"} and one.args:
        taints |= one.run_argument(one.args[0]).taints
    items = one.args[0].items if name in {"list", "tuple", "iter", "reversed"} and one.args else ()
    return Value(taints=taints, items=items)


def _by_rule(one: FunctionCall, rule: str) -> Value | None:
    owner = one.owner
    rule = _rule_of_method(one) or rule
    if owner.kind == "client" and one.attribute[:1].isupper():
        return Value(kind="client", taints=one.taints)
    if rule == "sleep" and _is_short(one):
        return CLEAN
    if rule in _OF_VALUES:
        if rule == "clock" and one.attribute in {"localtime", "gmtime", "ctime"} and one.args:
            return None  # of a moment that is given
        if one.attribute == "shuffle" or one.written == "shuffle()":
            for node in one.node.args[:1]:
                one.state.change(one.state, one.scope, node, Value(taints=frozenset({one.taint(rule)})))
        return Value(taints=one.taints | {one.taint(rule)})
    if rule:
        state = one.state
        state.add(of_effect(rule, one.written, one.scope.file, one.node.lineno, is_async=state.is_async))
        return Value(taints=one.taints)
    if owner.kind == "path":
        return Value(kind="path", taints=one.taints)
    return CLEAN if owner.kind == "random" or isinstance(owner.live, Random) else None


def _rule_of_method(one: FunctionCall) -> str:
    kind, attribute = one.owner.kind, one.attribute
    if kind == "random" and attribute not in _QUIET_METHODS:
        return "random"
    if attribute == "time" and one.written.endswith(_LOOPS):
        return "clock"
    if kind == "client" and attribute not in HARMLESS_METHODS and not attribute[:1].isupper():
        return "io"
    return "io" if kind == "path" and attribute in PATH_IO else ""


def _is_short(one: FunctionCall) -> bool:
    """Tell whether a sleep only lets other tasks run, or is that of a task that nobody waits for."""
    is_plain = one.written.endswith("time.sleep()") or getattr(one.function.live, "__module__", "") == "time"
    return not is_plain and (one.state.is_background or (bool(one.args) and one.args[0].live == 0))


def anonymous(scope: Scope, node: ast.expr, value: Value, what: str) -> frozenset[Taint]:
    """Return a taint if the text of *value* holds its address, as that of an object without ``__repr__`` does."""
    cls = value.type
    if cls is None or value.kind or not is_project_class(cls):
        return frozenset()
    if any("__repr__" in vars(base) or "__str__" in vars(base) for base in cls.__mro__[:-1]):
        return frozenset()
    return frozenset({Taint("process", what, scope.file, node.lineno)})
