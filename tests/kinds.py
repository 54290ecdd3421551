"""The same test module with ``async def`` handlers: its source is translated, so every test is written once.

::

    def handler(event, ctx):                    async def handler(event, ctx):
        ctx.wait(5)                                 await ctx.wait(5)
        with ctx.batch():                           async with ctx.batch():
            ctx.step(charge)                            await ctx.step(charge)

What takes a context, by the name of a parameter, becomes ``async def``; what a context's method returns is awaited, and
so is the result of a function that became ``async def``. Bodies of steps stay as they are. Lines keep their numbers.

A module that is listed in `MODULES` is collected twice; the twin's tests are ``test_file.py::async::test_name``. In a
test, the fixture ``kind`` is ``"def"`` or ``"async"``. What only one kind can show is marked ``only("def", "why")``.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from _pytest.assertion.rewrite import rewrite_asserts
from _pytest.python import importtestmodule

from powertools_durable import AsyncDurableContext

__all__ = ["MODULES", "AsyncFile", "concerns", "file_of", "kind_of", "translated"]

MODULES = frozenset(
    {
        "integrations/test_decorator_order.py",
        "integrations/test_engine_metrics.py",
        "integrations/test_entry_points.py",
        "integrations/test_first_invocation.py",
        "integrations/test_instrumentation.py",
        "integrations/test_log_buffer.py",
        "integrations/test_log_context.py",
        "integrations/test_log_keys.py",
        "integrations/test_log_properties.py",
        "integrations/test_logger.py",
        "integrations/test_metrics.py",
        "integrations/test_neighbours.py",
        "integrations/test_one_handler.py",
        "integrations/test_replay_states.py",
        "integrations/test_uncaught_options.py",
        "integrations/test_xray.py",
        "runtime/test_failures_logged.py",
        "runtime/test_failures_recorded.py",
        "runtime/test_observers.py",
        "runtime/test_plugin_infos.py",
    }
)
"""The modules that are run for both kinds, below this folder."""

_CONTEXTS = frozenset({"ctx", "child", "inner", "deeper"})  # parameters of these names are contexts
_BLOCKS = frozenset({"batch", "saga"})
_AWAITED = frozenset(
    name
    for name, member in inspect.getmembers(AsyncDurableContext, inspect.isfunction)
    if str(inspect.signature(member).return_annotation).startswith("DurableTask")
)
_SETTLED = "_settled"


async def _settled(value: Any) -> Any:
    """Await what a helper of a test returned, if it became ``async def``."""
    return await value if inspect.isawaitable(value) else value


class AsyncFile(pytest.File):
    """Collects the twin of a file."""

    def collect(self) -> Iterable[pytest.Item | pytest.Collector]:
        yield _AsyncModule.from_parent(self, path=self.path, name="async", nodeid=self.nodeid)


class _AsyncModule(pytest.Module):
    def _getobj(self) -> ModuleType:
        original = importtestmodule(self.path, self.config)
        tree = translated(self.path)
        rewrite_asserts(tree, self.path.read_bytes(), str(self.path), self.config)
        module = ModuleType(original.__name__, original.__doc__)
        module.__file__ = original.__file__
        module.__dict__[_SETTLED] = _settled
        exec(compile(tree, self.path, "exec", dont_inherit=True), module.__dict__)
        return module


def kind_of(item: pytest.Item) -> str:
    """Return of which kind the handlers of a test are."""
    return "async" if item.getparent(_AsyncModule) else "def"


def concerns(item: pytest.Item) -> bool:
    """Return whether a test is one for the kind of its handlers."""
    kind = kind_of(item)
    return all(mark.args[0] == kind for mark in item.iter_markers("only"))


def file_of(path: Path, parent: pytest.Collector) -> AsyncFile | None:
    """Return what collects the twin of *path*, if it is to have one."""
    below = path.relative_to(Path(__file__).parent).as_posix() if path.is_relative_to(Path(__file__).parent) else ""
    if below not in MODULES:
        return None
    file: AsyncFile = AsyncFile.from_parent(
        parent, path=path, nodeid=f"{path.relative_to(parent.config.rootpath).as_posix()}::async"
    )
    return file


# -- the translation -------------------------------------------------------------------------------------------


def translated(path: Path) -> ast.Module:
    """Return the twin of a module."""
    tree = ast.parse(path.read_text(), path)
    tree.body = _Hoisting().block(tree.body)
    names = _AsyncNames()
    names.visit(tree)
    _Awaiting(names).visit(tree)
    return ast.fix_missing_locations(tree)


def _takes_context(node: ast.FunctionDef | ast.Lambda) -> bool:
    arguments = node.args
    names = {argument.arg for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)}
    return bool(names & _CONTEXTS)


def _is_of_a_context(node: ast.AST, methods: frozenset[str]) -> bool:
    """Return whether *node* is a call of one of those methods of a context."""
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in methods
        and _is_context(node.func.value)
    )


def _is_context(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id in _CONTEXTS


class _Hoisting(ast.NodeTransformer):
    """Makes functions of lambdas that take a context: a lambda can't await."""

    def __init__(self) -> None:
        self._hoisted: list[ast.stmt] = []
        self._count = 0
        self._closed = 0  # depth of what binds names that a function before the statement would not have

    def block(self, statements: list[ast.stmt]) -> list[ast.stmt]:
        """Return *statements*, each after the functions that its lambdas became."""
        done: list[ast.stmt] = []
        for statement in statements:
            before, self._hoisted = self._hoisted, []
            closed, self._closed = self._closed, 0
            changed = self.visit(statement)
            done += [*self._hoisted, changed]
            self._hoisted, self._closed = before, closed
        return done

    def generic_visit(self, node: ast.AST) -> ast.AST:
        for field, value in ast.iter_fields(node):
            if isinstance(value, list) and value and isinstance(value[0], ast.stmt):
                setattr(node, field, self.block(value))
            elif isinstance(value, list):
                value[:] = [self.visit(one) if isinstance(one, ast.AST) else one for one in value]
            elif isinstance(value, ast.AST):
                setattr(node, field, self.visit(value))
        return node

    def _closing(self, node: ast.AST) -> ast.AST:
        self._closed += 1
        changed = self.generic_visit(node)
        self._closed -= 1
        return changed

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _closing  # noqa: N815 - the base's names

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        if not _takes_context(node) or self._closed:
            return self._closing(node)
        self._count += 1
        name = f"_lambda_{self._count}"
        inside = self.block([ast.copy_location(ast.Return(node.body), node.body)])
        function = ast.FunctionDef(name=name, args=node.args, body=inside, decorator_list=[], returns=None)
        if "type_params" in ast.FunctionDef._fields:
            function.type_params = []
        named = ast.parse(f"{name}.__name__ = {name}.__qualname__ = '<lambda>'").body[0]
        self._hoisted += [ast.copy_location(function, node), ast.copy_location(named, node)]
        return ast.copy_location(ast.Name(name, ast.Load()), node)


