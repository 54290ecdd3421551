"""Checks the function and the options of `durable` when the module loads, without reading source code."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from powertools_durable._contexts.arguments import check_retry, check_serdes
from powertools_durable._contexts.base_context import BaseContext
from powertools_durable._functions import fits, innermost
from powertools_durable.errors import DurableConfigError, ValidationError
from powertools_durable.errors.wording import class_name

__all__ = ["check_function", "check_options"]

_CONTEXTS = {"ctx", "context", "durable_context"}


def check_options(options: Mapping[str, Any], known: Iterable[str], place: str) -> None:
    """Refuse unknown options of `durable`, and options of a wrong type."""
    from powertools_durable.config import DurableConfig

    if unknown := set(options) - set(known):
        from difflib import get_close_matches

        close = get_close_matches(min(unknown), ("model", *known), n=1)
        meant = f"; do you mean {close[0]!r}?" if close else ""
        message = f"durable() has no option {', '.join(sorted(unknown))!r}{meant} (handler {place})"
        raise DurableConfigError(message)
    config: object = options.get("config")
    if config is not None and not isinstance(config, DurableConfig):
        message = f"durable(config=...) takes a DurableConfig, not {class_name(config)} (handler {place})"
        raise DurableConfigError(message)
    try:
        check_retry(options.get("retry"))
        check_serdes(options.get("serdes"))
    except ValidationError as error:
        message = f"durable(): {error} (handler {place})"
        raise DurableConfigError(message) from None


def check_function(function: object, place: str) -> None:
    """Refuse what is not a handler.

    Raises
    ------
    DurableConfigError
        *function* is not a function, or can't be called with an event and a context, in this order.
    """
    if not callable(function):
        message = f"@durable decorates a function, not {class_name(function)}"
        raise DurableConfigError(message)
    if isinstance(function, type):
        message = f"@durable decorates a function, not the class {function.__name__}"
        if {"__dataclass_fields__", "__pydantic_core_schema__"} & {*dir(function)}:
            message += f"; to declare the model of its input, write @durable(model={function.__name__})"
        raise DurableConfigError(message)
    inner = innermost(function)
    if inspect.isgeneratorfunction(inner) or inspect.isasyncgenfunction(inner):
        message = f"{place} is a generator; a durable handler must return its result"
        raise DurableConfigError(message)
    name = getattr(function, "__name__", "handler").replace("<lambda>", "handler")
    if not fits(function, 2, follow_wrapped=True, without_signature=False):
        message = f"{place} must take two positional parameters, the event and the context: def {name}(event, ctx)"
        if next(iter(inspect.signature(inner).parameters), "") == "self":
            message += (
                ". Lambda calls a module-level function: move it out of its class, or decorate a function that calls it"
            )
        raise DurableConfigError(message)
    if (names := _swapped(function)) is not None:
        message = (
            f"{place} has its parameters swapped: ({names}). The event comes first, the context second: "
            f"def {name}(event, ctx)"
        )
        raise DurableConfigError(message)
    is_async = inspect.iscoroutinefunction(inner)
    if (annotated := _wrong_context(function, is_async=is_async)) is not None:
        expected = "AsyncDurableContext" if is_async else "DurableContext"
        message = (
            f"{place} is {'an async def' if is_async else 'a def'} function, so its context is {expected}: annotate it "
            f"with that instead of {annotated}"
        )
        raise DurableConfigError(message)


def _wrong_context(function: Callable[..., Any], *, is_async: bool) -> str | None:
    """Return the class name in the annotation of the second parameter if it is the wrong context class."""
    parameters = [*inspect.signature(function).parameters.values()]
    if len(parameters) < 2:  # *args
        return None
    name = _class_named(parameters[1].annotation)
    imported = getattr(innermost(function), "__globals__", {}).get(name)  # it may have been imported under an alias
    name = imported.__name__ if isinstance(imported, type) else name
    return name if name == ("DurableContext" if is_async else "AsyncDurableContext") else None


def _swapped(function: Callable[..., Any]) -> str | None:
    """Return the first two parameters if annotations or names show that they are swapped."""
    parameters = [*inspect.signature(function).parameters.values()]
    if len(parameters) < 2:  # *args
        return None
    first, second = parameters[:2]
    unannotated = inspect.Parameter.empty
    is_context = _names_context(first.annotation)
    by_name = first.name in _CONTEXTS and second.name == "event" and first.annotation is unannotated
    if (is_context or by_name) and not _names_context(second.annotation):
        return f"{first.name}, {second.name}"
    return None


def _names_context(annotation: object) -> bool:
    if isinstance(annotation, type):
        return issubclass(annotation, BaseContext)
    return _class_named(annotation) in {"DurableContext", "AsyncDurableContext"}


def _class_named(annotation: object) -> str | None:
    if isinstance(annotation, str):  # not evaluated: a class imported under TYPE_CHECKING does not exist
        return annotation.strip("'\" ").rpartition(".")[2]
    return annotation.__name__ if isinstance(annotation, type) else None
