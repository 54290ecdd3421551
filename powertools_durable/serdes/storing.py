"""What the serdes that store large values elsewhere have in common: the record holds a pointer.

A pointer is not trusted: it must name the very place that its execution, its operation and its content would have been
written to (docs/reliability.md#security-list, item 4).
"""

from __future__ import annotations

import copy
import json
from abc import abstractmethod
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any, ClassVar

from powertools_durable.errors import SerDesError
from powertools_durable.errors.wording import class_name
from powertools_durable.serdes.base import SerDes, SerDesContext
from powertools_durable.serdes.chain import ChainLayer
from powertools_durable.serdes.wrapping import WrappingSerDes

__all__ = ["OVER", "StoringSerDes", "folder_of"]

OVER = 255 * 1024  # bytes; 1 KiB below what a context may record: docs/contributing/protocol.md#text-formats
_PREVIEW = 4096  # bytes


class StoringSerDes(WrappingSerDes):
    """Records a text itself if it is small, else a pointer to where it was stored.

    Parameters
    ----------
    over : int
        Largest text, in bytes, that is recorded itself.
    preview : Callable | None
        Makes of the value something JSON has, up to 4,096 bytes, that is recorded beside the pointer.
    inner : SerDes | None
        Makes the text.
    """

    layer: ClassVar[ChainLayer] = ChainLayer.STORE
    is_remote: ClassVar[bool] = True

    def __init__(
        self, over: int = OVER, *, preview: Callable[[Any], object] | None = None, inner: SerDes[Any] | None = None
    ) -> None:
        super().__init__(inner)
        self._over = over
        self._preview = preview

    @abstractmethod
    def _keep(self, data: bytes, digest: str, context: SerDesContext) -> Mapping[str, object]:
        """Store *data*, whose SHA-256 is *digest*, and return the pointer."""

    @abstractmethod
    def _fetch(self, pointer: Mapping[str, Any], context: SerDesContext) -> bytes | None:
        """Return what is stored where *pointer* says; None if it is no pointer of this class."""

    @abstractmethod
    def _altered(self, pointer: Mapping[str, Any]) -> SerDesError:
        """Return the error for content that is not what was recorded of it."""

    def around_batch(self, batch: SerDes[Any]) -> SerDes[Any]:
        """Return the same around *batch*; the preview is one of a branch's result."""
        made = copy.copy(self)
        made._preview = None  # noqa: SLF001 - it is one of these
        return WrappingSerDes.around_batch(made, batch)

    def wrap_value(self, value: Any, text: str, context: SerDesContext) -> str:
        """Record *text*, or a pointer to it with a preview of *value*."""
        if self._preview is None or len(text.encode()) <= self._over:
            return self.wrap(text, context)
        preview = self._preview(value)
        size = len(json.dumps(preview).encode())
        if size > _PREVIEW:
            message = f"the preview of {class_name(value)} is {size:,} bytes; it may have {_PREVIEW:,}"
            raise SerDesError(message)
        return json.dumps({**json.loads(self.wrap(text, context)), "preview": preview})

    def wrap(self, text: str, context: SerDesContext) -> str:
        """Return *text* in an envelope, or a pointer to where it is stored now."""
        data = text.encode()
        if len(data) <= self._over:
            return json.dumps({"data": text})
        return json.dumps(dict(self._keep(data, sha256(data).hexdigest(), context)))

    def unwrap(self, text: str, context: SerDesContext) -> str:
        """Return the text of an envelope, or the one that a pointer leads to."""
        try:
            record = json.loads(text)
        except (ValueError, RecursionError):
            record = None
        match record:
            case {"data": str(clear), **rest} if not rest:
                return clear
            case {"sha256": str(digest), "bytes": int()}:
                data = self._fetch(record, context)
                if data is not None:
                    if sha256(data).hexdigest() == digest:
                        return data.decode()
                    raise self._altered(record)
            case _:
                pass
        message = f"a recorded value is no envelope of {type(self).__name__}"
        raise SerDesError(message)


def folder_of(context: SerDesContext) -> tuple[str, str]:
    """Return names for the execution and the operation that tell nothing."""
    execution, operation = (
        sha256(part.encode()).hexdigest()[:32] for part in (context.execution_arn, context.operation_id)
    )
    return execution, operation
