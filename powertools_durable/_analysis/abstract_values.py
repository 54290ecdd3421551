"""What the analysis knows of a value: where it comes from, and what can be called on it."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

__all__ = ["CLEAN", "UNKNOWN", "Closure", "Scope", "Taint", "Value", "joined"]


class Taint(NamedTuple):
    """A reason why a value differs between replays.

    Attributes
    ----------
    rule : str
        The rule of the finding.
    what : str
        The code that it comes from, as it is written.
    file : str
        The file's path.
    line : int
        The line, from 1.
    """

    rule: str
    what: str
    file: str
    line: int


class _Unknown:
    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Any = _Unknown()


@dataclass(frozen=True, eq=False, slots=True)
class Value:
    """A value of the code that is read.

    Attributes
    ----------
    taints : frozenset[Taint]
        Why it differs between replays.
    live : object
        The object itself, if it exists already: what the module holds, or a constant.
    cls : type | None
        Its class, if only that is known.
    closure : Closure | None
        The function, if it is defined in code that is read.
    kind : str
        ``context``, ``lambda_context``, ``set``, ``client``, ``quiet`` (a logger or its kind), ``path``, ``bundled``
        (below ``__file__``), ``loop``, ``random``, ``saga``; or empty.
    text : str
        The dotted name of what could not be imported.
    items : tuple[Value, ...]
        What a list or tuple was written with.
    owner : Value | None
        What a method is bound to.
    given : tuple[Value, ...]
        Arguments that ``functools.partial`` holds.
    origin : tuple[str, ...]
        The module and the name of a global variable, or of a default argument.
    """

    taints: frozenset[Taint] = frozenset()
    live: Any = UNKNOWN
    cls: type | None = None
    closure: Closure | None = None
    kind: str = ""
    text: str = ""
    items: tuple[Value, ...] = ()
    owner: Value | None = None
    given: tuple[Value, ...] = ()
    origin: tuple[str, ...] = ()

    def with_taints(self, *more: frozenset[Taint]) -> Value:
        """Return the same value with more taints."""
        taints = self.taints.union(*more)
        return self if taints == self.taints else replace(self, taints=taints)

    def without(self, rule: str) -> Value:
        """Return the same value without the taints of *rule*."""
        taints = frozenset(taint for taint in self.taints if taint.rule != rule)
        return self if taints == self.taints else replace(self, taints=taints)

    @property
    def type(self) -> type | None:
        """Its class, if known."""
        return self.cls if self.live is UNKNOWN else type(self.live)

    @property
    def key(self) -> tuple[Any, ...]:
        """What decides how a function runs that is called with it."""
        inner = tuple(item.key for item in self.items)
        closure = id(self.closure.node) if self.closure is not None else 0
        live = id(self.live) if self.live is not UNKNOWN else 0
        return self.taints, live, self.cls, closure, self.kind, inner


CLEAN = Value()


def joined(*values: Value) -> Value:
    """Return a value that may be any of *values*."""
    first = values[0]
    if all(value is first for value in values):
        return first
    taints: frozenset[Taint] = frozenset().union(*(value.taints for value in values))
    known = next((value for value in values if value.closure or value.kind or value.cls or value.items), None)
    if known is None:
        known = next((value for value in values if value.live is not UNKNOWN), CLEAN)
    return replace(known, taints=taints)


class Read(NamedTuple):
    """A place where a variable is read: the file, the line, the column, and the body of a step in which that is."""

    file: str
    line: int
    column: int
    body: int


@dataclass(eq=False, slots=True)
class Scope:
    """The variables of a call of a function.

    Attributes
    ----------
    file : str
        The file of the function.
    namespace : dict[str, object]
        The globals of its module.
    parent : Scope | None
        The scope of the function around it.
    names : dict[str, Value]
        Its variables.
    shared : dict[str, str]
        The names that are declared ``global`` or ``nonlocal``.
    reads : dict[str, list[Read]]
        Where its variables are read.
    returned : list[Value]
        What it returns and yields.
    pending : frozenset[Taint]
        What decided that the code was not left yet.
    is_async : bool
        True for an ``async def`` function.
    """

    file: str
    namespace: dict[str, Any]
    parent: Scope | None = None
    names: dict[str, Value] = field(default_factory=dict)
    shared: dict[str, str] = field(default_factory=dict)
    reads: dict[str, list[Read]] = field(default_factory=dict)
    returned: list[Value] = field(default_factory=list)
    pending: frozenset[Taint] = frozenset()
    is_async: bool = False

    def holder(self, name: str) -> Scope | None:
        """Return the scope that holds *name*; None if it is a global."""
        if self.shared.get(name) == "global":
            return None
        scope: Scope | None = self
        while scope is not None:
            if name in scope.names and name not in scope.shared:
                return scope
            scope = scope.parent
        return None

    def chain(self) -> Iterator[Scope]:
        """Yield this scope and those around it."""
        scope: Scope | None = self
        while scope is not None:
            yield scope
            scope = scope.parent


@dataclass(frozen=True, eq=False, slots=True)
class Closure:
    """A function of the user's code.

    Attributes
    ----------
    node : ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
        Its code.
    file : str
        The file's path.
    namespace : dict[str, object]
        The globals of its module.
    scope : Scope | None
        What is around it.
    function : Callable | None
        The function itself, if it exists already.
    """

    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
    file: str
    namespace: dict[str, Any]
    scope: Scope | None = None
    function: Callable[..., Any] | None = None

    @property
    def name(self) -> str:
        """Its name."""
        return "lambda" if isinstance(self.node, ast.Lambda) else self.node.name

    @property
    def parameters(self) -> list[ast.arg]:
        """Its parameters that can be given by position."""
        return [*self.node.args.posonlyargs, *self.node.args.args]
