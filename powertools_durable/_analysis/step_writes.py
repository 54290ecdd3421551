"""What the bodies of steps change besides their results: variables around them, globals, and their arguments."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from types import FunctionType, ModuleType
from typing import NamedTuple

from powertools_durable._analysis.abstract_values import UNKNOWN, Closure, Scope, Value
from powertools_durable._analysis.code_finding import CodeFinding, of_write
from powertools_durable._analysis.reading_state import State, StepCall
from powertools_durable._analysis.user_code import closure_of
from powertools_durable._analysis.vocabulary import MUTATORS

__all__ = ["step_writes"]

_DEPTH = 6
_TAKES = {"pop", "popleft", "popitem"}  # what is taken from an object is not there for the next one
_CONTAINERS = (dict, list, set, bytearray)
_Local = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


class Write(NamedTuple):
    """A change of an object that the function did not make.

    Attributes
    ----------
    holder : Scope | str | None
        The scope of the variable; the name of the module of a global; None for a parameter.
    name : str
        The variable.
    file : str
        Where it is changed.
    line : int
        The line.
    takes : bool
        True if an item is taken away.
    attribute : str
        Which attribute of the variable is changed; empty if it is the variable itself, or an item.
    """

    holder: Scope | str | None
    name: str
    file: str
    line: int
    takes: bool = False
    attribute: str = ""


def step_writes(state: State) -> Iterator[CodeFinding]:
    """Yield what steps change and code outside of them reads."""
    for step in state.steps:
        closure = _closure_of(step.body)
        if closure is None:
            continue
        for write in _writes(closure, 0):
            finding = _judged(state, step, closure, write)
            if finding is not None:
                yield finding


def _judged(state: State, step: StepCall, closure: Closure, write: Write) -> CodeFinding | None:
    found = of_write(f"{write.name!r}", write.file, write.line, step.shown)
    if isinstance(write.holder, Scope):
        outside = any(not _is_within(closure, read.file, read.line) for read in write.holder.reads.get(write.name, ()))
        return found if write.takes or outside or _is_read_by_another(state, closure, write) else None
    if isinstance(write.holder, str):
        return found if state.global_reads.get((write.holder, write.name)) else None
    argument = _argument(step, closure, write.name)
    root = _root(argument) if argument is not None else None
    if argument is None or root is None or root.id in step.targets:
        return None
    if write.takes and step.scope.holder(root.id) is not None:
        return found
    if isinstance(step.call.args[0], ast.Attribute) and argument is step.call.args[0].value:
        return found if _is_read_by_a_method(state, step, root, write) else None
    return found if _is_read_later(state, step, root) else None


def _is_read_by_a_method(state: State, step: StepCall, root: ast.Name, write: Write) -> bool:
    """Tell whether code outside of steps uses the object of a method, or the method of another step what is changed.

    A client that a method makes when it is first called is neither.
    """
    steps = [
        one
        for one in state.steps
        if isinstance(one.call.args[0], ast.Attribute) and (owner := _root(one.call.args[0])) and owner.id == root.id
    ]
    if _is_read_later(state, step, root, but={one.call.args[0].lineno for one in steps}):
        return True
    methods = [closure for one in steps if (closure := _closure_of(one.body)) is not None and closure.parameters]
    return any(
        isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Load)
        and node.attr == write.attribute
        and isinstance(node.value, ast.Name)
        and node.value.id == method.parameters[0].arg
        for method in methods
        if not _is_within(method, write.file, write.line)
        for node in ast.walk(method.node)
    )


def _argument(step: StepCall, closure: Closure, name: str) -> ast.expr | None:
    """Return the argument that a parameter of the body gets."""
    names = [parameter.arg for parameter in closure.parameters]
    place = names.index(name) if name in names else -1
    if step.body.owner is not None and place == 0 and isinstance(step.call.args[0], ast.Attribute):
        return step.call.args[0].value  # a method's object
    is_bound = step.body.owner is not None and isinstance(step.body.live, FunctionType)
    place -= len(step.body.given) + is_bound
    partial = step.call.args[0]
    if place < 0 and isinstance(partial, ast.Call) and place + len(step.body.given) + 1 < len(partial.args):
        return partial.args[place + len(step.body.given) + 1]
    return step.arguments[place] if 0 <= place < len(step.arguments) else None


def _is_read_later(state: State, step: StepCall, root: ast.Name, but: Collection[int] = ()) -> bool:
    """Tell whether code after a step uses a variable, other than in the lines of *but*."""
    holder = step.scope.holder(root.id)
    module = str(step.scope.namespace.get("__name__", ""))
    reads = holder.reads.get(root.id, []) if holder is not None else state.global_reads.get((module, root.id), [])
    end = step.call.end_lineno or step.call.lineno
    if any(read.file == step.scope.file and read.line > end and read.line not in but for read in reads):
        return True
    others = (one.body.closure for one in state.steps if one.call.lineno > end)
    return any(
        isinstance(node, ast.Name) and node.id == root.id and other.scope is step.scope
        for other in others
        if other is not None
        for node in ast.walk(other.node)
    )


def _is_within(closure: Closure, file: str, line: int) -> bool:
    return file == closure.file and closure.node.lineno <= line <= (closure.node.end_lineno or closure.node.lineno)


def _is_read_by_another(state: State, closure: Closure, write: Write) -> bool:
    """Tell whether the body of another step reads a variable around it."""
    for step in state.steps:
        other = step.body.closure
        if other is None or other.node is closure.node or other.scope is None:
            continue
        if other.scope.holder(write.name) is write.holder and any(
            isinstance(node, ast.Name) and node.id == write.name and not _is_change(other.node, node)
            for node in ast.walk(other.node)
        ):
            return True
    return False


def _is_change(function: ast.AST, name: ast.Name) -> bool:
    """Tell whether *name* is read only in order to be changed: ``names.append(...)`` as a statement."""
    return any(
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Call)
        and isinstance(node.value.func, ast.Attribute)
        and node.value.func.attr in MUTATORS
        and node.value.func.value is name
        for node in ast.walk(function)
    )


# -- one function ---------------------------------------------------------------------------------------------


def _closure_of(value: Value) -> Closure | None:
    return value.closure or (closure_of(value.live) if value.live is not UNKNOWN else None)


@dataclass(eq=False)
class _FunctionBody:
    """The variables of a function whose changes are read.

    Attributes
    ----------
    closure : Closure
        The function.
    parameters, local : set[str]
        Its parameters that are not assigned anew, and its other variables.
    shared : set[str]
        The names that it declares ``global`` or ``nonlocal``.
    """

    closure: Closure
    parameters: set[str]
    local: set[str]
    shared: dict[str, str]

    @classmethod
    def of(cls, closure: Closure) -> _FunctionBody:
        arguments = closure.node.args
        named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
        parameters = {argument.arg for argument in named if argument is not None}
        shared: dict[str, str] = {}
        stored = set()
        for node in _own(closure.node):
            match node:
                case ast.Global(names=names):
                    shared.update(dict.fromkeys(names, "global"))
                case ast.Nonlocal(names=names):
                    shared.update(dict.fromkeys(names, "nonlocal"))
                case ast.Name(id=name, ctx=ast.Store()):
                    stored.add(name)
                case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                    stored.add(name)
                case ast.ExceptHandler(name=str(name)):
                    stored.add(name)
                case ast.alias(name=name, asname=asname):
                    stored.add(asname or name.partition(".")[0])
                case _:
                    pass
        return cls(closure, parameters - stored, (stored | (parameters & stored)) - set(shared), shared)

    def write(self, name: str, node: ast.AST, *, takes: bool = False) -> Write | None:
        """Return the change of what is called *name* here; None for a variable of the function's own."""
        closure, line = self.closure, getattr(node, "lineno", 0)
        if name in self.local:
            return None
        if name in self.parameters:
            return Write(None, name, closure.file, line, takes, _attribute(node))
        scope = closure.scope.holder(name) if closure.scope is not None and self.shared.get(name) != "global" else None
        if scope is not None:
            return Write(scope, name, closure.file, line, takes)
        if name in closure.namespace or self.shared.get(name) == "global":
            return Write(str(closure.namespace.get("__name__", "")), name, closure.file, line, takes)
        return None

    def value(self, node: ast.expr) -> Value | None:
        """Return a function of the user's that is called by name."""
        match node:
            case ast.Name(id=name) if name not in self.local and name not in self.parameters:
                scope = self.closure.scope.holder(name) if self.closure.scope is not None else None
                if scope is not None:
                    return scope.names[name]
                return Value(live=self.closure.namespace.get(name, UNKNOWN))
            case ast.Attribute(value=ast.Name(id=name), attr=attr):
                owner = self.closure.namespace.get(name)
                if isinstance(owner, ModuleType | type) and name not in self.local:
                    return Value(live=getattr(owner, attr, UNKNOWN))
            case _:
                pass
        return None


