"""How values become text and come back. What an import does not need is loaded when it is first asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from powertools_durable._lazy import lazy

if TYPE_CHECKING:
    from powertools_durable.serdes.base import PassThrough as PassThrough
    from powertools_durable.serdes.base import PlainJson as PlainJson
    from powertools_durable.serdes.base import SerDes as SerDes
    from powertools_durable.serdes.base import SerDesContext as SerDesContext
    from powertools_durable.serdes.compressing import CompressingSerDes as CompressingSerDes
    from powertools_durable.serdes.encrypting import EncryptingSerDes as EncryptingSerDes
    from powertools_durable.serdes.filesystem import FileSystemSerDes as FileSystemSerDes
    from powertools_durable.serdes.masking import MaskingSerDes as MaskingSerDes
    from powertools_durable.serdes.models import ModelSerDes as ModelSerDes
    from powertools_durable.serdes.s3 import S3SerDes as S3SerDes
    from powertools_durable.serdes.tagged import TaggedJson as TaggedJson
else:
    __all__, __getattr__ = lazy(
        __name__,
        {
            "base": "PassThrough PlainJson SerDes SerDesContext",
            "compressing": "CompressingSerDes",
            "encrypting": "EncryptingSerDes",
            "filesystem": "FileSystemSerDes",
            "masking": "MaskingSerDes",
            "models": "ModelSerDes",
            "s3": "S3SerDes",
            "tagged": "TaggedJson",
        },
    )
