"""Reads a SAM or CloudFormation template, YAML or JSON, and remembers the line of each entry."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from powertools_durable.cli.usage import UsageError, absolute

__all__ = ["Items", "Section", "line_of", "read_template"]

_STANDARD = "tag:yaml.org,2002:"
_ATTRIBUTE_PARTS = 2  # of "Resource.Attribute"


class Section(dict[str, Any]):
    """A mapping of the template.

    Attributes
    ----------
    line : int
        The line on which it begins, from 1.
    lines : dict[str, int]
        The line of each of its keys.
    """

    def __init__(self, entries: Iterable[tuple[str, Any]] = (), line: int = 1) -> None:
        super().__init__(entries)
        self.line = line
        self.lines: dict[str, int] = {}


class Items(list[Any]):
    """A list of the template.

    Attributes
    ----------
    line : int
        The line on which it begins, from 1.
    """

    def __init__(self, items: Iterable[Any] = (), line: int = 1) -> None:
        super().__init__(items)
        self.line = line


def line_of(section: Section, *path: str) -> int:
    """Return the line of the deepest key of *path* that exists in *section*."""
    line, part = section.line, section
    for key in path:
        if key not in part:
            break
        line = part.lines.get(key, line)
        if not isinstance(part[key], Section):
            break
        part = part[key]
    return line


def read_template(name: str | Path) -> Section:
    """Read a template; short forms such as ``!GetAtt A.B`` become their long ones.

    Raises
    ------
    UsageError
        The file can't be read, is neither YAML nor JSON, or is no template.
    """
    text = _read(name)
    is_json = text.lstrip().startswith("{")
    try:
        if is_json:
            json.loads(text)
            text = text.replace("\t", " ")  # JSON allows them between its values, YAML does not
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except json.JSONDecodeError as error:
        raise UsageError(f"{name}:{error.lineno}: is not JSON: {error.msg}, column {error.colno}") from None
    except yaml.YAMLError as error:
        raise UsageError(_what_is_wrong(name, error)) from None
    try:
        template = _Converter().value(node) if node is not None else None
    except _LoopError as error:
        raise UsageError(f"{name}:{error}: an alias contains itself") from None
    if not isinstance(template, Section) or not isinstance(template.get("Resources"), Section):
        raise UsageError(f"{name} is not a SAM or CloudFormation template: it has no mapping 'Resources'")
    return template


def _read(name: str | Path) -> str:
    try:
        return absolute(name).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{name} is not a template: it is not UTF-8 text") from None
    except (OSError, ValueError) as error:  # a name with a NUL in it is a ValueError
        raise UsageError(f"{name} can't be read: {getattr(error, 'strerror', None) or error}") from None


def _what_is_wrong(name: str | Path, error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "it can't be parsed"
    where = f":{mark.line + 1}" if mark is not None else ""
    column = f", column {mark.column + 1}" if mark is not None else ""
    return f"{name}{where}: is not YAML: {problem}{column}"


class _LoopError(Exception):
    """A YAML alias that contains itself; its text is the line."""


class _Converter:
    """Turns YAML nodes into values, each node once: an alias costs nothing however often it is used."""

    def __init__(self) -> None:
        self._values: dict[int, Any] = {}
        self._open: set[int] = set()

    def value(self, node: yaml.Node) -> Any:
        key = id(node)
        if key in self._open:
            raise _LoopError(str(node.start_mark.line + 1))
        if key not in self._values:
            self._open.add(key)
            self._values[key] = self._tagged(node)
            self._open.discard(key)
        return self._values[key]

    def _tagged(self, node: yaml.Node) -> Any:
        plain = self._plain(node)
        if node.tag.startswith(_STANDARD) or not node.tag.startswith("!") or len(node.tag) == 1:
            return plain
        function = node.tag[1:]
        line = node.start_mark.line + 1
        if function == "GetAtt" and isinstance(plain, str):
            plain = Items(plain.split(".", _ATTRIBUTE_PARTS - 1), line)
        name = function if function in {"Ref", "Condition"} else f"Fn::{function}"
        return Section([(name, plain)], line)

    def _plain(self, node: yaml.Node) -> Any:
        line = node.start_mark.line + 1
        if isinstance(node, yaml.SequenceNode):
            return Items([self.value(item) for item in node.value], line)
        if isinstance(node, yaml.MappingNode):
            section = Section(line=line)
            for key, value in node.value:
                section[str(key.value)] = self.value(value)
                section.lines[str(key.value)] = key.start_mark.line + 1
            return section
        return _scalar(node)


def _scalar(node: yaml.Node) -> str | int | bool | None:
    text = str(node.value)
    match node.tag.removeprefix(_STANDARD):
        case "int" if text.lstrip("+-").isdigit():
            return int(text)
        case "bool":
            return text.lower() in {"true", "yes", "on"}
        case "null":
            return None
        case _:
            return text
