"""The format that an annotation asks for, by pydantic's `TypeAdapter`."""

from __future__ import annotations

import dataclasses
import functools
import re
import typing
from collections.abc import Awaitable, Callable
from enum import Enum
from types import CodeType, FunctionType
from typing import Annotated, Any, ClassVar

from powertools_durable._functions import UNANNOTATED, return_annotation
from powertools_durable._protocol.genuine import known_to_pydantic
from powertools_durable.errors import DurableConfigError, SerDesError
from powertools_durable.errors.type_names import names_in
from powertools_durable.errors.validation import details_of, kind_of
from powertools_durable.errors.wording import class_name
from powertools_durable.serdes.base import SerDes, SerDesContext, UnkeptError, is_equal
from powertools_durable.serdes.equality import are_models_equal, mentions_model
from powertools_durable.serdes.meanings import Meanings, looked_up, meanings_of, still_mean
from powertools_durable.serdes.paths import ROOT, Path, at_depth, by_field, by_index, locate, shown
from powertools_durable.serdes.promises import named
from powertools_durable.serdes.tagged import AnnotatedTaggedJson

__all__ = ["AnnotatedSerDes", "ModelSerDes", "annotation_of", "answered_for", "serdes_for", "serdes_of"]

TAGGED = AnnotatedTaggedJson()
_MISFIT = "Pydantic serializer warnings"  # how pydantic begins when a value is not of the annotated type
_REMEMBERED = 4096  # entries; a process that makes functions without end must not grow without end
_BY_NAME_SINCE = (2, 11)
_NAMED = 5  # places in a message
_DEEPEST = 250  # pydantic takes 255 for a value without end


class ModelSerDes:
    """Writes values of one annotated type as plain JSON, and reads them back as that type.

    Given as ``serdes=`` it is trusted, as every serdes is: what pydantic leaves out or changes, the handler does not
    get, in the first run as in every replay.

    Parameters
    ----------
    annotation : type
        Anything pydantic can build a schema for.

    Raises
    ------
    DurableConfigError
        It can't.
    """

    __slots__ = ("_adapter", "annotation")

    def __init__(self, annotation: Any) -> None:
        from pydantic import TypeAdapter
        from pydantic.errors import PydanticUserError
        from pydantic_core import SchemaError

        self.annotation = annotation
        try:
            with known_to_pydantic():
                self._adapter: TypeAdapter[Any] = (
                    annotation if isinstance(annotation, TypeAdapter) else TypeAdapter(annotation)
                )
        except (PydanticUserError, SchemaError, TypeError, NameError) as error:
            reason = str(error).partition("\n")[0]
            message = f"pydantic has no schema for {_shown(annotation)}: {reason}"
            raise DurableConfigError(message) from error

    def __repr__(self) -> str:
        return f"ModelSerDes({_shown(self.annotation)})"

    def serialize(self, value: Any, context: SerDesContext) -> str:  # noqa: ARG002 - the protocol's signature
        """Write *value*, which must be of the annotated type."""
        return self._written(value, by_alias=True)

    def _written(self, value: Any, **options: Any) -> str:
        from pydantic_core import PydanticSerializationError

        try:
            return self._adapter.dump_json(value, warnings="error", **options).decode()
        except (PydanticSerializationError, UnicodeError, RecursionError) as error:
            words = str(error)
        raise (
            self._misfit(value, words, options)
            if words.startswith(_MISFIT)
            else SerDesError(_unwritable(value, self.type_names))
        )

    def _misfit(self, value: Any, words: str, options: dict[str, Any]) -> SerDesError:
        place = self._misplaced(value, words, options)
        return SerDesError(f"{class_name(value)} does not fit {self.annotation_name}{place}")

    def _misplaced(self, value: Any, words: str, options: dict[str, Any]) -> str:
        """Say where *value* is not what the annotation says: where reading fails what is written all the same.

        Pydantic's own *words* name the field, and its value, which must not be shown.
        """
        from pydantic import ValidationError

        from powertools_durable.serdes.difference import first_difference

        text = self._adapter.dump_json(value, warnings=False, **options).decode()
        try:
            found = first_difference(value, self._adapter.validate_json(text), lambda: True)
        except ValidationError as error:
            location = next(iter(details_of(error, 1)), {"loc": ()})["loc"]
            return f": {shown(_path(location))} is of another type" if location else ""
        if found is not None:
            return "" if found.path is ROOT else f": {found.described(self.type_names)}"
        field = re.search(r"\[field_name='(\w+)'", words)
        return f": its field {field[1]!r} is of another type" if field else ""

    def deserialize(self, text: str, context: SerDesContext) -> Any:  # noqa: ARG002
        """Read *text* as the annotated type."""
        return self._parsed(text)

    def _parsed(self, text: str, **options: Any) -> Any:
        from pydantic import ValidationError

        try:
            return self._adapter.validate_json(text, **options)
        except ValidationError as error:
            places = "; ".join(f"{shown(_path(d['loc']))} ({kind_of(d)})" for d in details_of(error, _NAMED))
            message = f"a recorded value is not a {_shown(self.annotation)}: {places}"
        raise SerDesError(message)

    def json_schema(self) -> dict[str, Any]:
        """Return the JSON schema of the annotation."""
        return self._adapter.json_schema()

    @property
    def type_names(self) -> frozenset[str]:
        """What the annotation names, besides classes: the fields of a TypedDict are keys of a dict."""
        return names_in(self._adapter.core_schema)

    @property
    def annotation_name(self) -> str:
        """The annotation, for messages."""
        return named(self.annotation)


