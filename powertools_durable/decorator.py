"""A function becomes a Lambda handler."""

from __future__ import annotations

import functools
import inspect
import os
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, TypedDict, TypeVar, Unpack, cast, overload, runtime_checkable

from powertools_durable._contexts.async_context import AsyncDurableContext
from powertools_durable._contexts.blocking import DurableContext
from powertools_durable._contexts.handler_checks import check_function, check_options
from powertools_durable._functions import innermost, place_of
from powertools_durable._hosting import HostedFunction, durable_inside
from powertools_durable.errors import DurableConfigError

if TYPE_CHECKING:
    from powertools_durable.backends.base import DurableBackend
    from powertools_durable.config import DurableConfig
    from powertools_durable.plugins import PluginSource
    from powertools_durable.retry import RetryPolicy
    from powertools_durable.serdes.base import SerDes

__all__ = ["DurableFunction", "durable"]

E = TypeVar("E")
E_co = TypeVar("E_co", covariant=True)
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


class PlainOptions(TypedDict, total=False):
    """The keyword arguments of `durable` besides ``model`` and ``envelope``."""

    output: Any
    logger: Any
    tracer: Any
    metrics: Any
    plugins: Sequence[PluginSource]
    retry: RetryPolicy | None
    serdes: SerDes[Any] | None
    result_serdes: SerDes[Any] | None
    config: DurableConfig | None
    boto3_client: Any
    backend: DurableBackend | None


class Options(PlainOptions, total=False):
    """The keyword arguments of `durable` besides ``model``."""

    envelope: type[Any] | None


@runtime_checkable
class DurableFunction(Protocol[R_co]):
    """A Lambda handler made by `durable`: a function that is called with Lambda's event and context.

    Attributes
    ----------
    __wrapped__ : Callable
        The user's function.
    """

    __name__: str
    __qualname__: str
    __durable__: HostedFunction

    @property
    def __wrapped__(self) -> Callable[..., R_co]: ...

    def __call__(self, event: object, context: object, **extra: Any) -> dict[str, Any]:
        """Answer an invocation by Lambda.

        Parameters
        ----------
        event : object
            Lambda's durable invocation event.
        context : object
            Lambda's context.
        **extra
            Keyword arguments of decorators above this one; passed on to the function.

        Returns
        -------
        dict
            The durable answer: ``Status``, and ``Result`` or ``Error``.

        Raises
        ------
        NotADurableInvocationError, DecoratorOrderError
            The event is not a durable invocation.
        BackendError, PayloadModelChangedError
            Another invocation may succeed; Lambda makes one.
        """
        ...

    def invoke(self, event: object, context: object, *, backend: DurableBackend) -> dict[str, Any]:
        """Answer an invocation by another host than Lambda, whose records are kept by *backend*."""
        ...


class Decorator(Protocol[E_co]):
    """What ``durable(...)`` with options returns: it decorates ``async def`` and ``def`` functions."""

    @overload
    def __call__(self, function: Callable[[E_co, AsyncDurableContext], Awaitable[R]], /) -> DurableFunction[R]: ...

    @overload
    def __call__(self, function: Callable[[E_co, DurableContext], R], /) -> DurableFunction[R]: ...


@overload
def durable(function: Callable[[E, AsyncDurableContext], Awaitable[R]], /) -> DurableFunction[R]: ...


@overload
def durable(function: Callable[[E, DurableContext], R], /) -> DurableFunction[R]: ...


@overload
def durable(
    *,
    model: Any,
    envelope: type[Any],  # which may make a list of models
    **options: Unpack[PlainOptions],
) -> Decorator[Any]: ...


@overload
def durable(*, model: type[E], **options: Unpack[Options]) -> Decorator[E]: ...


@overload
def durable(
    *,
    model: Any = None,
    **options: Unpack[Options],  # a TypeAdapter, or nothing
) -> Decorator[Any]: ...


def durable(function: Callable[..., Any] | None = None, /, *, model: Any = None, **options: Unpack[Options]) -> Any:
    """Make a Lambda handler of a function that may run for up to a year.

    Use it bare or with options, as the decorator nearest to the function.

    Parameters
    ----------
    function : Callable
        Takes the execution's input and a `DurableContext`, returns the result. An ``async def`` function gets an
        `AsyncDurableContext`.
    model : type | TypeAdapter | None
        Type of the input; default: the annotation of the first parameter. ``dict``, ``Any`` and nothing mean
        plain JSON.
    envelope : type | None
        A Powertools envelope that the input comes in.
    output : type | TypeAdapter | None
        Type of the result; default: the return annotation.
    logger : Logger | Sequence[Logger] | False | None
        Loggers whose lines appear once, however often the code replays, stamped with the execution; default:
        every Powertools logger of the process, and the root logger. False leaves all alone.
    tracer : Tracer | None
        Powertools' Tracer, whose traces shall show the execution's operations, and no suspension as a fault.
    metrics : Metrics | None
        Powertools metrics that shall be counted once, however often the code replays.
    plugins : Sequence[Plugin | Callable]
        What shall hear of each invocation and operation: instances of `Plugin`, or classes and other factories
        without arguments that make a fresh one for each invocation. Those that ``POWERTOOLS_DURABLE_PLUGINS`` names
        come behind them.
    retry : Retry | None
        For steps that give none.
    serdes : SerDes | None
        In place of the tagged format, for operations that give none; ``EncryptingSerDes`` and its kin wrap the
        format of typed results too.
    result_serdes : SerDes | None
        For the handler's result; wrapping ones are around its JSON. Default: JSON alone. Whoever starts the execution
        must be able to read it.
    config : DurableConfig | None
        Settings of the deployment.
    boto3_client : object | None
        A Lambda client; default: one for the process, made now when this is Lambda, later elsewhere.
    backend : DurableBackend | None
        In place of boto3.

    Returns
    -------
    DurableFunction
        The handler.

    Raises
    ------
    DurableConfigError
        The function's parameters, its annotations or an option can't work; names file and line.
    """
    # Annotations may name what is defined beside the function, inside another one.
    local_names = sys._getframe(1).f_locals  # noqa: SLF001 - the documented way to look at the caller
    if function is None:
        return functools.partial(_decorate, model=model, options=options, local_names=local_names)
    return _decorate(function, model=model, options=options, local_names=local_names)


