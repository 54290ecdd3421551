"""The handler's own lines, read and not run: which operations it asks for, and what is different at each replay.

Functions inside of it are left alone: whether they are steps, which may do anything, is not told by their lines.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, NamedTuple, TypeVar

from powertools_durable._functions import innermost
from powertools_durable.cli.diagnosis.finding import Finding
from powertools_durable.parser.determinism import NESTED, is_unstable, set_order_lines, source_of

__all__ = ["DurableCall", "Source"]

_SUBJECT = "code"
_LOOPS = (ast.AsyncFor, ast.For, ast.While, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_EVERYTHING = {"BaseException", "SuspendExecution"}


_Node = TypeVar("_Node", bound=ast.AST)


class DurableCall(NamedTuple):
    """A call of one of the context's methods.

    Attributes
    ----------
    method : str
        Its name.
    shown : str
        The same, with the context's name before it.
    in_loop : bool
        It may be made several times.
    """

    method: str
    shown: str
    node: ast.Call
    in_loop: bool


class Source:
    """The lines of a handler.

    Parameters
    ----------
    handler : Callable
        The user's function, or what decorators made of it.

    Attributes
    ----------
    calls : list[DurableCall]
        What it asks its context for.
    contexts : list[str]
        Names of its parameters that are contexts.
    """

    def __init__(self, handler: Callable[..., Any]) -> None:
        self._function = innermost(handler)
        self._context = _context_name(handler)
        self.contexts = [
            name
            for name, parameter in inspect.signature(handler).parameters.items()
            if name == self._context or "DurableContext" in str(parameter.annotation)
        ]
        self._own_nodes: set[int] | None = None
        self._tree = _parsed(self._function)
        self._names = _names(self._function)
        looping = {id(node) for loop in _own(self._tree) if isinstance(loop, _LOOPS) for node in _own(loop)}
        self.calls = [
            DurableCall(method, ast.unparse(call.func), call, id(call) in looping)
            for call in _calls(_own(self._tree))
            if (method := self._method(call)) is not None
        ]

    @property
    def is_async(self) -> bool:
        """True for an ``async def`` function."""
        return inspect.iscoroutinefunction(self._function)

    @property
    def module(self) -> str:
        """The name of its module."""
        return str(self._function.__module__)

    @property
    def code(self) -> CodeType:
        """What it is compiled to."""
        code: CodeType = self._function.__code__
        return code

    def nodes(self, *kinds: type[_Node]) -> Iterator[_Node]:
        """Yield the nodes of these kinds, also those of async functions inside of it."""
        return (node for node in _awaited(self._tree) if isinstance(node, kinds))

    def is_own(self, node: ast.AST) -> bool:
        """Tell whether *node* is outside of functions inside of it."""
        if self._own_nodes is None:
            self._own_nodes = {id(own) for own in _own(self._tree)}
        return id(node) in self._own_nodes

    @property
    def operations(self) -> set[str]:
        """Names of the context's methods that it calls."""
        return {call.method for call in self.calls}

    @property
    def functions(self) -> list[Callable[..., Any]]:
        """What it hands to them, each once, as far as a name of its module tells."""
        given = [argument for call in self.calls if call.method != "invoke" for argument in call.node.args]
        parts = [part for one in given for part in (one.elts if isinstance(one, ast.List | ast.Tuple) else [one])]
        found = filter(callable, map(self.value, parts))
        return [*{id(function): function for function in found}.values()]

    @property
    def targets(self) -> set[str]:
        """Names of functions that it invokes, as far as they are written there."""
        first = [call.node.args[0] for call in self.calls if call.method == "invoke" and call.node.args]
        return {node.value for node in first if isinstance(node, ast.Constant) and isinstance(node.value, str)}

    def findings(self) -> Iterator[Finding]:
        """Yield what will surprise, with the line."""
        if self._tree is None:
            yield Finding.ok(_SUBJECT, "its source is not to be had; nothing was looked at")
            return
        found = [*self._of_calls(), *self._of_sets(self._tree), *self._of_tries()]
        yield from found
        if not found:
            asked = ", ".join(sorted(self.operations)) or "no operation"
            yield Finding.ok(_SUBJECT, f"nothing found in its own lines that a replay does otherwise; calls: {asked}")

    def _method(self, call: ast.Call) -> str | None:
        match call.func:
            case ast.Attribute(value=ast.Name(id=name), attr=attr) if name == self._context:
                return attr
            case _:
                return None

    # -- what surprises ----------------------------------------------------------------------------------------

    def _of_calls(self) -> Iterator[Finding]:
        for call in _calls(_own(self._tree)):
            function = self.value(call.func)
            name = ast.unparse(call.func)
            if function is print:
                words = f"print() at {self.place(call)} comes again at each replay"
                yield Finding.warning(_SUBJECT, words, "log it: ctx.logger")
            elif function is time.sleep:
                words = f"{name}() at {self.place(call)} sleeps again at each replay, and is paid for"
                yield Finding.warning(_SUBJECT, words, f"suspend instead: {'await ' * self.is_async}ctx.wait(...)")
            elif function is not None and is_unstable(function):
                words = f"{name}() at {self.place(call)} is different at each replay"
                yield Finding.warning(_SUBJECT, words, "ctx.now(), ctx.uuid4(), ctx.random, or a step")

    def _of_sets(self, tree: ast.AST) -> Iterator[Finding]:
        for line in set_order_lines(tree, nested=False):
            words = f"{self._at_line(line)} depends on the order of a set, which differs from process to process"
            yield Finding.warning(_SUBJECT, words, "use sorted(...)")

    def _of_tries(self) -> Iterator[Finding]:
        for node in _own(self._tree):
            if not isinstance(node, ast.Try) or not self._suspends(node.body):
                continue
            for caught in node.handlers:
                if self._is_everything(caught.type) and not any(isinstance(n, ast.Raise) for n in _own(caught)):
                    shown = ast.unparse(caught.type) if caught.type else ""
                    words = f"'{f'except {shown}'.strip()}:' at {self.place(caught)} catches suspensions too"
                    yield Finding.warning(_SUBJECT, words, "write 'except Exception:', which lets them pass")
            if self._suspends(node.finalbody):
                words = f"'finally:' at {self.place(node.finalbody[0])} asks for operations, also while suspending"
                yield Finding.warning(_SUBJECT, words, "ctx.defer(...) is for the end of the execution")

    def _is_everything(self, kind: ast.expr | None) -> bool:
        """Tell whether ``except`` with *kind* catches what suspends the code."""
        signals = _EVERYTHING | {"CancelledError"} if self.is_async else _EVERYTHING
        kinds = kind.elts if isinstance(kind, ast.Tuple) else [kind]
        return any(one is None or ast.unparse(one).rpartition(".")[2] in signals for one in kinds)

    def _suspends(self, statements: list[ast.stmt]) -> bool:
        return any(self._method(call) for statement in statements for call in _calls(_own(statement)))

    # -- reading -----------------------------------------------------------------------------------------------

    def value(self, node: ast.expr) -> Any:
        """Return what a name of the module stands for; only modules and classes are asked for attributes."""
        match node:
            case ast.Name(id=name):
                return self._names.get(name)
            case ast.Attribute(value=inner, attr=attr):
                owner = self.value(inner)
                return getattr(owner, attr, None) if isinstance(owner, ModuleType | type) else None
            case _:
                return None

    def place(self, node: ast.AST) -> str:
        """Return ``file:line``."""
        return self._at_line(getattr(node, "lineno", 1))

    def _at_line(self, line: int) -> str:
        code = self._function.__code__
        return f"{Path(code.co_filename).name}:{code.co_firstlineno + line - 1}"


