"""Values as files, as ``aws_durable_execution_sdk_python.filesystem_serdes`` lays them out.

A pointer in a record is followed only below the serdes' own directory.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

from powertools_durable.compat.aws.exceptions import SerDesError
from powertools_durable.compat.aws.serdes import EXTENDED_TYPES_SERDES, SerDes, SerDesContext
from powertools_durable.compat.aws.types import DurableExecutionArn

__all__ = [
    "FileSystemPathEncoding",
    "FileSystemSerDes",
    "FileSystemSerDesConfig",
    "FileSystemSerDesMode",
    "GeneratePreview",
]

_MOST_INLINE = 256 * 1024 - 1024


class FileSystemSerDesMode(StrEnum):
    """Whether each value is written to a file, or only those that are too large for a record."""

    ALWAYS = "ALWAYS"
    OVERFLOW = "OVERFLOW"


class FileSystemPathEncoding(StrEnum):
    """Whether files are named after the execution and the operation, or by hashes of them."""

    URI = "URI"
    HASH = "HASH"


class GeneratePreview(Protocol):
    """Returns what is recorded beside the pointer to a file."""

    def __call__(self, value: Any) -> dict[str, Any] | None:
        """Return the preview of *value*."""
        ...


@dataclass(frozen=True)
class FileSystemSerDesConfig:
    """The options of `FileSystemSerDes`."""

    storage_mode: FileSystemSerDesMode = FileSystemSerDesMode.ALWAYS
    path_encoding: FileSystemPathEncoding = FileSystemPathEncoding.URI
    generate_preview: GeneratePreview | None = None
    serdes: SerDes[Any] = EXTENDED_TYPES_SERDES


class FileSystemSerDes(SerDes[Any]):
    """Writes values to files on a mount that every sandbox of the function has, such as EFS.

    Parameters
    ----------
    base_path : str
        The directory. Lambda's ``/tmp`` is lost with the sandbox, and the execution with it.
    config : FileSystemSerDesConfig | None
        The options.
    """

    def __init__(self, base_path: str, config: FileSystemSerDesConfig | None = None) -> None:
        self._base = base_path
        self._config = config or FileSystemSerDesConfig()

    def serialize(self, value: Any, serdes_context: SerDesContext) -> str:
        """Write *value* to a file, and return the pointer to it; in overflow mode only if it is large."""
        text = self._config.serdes.serialize(value, serdes_context)
        if self._config.storage_mode is FileSystemSerDesMode.OVERFLOW:
            inline = json.dumps({"data": text})
            if len(inline.encode()) <= _MOST_INLINE:
                return inline
        file = self._file_of(serdes_context)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        pointer: dict[str, Any] = {"file": str(file)}
        preview = self._config.generate_preview(value) if self._config.generate_preview else None
        if preview:
            pointer["preview"] = preview
        return json.dumps(pointer)

    def deserialize(self, data: str, serdes_context: SerDesContext) -> Any:
        """Read the value, from its file if there is a pointer.

        Raises
        ------
        SerDesError
            The pointer leads out of the directory.
        """
        envelope = json.loads(data)
        if "file" not in envelope:
            return self._config.serdes.deserialize(envelope["data"], serdes_context)
        file = Path(envelope["file"])
        if not file.resolve().is_relative_to(Path(self._base).resolve()):
            raise SerDesError("a recorded pointer leads out of the directory of FileSystemSerDes; it is not followed")
        return self._config.serdes.deserialize(file.read_text(encoding="utf-8"), serdes_context)

    def _file_of(self, context: SerDesContext) -> Path:
        base, arn = Path(self._base), context.durable_execution_arn
        parts = DurableExecutionArn.from_arn(arn)
        if self._config.path_encoding is FileSystemPathEncoding.URI and parts is not None:
            folder = base / parts.function_name / parts.execution_name / parts.invocation_id
        else:
            folder = base / self._encoded(arn)
        return folder / f"{self._encoded(context.operation_id)}.json"

    def _encoded(self, name: str) -> str:
        if self._config.path_encoding is FileSystemPathEncoding.HASH:
            return hashlib.sha256(name.encode()).hexdigest()
        return quote(name, safe="")
