"""How values become text and come back."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from powertools_durable.serdes.base import PassThrough, PlainJson, SerDes, SerDesContext
from powertools_durable.serdes.models import ModelSerDes
from powertools_durable.serdes.tagged import TaggedJson

if TYPE_CHECKING:
    from powertools_durable.serdes.encrypting import EncryptingSerDes
    from powertools_durable.serdes.filesystem import FileSystemSerDes
    from powertools_durable.serdes.masking import MaskingSerDes

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

_WHERE = {"EncryptingSerDes": "encrypting", "FileSystemSerDes": "filesystem", "MaskingSerDes": "masking"}


def __getattr__(name: str) -> object:
    """Load what not everybody uses when it is first asked for."""
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
    globals()[name] = found
    return found