def _own(tree: ast.AST | None) -> Iterator[ast.AST]:
    """Yield the nodes of *tree* outside of functions inside of it."""
    for child in ast.iter_child_nodes(tree) if tree is not None else ():
        if not isinstance(child, NESTED):
            yield child
            yield from _own(child)


def _calls(nodes: Iterator[ast.AST]) -> Iterator[ast.Call]:
    return (node for node in nodes if isinstance(node, ast.Call))


def _awaited(tree: ast.AST | None) -> Iterator[ast.AST]:
    """Yield the nodes of *tree*, and those of async functions inside of it."""
    for child in ast.iter_child_nodes(tree) if tree is not None else ():
        if isinstance(child, ast.AsyncFunctionDef) or not isinstance(child, NESTED):
            yield child
            yield from _awaited(child)


def _names(function: Callable[..., Any]) -> dict[str, Any]:
    """Return what the function's names stand for, without those that it gives a value itself."""
    code = function.__code__
    closure = inspect.getclosurevars(function).nonlocals
    known = {**vars(builtins), **function.__globals__, **closure}
    return {name: value for name, value in known.items() if name not in code.co_varnames}


def _context_name(handler: Callable[..., Any]) -> str:
    """Return what its second parameter is called, once a partial or a method has given those before."""
    names = list(inspect.signature(handler).parameters)
    return names[1] if len(names) > 1 else ""


def _parsed(function: Callable[..., Any]) -> ast.AST | None:
    """Return the function's body as a tree; None when there is no source."""
    tree = source_of(function)
    found = tree.body[0] if tree is not None else None
    return ast.Module(found.body, []) if isinstance(found, ast.FunctionDef | ast.AsyncFunctionDef) else None
