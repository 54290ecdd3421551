"""Changes the imports of the official SDK in a source to those of `compat.aws`, and nothing else in it."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from types import ModuleType

from powertools_durable.compat.installing import OFFICIAL, OURS

__all__ = ["Problem", "Rewritten", "rewrite"]


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
    line: int
    start: int
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
    found = [*_changes(tree, source), *_mentions(tree)]
    problems = sorted({each for each in found if isinstance(each, Problem)}, key=lambda each: each.line)
    lines = _lines(source)
    edits = [each for each in found if isinstance(each, _Edit)]
    for edit in sorted(edits, key=lambda each: (each.line, each.start), reverse=True):
        line = lines[edit.line - 1]
        lines[edit.line - 1] = line[: edit.start] + edit.text + line[edit.end :]
    return Rewritten("".join(lines), tuple(problems))


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
    yield from _module_of(node, source, ours.__name__)


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
    line = _lines(source)[alias.lineno - 1]
    start = len(line.encode()[: alias.col_offset].decode())
    rest = "" if alias.asname is not None else f" as {OFFICIAL}"
    return _Edit(alias.lineno, start, start + len(alias.name), ours.__name__ + rest)


def _module_of(node: ast.ImportFrom, source: str, name: str) -> Iterator[_Edit]:
    """Yield the replacement of the module's name, which the syntax tree has no place of."""
    part = "".join(_lines(source)[node.lineno - 1 : node.end_lineno])
    offset = len(part.encode()[: node.col_offset].decode())
    tokens = tokenize.generate_tokens(io.StringIO(part[offset:]).readline)
    start: tuple[int, int] | None = None
    end = (1, 0)
    for token in tokens:
        if token.string == "import":
            break
        if token.string not in {"from", "\\"} and token.type in {tokenize.NAME, tokenize.OP}:
            start = start or token.start
            end = token.end
    if start is not None and start[0] == end[0]:
        shift = offset if start[0] == 1 else 0
        yield _Edit(node.lineno + start[0] - 1, start[1] + shift, end[1] + shift, name)


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


def _neighbour(module: str, line: int) -> Iterator[Problem]:
    top = module.partition(".")[0]
    if top == f"{OFFICIAL}_testing":
        yield Problem(line, f"{top} is the official test runner: write the test with powertools_durable.testing")
    elif top.startswith(f"{OFFICIAL}_"):
        yield Problem(line, f"{top} is another package, which imports the official SDK: see compat.install()")


def _lines(source: str) -> list[str]:
    """Return the lines as Python counts them: no form feed ends one."""
    return list(io.StringIO(source, newline=""))


def _is_official(module: str) -> bool:
    return module == OFFICIAL or module.startswith(f"{OFFICIAL}.")


@cache
def _ours(module: str) -> ModuleType | None:
    try:
        return import_module(OURS + module.removeprefix(OFFICIAL))
    except ModuleNotFoundError:
        return None


def _offers(module: ModuleType, name: str) -> bool:
    if not name.startswith("_") and hasattr(module, name):
        return True
    return hasattr(module, "__path__") and _ours(f"{OFFICIAL}{module.__name__.removeprefix(OURS)}.{name}") is not None
