"""What is known of a user's function: what it wraps, what it can be called with, where it stands, what it returns.

A decorator may leave a function, a `functools.partial`, a method, the object of `functools.cache`, or an instance of a
class of its own. What was written below it is found by the attributes that Python has for this.
"""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Iterator, Mapping
from types import CodeType, CoroutineType, FunctionType, MethodType, SimpleNamespace
from typing import Any, NoReturn, TypeVar

from powertools_durable.errors import ValidationError
from powertools_durable.errors.places import without_folders
from powertools_durable.errors.wording import class_name

__all__ = [
    "ANSWERS_AT_ONCE",
    "IN_A_DEF_HANDLER",
    "IS_THE_HANDLER",
    "NOT_AWAITED",
    "UNANNOTATED",
    "below_partials",
    "code_of",
    "fits",
    "innermost",
    "layers",
    "location_of",
    "name_of",
    "place_of",
    "refuse_unfinished",
    "require_finished",
    "resolved",
    "return_annotation",
]

T = TypeVar("T")

UNANNOTATED: Any = inspect.Signature.empty
_MOST_LAYERS = 100  # an object that has every attribute has a ``__wrapped__`` without end


def layers(function: Any) -> Iterator[Any]:
    """Yield *function* and what it wraps, the outermost first."""
    seen: set[int] = set()
    layer = function
    while layer is not None and id(layer) not in seen and len(seen) < _MOST_LAYERS:
        seen.add(id(layer))
        yield layer
        layer = _wrapped_by(layer)


def innermost(function: Any) -> Any:
    """Return the function that was written, below partials, decorators, methods and callable objects."""
    *_, layer = layers(function)
    return layer if isinstance(layer, FunctionType) else type(layer).__call__


def below_partials(function: Any) -> Any:
    """Return what a `functools.partial` is of, or *function* itself."""
    while isinstance(function, functools.partial):
        function = function.func
    return function


# -- its name and its place -----------------------------------------------------------------------------------


def name_of(function: object) -> str:
    """Return the function's name, or that of its class: that of a lambda is ``lambda``."""
    function = below_partials(function)
    name = getattr(function, "__name__", None) or type(function).__name__
    return "lambda" if name == "<lambda>" else str(name)


def code_of(function: object) -> CodeType | None:
    """Return the code of the function that was written; None when it is not a Python function."""
    inner = innermost(function) if callable(function) else function
    code = getattr(inner, "__code__", None) or getattr(inner, "cr_code", None)  # the latter of a coroutine
    return code if isinstance(code, CodeType) else None


def location_of(function: object) -> str | None:
    """Return ``file:line`` of the function that was written, with the file's folders."""
    code = code_of(function)
    return _location(code) if code else None


def _location(code: CodeType) -> str:
    return f"{code.co_filename}:{code.co_firstlineno}"


def place_of(function: object) -> str:
    """Return ``name at file:line``, the file without its folders, for messages."""
    inner = innermost(function) if callable(function) else function
    name = getattr(inner, "__qualname__", repr(function))
    location = location_of(function)
    return f"{name} at {without_folders(location)}" if location else name


# -- what it can be called with -------------------------------------------------------------------------------


def fits(function: Any, count: int, *, follow_wrapped: bool = False, without_signature: bool = True) -> bool:
    """Return whether *function* can be called with *count* positional arguments.

    Parameters
    ----------
    function : Callable
        For a plain function two numbers are compared; `inspect.Signature.bind` handles other callables.
    count : int
        The number of arguments.
    follow_wrapped : bool
        Ask the function that a decorator names as its ``__wrapped__``, which takes what the decorator passes on.
    without_signature : bool
        The answer for a builtin that has no signature.
    """
    called, given = function, count
    if isinstance(called, MethodType):
        called, given = called.__func__, given + 1
    if type(called) is FunctionType and not follow_wrapped:
        code = called.__code__
        most = code.co_argcount
        if given > most and not code.co_flags & inspect.CO_VARARGS:
            return False
        if given < most - len(called.__defaults__ or ()):
            return False
        needed = code.co_kwonlyargcount
        return not needed or needed <= len(called.__kwdefaults__ or ())
    try:
        signature = inspect.signature(function, follow_wrapped=follow_wrapped)
    except (TypeError, ValueError):
        return without_signature
    try:
        signature.bind(*range(count))
    except TypeError:
        return False
    return True