def _writes(closure: Closure, depth: int) -> Iterator[Write]:
    body = _FunctionBody.of(closure)
    nodes = [*_own(closure.node)]
    used = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    for node in nodes:
        for name, takes in _changed_names(body, node, is_used=id(node) not in used):
            write = body.write(name, node, takes=takes)
            if write is not None:
                yield write
        if isinstance(node, ast.Call) and depth < _DEPTH:
            yield from _of_call(body, node, depth)


def _of_call(body: _FunctionBody, node: ast.Call, depth: int) -> Iterator[Write]:
    value = body.value(node.func)
    closure = _closure_of(value) if value is not None else None
    if closure is None or closure.node is body.closure.node:
        return
    names = [parameter.arg for parameter in closure.parameters]
    for write in _writes(closure, depth + 1):
        if write.holder is not None:
            yield write
        elif write.name in names and names.index(write.name) < len(node.args):
            root = _root(node.args[names.index(write.name)])
            outer = body.write(root.id, node, takes=write.takes) if root is not None else None
            if outer is not None:
                yield outer._replace(file=write.file, line=write.line) if outer.holder is not None else outer


def _changed_names(body: _FunctionBody, node: ast.AST, *, is_used: bool) -> Iterator[tuple[str, bool]]:
    """Yield the names of what a node changes, and whether it takes an item away."""
    match node:
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()) if name in body.shared:
            yield name, False
        case ast.Attribute(ctx=ast.Store() | ast.Del()) | ast.Subscript(ctx=ast.Store() | ast.Del()):
            root = _root(node)
            if root is not None and _holds_data(body, root.id, node):
                yield root.id, False
        case ast.Call(func=ast.Attribute(attr=attr, value=owner)) if attr in MUTATORS:
            root = _root(owner)
            if root is not None and _holds_data(body, root.id, node):
                yield root.id, attr in _TAKES and is_used
        case ast.Call(func=ast.Name(id="next" | "anext"), args=[ast.Name(id=name), *_]):
            yield name, True
        case _:
            pass


