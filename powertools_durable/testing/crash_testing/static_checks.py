"""Code that a crash will break, seen without one: what a handler asks outside of steps, and how it orders things."""

from __future__ import annotations

import ast
import inspect
import os
import random
import textwrap
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import date
from types import CodeType, FrameType, TracebackType
from typing import Any, Self

from powertools_durable.scope import current_scope
from powertools_durable.testing.crash_testing.compare import Deviation
from powertools_durable.testing.crash_testing.module_globals import is_users
from powertools_durable.testing.crash_testing.process_state import profiling
from powertools_durable.testing.crash_testing.side_effects import listening

__all__ = ["Inspector", "unordered"]

_CLOCKS = {"time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "localtime", "gmtime"}
_NOW = {"now", "utcnow", "today"}
_CHANCE = {random.__file__, uuid.__file__}
_ENVIRON = type(os.environ).__getitem__.__code__


class Inspector:
    """Profiles one run: what is asked of the clock, of chance and of the environment outside of steps.

    Attributes
    ----------
    asked : dict[str, str]
        ``file:line`` of a call, and what is called.
    variables : dict[str, str]
        Environment variables that were read, and where.
    codes : set[CodeType]
        The user's code that ran outside of steps.
    done : dict[str, str]
        ``file:line`` of an effect outside of steps, and what it does.
    """

    def __init__(self) -> None:
        self.asked: dict[str, str] = {}
        self.variables: dict[str, str] = {}
        self.codes: set[CodeType] = set()
        self.done: dict[str, str] = {}
        self._watching = ExitStack()

    def __enter__(self) -> Self:
        self._watching.enter_context(listening(self.done.setdefault))
        self._watching.enter_context(profiling(self._profile))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._watching.close()

    def deeds(self) -> Iterator[Deviation]:
        """Yield what was done outside of steps."""
        for location, does in self.done.items():
            words = f"{does} outside of any step, so each replay does it again. Move it into ctx.step(...)"
            yield Deviation("the handler", location, words, "deed")

    def _profile(self, frame: FrameType, event: str, arg: Any) -> None:
        if event == "c_call":
            name = _asks_clock(arg) or _asks_chance(arg)
            if name:
                self._note(frame, name)
        elif event == "call":
            code = frame.f_code
            if code is _ENVIRON:
                self._note_variable(frame)
            elif code.co_filename in _CHANCE:
                self._note_chance(frame)
            elif code not in self.codes and is_users(code.co_filename) and _is_outside():
                self.codes.add(code)

    def _note(self, frame: FrameType | None, name: str) -> None:
        if frame is not None and is_users(frame.f_code.co_filename) and _is_outside():
            self.asked.setdefault(f"{frame.f_code.co_filename}:{frame.f_lineno}", name)

    def _note_chance(self, frame: FrameType) -> None:
        source = frame.f_locals.get("self")
        if frame.f_code.co_filename == uuid.__file__:
            if frame.f_code.co_name in {"uuid1", "uuid4", "uuid7"}:
                self._note(frame.f_back, f"uuid.{frame.f_code.co_name}()")
        elif source is _SHARED:
            self._note(frame.f_back, f"random.{frame.f_code.co_name}()")

    def _note_variable(self, frame: FrameType) -> None:
        caller = frame.f_back
        while caller is not None and "/os.py" in caller.f_code.co_filename.replace("\\", "/"):
            caller = caller.f_back
        while caller is not None and "_collections_abc" in caller.f_code.co_filename:
            caller = caller.f_back
        while caller is not None and "/os.py" in caller.f_code.co_filename.replace("\\", "/"):
            caller = caller.f_back
        if caller is not None and is_users(caller.f_code.co_filename) and _is_outside():
            name = frame.f_locals.get("key")
            if isinstance(name, str):
                self.variables.setdefault(name, f"{caller.f_code.co_filename}:{caller.f_lineno}")


_SHARED = inspect.getattr_static(random, "_inst")


def _is_outside() -> bool:
    scope = current_scope()
    return scope is not None and scope.step is None


def _asks_clock(function: Any) -> str | None:
    name = getattr(function, "__name__", "")
    owner = getattr(function, "__self__", None)
    if name in _NOW and inspect.isclass(owner) and issubclass(owner, date):
        return f"{owner.__name__}.{name}()"
    module = getattr(function, "__module__", None)
    return f"time.{name}()" if name in _CLOCKS and module in {"time", "time_machine"} else None


def _asks_chance(function: Any) -> str | None:
    is_shared = getattr(function, "__self__", None) is _SHARED
    return f"random.{function.__name__}()" if is_shared else None


# ------------------------------------------------------------------------------------------------- order of sets

_ORDERLY = {"sorted", "len", "min", "max", "sum", "any", "all", "set", "frozenset", "bool"}
_PARTS = {"<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"}
_SEQUENCES = {"list", "tuple", "enumerate", "iter", "zip", "map", "filter", "next"}
_SET_METHODS = {"union", "intersection", "difference", "symmetric_difference"}


def unordered(codes: set[CodeType]) -> Iterator[Deviation]:
    """Yield where *codes* depend on the order of a set, which differs between processes."""
    own = (code for code in codes if code.co_name not in _PARTS)  # their functions' lines hold them
    for code in sorted(own, key=lambda one: (one.co_filename, one.co_firstlineno)):
        try:
            source = textwrap.dedent(inspect.getsource(code))
            tree = ast.parse(source)
        except (OSError, SyntaxError, TypeError, ValueError):
            continue  # typed at a prompt, or a lambda in the middle of a line
        reader = _Reader()
        reader.visit(tree)
        for line in sorted(reader.lines):
            yield Deviation(
                code.co_name,
                f"{code.co_filename}:{code.co_firstlineno + line - 1}",
                "depends on the order of a set, which differs from process to process: operations would change "
                "places after a crash. Use sorted(...)",
                "order",
            )


class _Reader(ast.NodeVisitor):
    def __init__(self) -> None:
        self.lines: set[int] = set()
        self._sets: set[str] = set()

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