class AnnotatedSerDes(ModelSerDes):
    """What a function's annotation asks for; reads what was recorded before the function had it, too.

    Then it is in the tagged format, which is that of functions without an annotation and of the official SDK. Texts
    hold what pydantic needs to read a value back, by the names that it can read: unlike a payload for others, a record
    needs neither the aliases for writing nor computed fields.
    """

    __slots__ = ("_by_alias", "_is_answer", "_reading", "is_equal")

    compares: ClassVar = True
    advice: ClassVar = (
        "annotate the class that is returned, and let validators undo what serializers do; or give "
        "serdes=ModelSerDes(...), which takes what comes back"
    )

    def __init__(self, annotation: Any, *, is_answer: bool = False) -> None:
        import pydantic

        super().__init__(annotation)
        self._is_answer = is_answer  # of a callback: one without a payload is None, and is recorded without a text
        self.is_equal: Callable[[object, object], bool] = are_models_equal if mentions_model(annotation) else is_equal
        self._by_alias = True
        self._reading: dict[str, Any] = {}
        aliases = _aliases(self._adapter.core_schema)
        if aliases and tuple(map(int, pydantic.VERSION.split(".")[:2])) >= _BY_NAME_SINCE:
            self._by_alias = all(can_be_read for can_be_read in aliases)
            self._reading = {"by_alias": True, "by_name": True}

    def _misfit(self, value: Any, words: str, options: dict[str, Any]) -> SerDesError:
        place = self._misplaced(value, words, options)
        return UnkeptError(f" is annotated -> {self.annotation_name} but returned {class_name(value)}{place}")

    def promise(self, value: object) -> bool:
        """Tell whether *value* may be None; everything else pydantic sees when it writes."""
        # An answer comes from outside, and was read as the annotation says.
        return self._is_answer or value is not None or self._takes_none()

    def _takes_none(self) -> bool:
        try:
            self._parsed("null")
        except SerDesError:
            return False
        return True

    def serialize(self, value: Any, context: SerDesContext) -> str | None:  # type: ignore[override]  # noqa: ARG002
        """Write *value*, which must be of the annotated type."""
        if self._is_answer and value is None:
            return None
        return self._written(value, by_alias=self._by_alias, round_trip=True)

    def deserialize(self, text: str, context: SerDesContext) -> Any:
        """Read *text* as the annotated type."""
        try:
            return self._parsed(text)
        except SerDesError as misfit:
            if not text.startswith('{"t":'):
                raise
            return self.adopt(TAGGED.deserialize(text, context), misfit)

    def _parsed(self, text: str, **options: Any) -> Any:
        return super()._parsed(text, **self._reading, **options)

    def adopt(self, value: Any, misfit: SerDesError | None = None) -> Any:
        """Return a value of another format as one of the annotated type.

        Raises
        ------
        SerDesError
            It is none; *misfit* if that is given.
        """
        from pydantic import ValidationError

        try:
            return self._adapter.validate_python(value, **self._reading)
        except ValidationError:
            message = f"a recorded {type(value).__name__} is not a {_shown(self.annotation)}"
        raise misfit or SerDesError(message)