def _holds_data(body: _FunctionBody, name: str, node: ast.AST) -> bool:
    """Tell whether a global is a container, or its attribute is set: other objects may have a method ``update``."""
    if name in body.parameters or name not in body.closure.namespace or name in body.local:
        return True
    if body.closure.scope is not None and body.closure.scope.holder(name) is not None:
        return True
    return not isinstance(node, ast.Call) or isinstance(body.closure.namespace[name], _CONTAINERS)


def _own(function: _Local) -> Iterator[ast.AST]:
    """Yield the nodes of a function's body, without those of functions inside of it."""
    waiting: list[ast.AST] = [function.body] if isinstance(function, ast.Lambda) else [*function.body]
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, _Local | ast.ClassDef):
            waiting += ast.iter_child_nodes(node)


def _attribute(node: ast.AST) -> str:
    """Return the attribute of a variable that a node changes: ``client`` of ``self.client = ...``, or an empty text."""
    changed = node.func.value if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) else node
    while isinstance(changed, ast.Attribute | ast.Subscript):
        if isinstance(changed, ast.Attribute) and isinstance(changed.value, ast.Name):
            return changed.attr
        changed = changed.value
    return ""


def _root(node: ast.AST) -> ast.Name | None:
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Starred):
        node = node.value
    return node if isinstance(node, ast.Name) else None
