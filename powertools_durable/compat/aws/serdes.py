"""The text formats of ``aws_durable_execution_sdk_python.serdes``, equal to the last character."""

from __future__ import annotations

import base64
import json
import uuid
from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Generic, TypeVar

import powertools_durable
from powertools_durable import serdes as ours
from powertools_durable.compat.aws.concurrency.models import BatchResult, batch_of
from powertools_durable.compat.aws.elsewhere import elsewhere
from powertools_durable.compat.aws.exceptions import RetryableSerDesError, SerDesError
from powertools_durable.errors import SerDesError as OurSerDesError

__all__ = [
    "DEFAULT_JSON_SERDES",
    "EXTENDED_TYPES_SERDES",
    "ExtendedTypeSerDes",
    "JsonSerDes",
    "PassThroughSerDes",
    "SerDes",
    "SerDesContext",
    "TypeTag",
    "deserialize",
    "serialize",
]
__getattr__ = elsewhere(
    __name__,
    {
        "exceptions": "DurableExecutionsError",
    },
)

T = TypeVar("T")


class TypeTag(StrEnum):
    """Which type a tagged value has."""

    NONE = "n"
    STR = "s"
    INT = "i"
    FLOAT = "f"
    BOOL = "b"
    BYTES = "B"
    UUID = "u"
    DECIMAL = "d"
    DATETIME = "dt"
    DATE = "D"
    TUPLE = "t"
    LIST = "l"
    DICT = "m"
    BATCH_RESULT = "br"


@dataclass(frozen=True)
class SerDesContext:
    """Whose value is written or read."""

    operation_id: str = ""
    durable_execution_arn: str = ""


class SerDes(ABC, Generic[T]):
    """Writes values as text and reads them back."""

    @abstractmethod
    def serialize(self, value: T, serdes_context: SerDesContext) -> str:
        """Write *value*."""

    @abstractmethod
    def deserialize(self, data: str, serdes_context: SerDesContext) -> T:
        """Read what `serialize` wrote."""

    @staticmethod
    def is_primitive(obj: Any) -> bool:
        """Return whether *obj* is plain JSON: no dict, and lists of nothing else."""
        if isinstance(obj, list):
            return all(map(SerDes.is_primitive, obj))
        return obj is None or isinstance(obj, str | int | float | bool)


class PassThroughSerDes(SerDes[T]):
    """Text as it is."""

    def serialize(self, value: T, _: SerDesContext) -> str:
        """Return *value*."""
        return value  # type: ignore[return-value]

    def deserialize(self, data: str, _: SerDesContext) -> T:
        """Return *data*."""
        return data  # type: ignore[return-value]


class JsonSerDes(SerDes[T]):
    """Plain JSON."""

    def serialize(self, value: T, _: SerDesContext) -> str:
        """Write *value* as JSON."""
        return json.dumps(value)

    def deserialize(self, data: str, _: SerDesContext) -> T:
        """Read JSON."""
        value: T = json.loads(data)
        return value


class ExtendedTypeSerDes(SerDes[T]):
    """The default format: plain JSON where that is enough, else each value with a tag for its type."""

    def serialize(self, value: Any, context: SerDesContext | None = None) -> str:  # noqa: ARG002
        """Write *value*.

        Raises
        ------
        SerDesError
            Something in it has no tag.
        """
        if (text := _FAST.exact_text(value)) is not None:  # what both packages write the same way, in one pass
            return text
        if SerDes.is_primitive(value):
            return json.dumps(value, separators=(",", ":"))
        return json.dumps(_tagged(value), separators=(",", ":"))

    def deserialize(self, data: str, context: SerDesContext | None = None) -> Any:  # noqa: ARG002
        """Read what `serialize` wrote.

        Raises
        ------
        SerDesError
            The text is not in this format.
        """
        if '"br"' not in data:
            try:
                return _FAST.deserialize(data, _NOBODY)
            except OurSerDesError:
                pass  # the other reader takes more, and words it
        value = json.loads(data)
        if SerDes.is_primitive(value):
            return value
        if not (isinstance(value, dict) and "t" in value and "v" in value):
            raise SerDesError('Malformed envelope: missing "t" or "v" at root.')
        if not isinstance(value["t"], str) or value["t"] not in _TAGS:
            raise SerDesError(f'Unknown type tag: "{value["t"]}"')
        return _untagged(value)


_FAST = ours.TaggedJson()
_NOBODY = ours.SerDesContext("", "")
_TAGS = frozenset(tag.value for tag in TypeTag)