def answered_for(annotation: Any) -> SerDes[Any]:
    """Return how a callback's answer of that type is recorded by the context around it."""
    found = serdes_for(annotation)
    if not isinstance(found, AnnotatedSerDes):
        return TAGGED
    try:
        return _answered(annotation, repr(annotation))
    except TypeError:  # not hashable
        return AnnotatedSerDes(annotation, is_answer=True)


@functools.lru_cache(maxsize=256)
def _answered(annotation: Any, _text: str) -> AnnotatedSerDes:
    return AnnotatedSerDes(annotation, is_answer=True)


def _aliases(schema: Any) -> list[bool]:
    """Tell of each field with an alias in pydantic's *schema* whether it is read by the name that it is written by."""
    found: list[bool] = []
    pending: list[Any] = [schema]
    while pending:
        node = pending.pop()
        if isinstance(node, dict):
            read, written = node.get("validation_alias"), node.get("serialization_alias")
            if (read or written) and str(node.get("type")).endswith("-field"):
                choices = read if isinstance(read, list) else [read]
                found.append(written is None or written in choices or [written] in choices)
            pending += [part for key, part in node.items() if key not in {"metadata", "cls", "config"}]
        elif isinstance(node, (list, tuple)):
            pending += node
    return found


def _unwritable(value: object, names: frozenset[str]) -> str:
    """Say where *value* holds what has no JSON text."""
    found = at_depth(value, _DEEPEST)
    if found is not None:
        path, deepest = found
        how = f"nested {deepest} containers deep" if deepest else "nested without end: it contains itself"
        return f"{class_name(value)} holds something that has no JSON text: {shown(path, names)} is {how}"
    culprit = locate(value, _has_no_json)
    if culprit is None:
        return f"{class_name(value)} holds something that has no JSON text"
    path, item = culprit
    help_ = ""
    if isinstance(item, str):
        help_ = " with a lone surrogate"
    elif isinstance(item, bytes):
        help_ = ", which needs ser_json_bytes='base64' and val_json_bytes='base64' in the model's config"
    what = f"{class_name(value)} holds something that has no JSON text"
    return f"{what}: {shown(path, names)} is {class_name(item)}{help_}"


def _has_no_json(value: object) -> bool:
    from pydantic_core import to_json

    try:
        to_json(value)
    except Exception:  # noqa: BLE001 - serializers are the user's code
        return True
    return False


def _path(location: tuple[int | str, ...]) -> Path:
    path = ROOT
    for step in location:
        if isinstance(step, int):
            path = by_index(path, step)
        elif step.startswith("["):  # a key, of which no more is said
            path = (path, step)
        else:
            path = by_field(path, step) if step.isidentifier() else (path, f"[{step!r}]")
    return path


def _shown(annotation: Any) -> str:
    return annotation.__qualname__ if isinstance(annotation, type) else str(annotation)


# -- which format an annotation asks for ----------------------------------------------------------------------


def serdes_for(annotation: Any) -> SerDes[Any]:
    """Return the format for values annotated so.

    Plain JSON by pydantic where a model, dataclass, TypedDict, NamedTuple or enum is anywhere in the annotation, the
    tagged format everywhere else, so that the official SDK's histories of annotated functions replay.
    """
    if annotation is None or annotation is Any:
        return TAGGED
    try:
        # The text too: Union[A, B] equals Union[B, A], and is not the same to pydantic.
        return _remembered(annotation, repr(annotation))
    except TypeError:  # not hashable
        return _made_for(annotation)


