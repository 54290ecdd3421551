"""How values become text and come back."""

from __future__ import annotations

from powertools_durable.serdes.base import PassThrough, PlainJson, SerDes, SerDesContext
from powertools_durable.serdes.models import ModelSerDes
from powertools_durable.serdes.tagged import TaggedJson

__all__ = ["ModelSerDes", "PassThrough", "PlainJson", "SerDes", "SerDesContext", "TaggedJson"]
