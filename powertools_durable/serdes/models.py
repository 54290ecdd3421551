"""The format that an annotation asks for, by pydantic's `TypeAdapter`."""

from __future__ import annotations

import dataclasses
import functools
import re
import typing
from collections.abc import Callable
from enum import Enum
from types import CodeType, FunctionType, MethodType, SimpleNamespace
from typing import Annotated, Any, ClassVar

from powertools_durable.errors import DurableConfigError, SerDesError
from powertools_durable.serdes.base import SerDes, SerDesContext
from powertools_durable.serdes.tagged import TaggedJson

__all__ = ["AnnotatedSerDes", "ModelSerDes", "annotation_of", "serdes_for", "serdes_of"]

TAGGED = TaggedJson()
_MISFIT = "Pydantic serializer warnings"  # how pydantic begins when a value is not of the annotated type
_REMEMBERED = 4096  # entries; a process that makes functions without end must not grow without end


class ModelSerDes:
    """Writes values of one annotated type as plain JSON, and reads them back as that type.

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

    advice: ClassVar = "annotate its own class; validators and aliases must undo what serializers do"

    def __init__(self, annotation: Any) -> None:
        from pydantic import TypeAdapter
        from pydantic.errors import PydanticUserError
        from pydantic_core import SchemaError

        self.annotation = annotation
        try:
            self._adapter: TypeAdapter[Any] = (
                annotation if isinstance(annotation, TypeAdapter) else TypeAdapter(annotation)
            )
        except (PydanticUserError, SchemaError, TypeError, NameError) as error:
            reason = str(error).partition("\n")[0]
            message = f"pydantic has no schema for {_shown(annotation)}: {reason}"
            raise DurableConfigError(message) from error

    def __repr__(self) -> str:
        return f"ModelSerDes({_shown(self.annotation)})"

    def keeps(self, value: object) -> bool:
        """Nothing goes without proof: a validator may change anything."""
        return value is None

    def loses(self, value: object, seen: object) -> bool:
        """True when a class became another, as happens to a subclass, or to one with the same fields."""
        return _bare(type(seen)) is not _bare(type(value)) and _is_class_to_keep(type(seen))

    def serialize(self, value: Any, context: SerDesContext) -> str:  # noqa: ARG002 - the protocol's signature
        """Write *value*, which must be of the annotated type."""
        from pydantic_core import PydanticSerializationError

        try:
            return self._adapter.dump_json(value, by_alias=True, warnings="error").decode()
        except (PydanticSerializationError, UnicodeError) as error:
            message = self._refusal(type(value).__qualname__, fits=not str(error).startswith(_MISFIT))
        raise SerDesError(message)

    def _refusal(self, name: str, *, fits: bool) -> str:
        if fits:
            return (
                f"a {name} holds something that has no JSON text: itself, a lone surrogate, or bytes (which need "
                "ser_json_bytes='base64' and val_json_bytes='base64' in the model's config)"
            )
        annotation = _shown(self.annotation)
        if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", annotation):
            return f"a {name} holds something else than the annotation {annotation} says"
        return f"a {name} was returned where the annotation says {annotation}"

    def deserialize(self, text: str, context: SerDesContext) -> Any:  # noqa: ARG002
        """Read *text* as the annotated type."""
        from pydantic import ValidationError

        try:
            return self._adapter.validate_json(text)
        except ValidationError as error:
            details = error.errors(include_url=False, include_input=False, include_context=False)
            places = "; ".join(f"{'.'.join(map(str, d['loc']))[:200] or 'value'} ({d['type']})" for d in details[:5])
            message = f"a recorded value is not a {_shown(self.annotation)}: {places}"
        raise SerDesError(message)


class AnnotatedSerDes(ModelSerDes):
    """What a function's annotation asks for; reads what was recorded before the function had it, too.

    Then it is in the tagged format, which is that of functions without an annotation and of the official SDK.
    """

    __slots__ = ()

    def deserialize(self, text: str, context: SerDesContext) -> Any:
        """Read *text* as the annotated type."""
        try:
            return super().deserialize(text, context)
        except SerDesError as misfit:
            if not text.startswith('{"t":'):
                raise
            return self.adopt(TAGGED.deserialize(text, context), misfit)

    def adopt(self, value: Any, misfit: SerDesError | None = None) -> Any:
        """Return a value of another format as one of the annotated type.

        Raises
        ------
        SerDesError
            It is none; *misfit* if that is given.
        """
        from pydantic import ValidationError

        try:
            return self._adapter.validate_python(value)
        except ValidationError:
            message = f"a recorded {type(value).__name__} is not a {_shown(self.annotation)}"
        raise misfit or SerDesError(message)


def _bare(cls: type) -> object:
    """Return the class without its parameters: pydantic makes one for each."""
    return getattr(cls, "__pydantic_generic_metadata__", {}).get("origin") or cls


def _shown(annotation: Any) -> str:
    return annotation.__qualname__ if isinstance(annotation, type) else str(annotation)


# -- which format an annotation asks for ----------------------------------------------------------------------


def serdes_for(annotation: Any) -> SerDes[Any]:
    """Return the format for values annotated so.

    Plain JSON by pydantic where a model, dataclass, TypedDict or enum is anywhere in the annotation, the tagged
    format everywhere else, so that the official SDK's histories of annotated functions replay (api.md 11).
    """
    if annotation is None or annotation is Any or not _holds_class(annotation, set()):
        return TAGGED
    try:
        # The text too: Union[A, B] equals Union[B, A], and is not the same to pydantic.
        return _model_serdes(annotation, repr(annotation))
    except TypeError:  # not hashable
        return AnnotatedSerDes(annotation)


@functools.lru_cache(maxsize=1024)
def _model_serdes(annotation: Any, _text: str) -> AnnotatedSerDes:
    return AnnotatedSerDes(annotation)


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
    )


# -- which annotation a function has --------------------------------------------------------------------------

# By the id of the code object, which the entry keeps alive: a lambda or closure made anew each time shares it.
_known: dict[int, tuple[CodeType, object, SerDes[Any]]] = {}


def serdes_of(func: Callable[..., Any] | None, returns: Any = None) -> SerDes[Any]:
    """Return the format for what *func* returns: by *returns*, else by its return annotation."""
    if returns is not None:
        return serdes_for(returns)
    while isinstance(func, functools.partial):
        func = func.func
    if isinstance(func, MethodType):
        func = func.__func__
    if not isinstance(func, FunctionType):
        return serdes_for(annotation_of(func))
    raw = func.__annotations__.get("return")
    if raw is None:
        return TAGGED
    func = _written_as(func, raw)
    code = func.__code__
    if isinstance(raw, str) and any(name in raw for name in code.co_freevars):  # may name another class each time
        return serdes_for(annotation_of(func))
    entry = _known.get(id(code))
    if entry is not None and entry[1] is raw:
        return entry[2]
    if len(_known) >= _REMEMBERED:
        _known.clear()
    found = serdes_for(annotation_of(func))
    _known[id(code)] = (code, raw, found)
    return found


def annotation_of(func: object) -> Any:
    """Return what *func* is annotated to return; None where that can't be told.

    A class returns its instances. Of a partial, a bound method or an object with ``__call__``, the function
    itself is asked. Texts are looked up where the function was defined.
    """
    while isinstance(func, functools.partial):
        func = func.func
    if isinstance(func, type):
        return func
    if isinstance(func, MethodType):
        func = func.__func__
    if not isinstance(func, FunctionType):
        func = vars(type(func)).get("__call__")
    if not isinstance(func, FunctionType):
        return None
    raw = func.__annotations__.get("return")
    return _looked_up(_written_as(func, raw), raw) if raw is not None else None


def _written_as(func: FunctionType, raw: object) -> FunctionType:
    """Return the function that *raw* was written at: a decorator's wrapper shows the one of what it wraps."""
    while isinstance(inner := getattr(func, "__wrapped__", None), FunctionType):
        if inner.__annotations__.get("return") is not raw:
            break
        func = inner
    return func


def _looked_up(func: FunctionType, raw: object) -> Any:
    asked = SimpleNamespace(__annotations__={"return": raw})
    try:
        return typing.get_type_hints(asked, func.__globals__, _enclosing(func), include_extras=True)["return"]
    except Exception:  # noqa: BLE001 - an annotation may be any text; then it tells nothing
        return None


def _enclosing(func: FunctionType) -> dict[str, Any]:
    names = {}
    for name, cell in zip(func.__code__.co_freevars, func.__closure__ or (), strict=False):
        try:
            names[name] = cell.cell_contents
        except ValueError:  # not assigned yet
            continue
    return names