def _made_for(annotation: Any) -> SerDes[Any]:
    awaited = _awaited(annotation)
    if awaited is not annotation:
        return serdes_for(awaited)
    return AnnotatedSerDes(annotation) if _holds_class(annotation, set()) else AnnotatedTaggedJson(annotation)


def _awaited(annotation: Any) -> Any:
    """Return ``T`` for ``Awaitable[T]`` and its like: what is recorded has been awaited."""
    cls = typing.get_origin(annotation) or annotation
    try:
        is_awaitable = isinstance(cls, type) and issubclass(cls, Awaitable)
    except Exception:  # noqa: BLE001 - __subclasshook__ is the user's code
        return annotation
    if not is_awaitable or _is_class_to_keep(cls):  # a model of the user's may have `__await__`, too
        return annotation
    return (typing.get_args(annotation) or (Any,))[-1]


@functools.lru_cache(maxsize=1024)
def _remembered(annotation: Any, _text: str) -> SerDes[Any]:
    return _made_for(annotation)


def _holds_class(annotation: Any, seen: set[int]) -> bool:
    if id(annotation) in seen:  # an alias that names itself
        return False
    seen.add(id(annotation))
    if type(annotation).__name__ == "TypeAdapter":
        return True
    for inner in ("__supertype__", "__value__"):  # NewType, and the type statement of Python 3.12
        if not isinstance(annotation, type) and _holds_class(getattr(annotation, inner, None), seen):
            return True
    if isinstance(annotation, type) and _is_class_to_keep(annotation):
        return True
    origin = typing.get_origin(annotation)
    if isinstance(origin, type) and _is_class_to_keep(origin):
        return True
    parts = typing.get_args(annotation)
    if origin is Annotated:
        parts = parts[:1]  # the rest is said about the type
    return any(_holds_class(part, seen) for part in parts)


def _is_class_to_keep(cls: type) -> bool:
    return (
        hasattr(cls, "__pydantic_core_schema__")
        or dataclasses.is_dataclass(cls)
        or typing.is_typeddict(cls)
        or hasattr(cls, "__required_keys__")  # the TypedDict of typing_extensions
        or issubclass(cls, Enum)
        or (issubclass(cls, tuple) and hasattr(cls, "_fields"))  # NamedTuple
    )


# -- which annotation a function has --------------------------------------------------------------------------

# By the id of the code object, which the entry keeps alive: a lambda or closure made anew each time shares it.
_known: dict[int, tuple[CodeType, object, SerDes[Any], Meanings]] = {}


def serdes_of(func: Callable[..., Any] | None, returns: Any = None) -> SerDes[Any]:
    """Return the format for what *func* returns: by *returns*, else by its return annotation."""
    if returns is not None:
        return serdes_for(returns)
    written_at: FunctionType | None
    if type(func) is FunctionType and not func.__dict__:  # nothing is wrapped around it, as nearly always
        try:
            raw, written_at = func.__annotations__.get("return", UNANNOTATED), func
        except Exception:  # noqa: BLE001 - Python 3.14 evaluates annotations here
            return TAGGED
    else:
        raw, written_at = return_annotation(func)
    if raw is UNANNOTATED:
        return TAGGED
    if written_at is None:
        return serdes_for(looked_up(None, raw))
    code = written_at.__code__
    if isinstance(raw, str) and any(name in raw for name in code.co_freevars):  # may name another class each time
        return serdes_for(looked_up(written_at, raw))
    entry = _known.get(id(code))
    if entry is not None and entry[1] is raw and still_mean(written_at, entry[3]):
        return entry[2]
    if len(_known) >= _REMEMBERED:
        _known.clear()
    found = serdes_for(looked_up(written_at, raw))
    _known[id(code)] = (code, raw, found, meanings_of(written_at, raw))
    return found


def annotation_of(func: object) -> Any:
    """Return what *func* is annotated to return, `None`'s type for None; None where that can't be told.

    A class returns its instances. What wraps a function is looked through (`return_annotation`); texts are looked up
    where the function was defined.
    """
    raw, written_at = return_annotation(func)
    return None if raw is UNANNOTATED else looked_up(written_at, raw)
