"""How a fan-out's result is written, each branch's by its own type: docs/contributing/protocol.md#batch-results."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from powertools_durable.batch import BatchItem, BatchResult, from_mapping, to_mapping
from powertools_durable.errors import SerDesError
from powertools_durable.serdes.base import SerDes, SerDesContext, read, write
from powertools_durable.serdes.models import AnnotatedSerDes, ModelSerDes
from powertools_durable.serdes.tagged import TaggedJson

__all__ = ["BatchSerDes", "OpaqueBatchSerDes", "batch_serdes"]

_TAGGED = TaggedJson()


def batch_serdes(
    results: Sequence[SerDes[Any]], names: Sequence[str | None], id_of: Callable[[int], str]
) -> SerDes[BatchResult[Any]]:
    """Return how a fan-out's result is written, given how each branch's is.

    Parameters
    ----------
    results, names : Sequence
        One for each branch.
    id_of : Callable
        The operation id of the branch of an index.
    """
    distinct = {id(serdes): serdes for serdes in results}  # most often one for all of them
    if all(isinstance(serdes, (TaggedJson, ModelSerDes)) for serdes in distinct.values()):
        return BatchSerDes(results, names)
    return OpaqueBatchSerDes(results, names, id_of)


class BatchSerDes:
    """The tagged format, as the official SDK writes it; plain JSON when a branch's result is a model.

    Parameters
    ----------
    results : Sequence[SerDes]
        How each branch's result is written.
    names : Sequence[str | None]
        The branches' names, which the text does not hold.
    """

    requires_text: ClassVar = True

    def __init__(self, results: Sequence[SerDes[Any]], names: Sequence[str | None]) -> None:
        self._results = results
        self._names = names
        self._is_plain = any(isinstance(serdes, ModelSerDes) for serdes in results)
        self._tagged = results[0] if results and not self._is_plain else _TAGGED

    def keeps(self, value: BatchResult[Any]) -> bool:
        """True when no branch failed, and each returned what needs no proof."""
        return not self._is_plain and all(item.error is None and _TAGGED.keeps(item.result) for item in value.items)

    def exact_text(self, value: BatchResult[Any]) -> str | None:
        """Write *value* if it comes back equal for certain; None says nothing about it."""
        return None if self._is_plain else _TAGGED.exact_text(value)

    def serialize(self, value: BatchResult[Any], context: SerDesContext) -> str:
        """Write *value*."""
        if not self._is_plain:
            return _TAGGED.serialize(value, context)
        items = [self._written(item, context) for item in to_mapping(value)["all"]]
        return f'{{"all":[{",".join(items)}],"completionReason":{json.dumps(value.completion_reason)}}}'

    def deserialize(self, text: str, context: SerDesContext) -> BatchResult[Any]:
        """Read what `serialize` wrote.

        Raises
        ------
        SerDesError
            The text is something else.
        """
        if not self._is_plain:
            found = self._tagged.deserialize(text, context)
            if not isinstance(found, BatchResult):
                message = "a recorded value is not the result of a fan-out"
                raise SerDesError(message)
            return found.named(self._names)
        try:
            data = json.loads(text)
            if "t" in data:
                return self._adopted(text, context)
            for item in data["all"]:
                if item["result"] is not None:
                    item["result"] = self._results[item["index"]].deserialize(json.dumps(item["result"]), context)
            return from_mapping(data).named(self._names)
        except (ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
            message = f"a recorded value is not the result of a fan-out: {type(error).__name__}"
        raise SerDesError(message)

    def _adopted(self, text: str, context: SerDesContext) -> BatchResult[Any]:
        """Read what was recorded before the branches were annotated, or by the official SDK."""
        found = BatchSerDes([_TAGGED], self._names).deserialize(text, context)
        return BatchResult(tuple(map(self._as_annotated, found.items)), found.completion_reason)

    def _as_annotated(self, item: BatchItem[Any]) -> BatchItem[Any]:
        serdes = self._results[item.index]
        if item.result is None or not isinstance(serdes, AnnotatedSerDes):
            return item
        return BatchItem(item.index, item.name, item.status, serdes.adopt(item.result), item.error)

    def _written(self, item: dict[str, Any], context: SerDesContext) -> str:
        result = "null"
        if item["result"] is not None:
            result = self._results[item["index"]].serialize(item["result"], context) or "null"
        rest = {"index": item["index"], "status": item["status"], "error": item["error"]}
        return f'{json.dumps(rest)[:-1]},"result":{result}}}'


class OpaqueBatchSerDes:
    """For branches whose results a serdes of the user's writes: what it hides must not be in clear beside it.

    Each result is the text that its own serdes writes for the branch, so one that stores values elsewhere finds
    them under the same key. Records with results in the tagged format are read too: the official SDK writes those.
    """

    requires_text: ClassVar = True

    def __init__(
        self, results: Sequence[SerDes[Any]], names: Sequence[str | None], id_of: Callable[[int], str]
    ) -> None:
        self._results = results
        self._names = names
        self._id_of = id_of

    def serialize(self, value: BatchResult[Any], context: SerDesContext) -> str:
        """Write *value*."""
        data = to_mapping(value)
        for item in data["all"]:
            if item["status"] == "SUCCEEDED":
                item["result"] = write(item["result"], *self._branch(item["index"], context))
        return json.dumps({**data, "results": "text"}, separators=(",", ":"))

    def deserialize(self, text: str, context: SerDesContext) -> BatchResult[Any]:
        """Read what `serialize` wrote.

        Raises
        ------
        SerDesError
            The text is something else.
        """
        try:
            data = json.loads(text)
            if "t" in data:
                return BatchSerDes([_TAGGED], self._names).deserialize(text, context)
            if data["results"] == "text":
                for item in data["all"]:
                    item["result"] = read(item["result"], *self._branch(item["index"], context))
                return from_mapping(data).named(self._names)
        except (ValueError, KeyError, TypeError, IndexError, RecursionError):
            pass
        message = "a recorded value is not the result of a fan-out"
        raise SerDesError(message)

    def _branch(self, index: int, context: SerDesContext) -> tuple[SerDes[Any], SerDesContext]:
        return self._results[index], SerDesContext(self._id_of(index), context.execution_arn)
