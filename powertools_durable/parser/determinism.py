"""What is different at each replay: functions of time and chance, and limits of asyncio's clock.

One list for all that look for it: `durable` in default factories (`lint.py`), ``doctor`` in the code of a handler
(`_analysis`), and `explore` in the code that ran outside of steps.
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
