"""A function becomes a Lambda handler."""

from __future__ import annotations

import functools
import inspect
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from importlib import import_module
from types import FunctionType
from typing import TYPE_CHECKING, Any, Generic, TypedDict, TypeVar, Unpack, overload

from powertools_durable._contexts.blocking import DurableContext
from powertools_durable._contexts.decorated import check_function, check_options, place_of
from powertools_durable._functions import innermost
from powertools_durable.errors import DurableConfigError

if TYPE_CHECKING:
    from powertools_durable._runtime.environment import Environment
    from powertools_durable._runtime.session import Program
    from powertools_durable._service.invocations import Target
    from powertools_durable.backends.base import DurableBackend
    from powertools_durable.config import DurableConfig
    from powertools_durable.integrations.telemetry import Telemetry
    from powertools_durable.plugins import PluginSource
    from powertools_durable.retry import RetryPolicy
    from powertools_durable.serdes.base import SerDes

__all__ = [
    "DurableFunction",
    "durable",
    "durable_inside",
    "invoker_of",
    "program_of",
    "record_stack_traces",
    "target_of",
]

E = TypeVar("E")
R = TypeVar("R")
Handler = Callable[[E, DurableContext], R]

_OF_FUNCTIONS = {"__closure__", "__code__", "__defaults__", "__globals__", "__kwdefaults__"}

# Where this invocation's API calls go in place of the function's own backend: set by `invoker_of` alone.
_STAND_IN: ContextVar[tuple[DurableBackend, Environment] | None] = ContextVar(
    "powertools_durable_stand_in", default=None
)


class PlainOptions(TypedDict, total=False):
    """The keyword arguments of `durable` besides ``model`` and ``envelope``."""

    output: Any
    logger: Any
    tracer: Any
    metrics: Any
    plugins: Sequence[PluginSource]
    retry: RetryPolicy | None
    serdes: SerDes[Any] | None
    config: DurableConfig | None
    boto3_client: Any
    backend: DurableBackend | None


class Options(PlainOptions, total=False):
    """The keyword arguments of `durable` besides ``model``."""

    envelope: type[Any] | None


