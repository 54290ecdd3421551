"""What is different at each replay: functions of time and chance, the order of a set, and limits of asyncio's clock.

One list for all who look for it: `durable` in default factories (`lint.py`), ``doctor`` in a handler's lines, and
`explore` in the code that ran outside of steps.
"""

from __future__ import annotations

import ast
import inspect
import random
import textwrap
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from typing import Any

from powertools_durable._functions import below_partials

__all__ = [
    "NESTED",
    "SHARED_RANDOM",
    "is_unstable",
    "limits_by_clock",
    "set_order_lines",
    "source_of",
    "unstable_name",
]

_NOW = {"now", "utcnow", "today"}
_CLOCKS = {"time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "localtime", "gmtime"}
_UNSTABLE = {
    "time": _CLOCKS,
    "time_machine": _CLOCKS,  # which takes their place in tests
    "uuid": {"uuid1", "uuid4", "uuid6", "uuid7", "uuid8"},
    "secrets": {"token_bytes", "token_hex", "token_urlsafe", "randbelow"},
    "posix": {"urandom"},
    "nt": {"urandom"},
}
NESTED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
_SHOWN = {"time_machine": "time", "posix": "os", "nt": "os"}
SHARED_RANDOM: Any = inspect.getattr_static(random, "_inst")  # whose methods are the functions of `random`


def unstable_name(function: Any) -> str | None:
    """Return ``time.time()`` for one of Python's own functions that return another value each time; else None."""
    name, owner = getattr(function, "__name__", ""), getattr(function, "__self__", None)
    if owner is SHARED_RANDOM:
        return f"random.{name}()"
    if isinstance(owner, type) and issubclass(owner, date):
        return f"{owner.__name__}.{name}()" if name in _NOW else None
    module = getattr(function, "__module__", None) or ""
    return f"{_SHOWN.get(module, module)}.{name}()" if name in _UNSTABLE.get(module, ()) else None


def is_unstable(factory: Any) -> bool:
    """Tell whether *factory*, or what it is a partial of, returns another value each time it is called."""
    function = below_partials(factory)
    owner = getattr(function, "__self__", None)
    return isinstance(owner, random.Random) or unstable_name(function) is not None  # some of `secrets` are methods too


def source_of(code: Any) -> ast.Module | None:
    """Return a function, or its code, as a tree; None where it has no source that can be read alone."""
    try:
        return ast.parse(textwrap.dedent(inspect.getsource(code)))
    except (OSError, SyntaxError, TypeError, ValueError):
        return None  # typed at a prompt, or a lambda in the middle of a line


def set_order_lines(tree: ast.AST, *, nested: bool) -> list[int]:
    """Return the lines of *tree* that depend on the order of a set, which differs between processes.

    Parameters
    ----------
    tree : ast.AST
        The body of a function, or more.
    nested : bool
        Look into functions inside of it too, which may be steps.
    """
    reader = _Reader(nested=nested)
    reader.visit(tree)
    return sorted(reader.lines)


_BLOCKS = {"timeout", "timeout_at"}
_CALLS = {"wait_for", "wait"}


def limits_by_clock(nodes: Iterable[ast.AST], is_durable: Callable[[ast.Call], bool]) -> Iterator[tuple[str, ast.expr]]:
    """Yield what limits durable calls by asyncio's clock, which begins anew at each replay.

    Parameters
    ----------
    nodes : Iterable[ast.AST]
        Where to look.
    is_durable : Callable
        Tells whether a call is a durable one.

    Yields
    ------
    tuple[str, ast.expr]
        The name of the function, as it is written, and the call of it.
    """
    for node in nodes:
        match node:
            case ast.AsyncWith(items=items, body=body):
                for item in items:
                    name = _asyncio_name(item.context_expr, _BLOCKS)
                    if name and any(map(is_durable, _calls_in(body))):
                        yield name, item.context_expr
            case ast.Call(args=args):
                name = _asyncio_name(node, _CALLS)
                if name and _is_limited(node) and any(map(is_durable, _calls_in(args[:1]))):
                    yield name, node
            case _:
                pass


def _asyncio_name(node: ast.expr, names: set[str]) -> str:
    """Return how a function of asyncio is written that *node* calls; empty if it calls another one."""
    name = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
    return name if name.removeprefix("asyncio.") in names else ""


def _is_limited(call: ast.Call) -> bool:
    """Tell whether a call of ``wait_for`` or ``wait`` gives a time."""
    limits = [keyword.value for keyword in call.keywords if keyword.arg == "timeout"]
    if ast.unparse(call.func).endswith("wait_for"):
        limits += call.args[1:2]
    return any(not (isinstance(limit, ast.Constant) and limit.value is None) for limit in limits)


def _calls_in(nodes: Iterable[ast.AST]) -> Iterator[ast.Call]:
    return (node for part in nodes for node in ast.walk(part) if isinstance(node, ast.Call))


_ORDERLY = {"sorted", "len", "min", "max", "sum", "any", "all", "set", "frozenset", "bool"}
_SEQUENCES = {"list", "tuple", "enumerate", "iter", "zip", "map", "filter", "next"}
_SET_METHODS = {"union", "intersection", "difference", "symmetric_difference"}


class _Reader(ast.NodeVisitor):
    def __init__(self, *, nested: bool) -> None:
        self._nested = nested
        self.lines: set[int] = set()
        self._sets: set[str] = set()

    def visit(self, node: ast.AST) -> None:
        if self._nested or not isinstance(node, NESTED):
            super().visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        names = [target.id for target in node.targets if isinstance(target, ast.Name)]
        if _waits(node.value):  # both are sets
            pairs = [target.elts for target in node.targets if isinstance(target, ast.Tuple)]
            self._sets.update(part.id for pair in pairs for part in pair if isinstance(part, ast.Name))
        (self._sets.update if self._is_set(node.value) else self._sets.difference_update)(names)
        self.generic_visit(node)

    def visit_For(self, node: ast.For) -> None:
        if not _cancels(node):
            self._ordered(node.iter)
        self.generic_visit(node)

    def visit_ListComp(self, node: ast.ListComp) -> None:
        for generator in node.generators:
            self._ordered(generator.iter)
        self.generic_visit(node)

    def visit_Starred(self, node: ast.Starred) -> None:
        self._ordered(node.value)
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        match node.func:
            case ast.Name(id=name) if name in _ORDERLY:
                for argument in node.args:  # what is inside has no order that counts
                    if not isinstance(argument, (ast.GeneratorExp, ast.ListComp)):
                        self.visit(argument)
                return
            case ast.Name(id=name) if name in _SEQUENCES:
                for argument in node.args:
                    self._ordered(argument)
            case ast.Attribute(attr="pop", value=owner) if not node.args:
                self._ordered(owner)
            case ast.Attribute(attr="join"):
                for argument in node.args:
                    self._ordered(argument)
            case _:
                pass
        self.generic_visit(node)

    def _ordered(self, node: ast.expr) -> None:
        if self._is_set(node):
            self.lines.add(node.lineno)

    def _is_set(self, node: ast.expr) -> bool:
        match node:
            case ast.Set() | ast.SetComp():
                return True
            case ast.Name(id=name):
                return name in self._sets
            case ast.Call(func=ast.Name(id="set" | "frozenset")):
                return True
            case ast.Call(func=ast.Attribute(attr=attr, value=owner)):
                return attr in _SET_METHODS and self._is_set(owner)
            case ast.BinOp(left=left, op=ast.Sub() | ast.BitAnd() | ast.BitOr() | ast.BitXor(), right=right):
                return self._is_set(left) or self._is_set(right)
            case _:
                return False


def _waits(node: ast.expr) -> bool:
    """Tell whether *node* is ``await asyncio.wait(...)``."""
    return isinstance(node, ast.Await) and ast.unparse(node.value).startswith(("asyncio.wait(", "wait("))


def _cancels(loop: ast.For) -> bool:
    """Tell whether a loop only cancels tasks, in whatever order."""
    return all(
        isinstance(line, ast.Expr)
        and isinstance(line.value, ast.Call)
        and isinstance(line.value.func, ast.Attribute)
        and line.value.func.attr == "cancel"
        for line in loop.body
    )