def _decorate(
    function: Callable[..., Any],
    *,
    model: Any,
    options: Options,
    local_names: Mapping[str, object],
) -> DurableFunction[Any]:
    # Decorating loads pydantic and what runs a handler, importing does not.
    from powertools_durable._runtime.session import Program
    from powertools_durable.config import DurableConfig
    from powertools_durable.integrations.entry_points import plugins_of
    from powertools_durable.integrations.telemetry import Telemetry
    from powertools_durable.parser.annotations import model_of, output_of
    from powertools_durable.parser.lint import warn_of_unstable_defaults
    from powertools_durable.parser.payload import PayloadParser
    from powertools_durable.parser.result_writer import ResultWriter

    place = place_of(function)
    check_function(function, place)
    if durable_inside(function) is not None:
        raise DurableConfigError(f"{place} is durable already: one @durable is enough")
    check_options(options, Options.__annotations__, place)
    config = options.get("config") or DurableConfig()
    handed = model is None
    if handed:
        model = model_of(function, local_names)
    output = options.get("output")
    if output is None:
        output = output_of(function, local_names)
    try:
        telemetry = Telemetry(
            logger=options.get("logger"),
            tracer=options.get("tracer"),
            metrics=options.get("metrics"),
            config=config,
            handler=function,
        )
        plugins = (*telemetry.tracing, *plugins_of(options.get("plugins")), *telemetry.plugins)
        parser = PayloadParser(
            model, options.get("envelope"), handed=handed, include_input=config.include_validation_input
        )
        writer = ResultWriter(output)
    except DurableConfigError as error:
        message = f"{error} (handler {place})"
        raise DurableConfigError(message) from error.__cause__
    warn_of_unstable_defaults(model)
    if _is_lambda():
        _load_the_rest()
    is_async = inspect.iscoroutinefunction(innermost(function))
    context_class: type[DurableContext | AsyncDurableContext] = AsyncDurableContext if is_async else DurableContext
    program = Program(
        handler=function,
        is_async=is_async,
        make_context=lambda session: context_class(session, session.root),
        read_payload=parser.parse,
        write_result=writer.write,
        deferred=context_class.deferred_calls,
        on_start=lambda session: telemetry.begins(
            session.engine.state.durable_execution_arn, replaying=session.engine.is_replaying
        ),
        config=config,
        retry=options.get("retry"),
        serdes=options.get("serdes"),
        result_serdes=options.get("result_serdes"),
        logger=options.get("logger"),
        tracer=options.get("tracer"),
        metrics=options.get("metrics"),
        plugins=plugins,
    )
    hosted = HostedFunction(program, _backend(options), telemetry)

    def handler(event: object, context: object, **extra: Any) -> dict[str, Any]:
        return hosted.answer(event, context, extra)

    _name_after(function, handler)
    hosted.handler = made = cast("DurableFunction[Any]", handler)
    made.__durable__ = hosted
    made.invoke = hosted.invoke  # type: ignore[method-assign] # a function has no methods of its own
    return made


def _name_after(function: Callable[..., Any], handler: Callable[..., Any]) -> None:
    functools.update_wrapper(handler, function)
    if not hasattr(function, "__name__"):  # a partial, or an object that is called
        named = innermost(function) if isinstance(function, functools.partial) else type(function)
        functools.update_wrapper(handler, named, updated=())
        handler.__wrapped__ = function  # type: ignore[attr-defined]


def _backend(options: Options) -> DurableBackend:
    backend = options.get("backend")
    if backend is not None:
        return backend
    from powertools_durable.backends.lambda_ import LambdaBackend

    mine = LambdaBackend(options.get("boto3_client"))
    if _is_lambda():
        mine.warm()
    return mine


def _is_lambda() -> bool:  # then this is its init phase, where the CPU is free; the first invocation's is not
    return "AWS_LAMBDA_FUNCTION_NAME" in os.environ


def _load_the_rest() -> None:
    """Load what every first invocation needs besides: above all the models of Lambda's event."""
    import_module("powertools_durable.parser.event")
    import_module("powertools_durable._contexts.decorators")
    import_module("powertools_durable.serdes.choosing")
    import_module("powertools_durable._contexts.calls")
    import_module("powertools_durable._operations.step")