class DurableFunction(Generic[R]):
    """A Lambda handler made by `durable`: call it with Lambda's event and context.

    Attributes
    ----------
    __wrapped__ : Callable
        The user's function.
    """

    __name__: str
    __qualname__: str
    __wrapped__: Callable[..., R]

    def __init__(
        self, function: Callable[..., R], program: Program, backend: DurableBackend, telemetry: Telemetry
    ) -> None:
        functools.update_wrapper(self, function)
        if not hasattr(function, "__name__"):  # a partial, or an object that is called
            written = innermost(function) if isinstance(function, functools.partial) else type(function)
            functools.update_wrapper(self, written, updated=())
            self.__wrapped__ = function
        from powertools_durable._runtime.invocation import run_invocation

        self._run = run_invocation
        self._program = program
        self._backend = backend
        self._telemetry = telemetry
        self._was_called = False

    @property  # type: ignore[misc] # read-only here, where a class attribute is not
    def __class__(self) -> type:
        """Pass for a function: Powertools' middlewares take nothing else, and it has everything they use of one."""
        return FunctionType

    def __getattr__(self, name: str) -> Any:
        """Have what else a function has: the written one's."""
        if name in _OF_FUNCTIONS:
            return getattr(innermost(self.__wrapped__), name)
        raise AttributeError(f"a durable handler has no attribute {name!r}")

    def __repr__(self) -> str:
        return f"<durable {self.__module__}:{self.__qualname__}>"

    def __call__(self, event: object, context: object, **extra: Any) -> dict[str, Any]:
        """Answer an invocation by Lambda.

        Parameters
        ----------
        event : object
            Lambda's durable invocation event.
        context : object
            Lambda's context.
        **extra
            What decorators above this one hand down; passed on to the function.

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
        from powertools_durable._contexts.decorators import refuse_idempotent, warn_of_decorators
        from powertools_durable._runtime.environment import Environment

        refuse_idempotent(event)
        if not self._was_called:
            self._was_called = True
            warn_of_decorators(self.__wrapped__, place_of(self.__wrapped__))
        program = self._program
        if extra:
            from dataclasses import replace

            program = replace(program, handler=functools.partial(program.handler, **extra))
        backend, environment = _STAND_IN.get() or (self._backend, Environment())
        try:
            answer = self._run(program, event, context, backend, environment)
        except BaseException:
            self._telemetry.raised()
            raise
        self._telemetry.ended(answer)
        return answer

    def invoke(self, event: object, context: object, *, backend: DurableBackend) -> dict[str, Any]:
        """Answer an invocation by another host than Lambda, whose records live in *backend*."""
        from powertools_durable._runtime.environment import Environment

        return self._run(self._program, event, context, backend, Environment())


def durable_inside(handler: object) -> DurableFunction[Any] | None:
    """Return what `durable` made below the decorators of *handler*; None when there is no such thing."""
    if not callable(handler):
        return None
    inner = inspect.unwrap(handler, stop=lambda function: isinstance(function, DurableFunction))
    return inner if isinstance(inner, DurableFunction) else None


def program_of(handler: object) -> Program | None:
    """Return what `durable` made ready of *handler*; None when it is not durable."""
    inner = durable_inside(handler)
    return inner._program if inner is not None else None  # noqa: SLF001 - its own


def record_stack_traces(handler: object) -> None:
    """Have a durable handler record where its errors came from, as ``DurableConfig(stack_traces=True)`` does."""
    from dataclasses import replace

    inner = durable_inside(handler)
    if inner is not None:
        program = inner._program  # noqa: SLF001 - its own
        inner._program = replace(program, config=replace(program.config, stack_traces=True))  # noqa: SLF001


def invoker_of(
    handler: Callable[..., Any], *, backend: DurableBackend, environment: Environment
) -> Callable[[dict[str, Any], object], object]:
    """Return what calls *handler*, with the decorators above `durable`, while *backend* answers its API calls."""

    def invoke(event: dict[str, Any], context: object) -> object:
        token = _STAND_IN.set((backend, environment))
        try:
            return handler(event, context)
        finally:
            _STAND_IN.reset(token)

    return invoke


def target_of(function: Callable[..., Any], *, backend: DurableBackend, environment: Environment) -> Target:
    """Return *function* as something that a host can invoke: a durable handler, a Lambda handler, or a fake.

    A fake takes the event alone.
    """
    from powertools_durable._service.invocations import Target

    if durable_inside(function) is not None:
        return Target(durable=invoker_of(function, backend=backend, environment=environment))
    if _takes_two(function):
        return Target(plain=lambda event: function(event, None))
    return Target(plain=function)


def _takes_two(function: Callable[..., Any]) -> bool:
    try:
        inspect.signature(function).bind(None, None)
    except (TypeError, ValueError):
        return False
    return True


@overload
def durable(function: Callable[[E, DurableContext], R], /) -> DurableFunction[R]: ...


@overload
def durable(
    *,
    model: Any,
    envelope: type[Any],  # which may make a list of models
    **options: Unpack[PlainOptions],
) -> Callable[[Callable[[Any, DurableContext], R]], DurableFunction[R]]: ...


@overload
def durable(
    *, model: type[E], **options: Unpack[Options]
) -> Callable[[Callable[[E, DurableContext], R]], DurableFunction[R]]: ...


@overload
def durable(
    *,
    model: Any = None,
    **options: Unpack[Options],  # a TypeAdapter, or nothing
) -> Callable[[Callable[[Any, DurableContext], R]], DurableFunction[R]]: ...


def durable(function: Callable[..., Any] | None = None, /, *, model: Any = None, **options: Unpack[Options]) -> Any:
    """Make a Lambda handler of a function that may run for up to a year.

    Use it bare or with options, as the decorator nearest to the function.

    Parameters
    ----------
    function : Callable
        Takes the execution's input and a `DurableContext`, returns the result.
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
    program = Program(
        handler=function,
        make_context=lambda session: DurableContext(session, session.root),
        read_payload=parser.parse,
        write_result=writer.write,
        deferred=DurableContext.deferred_calls,
        begins=lambda session: telemetry.begins(
            session.engine.state.durable_execution_arn, replaying=session.engine.is_replaying
        ),
        config=config,
        retry=options.get("retry"),
        serdes=options.get("serdes"),
        logger=options.get("logger"),
        tracer=options.get("tracer"),
        metrics=options.get("metrics"),
        plugins=plugins,
    )
    return DurableFunction(function, program, _backend(options), telemetry)


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