# -- what it returns ------------------------------------------------------------------------------------------


def resolved(annotation: object, global_names: dict[str, Any], local_names: Mapping[str, object]) -> Any:
    """Return what one annotation means, which may be text or hold text; what this raises depends on the text."""
    holder = SimpleNamespace(__annotations__={"it": annotation})  # so the other annotations may stay unresolved
    return typing.get_type_hints(holder, global_names, dict(local_names), include_extras=True)["it"]


def return_annotation(function: Any) -> tuple[Any, FunctionType | None]:
    """Return what *function* is annotated to return, and the function at which that was written.

    Returns
    -------
    tuple[Any, FunctionType | None]
        The annotation as it stands there, perhaps text; `UNANNOTATED` when there is none. A class is annotated with
        itself. The function tells where names in a text are looked up; None when that is unknown.
    """
    remaining = layers(function)
    for layer in remaining:
        if isinstance(layer, type):
            return layer, None
        found = _own_annotation(layer)
        if found is UNANNOTATED:
            continue
        written_at = layer if isinstance(layer, FunctionType) else None
        for below in remaining:  # functools.wraps copies annotations; names are those of the function that was written
            if isinstance(below, FunctionType) and _own_annotation(below) is found:
                written_at = below
        return found, written_at
    return UNANNOTATED, None


# -- what it has returned -------------------------------------------------------------------------------------

IS_THE_HANDLER = (
    "but is a 'def' function, so nothing awaits that. Make the handler 'async def' and await the call, or pass the "
    "async function itself to durable()"
)
IN_A_DEF_HANDLER = (
    "which a 'def' handler does not await. Make the handler 'async def', or write a function that returns the result, "
    "for example of asyncio.run()"
)
NOT_AWAITED = "which was not awaited. Await it there"
ANSWERS_AT_ONCE = "but its answer is not awaited. Make it a 'def' function that returns the answer"


def require_finished(value: T, function: object, advice: str) -> T:
    """Return what *function* returned, unless that is a coroutine, whose code has not run and would never run.

    Raises
    ------
    ValidationError
        Says what was returned, and *advice*.
    """
    if isinstance(value, CoroutineType):
        refuse_unfinished(value, function, advice)
    return value


def refuse_unfinished(value: Any, function: object, advice: str) -> NoReturn:
    """Raise for a coroutine or a future that *function* returned.

    Raises
    ------
    ValidationError
        Always.
    """
    what = class_name(value)
    if isinstance(value, CoroutineType):
        what = f"a coroutine of {value.__qualname__}() at {without_folders(_location(value.cr_code))}"
        value.close()  # else Python warns that it was never awaited
    message = f"{place_of(function)} returned {what}, {advice}"
    raise ValidationError(message)


def _wrapped_by(layer: Any) -> Any:
    if isinstance(layer, functools.partial):
        return layer.func
    for name in ("__func__", "__wrapped__"):
        inner = _attribute(layer, name)
        if inner is not None and not isinstance(layer, type):
            return inner
    if isinstance(layer, (FunctionType, type)):
        return None
    call = _attribute(type(layer), "__call__")
    return call if isinstance(call, FunctionType) else None


def _own_annotation(layer: Any) -> Any:
    if isinstance(layer, FunctionType):
        annotations = _attribute(layer, "__annotations__") or {}
        if "return" in annotations:
            return annotations["return"]
    if _wrapped_by(layer) is None or not _wraps(layer):
        signature = _attribute(layer, "__signature__")
        if isinstance(signature, inspect.Signature):
            return signature.return_annotation
    return UNANNOTATED


def _wraps(layer: Any) -> bool:
    """Tell whether *layer* is around another function, which is then asked before its ``__signature__``."""
    return isinstance(layer, functools.partial) or any(
        _attribute(layer, name) is not None for name in ("__func__", "__wrapped__")
    )


def _attribute(owner: Any, name: str) -> Any:
    try:
        return getattr(owner, name, None)
    except Exception:  # noqa: BLE001 - properties are the user's code; on Python 3.14 annotations are evaluated here
        return None
