"""Checks that a user's function takes the arguments it will be called with, before the call is recorded.

Without this check such a call would fail in every attempt, after all retries, with a traceback into this library. Here
it fails once, at the user's line. The check is made whenever the function is about to run, and not when the record is
terminal.

A decorator may add or remove arguments, so a decorated function is checked by the parameters of its wrapper.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from types import FunctionType, MethodType
from typing import Any

from powertools_durable._functions import below_partials, fits, name_of
from powertools_durable.errors import ValidationError
from powertools_durable.errors.places import call_site
from powertools_durable.errors.wording import call_name

__all__ = ["bind", "refuse_unknown"]

_ASYNC = inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def bind(
    function: Callable[..., Any], count: int, call: str, *, role: str = "", before: str = "", awaits: bool = False
) -> None:
    """Refuse a function that can't be called with *count* positional arguments.

    Parameters
    ----------
    function : Callable
        The function to call.
    count : int
        The number of its arguments.
    call : str
        The durable call, for example ``step``.
    role : str
        The option that holds the function, for example ``compensate``; empty for the first argument of the call.
    before : str
        The argument that precedes the user's own, for example ``the context``.
    awaits : bool
        The function's result is awaited, so it may be an ``async def`` function.

    Raises
    ------
    ValidationError
        The function takes another number of arguments, or is an ``async def`` function.
    """
    refused = inspect.CO_ASYNC_GENERATOR if awaits else _ASYNC
    if type(function) is FunctionType and fits(function, count) and not function.__code__.co_flags & refused:
        return
    if not awaits and _is_async(function):
        name = name_of(function)
        if role and role != "compensate":
            raise _error(
                f"{name}() is an 'async def' function, and what {call_name(call)}({role}=...) returns is not awaited. "
                f"Write 'def {name}'"
            )
        raise _error(
            f"{name}() is an 'async def' function, and this handler is a 'def' function, which does not await what "
            f"{call_name(call)}() calls. Make the handler 'async def', or write 'def {name}', with asyncio.run() in it"
        )
    if fits(function, count):
        return
    signature = inspect.signature(function, follow_wrapped=False)
    name = name_of(function)
    fact = f"{call_name(call)}({name}, ...) passes {count}"
    if role:
        fact = f"{call_name(call)}({role}={name}) passes {count}"
    first = f" ({before} first)" if before and count > 1 else f" ({before})" if before else ""
    raise _error(f"{name}() takes ({_parameters(signature)}); {fact}{first}.{_advice(signature, name, before)}")


def refuse_unknown(function: object, call: str, unknown: Mapping[str, object]) -> None:
    """Refuse unknown options; usually they are keyword arguments that are meant for the function.

    Raises
    ------
    ValidationError
        There are any; the message shows how to pass them to the function.
    """
    if not unknown:
        return
    name = name_of(function)
    options = ", ".join(map(repr, unknown))
    meant = ", ".join(f"{option}=..." for option in unknown)
    raise _error(
        f"{call_name(call)}() has no option {options}. For keyword arguments: "
        f"{call_name(call)}(functools.partial({name}, {meant}), ...)"
    )


def _is_async(function: Callable[..., Any]) -> bool:
    called = below_partials(function)
    if not isinstance(called, (FunctionType, MethodType, type)):
        called = type(called).__call__
    return inspect.iscoroutinefunction(called) or inspect.isasyncgenfunction(called)


def _parameters(signature: inspect.Signature) -> str:
    """Return the parameters as text, without annotations and defaults, which may be long or contain secrets."""
    parts: list[str] = []
    kinds = inspect.Parameter
    for name, parameter in signature.parameters.items():
        if parameter.kind is kinds.KEYWORD_ONLY and not any(part.startswith("*") for part in parts):
            parts.append("*")
        stars = "*" if parameter.kind is kinds.VAR_POSITIONAL else "**" if parameter.kind is kinds.VAR_KEYWORD else ""
        parts.append(f"{stars}{name}{'' if parameter.default is kinds.empty else '=...'}")
    return ", ".join(parts)


def _advice(signature: inspect.Signature, name: str, before: str) -> str:
    """Return an example of how to pass a keyword argument, with one of the parameters."""
    kinds = inspect.Parameter
    parameters = list(signature.parameters.values())
    if before and parameters and parameters[0].kind in _POSITIONAL:
        del parameters[0]
    for parameter in parameters:
        if parameter.kind in {kinds.POSITIONAL_OR_KEYWORD, kinds.KEYWORD_ONLY}:
            return f" For keyword arguments: functools.partial({name}, {parameter.name}=...)"
    return ""


def _error(text: str) -> ValidationError:
    place = call_site()
    return ValidationError(f"{text} (at {place})" if place else text)
