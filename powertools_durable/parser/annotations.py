"""What a handler's annotations ask for, resolved once, when it is decorated."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, get_args, get_origin

from powertools_durable._functions import UNANNOTATED, innermost, place_of, resolved, return_annotation
from powertools_durable._protocol.genuine import known_to_pydantic
from powertools_durable.errors import DurableConfigError

if TYPE_CHECKING:
    from pydantic import TypeAdapter

__all__ = ["adapter_of", "is_plain", "model_of", "name_of", "output_of"]

_NOTHING = UNANNOTATED
_OBJECTS = (dict, Mapping, MutableMapping)
_OPEN = ((), (str, Any), (str, object))


def model_of(handler: Callable[..., Any], local_names: Mapping[str, object] | None = None) -> Any:
    """Return the annotation of *handler*'s first parameter.

    Parameters
    ----------
    handler : Callable
        The user's function, or what decorators made of it.
    local_names : Mapping[str, object] | None
        Names visible where the handler is defined, besides its module's: a test defines models in a function.

    Returns
    -------
    Any
        The type; ``Any`` when there is no annotation.

    Raises
    ------
    DurableConfigError
        The annotation is text, or holds text, that names nothing.
    """
    first = next(iter(inspect.signature(handler).parameters.values()), None)
    if first is None:
        return Any
    return _resolved(first.annotation, handler, local_names, f"parameter {first.name!r}", "model")


def output_of(handler: Callable[..., Any], local_names: Mapping[str, object] | None = None) -> Any:
    """Return *handler*'s return annotation; otherwise like `model_of`."""
    annotation, written_at = return_annotation(handler)
    return _resolved(annotation, written_at or handler, local_names, "the result", "output")


def _resolved(
    annotation: object, handler: Callable[..., Any], local_names: Mapping[str, object] | None, subject: str, option: str
) -> Any:
    if annotation is _NOTHING:
        return Any
    function = innermost(handler)
    try:
        return resolved(annotation, getattr(function, "__globals__", {}), local_names or {})
    except Exception as error:
        raise DurableConfigError(
            f"{place_of(function)}: the annotation of {subject}, {annotation!r}, can't be resolved ({error}). Import "
            f"or define it above the handler, not under TYPE_CHECKING, or say @durable({option}=...)"
        ) from error


def is_plain(annotation: object) -> bool:
    """Tell whether *annotation* asks for nothing beyond JSON: ``Any``, ``object``, ``dict``, ``dict[str, Any]``."""
    if annotation is Any or annotation is object or annotation is _NOTHING:
        return True
    origin = get_origin(annotation) or annotation
    return any(origin is kind for kind in _OBJECTS) and get_args(annotation) in _OPEN


def name_of(annotation: object) -> str:
    """Return ``Order`` or ``list[Order]``, for messages."""
    if isinstance(annotation, type) and not get_args(annotation):
        return annotation.__name__
    return repr(annotation).replace("typing.", "")


def adapter_of(annotation: Any, role: str) -> TypeAdapter[Any]:
    """Build the validator of *annotation*, in Lambda's init phase and not in the first invocation.

    Raises
    ------
    DurableConfigError
        Pydantic can't build one; the message names *role* and the type.
    """
    try:
        from pydantic import TypeAdapter

        with known_to_pydantic():
            adapter = annotation if isinstance(annotation, TypeAdapter) else TypeAdapter(annotation)
            if not getattr(adapter, "pydantic_complete", True):  # it refers to a class that was not there yet
                adapter.rebuild(raise_errors=True)
    except Exception as error:
        reason = str(error).partition("\n")[0]
        raise DurableConfigError(
            f"{role} {name_of(annotation)} can't be used: {reason}. Give a pydantic model, a dataclass, or any type "
            "that pydantic knows, defined in full above the handler"
        ) from error
    return adapter
