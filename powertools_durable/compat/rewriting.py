"""Changes the imports of the official SDK in a source to those of `compat.aws`, and nothing else in it."""

from __future__ import annotations

import ast
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from types import ModuleType

from powertools_durable.compat.installing import OFFICIAL, OURS

__all__ = ["Problem", "Rewritten", "rewrite"]

_GAP = r"(?:[ \t\f]|\\(?:\r\n|\r|\n))*"  # blanks, and line ends after a backslash


@dataclass(frozen=True)
class Problem:
    """Something that can't be moved.

    Attributes
    ----------
    line : int
        Its line, from 1.
    message : str
        What it is, and what to do.
    """

    line: int
    message: str


@dataclass(frozen=True)
class Rewritten:
    """A source with its imports changed.

    Attributes
    ----------
    source : str
        The text.
    problems : tuple[Problem, ...]
        What was left as it is, in the order of the lines.
    """

    source: str
    problems: tuple[Problem, ...]


@dataclass(frozen=True)
class _Edit:
    start: int  # in the whole source
    end: int
    text: str


def rewrite(source: str) -> Rewritten:
    """Change the imports of the official SDK.

    Parameters
    ----------
    source : str
        A Python module, with its own line ends.

    Returns
    -------
    Rewritten
        The changed source, and what could not be moved.

    Raises
    ------
    SyntaxError
        *source* is not Python.
    """
    tree = ast.parse(source)
    found = [*_changes(tree, source), *_mentions(tree), *_missing_attributes(tree)]
    problems = sorted({each for each in found if isinstance(each, Problem)}, key=lambda each: each.line)
    changed = source
    edits = [each for each in found if isinstance(each, _Edit)]
    for edit in sorted(edits, key=lambda each: each.start, reverse=True):
        changed = changed[: edit.start] + edit.text + changed[edit.end :]
    ast.parse(changed)  # a change that breaks the source must not be written
    return Rewritten(changed, tuple(problems))


def _changes(tree: ast.AST, source: str) -> Iterator[_Edit | Problem]:
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(module=str(module), level=0) if _is_official(module):
                yield from _of_from(node, module, source)
            case ast.ImportFrom(module=str(module), level=0):
                yield from _neighbour(module, node.lineno)
            case ast.Import(names=names):
                for alias in names:
                    if _is_official(alias.name):
                        yield _of_import(alias, source)
                    else:
                        yield from _neighbour(alias.name, alias.lineno)
            case _:
                pass


def _of_from(node: ast.ImportFrom, module: str, source: str) -> Iterator[_Edit | Problem]:
    ours = _ours(module)
    if ours is None:
        yield Problem(node.lineno, f"module {module} is not offered by powertools_durable.compat")
        return
    missing = [alias for alias in node.names if alias.name != "*" and not _offers(ours, alias.name)]
    rest = "; import it apart, so that the other names can be moved" if len(missing) < len(node.names) else ""
    for alias in missing:
        yield Problem(alias.lineno, f"{module}.{alias.name} is not offered by powertools_durable.compat{rest}")
    if missing:
        return
    yield _replaced(node, f"from{_GAP}", module, source, ours.__name__)


def _of_import(alias: ast.alias, source: str) -> _Edit | Problem:
    ours = _ours(alias.name)
    if ours is None:
        return Problem(alias.lineno, f"module {alias.name} is not offered by powertools_durable.compat")
    if alias.asname is None and "." in alias.name:
        return Problem(
            alias.lineno,
            f"'import {alias.name}' also names the package: write 'from {OFFICIAL} import "
            f"{alias.name.rpartition('.')[2]}'",
        )
    rest = "" if alias.asname is not None else f" as {OFFICIAL}"
    return _replaced(alias, "", alias.name, source, ours.__name__ + rest)


def _replaced(node: ast.ImportFrom | ast.alias, before: str, module: str, source: str, text: str) -> _Edit | Problem:
    """Return the replacement of a module's name, which the syntax tree has no place of; blanks may be in it."""
    lines = list(io.StringIO(source, newline=""))  # as Python counts them: no form feed ends one
    column = len(lines[node.lineno - 1].encode()[: node.col_offset].decode())
    name = rf"{_GAP}\.{_GAP}".join(map(re.escape, module.split(".")))
    place = re.compile(f"{before}({name})").match(source, sum(map(len, lines[: node.lineno - 1])) + column)
    if place is None:
        return Problem(node.lineno, f"the name {module} is written in an unusual way: change the line yourself")
    return _Edit(*place.span(1), text)


def _mentions(tree: ast.AST) -> Iterator[Problem]:
    """Yield the names of the SDK's modules in texts, such as those of ``mock.patch`` and ``import_module``."""
    documentation = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=str(text)) if id(node) not in documentation and _is_official(text.split(":")[0]):
                yield Problem(node.lineno, f"the text {text!r} names the official SDK: change it, if it is imported")
            case _:
                pass


def _missing_attributes(tree: ast.AST) -> Iterator[Problem]:
    """Yield what is read from a moved module and is not in it: ``sdk.state``, ``execution.InitialExecutionState``."""
    modules = _moved_modules(tree)

    def module_of(node: ast.expr) -> ModuleType | None:
        match node:
            case ast.Name(id=name):
                return modules.get(name)
            case ast.Attribute(value=value, attr=name) if (base := module_of(value)) is not None:
                return _ours(f"{_official_name(base)}.{name}")
            case _:
                return None

    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and (base := module_of(node.value)) and not _offers(base, node.attr):
            line = node.end_lineno or node.lineno
            yield Problem(line, f"{_official_name(base)}.{node.attr} is not offered by powertools_durable.compat")


def _moved_modules(tree: ast.AST) -> dict[str, ModuleType]:
    """Return the modules by the names that imports bind them to, without names that are also something else."""
    modules: dict[str, ModuleType] = {}
    others: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(module=str(module), level=0, names=names) if _is_official(module):
                found = [(alias.asname or alias.name, _ours(f"{module}.{alias.name}")) for alias in names]
            case ast.Import(names=names):
                found = [(alias.asname or alias.name, _ours(alias.name)) for alias in names if _is_official(alias.name)]
            case ast.arg(arg=name) | ast.Name(id=name, ctx=ast.Store()):
                found = []
                others.add(name)
            case _:
                continue
        modules |= {name: module for name, module in found if module is not None}
    return {name: module for name, module in modules.items() if name not in others}


def _official_name(module: ModuleType) -> str:
    return OFFICIAL + module.__name__.removeprefix(OURS)


def _neighbour(module: str, line: int) -> Iterator[Problem]:
    top = module.partition(".")[0]
    if top == f"{OFFICIAL}_testing":
        yield Problem(line, f"{top} is the official test runner: write the test with powertools_durable.testing")
    elif top.startswith(f"{OFFICIAL}_"):
        yield Problem(line, f"{top} is another package, which imports the official SDK: see compat.install()")


def _is_official(module: str) -> bool:
    return module == OFFICIAL or module.startswith(f"{OFFICIAL}.")


@cache
def _ours(module: str) -> ModuleType | None:
    try:
        return import_module(OURS + module.removeprefix(OFFICIAL))
    except ModuleNotFoundError:
        return None


def _offers(module: ModuleType, name: str) -> bool:
    if name in getattr(module, "__all__", ()) or (not name.startswith("_") and hasattr(module, name)):
        return True
    return hasattr(module, "__path__") and _ours(f"{_official_name(module)}.{name}") is not None
