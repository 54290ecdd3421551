"""Turns ``def`` handlers into ``async def`` handlers, so that one source tests both kinds.

A function becomes ``async def`` when it makes a durable call, or when `durable` decorates it. Its durable calls are
awaited, ``with ctx.batch()`` becomes ``async with``. A lambda that only makes a durable call stays a lambda: what it
returns is awaited where it is called. Bodies of steps are not changed.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, TypeVar

__all__ = ["Twins", "twin", "twin_module"]

_AWAITED = frozenset(
    {
        *("step", "wait", "wait_until", "wait_for_callback", "wait_for_condition", "create_callback", "invoke", "now"),
        *("run_in_child_context", "map", "parallel", "with_retry", "flush_batch"),
        *("step_with_compensation", "run_compensations"),
    }
)
_ENTERED = frozenset({"batch", "saga"})
_CONTEXTS = frozenset({"ctx", "child", "below", "inner"})
_OWN_SCOPE = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)

Function = ast.FunctionDef | ast.AsyncFunctionDef
N = TypeVar("N", bound=ast.AST)


def twin(source: str) -> ast.Module:
    """Return the ``async def`` form of a module's source."""
    names: set[str] = set()
    while True:
        made = _Twin(names)
        tree: ast.Module = made.visit(ast.parse(source))
        if made.names == names:
            return ast.fix_missing_locations(tree)
        names = made.names


class _Twin(ast.NodeTransformer):
    """Turns a module, given the *names* of the functions that become ``async def``."""

    def __init__(self, names: set[str]) -> None:
        self.names = set(names)
        self._contexts: list[set[str]] = []
        self._before: list[ast.stmt] = []
        self._lambdas = 0

    # -- what becomes async ------------------------------------------------------------------------------------

    def visit_FunctionDef(self, node: ast.FunctionDef) -> Function:
        node.decorator_list = [self.visit(decorator) for decorator in node.decorator_list]
        node.body = self._scope(node.args, node.body)
        if not _awaits(node.body) and not any(map(_is_durable, node.decorator_list)):
            return node
        self.names.add(node.name)
        fields = {field: getattr(node, field) for field in node._fields}
        return ast.copy_location(ast.AsyncFunctionDef(**fields), node)

    def visit_Lambda(self, node: ast.Lambda) -> ast.expr:
        (returned,) = self._scope(node.args, [ast.copy_location(ast.Return(node.body), node.body)])
        value = returned.value if isinstance(returned, ast.Return) else None
        if isinstance(value, ast.Await) and not _awaits([value.value]):
            value = value.value
        if value is None or not _awaits([value]):
            node.body = value or node.body
            return node
        self._lambdas += 1
        name = f"lambda_{self._lambdas}"
        made = ast.AsyncFunctionDef(name, node.args, [returned], [])
        self._before.append(ast.copy_location(made, node))
        return ast.copy_location(ast.Name(name, ast.Load()), node)

    def visit_With(self, node: ast.With) -> ast.With | ast.AsyncWith:
        node.items = [self.visit(item) for item in node.items]
        node.body = self._statements(node.body)
        if not any(self._is_entered(item.context_expr) for item in node.items):
            return node
        return ast.copy_location(ast.AsyncWith(node.items, node.body), node)

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        return ast.copy_location(ast.Await(node), node) if self._is_awaited(node) else node

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.ImportFrom:
        for name in node.names:
            if name.name == "DurableContext":
                name.name, name.asname = "AsyncDurableContext", "DurableContext"
        return node

    # -- what it is told by ------------------------------------------------------------------------------------

    def _is_awaited(self, node: ast.Call) -> bool:
        if not self._contexts:
            return False
        match node.func:
            case ast.Name(name):
                return name in self.names
            case ast.Attribute(ast.Name(name), method) if self._is_context(name):
                return method in _AWAITED
            case ast.Attribute(_, "result"):
                return not node.args and any(self._contexts)
        return False

    def _is_entered(self, node: ast.expr) -> bool:
        match node:
            case ast.Call(ast.Attribute(ast.Name(name), method)):
                return self._is_context(name) and method in _ENTERED
            case ast.Call(ast.Name("Closing")):
                return True
        return False

    def _is_context(self, name: str) -> bool:
        return any(name in contexts for contexts in self._contexts)

    # -- statements --------------------------------------------------------------------------------------------

    def generic_visit(self, node: N) -> N:
        """Visit what is inside of *node*."""
        for field, value in ast.iter_fields(node):
            if isinstance(value, list) and value and isinstance(value[0], ast.stmt):
                setattr(node, field, self._statements(value))
            elif isinstance(value, list):
                setattr(node, field, [self.visit(one) if isinstance(one, ast.AST) else one for one in value])
            elif isinstance(value, ast.AST):
                setattr(node, field, self.visit(value))
        return node

    def _scope(self, arguments: ast.arguments, body: list[ast.stmt]) -> list[ast.stmt]:
        every = (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)
        self._contexts.append({argument.arg for argument in every if argument.arg.rstrip("1") in _CONTEXTS})
        try:
            if isinstance(body[0], ast.Return) and len(body) == 1:
                return [self.visit(body[0])]
            return self._statements(body)
        finally:
            self._contexts.pop()

    def _statements(self, body: Sequence[ast.stmt]) -> list[ast.stmt]:
        made: list[ast.stmt] = []
        for statement in body:
            outside, self._before = self._before, []
            visited = self.visit(statement)
            made += [*self._before, visited]
            self._before = outside
        return made


def _awaits(nodes: Sequence[ast.AST]) -> bool:
    """Tell whether something is awaited in the scope of *nodes*."""
    return any(isinstance(node, (ast.Await, ast.AsyncWith)) for root in nodes for node in _of_scope(root))


def _of_scope(node: ast.AST) -> Iterator[ast.AST]:
    yield node
    for inside in ast.iter_child_nodes(node) if not isinstance(node, _OWN_SCOPE) else ():
        yield from _of_scope(inside)


def _is_durable(decorator: ast.expr) -> bool:
    match decorator:
        case ast.Name("durable") | ast.Call(ast.Name("durable")):
            return True
    return False


# -- modules ---------------------------------------------------------------------------------------------------


class _Loader(SourceFileLoader):
    def get_code(self, fullname: str) -> CodeType:
        """Return the code of the twin; nothing is cached in files."""
        path = self.get_filename(fullname)
        return compile(twin(Path(path).read_text(encoding="utf-8")), path, "exec")


class Twins:
    """Makes ``import`` load the twins of some modules: a finder for `sys.meta_path`.

    Parameters
    ----------
    package : str
        The package that they are in.
    but : Sequence[str]
        Those that stay as they are.
    """

    def __init__(self, package: str, but: Sequence[str] = ()) -> None:
        self._prefix = f"{package}."
        self._but = {f"{package}.{name}" for name in but}

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find the module as usual, and load it as its twin."""
        if not name.startswith(self._prefix) or name in self._but:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.origin is not None:
            spec.loader = _Loader(name, spec.origin)
        return spec


def twin_module(module: ModuleType) -> Any:
    """Return the twin of a module as a module of its own."""
    name = f"{module.__name__}_async"
    if name not in sys.modules:
        made = ModuleType(name, module.__doc__)
        made.__file__ = module.__file__
        sys.modules[name] = made  # where pickle and pydantic look for it
        path = Path(str(module.__file__))
        exec(compile(twin(path.read_text(encoding="utf-8")), str(path), "exec"), vars(made))
    return sys.modules[name]
