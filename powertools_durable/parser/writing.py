"""Values as JSON text for somebody else: a handler's result, a payload, the event of an execution.

Text goes out as `json.dumps` writes it; models, dataclasses and the scalars that pydantic knows may stand anywhere in
it, written as pydantic writes JSON, under aliases and with computed fields. Nothing is read back by this package, so
nothing is tagged.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
from collections.abc import Iterator
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, TypeAdapter
from pydantic_core import to_json, to_jsonable_python

from powertools_durable.errors import SerDesError

__all__ = ["PAYLOAD", "RESULT", "JsonWriter", "NotFiniteError", "NotJsonError", "has_twin_keys"]

_SCALARS = (UUID, Decimal, date, time, timedelta, Enum)
_OBJECTS = (BaseModel, set, frozenset, *_SCALARS)
_PATH_CHARACTERS = 200
_LEAVES = frozenset({str, int, float, bool, type(None)})
_JSON_KEYS = (int, float, type(None))  # `json.dumps` writes these itself


class NotJsonError(Exception):
    """Why a value has no JSON text, and where in it the reason is."""


class NotFiniteError(NotJsonError):
    """It holds NaN or an infinity."""


@dataclasses.dataclass(frozen=True, slots=True)
class JsonWriter:
    """Writes values as JSON text.

    Attributes
    ----------
    root : str
        How places in the value begin: ``result`` in ``result.pets[0].breed``.
    remedy : str
        What to do about a value that has no JSON text; ends the message.
    names : frozenset[str]
        Keys of dicts that may be shown, as a TypedDict's: they are no data.
    """

    root: str
    remedy: str
    names: frozenset[str] = frozenset()

    def text(self, value: object) -> str:
        """Return *value* as JSON text.

        Raises
        ------
        NotJsonError
            Something in it has none: names the place and the class, and shows no value.
        """
        # Raised outside the except blocks: pydantic's errors hold the value.
        try:
            if isinstance(value, BaseModel):  # as compact as pydantic writes it
                text = json.dumps(_encoded(value), allow_nan=False, ensure_ascii=False, separators=(",", ":"))
                text.encode()  # a lone surrogate has no UTF-8; escaped it is JSON all the same
                return text
            text = json.dumps(value, default=_encoded, allow_nan=False)
            if not has_twin_keys(value):
                return text
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001, S110 - a serializer may raise anything; what is in the way is found below
            pass
        failure: NotJsonError
        try:
            return json.dumps(self._prepared(value, self.root, ()), allow_nan=False)
        except NotJsonError as error:
            failure = error
        except RecursionError:
            failure = NotJsonError("it is nested too deeply, or contains itself")
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001
            failure = NotJsonError(f"{type(error).__name__} while it was written")
        raise failure

    def problem_of(self, value: object) -> NotJsonError | None:
        """Return what in *value* has no JSON text; None when there is nothing."""
        try:
            self.text(value)
        except NotJsonError as error:
            return error
        return None

    # -- the slow way: part by part, to name the one that is in the way, or to write keys that are no text ---------

    def _prepared(self, value: Any, path: str, above: tuple[int, ...]) -> Any:
        """Return *value* as what `json.dumps` takes."""
        if id(value) in above:
            raise NotJsonError(f"Circular reference at {_shown(path)}: it contains itself. {self.remedy}")
        inside = (*above, id(value))
        match value:
            case None | bool() | str():
                return value
            case int():
                return self._prepared_int(value, path)
            case float():
                if math.isfinite(value):
                    return value
                raise NotFiniteError(f"the float at {_shown(path)} is NaN or infinite; send null, or text")
            case dict():
                made = {
                    self._prepared_key(key, path): self._prepared(part, self._at_key(path, key, number), inside)
                    for number, (key, part) in enumerate(value.items(), start=1)
                }
                if not has_twin_keys(dict.fromkeys(value)):
                    return made
                raise NotJsonError(f"two keys of {_shown(path)} have the same JSON text")
            case list() | tuple():
                return [self._prepared(part, f"{path}[{index}]", inside) for index, part in enumerate(value)]
            case _ if _is_encodable(value):
                return self._prepared_object(value, path, inside)
            case _:
                raise NotJsonError(f"{_unwritable(value)} at {_shown(path)}. {self._remedy_for(value)}")

    def _remedy_for(self, value: object) -> str:
        is_unawaited = hasattr(type(value), "__await__")
        return "It was not awaited: write 'await' before the call" if is_unawaited else self.remedy

    def _prepared_int(self, value: int, path: str) -> int:
        try:
            int.__repr__(value)
        except ValueError:
            message = f"the int at {_shown(path)} has more digits than Python writes; send text"
        else:
            return value
        raise NotJsonError(message)

    def _prepared_key(self, key: Any, path: str) -> Any:
        if key is None or isinstance(key, str | int | float):
            return key
        if isinstance(key, _SCALARS):
            return next(iter(to_jsonable_python({key: None}, by_alias=True)))
        raise NotJsonError(f"a key of {_shown(path)} is of type {_class_of(key)}: keys are text. {self.remedy}")

    def _prepared_object(self, value: Any, path: str, inside: tuple[int, ...]) -> Any:
        try:
            return self._prepared(_encoded(value), path, inside)
        except MemoryError:
            raise
        except NotJsonError as error:
            failure = error
        except Exception as error:  # noqa: BLE001 - a serializer may raise anything
            failure = NotJsonError(
                f"Object of type {_class_of(value)} at {_shown(path)}: one of its fields or serializers raised "
                f"{type(error).__name__}. {self.remedy}"
            )
        for place, part in self._parts(value, path):  # one of them is in the way, unless the object itself is
            self._prepared(part, place, inside)
        raise failure

    def _parts(self, value: Any, path: str) -> Iterator[tuple[str, Any]]:
        """Yield the parts of an object that could not be written as a whole."""
        cls = type(value)
        names: Any = cls.model_fields if isinstance(value, BaseModel) else getattr(cls, "__dataclass_fields__", ())
        for name in names:
            try:
                part = getattr(value, name)
            except Exception:  # noqa: BLE001, S112 - a property of a user; then another one is to blame
                continue
            yield f"{path}.{name}", part
        extra: dict[str, Any] = getattr(value, "__pydantic_extra__", None) or {}
        yield from (
            (self._at_key(path, key, number), part) for number, (key, part) in enumerate(extra.items(), start=1)
        )

    def _at_key(self, path: str, key: object, number: int) -> str:
        return f"{path}[{key!r}]" if isinstance(key, str) and key in self.names else f"{path}[key {number}]"

    # -- as the `SerDes` of an invoke's payload ----------------------------------------------------------------------

    def serialize(self, value: Any, context: object) -> str:  # noqa: ARG002 - the protocol's signature
        """Write *value*."""
        try:
            return self.text(value)
        except NotJsonError as error:
            reason = str(error)
        raise SerDesError(f"the {self.root} is not JSON: {reason}")

    def deserialize(self, text: str, context: object) -> Any:  # noqa: ARG002
        """Read *text*."""
        return json.loads(text)


RESULT = JsonWriter(
    "result", "Annotate the handler's return type with a type that pydantic knows, or return plain data"
)
PAYLOAD = JsonWriter("payload", "Send plain data or a model that has a serializer for it, or give payload_serdes=")


def _is_encodable(value: object) -> bool:
    return isinstance(value, _OBJECTS) or (dataclasses.is_dataclass(value) and not isinstance(value, type))


def _encoded(value: Any) -> Any:
    """Return what `json.dumps` does not know as something that it does."""
    if not _is_encodable(value):
        raise TypeError
    if isinstance(value, set | frozenset):
        return list(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, BaseModel) and type(value).model_config.get("ser_json_inf_nan") == "strings":
        return json.loads(to_json(value, by_alias=True, inf_nan_mode="strings"))
    cls: Any = type(value)
    if dataclasses.is_dataclass(value) and not hasattr(cls, "__pydantic_serializer__"):
        adapter = _adapter_of(cls)
        if adapter is not None:
            written = adapter.dump_python([value], mode="json", by_alias=True, warnings=False)[0]
            _check_kept(value, adapter.dump_python([value], by_alias=True, warnings=False)[0], written)
            return written
    # Non-finite numbers stay what they are, so that `json.dumps` refuses them here as everywhere.
    made = to_jsonable_python(value, by_alias=True, inf_nan_mode="constants")
    if hasattr(cls, "__pydantic_serializer__"):
        _check_kept(value, cls.__pydantic_serializer__.to_python(value, by_alias=True, warnings=False), made)
    return made


def _check_kept(value: Any, plain: Any, made: Any) -> None:
    """Refuse what pydantic drops without an error where a field is annotated ``Any``.

    Parameters
    ----------
    value : object
        A model or dataclass, for its name and settings.
    plain, made : object
        What its serializers make of it: as Python has it, and as JSON has it.
    """
    cls: Any = type(value)
    if has_twin_keys(plain):
        raise NotJsonError(f"two keys of a dict in {_class_of(value)} have the same JSON text")
    config = getattr(cls, "model_config", None) or getattr(cls, "__pydantic_config__", None) or {}
    if "ser_json_inf_nan" not in config and _loses_number(plain, made):
        raise NotFiniteError(f"a float in {_class_of(value)} is NaN or infinite; send null, or text")


def has_twin_keys(value: object) -> bool:
    """Tell whether two keys of a dict in *value*, which contains itself nowhere, have the same JSON text."""
    pending = [value]
    while pending:
        one = pending.pop()
        if isinstance(one, dict):
            if set(map(type, one)) - {str} and len(set(map(_key_text, one))) < len(one):
                return True
            parts: Any = one.values()
        elif isinstance(one, list | tuple):
            parts = one
        else:
            continue
        if not _LEAVES.issuperset(map(type, parts)):
            pending += parts
    return False


def _key_text(key: Any) -> Any:
    if type(key) is str:
        return key
    try:
        return next(iter(json.loads(json.dumps({key: None})) if isinstance(key, _JSON_KEYS) else _written_key(key)))
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - it has no text, which is said elsewhere
        return object()


def _written_key(key: Any) -> Any:
    return to_jsonable_python({key: None}, by_alias=True)


def _loses_number(plain: Any, made: Any) -> bool:
    """Tell whether a NaN or an infinity in *plain* is nothing in *made*, which is the same as JSON."""
    if isinstance(plain, float):
        return made is None and not math.isfinite(plain)
    if isinstance(plain, dict) and isinstance(made, dict):
        return any(map(_loses_number, plain.values(), made.values()))
    if isinstance(plain, list | tuple | set | frozenset) and isinstance(made, list):
        return any(map(_loses_number, plain, made))
    return False


@functools.lru_cache(maxsize=256)
def _adapter_of(cls: type) -> TypeAdapter[Any] | None:
    """Return what knows the aliases and serializers of a dataclass; None when pydantic has no schema for it."""
    try:
        # A list of it: pydantic takes no config for the dataclass alone. Numbers stay what they are, see above.
        adapter: TypeAdapter[Any] = TypeAdapter(list[cls], config=ConfigDict(ser_json_inf_nan="constants"))  # type: ignore[valid-type]
        if not getattr(adapter, "pydantic_complete", True):
            adapter.rebuild(raise_errors=True)
    except Exception:  # noqa: BLE001 - annotations may be anything; the fields are written as what they hold
        return None
    return adapter


def _shown(path: str) -> str:
    return path if len(path) <= _PATH_CHARACTERS else f"{path[:_PATH_CHARACTERS]}…"


def _unwritable(value: object) -> str:
    if isinstance(value, type):
        return f"The class {value.__qualname__}, and not an object of it,"
    return f"Object of type {_class_of(value)}"


def _class_of(value: object) -> str:
    cls = type(value)
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"