class _AsyncNames(ast.NodeVisitor):
    """Finds the functions that become ``async def``, and the names of callbacks."""

    def __init__(self) -> None:
        self.functions: set[ast.FunctionDef] = set()
        self.names: set[str] = set()  # of those that take no context: calls of the others show it by their argument
        self.callbacks: set[str] = set()

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self.generic_visit(node)
        if _is_pytests(node):
            return
        if _takes_context(node):
            self.functions.add(node)
        elif any(_is_of_a_context(one, _AWAITED | _BLOCKS) for one in _own_nodes(node)):
            self.functions.add(node)
            self.names.add(node.name)

    def visit_Assign(self, node: ast.Assign) -> None:
        self.generic_visit(node)
        if _is_of_a_context(node.value, frozenset({"create_callback"})):
            self.callbacks |= {target.id for target in node.targets if isinstance(target, ast.Name)}


def _is_pytests(node: ast.FunctionDef) -> bool:
    return node.name.startswith("test_") or any("fixture" in ast.unparse(one) for one in node.decorator_list)


def _own_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what is below *node*, without functions in it."""
    for one in ast.iter_child_nodes(node):
        if not isinstance(one, (ast.FunctionDef, ast.Lambda)):
            yield one
            yield from _own_nodes(one)


class _Awaiting(ast.NodeTransformer):
    """Writes ``async`` and ``await``."""

    def __init__(self, names: _AsyncNames) -> None:
        self._names = names
        self._is_async = False

    def _inside(self, node: Any, *, is_async: bool) -> Any:
        before, self._is_async = self._is_async, is_async
        self.generic_visit(node)
        self._is_async = before
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        becomes = node in self._names.functions
        self._inside(node, is_async=becomes)
        if not becomes:
            return node
        fields = {field: getattr(node, field) for field in node._fields}
        return ast.copy_location(ast.AsyncFunctionDef(**fields), node)

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        changed: ast.AST = self._inside(node, is_async=False)
        return changed

    def visit_GeneratorExp(self, node: ast.GeneratorExp) -> ast.AST:
        self.generic_visit(node)
        if any(isinstance(one, ast.Await) for one in ast.walk(node)):  # else it would be an asynchronous iterator
            return ast.copy_location(ast.ListComp(node.elt, node.generators), node)
        return node

    def visit_With(self, node: ast.With) -> ast.AST:
        blocks = [_is_of_a_context(item.context_expr, _BLOCKS) for item in node.items]
        self.generic_visit(node)
        if not self._is_async or not any(blocks):
            return node
        assert all(blocks), "a block of a context needs a 'with' of its own"
        fields = {field: getattr(node, field) for field in node._fields}
        return ast.copy_location(ast.AsyncWith(**fields), node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        is_durable = _is_of_a_context(node, _AWAITED) or self._is_result(node)
        is_helper = not is_durable and self._may_be_async(node)
        self.generic_visit(node)
        if not self._is_async or not (is_durable or is_helper):
            return node
        awaited: ast.expr = node
        if is_helper:
            awaited = ast.Call(ast.Name(_SETTLED, ast.Load()), [node], [])
        return ast.copy_location(ast.Await(ast.copy_location(awaited, node)), node)

    def _is_result(self, node: ast.Call) -> bool:
        if not isinstance(node.func, ast.Attribute) or node.func.attr != "result":
            return False
        of = node.func.value
        return (isinstance(of, ast.Name) and of.id in self._names.callbacks) or _is_of_a_context(
            of, frozenset({"create_callback"})
        )

    def _may_be_async(self, node: ast.Call) -> bool:
        if isinstance(node.func, ast.Attribute) and _is_context(node.func.value):
            return False
        arguments = [*node.args, *(keyword.value for keyword in node.keywords)]
        return any(map(_is_context, arguments)) or (
            isinstance(node.func, ast.Name) and node.func.id in self._names.names
        )
