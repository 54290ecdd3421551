"""Reads a handler's source: its durable calls, and what it does differently at each replay."""

from __future__ import annotations

import ast
import builtins
import inspect
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, NamedTuple, TypeVar

from powertools_durable._analysis.handler_analysis import analyze
from powertools_durable._functions import innermost
from powertools_durable.cli.diagnosis.finding import CodePlace, Finding
from powertools_durable.parser.determinism import NESTED, source_of

__all__ = ["DurableCall", "Source"]

_SUBJECT = "code"
_LOOPS = (ast.AsyncFor, ast.For, ast.While, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_EVERYTHING = {"BaseException", "SuspendExecution"}


_Node = TypeVar("_Node", bound=ast.AST)


class DurableCall(NamedTuple):
    """A call of a method of the context.

    Attributes
    ----------
    method : str
        The method's name.
    shown : str
        The method with the name of the context: ``ctx.step``.
    node : ast.Call
        The call.
    in_loop : bool
        True if it may run several times.
    """

    method: str
    shown: str
    node: ast.Call
    in_loop: bool


class Source:
    """The source of a handler.

    Parameters
    ----------
    handler : Callable
        The user's function, decorated or not.

    Attributes
    ----------
    calls : list[DurableCall]
        Its durable calls.
    contexts : list[str]
        The names of its parameters that are contexts.
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
        """Its code object."""
        code: CodeType = self._function.__code__
        return code

    def nodes(self, *kinds: type[_Node]) -> Iterator[_Node]:
        """Yield the nodes of these kinds, including those of nested async functions."""
        return (node for node in _awaited(self._tree) if isinstance(node, kinds))

    def is_own(self, node: ast.AST) -> bool:
        """Return whether *node* is not part of a nested function."""
        if self._own_nodes is None:
            self._own_nodes = {id(own) for own in _own(self._tree)}
        return id(node) in self._own_nodes

    @property
    def operations(self) -> set[str]:
        """The names of the context's methods that it calls."""
        return {call.method for call in self.calls}

    @property
    def functions(self) -> list[Callable[..., Any]]:
        """The functions that it passes to durable calls, each once, if they are known by a name of its module."""
        arguments = [argument for call in self.calls if call.method != "invoke" for argument in call.node.args]
        parts = [part for one in arguments for part in (one.elts if isinstance(one, ast.List | ast.Tuple) else [one])]
        functions = filter(callable, map(self.value, parts))
        return [*{id(function): function for function in functions}.values()]

    @property
    def targets(self) -> set[str]:
        """The names of functions that it invokes, where they are literals."""
        first = [call.node.args[0] for call in self.calls if call.method == "invoke" and call.node.args]
        return {node.value for node in first if isinstance(node, ast.Constant) and isinstance(node.value, str)}

    def findings(self) -> Iterator[Finding]:
        """Yield lines that do something else at each replay, or that catch suspensions."""
        if self._tree is None:
            yield Finding.ok(_SUBJECT, "its source is not available; nothing was checked")
            return
        found = [*self._of_replays(), *self._of_tries()]
        yield from found
        if not found:
            names = ", ".join(sorted(self.operations)) or "none"
            yield Finding.ok(_SUBJECT, f"nothing found that differs at a replay; durable calls: {names}")

    def _method(self, call: ast.Call) -> str | None:
        match call.func:
            case ast.Attribute(value=ast.Name(id=name), attr=attr) if name == self._context:
                return attr
            case _:
                return None

    def step_timeouts(self) -> Iterator[tuple[float, str]]:
        """Yield seconds and ``file:line`` of each step whose ``timeout=`` is written as a literal."""
        for call in self.calls:
            for keyword in call.node.keywords:
                if call.method == "step" and keyword.arg == "timeout":
                    seconds = self._seconds(keyword.value)
                    if seconds is not None:
                        yield seconds, self.place(call.node)

    def _seconds(self, node: ast.expr) -> float | None:
        try:
            match node:
                case ast.Constant(value=int() | float() as number):
                    return float(number)
                case ast.Call(func=function, args=args, keywords=keywords) if self.value(function) is timedelta:
                    parts = {one.arg: ast.literal_eval(one.value) for one in keywords if one.arg}
                    return timedelta(*map(ast.literal_eval, args), **parts).total_seconds()
        except (TypeError, ValueError, OverflowError):
            pass
        return None

    # -- findings ---------------------------------------------------------------------------------------------

    def _of_replays(self) -> Iterator[Finding]:
        for found in analyze(self._function) or ():
            at = CodePlace(found.file, found.line)
            yield Finding.warning(_SUBJECT, found.message, found.advice, at, found.rule)

    def _of_tries(self) -> Iterator[Finding]:
        for node in _own(self._tree):
            if isinstance(node, ast.With | ast.AsyncWith) and self._suspends(node.body):
                yield from self._of_suppressing(node)
            if not isinstance(node, ast.Try) or not self._suspends(node.body):
                continue
            for caught in node.handlers:
                if self._is_everything(caught.type) and not any(isinstance(n, ast.Raise) for n in _own(caught)):
                    shown = ast.unparse(caught.type) if caught.type else ""
                    message = f"'{f'except {shown}'.strip()}:' at {self.place(caught)} catches suspensions too"
                    advice = "write 'except Exception:', which does not catch them"
                    yield Finding.warning(_SUBJECT, message, advice, self.at(caught), "suspension")
            if self._suspends(node.finalbody):
                place = self.place(node.finalbody[0])
                message = f"'finally:' at {place} makes durable calls, also when the handler suspends"
                advice = "use ctx.defer(...), which runs at the end of the execution"
                yield Finding.warning(_SUBJECT, message, advice, self.at(node.finalbody[0]), "finally")

    def _of_suppressing(self, node: ast.With | ast.AsyncWith) -> Iterator[Finding]:
        for item in node.items:
            call = item.context_expr
            if (
                isinstance(call, ast.Call)
                and self.value(call.func) is suppress
                and any(map(self._is_everything, call.args))
            ):
                message = f"'{ast.unparse(call)}' at {self.place(call)} catches suspensions too"
                advice = "name Exception, or the errors that it is about"
                yield Finding.warning(_SUBJECT, message, advice, self.at(call), "suspension")

    def _is_everything(self, kind: ast.expr | None) -> bool:
        """Return whether ``except`` with *kind* catches suspensions."""
        signals = _EVERYTHING | {"CancelledError"} if self.is_async else _EVERYTHING
        kinds = kind.elts if isinstance(kind, ast.Tuple) else [kind]
        return any(one is None or ast.unparse(one).rpartition(".")[2] in signals for one in kinds)

    def _suspends(self, statements: list[ast.stmt]) -> bool:
        return any(self._method(call) for statement in statements for call in _calls(_own(statement)))

    # -- reading -----------------------------------------------------------------------------------------------

    def value(self, node: ast.expr) -> Any:
        """Return the value of a name of the module. Reads attributes of modules and classes only: that runs no code."""
        match node:
            case ast.Name(id=name):
                return self._names.get(name)
            case ast.Attribute(value=inner, attr=attr):
                owner = self.value(inner)
                return getattr(owner, attr, None) if isinstance(owner, ModuleType | type) else None
            case _:
                return None

    def place(self, node: ast.AST) -> str:
        """Return ``file:line``, without folders."""
        file, line = self.at(node)
        return f"{Path(file).name}:{line}"

    def at(self, node: ast.AST) -> CodePlace:
        """Return the file and the line."""
        code = self._function.__code__
        return CodePlace(code.co_filename, code.co_firstlineno + getattr(node, "lineno", 1) - 1)


def _own(tree: ast.AST | None) -> Iterator[ast.AST]:
    """Yield the nodes of *tree* that are not part of a nested function."""
    for child in ast.iter_child_nodes(tree) if tree is not None else ():
        if not isinstance(child, NESTED):
            yield child
            yield from _own(child)


def _calls(nodes: Iterator[ast.AST]) -> Iterator[ast.Call]:
    return (node for node in nodes if isinstance(node, ast.Call))


def _awaited(tree: ast.AST | None) -> Iterator[ast.AST]:
    """Yield the nodes of *tree*, including those of nested async functions."""
    for child in ast.iter_child_nodes(tree) if tree is not None else ():
        if isinstance(child, ast.AsyncFunctionDef) or not isinstance(child, NESTED):
            yield child
            yield from _awaited(child)


def _names(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the values of the function's globals, closure and builtins, without its local names."""
    code = function.__code__
    closure = inspect.getclosurevars(function).nonlocals
    known = {**vars(builtins), **function.__globals__, **closure}
    return {name: value for name, value in known.items() if name not in code.co_varnames}


def _context_name(handler: Callable[..., Any]) -> str:
    """Return the name of its second parameter, without counting those that a partial or a bound method fills."""
    names = list(inspect.signature(handler).parameters)
    return names[1] if len(names) > 1 else ""


def _parsed(function: Callable[..., Any]) -> ast.AST | None:
    """Return the function's body as a tree; None without source."""
    tree = source_of(function)
    found = tree.body[0] if tree is not None else None
    return ast.Module(found.body, []) if isinstance(found, ast.FunctionDef | ast.AsyncFunctionDef) else None
