"""Finds what a handler, and the functions of the same project that it calls, do differently at each replay."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from typing import Any

from powertools_durable._analysis.abstract_values import CLEAN, Value
from powertools_durable._analysis.code_finding import CodeFinding
from powertools_durable._analysis.expressions import changed, evaluate
from powertools_durable._analysis.reading_state import State
from powertools_durable._analysis.statements import run
from powertools_durable._analysis.step_writes import step_writes
from powertools_durable._analysis.user_code import closure_of, is_ignored

__all__ = ["analyze"]


def analyze(handler: Callable[..., Any]) -> list[CodeFinding] | None:
    """Read a handler without running it.

    Parameters
    ----------
    handler : Callable
        The user's function, decorated or not.

    Returns
    -------
    list[CodeFinding] | None
        What was found, by file and line, without what a comment ``# durable: ignore[rule]`` covers; None if the
        handler's source is not available.
    """
    closure = closure_of(handler)
    if closure is None:
        return None
    names = list(inspect.signature(handler).parameters)
    context = names[1] if len(names) > 1 else ""
    own = [one.arg for one in closure.parameters]
    given = [CLEAN] * own.index(context) + [Value(kind="context")] if context in own else [CLEAN] * len(own)
    is_async = isinstance(closure.node, ast.AsyncFunctionDef)
    outliving: frozenset[tuple[str, ...]] = frozenset()
    while True:
        state = State(evaluate, run, changed, is_async, outliving)
        value, _ = run(state, closure, given, {})
        state.used(taint for taint in value.taints if taint.rule != "set-order")
        if state.changed <= outliving:
            break
        outliving |= state.changed
    state.finish()
    for finding in step_writes(state):
        state.add(finding)
    found = sorted(state.findings.values(), key=lambda one: (one.file, one.line, one.rule))
    return [one for one in found if not is_ignored(one.rule, one.file, one.line)]
