"""The handler's own lines, read and not run: which operations it asks for, and what is different at each replay.

Functions inside of it are left alone: whether they are steps, which may do anything, is not told by their lines.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import textwrap
import time
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import Any

from powertools_durable._contexts.blocking import DurableContext
from powertools_durable.cli.diagnosis.finding import Finding
from powertools_durable.parser.annotations import innermost
from powertools_durable.parser.lint import is_unstable

__all__ = ["Source"]

_SUBJECT = "code"
_NESTED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
_EVERYTHING = {"BaseException", "SuspendExecution"}


class Source:
    """The lines of a handler.

    Parameters
    ----------
    handler : Callable
        The user's function, or what decorators made of it.

    Attributes
    ----------
    operations : set[str]
        Names of the context's methods that it calls.
    functions : list[Callable]
        What it hands to them, as far as a name of its module tells.
    targets : set[str]
        Names of functions that it invokes.
    """

    def __init__(self, handler: Callable[..., Any]) -> None:
        self._function = innermost(handler)
        self._context = _context_name(self._function)
        self._tree = _parsed(self._function)
        self.operations: set[str] = set()
        self.functions: list[Callable[..., Any]] = []
        self.targets: set[str] = set()
        for call in self._calls(self._own(self._tree)):
            self._learn(call)

    def findings(self) -> Iterator[Finding]:
        """Yield what will surprise, with the line."""
        if self._tree is None:
            yield Finding.ok(_SUBJECT, "its source is not to be had; nothing was looked at")
            return
        found = [*self._of_calls(), *self._of_tries()]
        yield from found
        if not found:
            asked = ", ".join(sorted(self.operations)) or "no operation"
            yield Finding.ok(_SUBJECT, f"nothing found in its own lines that a replay does otherwise; calls: {asked}")

    # -- what it asks for --------------------------------------------------------------------------------------

    def _learn(self, call: ast.Call) -> None:
        method = self._method(call)
        if method is None:
            return
        self.operations.add(method)
        if method == "invoke":
            match call.args:
                case [ast.Constant(value=str(name)), *_]:
                    self.targets.add(name)
                case _:  # its name is not told by this line
                    pass
            return
        for given in call.args:
            parts = given.elts if isinstance(given, ast.List | ast.Tuple) else [given]
            self.functions += filter(callable, map(self._value, parts))

    def _method(self, call: ast.Call) -> str | None:
        match call.func:
            case ast.Attribute(value=ast.Name(id=name), attr=attr) if name == self._context:
                return attr
            case _:
                return None

    # -- what surprises ----------------------------------------------------------------------------------------

    def _of_calls(self) -> Iterator[Finding]:
        for call in self._calls(self._own(self._tree)):
            function = self._value(call.func)
            name = ast.unparse(call.func)
            if (method := self._method(call)) is not None and not hasattr(DurableContext, method):
                close = get_close_matches(method, [one for one in dir(DurableContext) if one[0] != "_"], n=1)
                words = f"{name}() at {self._place(call)}: a DurableContext has no {method!r}"
                yield Finding.error(_SUBJECT, words, f"did you mean {close[0]!r}?" if close else "see its reference")
            elif function is print:
                words = f"print() at {self._place(call)} comes again at each replay"
                yield Finding.warning(_SUBJECT, words, "log it: ctx.logger")
            elif function is time.sleep:
                words = f"{name}() at {self._place(call)} sleeps again at each replay, and is paid for"
                yield Finding.warning(_SUBJECT, words, "suspend instead: ctx.wait(...)")
            elif function is not None and is_unstable(function):
                words = f"{name}() at {self._place(call)} is different at each replay"
                yield Finding.warning(_SUBJECT, words, "ctx.now(), ctx.uuid4(), ctx.random, or a step")

    def _of_tries(self) -> Iterator[Finding]:
        for node in self._own(self._tree):
            if not isinstance(node, ast.Try) or not self._suspends(node.body):
                continue
            for caught in node.handlers:
                if self._is_everything(caught.type) and not any(isinstance(n, ast.Raise) for n in self._own(caught)):
                    shown = ast.unparse(caught.type) if caught.type else ""
                    words = f"'{f'except {shown}'.strip()}:' at {self._place(caught)} catches suspensions too"
                    yield Finding.warning(_SUBJECT, words, "write 'except Exception:', which lets them pass")
            if self._suspends(node.finalbody):
                words = f"'finally:' at {self._place(node.finalbody[0])} asks for operations, also while suspending"
                yield Finding.warning(_SUBJECT, words, "ctx.defer(...) is for the end of the execution")

    def _suspends(self, statements: list[ast.stmt]) -> bool:
        return any(self._method(call) for statement in statements for call in self._calls(self._own(statement)))

    def _is_everything(self, kind: ast.expr | None) -> bool:
        kinds = kind.elts if isinstance(kind, ast.Tuple) else [kind]
        return any(one is None or ast.unparse(one).rpartition(".")[2] in _EVERYTHING for one in kinds)

    # -- reading -----------------------------------------------------------------------------------------------

    def _own(self, tree: ast.AST | None) -> Iterator[ast.AST]:
        """Yield the nodes of *tree* outside of functions inside of it."""
        for child in ast.iter_child_nodes(tree) if tree is not None else ():
            if not isinstance(child, _NESTED):
                yield child
                yield from self._own(child)

    def _calls(self, nodes: Iterator[ast.AST]) -> Iterator[ast.Call]:
        return (node for node in nodes if isinstance(node, ast.Call))

    def _value(self, node: ast.expr) -> Any:
        """Return what a name of the module stands for; only modules and classes are asked for attributes."""
        match node:
            case ast.Name(id=name):
                return self._names().get(name)
            case ast.Attribute(value=inner, attr=attr):
                owner = self._value(inner)
                return getattr(owner, attr, None) if isinstance(owner, ModuleType | type) else None
            case _:
                return None

    def _names(self) -> dict[str, Any]:
        closure = inspect.getclosurevars(self._function).nonlocals
        return {**vars(builtins), **self._function.__globals__, **closure}

    def _place(self, node: ast.AST) -> str:
        code = self._function.__code__
        return f"{Path(code.co_filename).name}:{code.co_firstlineno + getattr(node, 'lineno', 1) - 1}"


def _context_name(function: Callable[..., Any]) -> str:
    names = list(inspect.signature(function).parameters)
    return names[1 + (names[0] == "self")] if len(names) > 1 else ""


def _parsed(function: Callable[..., Any]) -> ast.AST | None:
    """Return the function's body as a tree; None when there is no source."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):
        return None
    found = tree.body[0]
    return ast.Module(found.body, []) if isinstance(found, ast.FunctionDef) else None