def _tagged(value: Any) -> dict[str, Any]:  # noqa: C901, PLR0912 - an arm for each type
    match value:
        case None:
            return {"t": "n", "v": None}
        case str():
            return {"t": "s", "v": value}
        case bool():
            return {"t": "b", "v": value}
        case int():
            return {"t": "i", "v": value}
        case float():
            return {"t": "f", "v": value}
        case bytes() | bytearray() | memoryview():
            return {"t": "B", "v": base64.b64encode(bytes(value)).decode()}
        case uuid.UUID():
            return {"t": "u", "v": str(value)}
        case Decimal():
            return {"t": "d", "v": str(value)}
        case datetime():
            return {"t": "dt", "v": value.isoformat()}
        case date():
            return {"t": "D", "v": value.isoformat()}
        case BatchResult():
            return {"t": "br", "v": _tagged(value.to_dict())["v"]}
        case powertools_durable.BatchResult():
            return _tagged(batch_of(value))
        case list():
            return {"t": "l", "v": [_tagged(part) for part in value]}
        case tuple():
            return {"t": "t", "v": [_tagged(part) for part in value]}
        case dict():
            if any(isinstance(key, tuple) for key in value):
                raise SerDesError("Tuple keys not supported")
            return {"t": "m", "v": {key: _tagged(part) for key, part in value.items()}}
        case _:
            raise SerDesError(f"Unsupported type: {type(value)}")


def _untagged(part: Any) -> Any:  # noqa: C901, PLR0912 - an arm for each type
    if not (isinstance(part, dict) and "t" in part and "v" in part):
        return part
    value = part["v"]
    match part["t"]:
        case "n":
            return None
        case "s":
            return str(value)
        case "b":
            return bool(value)
        case "i":
            return int(value)
        case "f":
            return float(value)
        case "B":
            return base64.b64decode(value.encode())
        case "u":
            return uuid.UUID(value)
        case "d":
            return Decimal(value)
        case "dt":
            return datetime.fromisoformat(value)
        case "D":
            return date.fromisoformat(value)
        case "l":
            return [_untagged(each) for each in _checked(value, list)]
        case "t":
            return tuple(_untagged(each) for each in _checked(value, list))
        case "m":
            return {key: _untagged(each) for key, each in _checked(value, dict).items()}
        case "br":
            return BatchResult.from_dict({key: _untagged(each) for key, each in _checked(value, dict).items()})
        case tag:
            raise SerDesError(f"Unknown type tag: {tag}")


def _checked(value: Any, cls: type) -> Any:
    if not isinstance(value, cls):
        raise SerDesError(f"Expected {cls.__name__}, got {type(value)}")
    return value


DEFAULT_JSON_SERDES: SerDes[Any] = JsonSerDes()
EXTENDED_TYPES_SERDES: SerDes[Any] = ExtendedTypeSerDes()


def serialize(serdes: SerDes[T] | None, value: T, operation_id: str, durable_execution_arn: str) -> str:
    """Write *value* by *serdes*, or in the default format.

    Raises
    ------
    SerDesError
        It can't be written. A `RetryableSerDesError` of the serdes passes.
    """
    used: SerDes[T] = serdes or EXTENDED_TYPES_SERDES
    try:
        return used.serialize(value, SerDesContext(operation_id, durable_execution_arn))
    except (SerDesError, RetryableSerDesError, MemoryError):
        raise
    except Exception as error:
        raise SerDesError(f"Serialization failed for id: {operation_id}, error: {error}.") from error


def deserialize(serdes: SerDes[T] | None, data: str, operation_id: str, durable_execution_arn: str) -> T:
    """Read *data* by *serdes*, or in the default format.

    Raises
    ------
    SerDesError
        It can't be read. A `RetryableSerDesError` of the serdes passes.
    """
    used: SerDes[T] = serdes or EXTENDED_TYPES_SERDES
    try:
        return used.deserialize(data, SerDesContext(operation_id, durable_execution_arn))
    except (SerDesError, RetryableSerDesError, MemoryError):
        raise
    except Exception as error:
        raise SerDesError(f"Deserialization failed for id: {operation_id}, error: {error}.") from error


# -- for the engine ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Adapter:
    """A serdes of the official kind, in the form in which this package takes one.

    Parameters
    ----------
    inner : SerDes | None
        None is the default format.
    of_batch : bool
        The values are the results of fan-outs.
    """

    inner: SerDes[Any] | None = None
    of_batch: bool = False

    def serialize(self, value: Any, context: ours.SerDesContext) -> str | None:
        """Write *value*."""
        if self.of_batch and isinstance(value, powertools_durable.BatchResult):
            value = batch_of(value)
        return serialize(self.inner, value, context.operation_id, context.execution_arn)

    def deserialize(self, text: str, context: ours.SerDesContext) -> Any:
        """Read *text*."""
        return deserialize(self.inner, text, context.operation_id, context.execution_arn)


class DefaultAdapter(Adapter):
    """The default format; what can't change on the way is not read back."""

    def keeps(self, value: object) -> bool:
        """Return whether *value* needs no proof."""
        return _FAST.keeps(value)


BATCHES = Adapter(of_batch=True)
DEFAULT = DefaultAdapter()
JSON = Adapter(DEFAULT_JSON_SERDES)


def adapted(serdes: SerDes[Any] | None) -> Adapter:
    """Return *serdes*, or the default format, in the form in which this package takes one."""
    return DEFAULT if serdes is None else Adapter(serdes)
