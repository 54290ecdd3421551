"""The previews of ``aws_durable_execution_sdk_python.preview``: some fields of a value, for the reader of a history."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

__all__ = ["FieldMatchMode", "PreviewConfig", "PreviewField", "PreviewMode", "build_preview"]


class PreviewMode(StrEnum):
    """Which fields are shown unless the lists say otherwise."""

    INCLUDE_ALL = "INCLUDE_ALL"
    EXCLUDE_ALL = "EXCLUDE_ALL"


class FieldMatchMode(StrEnum):
    """Whether a name is looked for anywhere, or is the path from the root."""

    ANYWHERE = "ANYWHERE"
    PATH = "PATH"


@dataclass(frozen=True)
class PreviewField:
    """A field, or the dotted path to it."""

    name: str
    match: FieldMatchMode = FieldMatchMode.ANYWHERE

    def fits(self, path: str) -> bool:
        """Return whether *path* is that field, or lies below it."""
        return path == self.name if self.match is FieldMatchMode.PATH else self.name in path.split(".")


@dataclass(frozen=True)
class PreviewConfig:
    """What a preview shows: ``exclude`` beats ``mask``, and ``mask`` beats the rest."""

    mode: PreviewMode
    include: list[PreviewField] = field(default_factory=list)
    exclude: list[PreviewField] = field(default_factory=list)
    mask: list[PreviewField] = field(default_factory=list)
    mask_string: str = "***"
    max_preview_bytes: int = 4096


def build_preview(value: Any, config: PreviewConfig) -> dict[str, Any] | None:
    """Return the fields of *value* that *config* shows; None if it is no dict, or shows nothing.

    The items of a list are merged into one dict. Keys with a dot are left out. Fields are added until
    ``max_preview_bytes`` are full.
    """
    if not isinstance(value, dict):
        return None
    preview: dict[str, Any] = {}
    size = 2
    for path, part in _shown(value, "", config):
        size += len(f'"{path}":{json.dumps(part)},'.encode())
        if size > config.max_preview_bytes:
            break
        node = preview
        *folders, name = path.split(".")
        for folder in folders:
            if not isinstance(node.get(folder), dict):
                node[folder] = {}
            node = node[folder]
        node[name] = part
    return preview or None


def _shown(node: Any, place: str, config: PreviewConfig) -> Iterator[tuple[str, Any]]:
    if isinstance(node, list):
        for item in node:
            yield from _shown(item, place, config)
    if not isinstance(node, dict):
        return
    for key, part in node.items():
        if "." in str(key):
            continue
        path = f"{place}.{key}" if place else str(key)
        if _listed(path, config.exclude):
            continue
        is_masked = _listed(path, config.mask)
        is_shown = is_masked or config.mode is PreviewMode.INCLUDE_ALL or _listed(path, config.include)
        if is_masked:
            yield path, config.mask_string
        elif isinstance(part, dict | list):
            yield from _shown(part, path, config)
        elif is_shown:
            yield path, part


def _listed(path: str, fields: Sequence[PreviewField]) -> bool:
    return any(each.fits(path) for each in fields)
