"""What one analysis has found so far, and what decides that the code which is read now runs."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from powertools_durable._analysis.abstract_values import Closure, Read, Scope, Taint, Value
from powertools_durable._analysis.code_finding import CodeFinding, of_taint

__all__ = ["MOST_RUNS", "State", "StepCall"]

MOST_RUNS = 1_000  # functions that one analysis reads: calls in calls may multiply
_SELF_EVIDENT = {"clock", "random", "set-order"}  # differ wherever they are used; others only where they decide


class StepCall(NamedTuple):
    """A call of a durable operation that records what a function returns.

    Attributes
    ----------
    shown : str
        The call as messages name it.
    call : ast.Call
        The call.
    body : Value
        The function.
    arguments : list[ast.expr]
        The arguments of the function.
    scope : Scope
        Where it is called.
    targets : frozenset[str]
        The variables that its result is assigned to.
    loop : ast.AST | None
        The outermost loop around it.
    """

    shown: str
    call: ast.Call
    body: Value
    arguments: list[ast.expr]
    scope: Scope
    targets: frozenset[str]
    loop: ast.AST | None


class Evaluate(Protocol):
    """Reads an expression."""

    def __call__(self, state: State, scope: Scope, node: ast.expr, /) -> Value: ...


class Change(Protocol):
    """Notes that the object of an expression is changed."""

    def __call__(self, state: State, scope: Scope, node: ast.expr, value: Value, /) -> None: ...


class RunFunction(Protocol):
    """Reads a call of one of the user's functions."""

    def __call__(
        self, state: State, closure: Closure, args: list[Value], kwargs: dict[str, Value], /
    ) -> tuple[Value, list[Value]]: ...


@dataclass(eq=False)
class State:
    """Everything that reading one handler collects.

    Attributes
    ----------
    evaluate, run, change
        Read an expression, a call of a function, and a change of an object.
    is_async : bool
        The handler is ``async def``.
    outliving : frozenset
        The globals and defaults that an earlier reading saw being changed outside of steps.
    """

    evaluate: Evaluate
    run: RunFunction
    change: Change
    is_async: bool = False
    outliving: frozenset[tuple[str, ...]] = frozenset()
    findings: dict[tuple[str, str, int], CodeFinding] = field(default_factory=dict)
    changed: set[tuple[str, ...]] = field(default_factory=set)
    global_reads: dict[tuple[str, ...], list[Read]] = field(default_factory=dict)
    steps: list[StepCall] = field(default_factory=list)
    frames: list[Scope] = field(default_factory=list)
    deciding: list[tuple[frozenset[Taint], str]] = field(default_factory=list)
    bases: list[int] = field(default_factory=lambda: [0])
    running: list[tuple[Any, ...]] = field(default_factory=list)
    memory: dict[tuple[Any, ...], tuple[Value, list[Value], str]] = field(default_factory=dict)
    operations: int = 0
    last_operation: str = ""
    runs: int = 0
    is_background: bool = False
    targets: frozenset[str] = frozenset()
    loops: list[ast.AST] = field(default_factory=list)
    _effects: dict[Taint, tuple[int, str]] = field(default_factory=dict)

    # -- what decides ------------------------------------------------------------------------------------

    @contextmanager
    def decided_by(self, taints: frozenset[Taint], verb: str) -> Iterator[None]:
        """Read code that runs because of values with these taints; *verb* is ``whether`` or ``how often``."""
        self.deciding.append((taints, verb))
        try:
            yield
        finally:
            self.deciding.pop()

    def control(self, scope: Scope) -> frozenset[Taint]:
        """Return the taints of what decided, in this function, that the code which is read now runs."""
        here = (taints for taints, _ in self.deciding[self.bases[-1] :])
        taints = scope.pending.union(*here)
        return frozenset(taint for taint in taints if taint.rule != "set-order") if taints else taints

    # -- what values do ----------------------------------------------------------------------------------

    def used(self, taints: Iterable[Taint]) -> None:
        """Note that values with these taints are used, other than in a log line."""
        for taint in taints:
            if taint.rule in _SELF_EVIDENT:
                self._effects.setdefault(taint, (0, ""))

    def decides(self, taints: Iterable[Taint], effect: str, weight: int) -> None:
        """Note what values with these taints decide; of several effects, the finding names the weightiest."""
        for taint in taints:
            known = self._effects.get(taint)
            if known is None or known[0] < weight:
                self._effects[taint] = (weight, effect)

    def operation(self, shown: str) -> None:
        """Note that a durable operation is called here."""
        self.operations += 1
        self.last_operation = shown
        for taints, verb in self.deciding:
            self.decides(taints, f"decides {verb} {shown} is called", 2)
        for frame in self.frames:
            self.decides(frame.pending, f"decides whether {shown} is called", 2)

    def add(self, finding: CodeFinding) -> None:
        """Note a finding; of one rule and line only the first."""
        self.findings.setdefault((finding.rule, finding.file, finding.line), finding)

    def finish(self) -> None:
        """Add the findings of values."""
        for taint, (_, effect) in self._effects.items():
            self.add(of_taint(taint, effect))

    # -- places ------------------------------------------------------------------------------------------

    def shown(self, scope: Scope, call: ast.Call) -> str:
        """Return how messages name a call: ``ctx.step() at shop.py:12``."""
        return f"{ast.unparse(call.func)}() at {Path(scope.file).name}:{call.lineno}"

    def read(self, scope: Scope, node: ast.Name, holder: Scope | None, module: str) -> None:
        """Note that code outside of steps reads a variable."""
        place = Read(scope.file, node.lineno, node.col_offset, 0)
        if holder is not None:
            holder.reads.setdefault(node.id, []).append(place)
        else:
            self.global_reads.setdefault((module, node.id), []).append(place)
