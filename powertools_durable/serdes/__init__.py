"""How values become text and come back. What an import does not need is loaded when it is first asked for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from powertools_durable.serdes import choosing as choosing
    from powertools_durable.serdes.base import PassThrough, PlainJson, SerDes, SerDesContext
    from powertools_durable.serdes.encrypting import EncryptingSerDes
    from powertools_durable.serdes.filesystem import FileSystemSerDes
    from powertools_durable.serdes.masking import MaskingSerDes
    from powertools_durable.serdes.models import ModelSerDes
    from powertools_durable.serdes.tagged import TaggedJson

__all__ = [
    "EncryptingSerDes",
    "FileSystemSerDes",
    "MaskingSerDes",
    "ModelSerDes",
    "PassThrough",
    "PlainJson",
    "SerDes",
    "SerDesContext",
    "TaggedJson",
]

_WHERE = {
    "EncryptingSerDes": "encrypting",
    "FileSystemSerDes": "filesystem",
    "MaskingSerDes": "masking",
    "ModelSerDes": "models",
    "PassThrough": "base",
    "PlainJson": "base",
    "SerDes": "base",
    "SerDesContext": "base",
    "TaggedJson": "tagged",
}


def __getattr__(name: str) -> object:
    if name == "choosing":
        return import_module(f"{__name__}.choosing")
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
    globals()[name] = found
    return found
