"""The source of the user's functions, and which functions are the user's."""

from __future__ import annotations

import ast
import inspect
import linecache
import re
import sysconfig
from functools import lru_cache
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

from powertools_durable._analysis.abstract_values import Closure
from powertools_durable._functions import innermost

__all__ = ["closure_of", "is_ignored", "is_project_class", "is_project_file"]

_IGNORED = re.compile(r"#\s*durable:\s*ignore(?:\[(?P<rules>[\w\s,-]+)\])?")
_LIBRARIES = tuple(
    {
        str(Path(path).resolve())
        for name in ("stdlib", "platstdlib", "purelib", "platlib")
        for path in [sysconfig.get_path(name)]
    }
)
_OWN = str(Path(__file__).resolve().parents[1])
_Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


def is_project_file(file: str) -> bool:
    """Tell whether *file* is the user's: not of Python, of an installed package or of this one."""
    installed = "site-packages" in file or "dist-packages" in file
    return not installed and not file.startswith(("<", *_LIBRARIES, _OWN))


def is_project_class(cls: type) -> bool:
    """Tell whether the user wrote *cls*."""
    methods = (getattr(value, "__code__", None) for value in vars(cls).values())
    files = (code.co_filename for code in methods if isinstance(code, CodeType))
    if any(is_project_file(file) for file in files):
        return True
    try:
        return is_project_file(inspect.getfile(cls))
    except (OSError, TypeError):
        return False


def closure_of(function: Any) -> Closure | None:
    """Return the code of one of the user's functions; None for others, and without source."""
    try:
        found = innermost(function)
    except Exception:  # noqa: BLE001 - an object of the user's may refuse to be looked at
        return None
    if not isinstance(found, FunctionType) or not is_project_file(found.__code__.co_filename):
        return None
    node = _node_of(found.__code__)
    return None if node is None else Closure(node, found.__code__.co_filename, found.__globals__, None, found)


def _node_of(code: CodeType) -> _Function | None:
    linecache.checkcache(code.co_filename)
    text = "".join(linecache.getlines(code.co_filename))
    nodes = _functions_of(text).get((code.co_name, code.co_firstlineno), [])
    if len(nodes) > 1:  # several lambdas on a line
        names = code.co_varnames[: code.co_argcount]
        nodes = [node for node in nodes if tuple(arg.arg for arg in node.args.args) == names] or nodes
    return nodes[0] if nodes else None


@lru_cache(maxsize=64)
def _functions_of(text: str) -> dict[tuple[str, int], list[_Function]]:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return {}
    found: dict[tuple[str, int], list[_Function]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            found.setdefault((node.name, first), []).append(node)
        elif isinstance(node, ast.Lambda):
            found.setdefault(("<lambda>", node.lineno), []).append(node)
    return found


def is_ignored(rule: str, file: str, line: int) -> bool:
    """Tell whether a comment of the line, ``# durable: ignore[rule]``, says that the finding is known."""
    match = _IGNORED.search(linecache.getline(file, line))
    if match is None:
        return False
    rules = match["rules"]
    return rules is None or rule in {one.strip() for one in rules.split(",")}
