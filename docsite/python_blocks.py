"""Python blocks of the pages: sections of files in `examples/`, completed so that each block runs when it is copied.

A page quotes a section by its marker::

    ```python
    --8<-- "examples/operations/step.py:retry"
    ```

A section uses imports, functions and models from elsewhere in its file, or from another file of `examples/`. The block
gets them too, and what they use in turn: imports first, reduced to the names in use, then the rest in the order of the
files. A test imports what it tests, as it would in a project of the reader's: `from step import charge` for
`examples/operations/step.py`, which stands in a block above it. A block's title is the path of its file.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import groupby, pairwise
from pathlib import Path
from typing import TypeGuard

ROOT = Path(__file__).parents[1]
WIDTH = 88

_FENCE = re.compile(
    r"^(?P<indent> *)(?P<ticks>`{3,}) *(?P<language>\w*)(?P<options>[^\n]*)\n(?P<body>.*?)^(?P=indent)(?P=ticks) *$",
    re.MULTILINE | re.DOTALL,
)
_QUOTE = re.compile(r'^\s*--8<-- "(?P<file>[^":]+\.py)(?::(?P<section>\w+))?"$')
_MARKER = re.compile(r"^\s*# --8<-- \[(?P<side>start|end):(?P<name>\w+)\]\s*$")

_DEFINITION = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
_OURS_INSIDE = re.compile(r"^(\s*)from examples\.(?:\w+\.)*(\w+) import")
_OURS = ("examples", "powertools_durable")


class UnknownSectionError(ValueError):
    """A page quotes a file or a section that does not exist."""


def complete_blocks(markdown: str) -> str:
    """Return *markdown* with the code of its Python blocks in place of the quotations."""
    return _FENCE.sub(_completed, markdown)


def python_blocks(markdown: str) -> Iterator[tuple[str, str]]:
    """Yield title and code of each Python block of *markdown*, as a reader copies it; a title may be empty."""
    for fence in _FENCE.finditer(complete_blocks(markdown)):
        if fence["language"] in {"python", "py", "python3"}:
            width = len(fence["indent"])
            title = re.search(r'title="([^"]*)"', fence["options"])
            code = "\n".join(line[width:] for line in fence["body"].splitlines()) + "\n"
            yield title[1] if title else "", code


def code_of(quotations: Iterable[tuple[str, str | None]]) -> str:
    """Return the code that quotes sections of a file, given as pairs of the file's path and the section's name.

    Without a section it is the whole file.

    Raises
    ------
    UnknownSectionError
        There is no such file or section, or the sections are from several files.
    """
    pairs = list(quotations)
    if len({file for file, _ in pairs}) != 1:
        raise UnknownSectionError(f"A block quotes one file, not {', '.join(file for file, _ in pairs)}.")
    source = _source(pairs[0][0])
    if any(section is None for _, section in pairs):
        return source.text
    quoted = [statement for _, section in pairs for statement in source.section(str(section))]
    return _print(_closure(quoted))


def _completed(fence: re.Match[str]) -> str:
    lines = [line for line in fence["body"].splitlines() if line.strip()]
    quotes = [_QUOTE.match(line) for line in lines]
    if fence["language"] != "python" or not _all_match(quotes):
        return fence[0]
    code = code_of((quote["file"], quote["section"]) for quote in quotes)
    indent, ticks = fence["indent"], fence["ticks"]
    body = "\n".join(f"{indent}{line}" if line else "" for line in code.splitlines())
    return f'{indent}{ticks}python{fence["options"]} title="{quotes[0]["file"]}"\n{body}\n{indent}{ticks}'


def _all_match(quotes: list[re.Match[str] | None]) -> TypeGuard[list[re.Match[str]]]:
    return bool(quotes) and None not in quotes


# -------------------------------------------------------------------------------------------- reading the files


@dataclass(frozen=True)
class _Statement:
    """A statement of a module: its lines (from 1, both included), what it binds and what it uses."""

    file: str
    first: int
    last: int
    binds: frozenset[str]
    uses: frozenset[str]
    node: ast.stmt


class _Source:
    """A file that pages quote: its statements and its sections."""

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.lines = text.splitlines()
        self._sections = dict(_sections(self.lines))
        self._statements = [_statement(file, node, self.lines) for node in ast.parse(text).body]

    @property
    def text(self) -> str:
        """The whole file without its markers."""
        kept = [line for line in self.lines if not _MARKER.match(line)]
        return re.sub(r"\n{4,}", "\n\n\n", "\n".join(kept)).strip("\n") + "\n"

    def section(self, name: str) -> list[_Statement]:
        """Return the statements of a section."""
        if name not in self._sections:
            raise UnknownSectionError(f"{self.file} has no section {name!r}.")
        first, last = self._sections[name]
        if statements := [it for it in self._statements if first <= it.first <= last]:
            return statements
        raise UnknownSectionError(f"{self.file}: the section {name!r} holds no whole statement of the module.")

    def automatic_fixtures(self) -> list[_Statement]:
        """Return the fixtures that pytest applies to each test of the file."""
        return [it for it in self._statements if _is_automatic_fixture(it.node)]

    def definition(self, name: str, before: int) -> _Statement | None:
        """Return the statement that binds *name*: the last one before that line, or else the first one."""
        binding = [it for it in self._statements if name in it.binds]
        earlier = [it for it in binding if it.first <= before]
        return earlier[-1] if earlier else next(iter(binding), None)


@cache
def _source(file: str) -> _Source:
    path = ROOT / file
    if not path.is_file():
        raise UnknownSectionError(f"{file} does not exist.")
    return _Source(file, path.read_text(encoding="utf-8"))


def _sections(lines: list[str]) -> Iterator[tuple[str, tuple[int, int]]]:
    opened: dict[str, int] = {}
    for number, line in enumerate(lines, 1):
        if marker := _MARKER.match(line):
            if marker["side"] == "start":
                opened[marker["name"]] = number
            else:
                yield marker["name"], (opened.pop(marker["name"]), number)


def _statement(file: str, node: ast.stmt, lines: list[str]) -> _Statement:
    first = min([node.lineno, *(decorator.lineno for decorator in getattr(node, "decorator_list", []))])
    while first > 1 and lines[first - 2].startswith("#") and not _MARKER.match(lines[first - 2]):
        first -= 1  # the comment above belongs to it
    uses = frozenset(_used(node, is_test=_is_test(file)))
    return _Statement(file, first, node.end_lineno or first, frozenset(_bound(node)), uses, node)


def _is_automatic_fixture(node: ast.stmt) -> bool:
    return isinstance(node, ast.FunctionDef) and "autouse=True" in "".join(map(ast.unparse, node.decorator_list))


def _used(node: ast.stmt, *, is_test: bool) -> Iterator[str]:
    for it in ast.walk(node):
        if isinstance(it, ast.Name):
            yield it.id
        elif is_test and isinstance(it, ast.arg):  # a fixture, which pytest finds by the parameter's name
            yield it.arg


def _bound(node: ast.stmt) -> Iterator[str]:
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            yield node.name
        case ast.Import() | ast.ImportFrom():
            yield from (_local_name(alias) for alias in node.names)
        case _:
            yield from (it.id for it in ast.walk(node) if isinstance(it, ast.Name) and isinstance(it.ctx, ast.Store))


def _local_name(alias: ast.alias) -> str:
    return alias.asname or alias.name.partition(".")[0]


# ------------------------------------------------------------------------------------------- making the block


@dataclass(frozen=True, order=True)
class _Import:
    """One imported name; ordered as ruff orders them."""

    group: int  # 0 the standard library, 1 other packages, 2 ours
    is_from: bool
    module: str
    order: tuple[int, str]
    text: str


def _closure(quoted: list[_Statement]) -> tuple[set[_Import], list[_Statement]]:
    """Return the imports and the statements that a block with these statements needs, the statements included."""
    imports: set[_Import] = set()
    chosen: dict[tuple[str, int], _Statement] = {}
    todo = list(quoted)
    if any(name.startswith("test_") for it in quoted for name in it.binds):
        todo += _source(quoted[0].file).automatic_fixtures()
    while todo:
        statement = todo.pop()
        if isinstance(
            statement.node, ast.Import | ast.ImportFrom
        ):  # a section of imports alone: what uses them follows
            continue
        if (statement.file, statement.first) in chosen:
            continue
        chosen[statement.file, statement.first] = statement
        for name in statement.uses:
            found = _find(name, statement.file, statement.first)
            if isinstance(found, _Import):
                imports.add(found)
            elif found:
                todo.append(found)
    files = list(dict.fromkeys([*sorted({it.file for it in chosen.values()} - {quoted[0].file}), quoted[0].file]))
    return imports, sorted(chosen.values(), key=lambda it: (files.index(it.file), it.first))


def _find(name: str, file: str, before: int) -> _Statement | _Import | None:
    """Return what binds *name* in a file: an import, or a statement there or in the example it is imported from."""
    definition = _source(file).definition(name, before)
    if definition is None or not isinstance(definition.node, ast.Import | ast.ImportFrom):
        return definition
    node = definition.node
    alias = next(alias for alias in node.names if _local_name(alias) == name)
    if isinstance(node, ast.ImportFrom) and node.module == "__future__":
        return None
    if not isinstance(node, ast.ImportFrom) or (node.module or "").partition(".")[0] != "examples":
        return _import(node, alias)
    module, other = str(node.module), ROOT / f"{str(node.module).replace('.', '/')}.py"
    if _is_test(file) and other.is_file():
        return _import(ast.ImportFrom(module.rpartition(".")[2], [alias], 0), alias, group=2)
    if _is_test(file):
        return _import(ast.Import([alias]), alias, group=2)
    if alias.asname:
        raise UnknownSectionError(f"{file} imports {alias.name} as {alias.asname}: what a page quotes keeps its name.")
    return _source(other.relative_to(ROOT).as_posix()).definition(alias.name, sys.maxsize)


def _is_test(file: str) -> bool:
    return Path(file).name.startswith("test_")


def _import(node: ast.Import | ast.ImportFrom, alias: ast.alias, group: int | None = None) -> _Import:
    module = (node.module or "") if isinstance(node, ast.ImportFrom) else alias.name
    root = module.partition(".")[0]
    if group is None:
        group = 0 if root in sys.stdlib_module_names else 2 if root in _OURS else 1
    kind = 0 if alias.name.isupper() else 1 if alias.name[0].isupper() else 2
    text = f"{alias.name} as {alias.asname}" if alias.asname else alias.name
    return _Import(group, isinstance(node, ast.ImportFrom), module, (kind, alias.name), text)


def _print(needed: tuple[set[_Import], list[_Statement]]) -> str:
    imports, statements = needed
    lines: list[str] = []
    for _, group in groupby(sorted(imports), lambda it: it.group):
        lines += [""] if lines else []
        for (is_from, module), names in groupby(group, lambda it: (it.is_from, it.module)):
            lines += _import_lines(is_from, module, [it.text for it in names])
    if lines:
        lines += ["", ""] if isinstance(statements[0].node, _DEFINITION) else [""]
    lines += _text(statements[0])
    for previous, statement in pairwise(statements):
        lines += [""] * _gap(previous, statement) + _text(statement)
    return "\n".join(lines) + "\n"


def _import_lines(is_from: bool, module: str, names: list[str]) -> list[str]:  # noqa: FBT001 - what ruff's order needs
    if not is_from:
        return [f"import {name}" for name in names]
    line = f"from {module} import {', '.join(names)}"
    return [line] if len(line) <= WIDTH else [f"from {module} import (", *(f"    {name}," for name in names), ")"]


def _text(statement: _Statement) -> list[str]:
    lines = _source(statement.file).lines[statement.first - 1 : statement.last]
    kept = [line for line in lines if not _MARKER.match(line)]
    return [_OURS_INSIDE.sub(r"\1from \2 import", line) for line in kept] if _is_test(statement.file) else kept


def _gap(previous: _Statement, statement: _Statement) -> int:
    """Return how many empty lines stand between two statements: those of the file, or what ruff would write."""
    if isinstance(previous.node, _DEFINITION) or isinstance(statement.node, _DEFINITION):
        return 2
    if previous.file != statement.file:
        return 1
    between = _source(statement.file).lines[previous.last : statement.first - 1]
    return min(1, sum(not line.strip() for line in between))
