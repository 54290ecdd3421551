"""Values masked on their way into the record, by Powertools' `DataMasking`; it is imported when a serdes is made."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from powertools_durable.errors import DurableConfigError, SerDesError
from powertools_durable.errors.wording import class_name
from powertools_durable.serdes.base import SerDes, SerDesContext, prove, read, write
from powertools_durable.serdes.chain import ChainLayer
from powertools_durable.serdes.paths import Path, keys_of
from powertools_durable.serdes.plain_view import plain_view
from powertools_durable.serdes.tagged import TaggedJson
from powertools_durable.serdes.wrapping import WrappingSerDes

__all__ = ["MaskingSerDes"]


class MaskingSerDes(WrappingSerDes):
    """Masks fields of what an operation records, for good: the handler gets the masked value too.

    What a replay can't know, the first run must not act upon; so mask what the code after the operation does
    without. Fields of models must take the mask, a text.

    Parameters
    ----------
    fields : Sequence[str] | None
        What to erase, in Powertools' JSONPath: ``"customer.email"``, ``"cards[*].number"``.
    masking_rules : Mapping | None
        In place of *fields*: how to mask each of them, as Powertools has it.
    masker : DataMasking | None
        Default: ``DataMasking()``, which refuses a value that lacks one of the fields.
    inner : SerDes | None
        Makes the text, which must be JSON; default: the format that ``returns`` asks for.

    Raises
    ------
    DurableConfigError
        Not exactly one of *fields* and *masking_rules* is given, *inner* makes no JSON, or Powertools' data masking
        is not installed.

    Examples
    --------
    >>> ctx.step(load_customer, serdes=MaskingSerDes(fields=["card.number"]))  # doctest: +SKIP
    """

    layer = ChainLayer.MASK
    portable: ClassVar[bool] = True

    def __init__(
        self,
        fields: Sequence[str] | None = None,
        *,
        masking_rules: Mapping[str, Mapping[str, Any]] | None = None,
        masker: Any = None,
        inner: SerDes[Any] | None = None,
    ) -> None:
        if bool(fields) == bool(masking_rules) or isinstance(fields, str):
            message = "MaskingSerDes takes fields=[...], a list of paths, or masking_rules={...}: one of them"
            raise DurableConfigError(message)
        super().__init__(inner)
        self._fields = list(fields or ())
        self._rules = {path: dict(rule) for path, rule in (masking_rules or {}).items()}
        self._masker = masker if masker is not None else _data_masking()

    def __repr__(self) -> str:
        return f"MaskingSerDes({self._fields or list(self._rules)})"

    def around_batch(self, batch: SerDes[Any]) -> SerDes[Any]:
        """Return *batch*, around which nothing is left to mask: it repeats results that are masked already."""
        return self.inner.around_batch(batch) if isinstance(self.inner, WrappingSerDes) else batch

    def wrap(self, text: str, context: SerDesContext) -> str:  # noqa: ARG002 - the signature of `WrappingSerDes`
        """Mask *text*, which is JSON."""
        try:
            data = json.loads(text)
        except ValueError:
            data = _NO_JSON
        if data is _NO_JSON:
            raise SerDesError(f"{self!r} masks JSON, and the text of {type(self.innermost).__name__} is none")
        is_tagged = isinstance(self.innermost or _TAGGED, TaggedJson)
        before = plain_view(data) if is_tagged else data
        after = self._masked(before)
        masked = _merged(data, before, after) if is_tagged else after
        return json.dumps(masked, separators=(",", ":"), ensure_ascii=is_tagged)

    def unwrap(self, text: str, context: SerDesContext) -> str:  # noqa: ARG002
        """Return *text*: a mask is not taken off."""
        return text

    def as_read(self, value: Any, context: SerDesContext, *, promised: bool = True) -> Any:
        """Return *value* masked."""
        return self.proven(value, context, promised=promised)[1]

    def proven(self, value: Any, context: SerDesContext, *, promised: bool = True) -> tuple[str | None, Any]:
        """Mask *value*, and prove of it and of the masked one that they read back as what they are."""
        text = self._proven_unmasked(value, context, promised=promised)
        if text is None:
            return None, None
        masked = self.wrap(text, context)
        try:
            seen = read(masked, self._format, context)
        except SerDesError as error:
            problem = str(error)
        else:
            text, seen = prove(seen, self._format, context, promised=promised)
            if text is not None and json.loads(text) == json.loads(masked):
                return text, seen
            problem = "it reads back as something else"
        raise SerDesError(f"{class_name(value)} can't be masked by {self!r}: {problem}. Mask fields that take a text")

    def _proven_unmasked(self, value: Any, context: SerDesContext, *, promised: bool) -> str | None:
        """Write *value*, and prove of it what will not be masked: a secret may be lost where a mask takes its place."""
        masked: list[set[tuple[str, ...]]] = []

        def is_masked(path: Path) -> bool:
            if not masked:
                data = json.loads(write(value, self._format, context) or "null")
                before = plain_view(data) if isinstance(self.innermost or _TAGGED, TaggedJson) else data
                masked.append(set(_changed(before, self._masked(before))))
            return keys_of(path) in masked[0]

        text, _ = prove(value, self._format, context, promised=promised, apart_from=is_masked)
        return text

    def _masked(self, data: Any) -> Any:
        if data is None:  # what submits a callback is recorded so, too
            return None
        try:
            if self._rules:
                return self._masker.erase(data, masking_rules=self._rules)
            return self._masker.erase(json.dumps(data), fields=self._fields)
        except Exception as error:  # noqa: BLE001 - its words may show the value
            kind = type(error).__name__
        hint = ": a field is missing" if "NotFound" in kind else ""
        raise SerDesError(
            f"{self!r} failed with {kind}{hint}. Let optional fields be absent with "
            "masker=DataMasking(raise_on_missing_field=False)"
        )


_TAGGED = TaggedJson()
_NO_JSON = object()


def _data_masking() -> Any:
    try:
        from aws_lambda_powertools.utilities.data_masking import DataMasking
    except ImportError as error:
        message = (
            f"MaskingSerDes needs {error.name}: install Powertools with its extra, aws-lambda-powertools[datamasking]"
        )
        raise DurableConfigError(message) from error
    return DataMasking()


def _changed(before: Any, after: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the paths at which masking changed something."""
    if isinstance(before, dict) and isinstance(after, dict) and before.keys() == after.keys():
        for key, item in before.items():
            yield from _changed(item, after[key], (*path, str(key)))
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, item in enumerate(before):
            yield from _changed(item, after[index], (*path, str(index)))
    elif before != after:
        yield path


def _merged(node: Any, before: Any, after: Any) -> Any:
    """Return the tagged *node* with what masking changed in its view; what it left alone keeps its type."""
    if before == after:
        return node
    if not isinstance(node, dict):
        return after
    tag, inside = node["t"], node["v"]
    if isinstance(before, dict) and isinstance(after, dict) and before.keys() == after.keys():
        if tag == "xk":
            named = ((str(plain_view(key)), key, item) for key, item in inside)
            return {"t": tag, "v": [[key, _merged(item, before[name], after[name])] for name, key, item in named]}
        return {"t": tag, "v": {key: _merged(item, before[key], after[key]) for key, item in inside.items()}}
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        return {"t": tag, "v": [_merged(*parts) for parts in zip(inside, before, after, strict=True)]}
    return json.loads(_TAGGED.serialize([after, {}], SerDesContext("", "")))["v"][0]
