"""Turns ``def`` handlers into ``async def`` handlers, so that one source tests both kinds.

::

    def handler(event, ctx):                    async def handler(event, ctx):
        ctx.wait(5)                                 await ctx.wait(5)
        with ctx.batch():                           async with ctx.batch():
            ctx.step(charge)                            await ctx.step(charge)
        return tell(ctx)                            return await settled(tell(ctx))

What takes a context, by the name of a parameter, becomes ``async def``; so does what `durable` decorates, and what
makes a durable call, or calls such a function. A lambda that takes a context becomes a function. Bodies of steps stay
as they are. Lines keep their numbers.

`tests.kinds` collects whole test modules twice.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from powertools_durable._contexts.awaited import DURABLE_METHODS

__all__ = ["Twins", "settled", "twin", "twin_module"]

_CONTEXTS = frozenset({"ctx", "child", "inner", "deeper", "below"})  # parameters of these names are contexts
_BLOCKS = frozenset({"batch", "saga"})
_IMPORT = "from tests.twins import settled"
_OTHER_KIND = {"DurableContext": "AsyncDurableContext"}


async def settled(value: Any) -> Any:
    """Await what a helper of a test returned, if it became ``async def``."""
    return await value if inspect.isawaitable(value) else value


def twin(source: str) -> ast.Module:
    """Return the ``async def`` form of a module's source."""
    tree = ast.parse(source)
    tree.body = _Hoisting().block(tree.body)
    names = _AsyncNames()
    while names.visit_again(tree):
        pass
    awaiting = _Awaiting(names)
    awaiting.visit(tree)
    if awaiting.settles:
        tree.body.insert(_after_future(tree.body), ast.parse(_IMPORT).body[0])
    return ast.fix_missing_locations(tree)


def _after_future(body: list[ast.stmt]) -> int:
    """Return where an import may stand."""
    futures = [at for at, one in enumerate(body) if isinstance(one, ast.ImportFrom) and one.module == "__future__"]
    if futures:
        return futures[-1] + 1
    return int(bool(body) and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant))


# -- what is a context, and what is awaited --------------------------------------------------------------------


def _is_named_like_a_context(name: str) -> bool:
    return name.rstrip("1") in _CONTEXTS


def _takes_context(node: ast.FunctionDef | ast.Lambda) -> bool:
    arguments = node.args
    every = (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)
    return any(_is_named_like_a_context(argument.arg) for argument in every)


def _is_context(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and _is_named_like_a_context(node.id)


def _is_of_a_context(node: ast.AST, methods: frozenset[str]) -> bool:
    """Return whether *node* is a call of one of those methods of a context."""
    match node:
        case ast.Call(ast.Attribute(of, method)):
            return method in methods and _is_context(of)
    return False


def _is_entered(node: ast.AST) -> bool:
    """Return whether *node* makes a context manager whose end is a durable call."""
    return _is_of_a_context(node, _BLOCKS) or (isinstance(node, ast.Call) and _is_passed_a_context(node))


def _is_passed_a_context(node: ast.Call) -> bool:
    return any(map(_is_context, (*node.args, *(keyword.value for keyword in node.keywords))))


def _is_result(node: ast.Call) -> bool:
    """Return whether *node* may be `Callback.result`."""
    return isinstance(node.func, ast.Attribute) and node.func.attr == "result" and not node.args


def _is_durable(decorator: ast.expr) -> bool:
    match decorator:
        case ast.Name("durable") | ast.Call(ast.Name("durable")):
            return True
    return False


def _is_pytests(node: ast.FunctionDef) -> bool:
    return node.name.startswith("test_") or any("fixture" in ast.unparse(one) for one in node.decorator_list)


def _own_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what is below *node*, without functions in it."""
    for one in ast.iter_child_nodes(node):
        if not isinstance(one, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            yield one
            yield from _own_nodes(one)


# -- the translation -------------------------------------------------------------------------------------------


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
    """Finds the functions that become ``async def``."""

    def __init__(self) -> None:
        self.functions: set[ast.FunctionDef] = set()
        self.names: set[str] = set()  # of those that take no context: calls of the others show it by their argument

    def visit_again(self, tree: ast.Module) -> bool:
        """Return whether there are more of them than were known before."""
        before = len(self.functions)
        self.visit(tree)
        return len(self.functions) > before

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self.generic_visit(node)
        if _is_pytests(node):
            return
        if _takes_context(node) or any(map(_is_durable, node.decorator_list)):
            self.functions.add(node)
        elif any(map(self._makes_async, _own_nodes(node))):
            self.functions.add(node)
            self.names.add(node.name)

    def _makes_async(self, node: ast.AST) -> bool:
        return _is_of_a_context(node, DURABLE_METHODS | _BLOCKS) or self.is_call_of_one(node)

    def is_call_of_one(self, node: ast.AST) -> bool:
        """Return whether *node* calls one of them by its name."""
        return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in self.names


class _Awaiting(ast.NodeTransformer):
    """Writes ``async`` and ``await``."""

    def __init__(self, names: _AsyncNames) -> None:
        self.settles = False  # `settled` is called somewhere
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

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> Any:
        return self._inside(node, is_async=False)  # it was written for one kind

    def visit_Lambda(self, node: ast.Lambda) -> Any:
        return self._inside(node, is_async=False)

    def visit_GeneratorExp(self, node: ast.GeneratorExp) -> ast.AST:
        self.generic_visit(node)
        if any(isinstance(one, ast.Await) for one in ast.walk(node)):  # else it would be an asynchronous iterator
            return ast.copy_location(ast.ListComp(node.elt, node.generators), node)
        return node

    def visit_With(self, node: ast.With) -> ast.AST:
        blocks = [self._is_async and _is_entered(item.context_expr) for item in node.items]
        if not any(blocks):
            self.generic_visit(node)
            return node
        assert all(blocks), "a block of a context needs a 'with' of its own"
        for item in node.items:
            self.generic_visit(item.context_expr)  # what is entered is not awaited
        node.body = [self.visit(one) for one in node.body]
        fields = {field: getattr(node, field) for field in node._fields}
        return ast.copy_location(ast.AsyncWith(**fields), node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        is_durable = _is_of_a_context(node, DURABLE_METHODS)
        is_helper = not is_durable and self._may_be_async(node)
        self.generic_visit(node)
        if not self._is_async or not (is_durable or is_helper):
            return node
        awaited: ast.expr = node
        if is_helper:
            self.settles = True
            awaited = ast.Call(ast.Name(settled.__name__, ast.Load()), [node], [])
        return ast.copy_location(ast.Await(ast.copy_location(awaited, node)), node)

    def _may_be_async(self, node: ast.Call) -> bool:
        if isinstance(node.func, ast.Attribute) and _is_context(node.func.value):
            return False
        return _is_passed_a_context(node) or _is_result(node) or self._names.is_call_of_one(node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.ImportFrom:
        for name in node.names:
            if name.name in _OTHER_KIND:
                name.name, name.asname = _OTHER_KIND[name.name], name.asname or name.name
        return node


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
