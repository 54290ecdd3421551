"""What a durable handler is made of, for its hosts: Lambda, the testing kit, the local runner, the command line."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from types import FunctionType
from typing import TYPE_CHECKING, Any

from powertools_durable._functions import fits, layers, place_of

if TYPE_CHECKING:
    from powertools_durable._runtime.environment import Environment
    from powertools_durable._runtime.session import Program
    from powertools_durable._service.invocations import Target
    from powertools_durable.backends.base import DurableBackend
    from powertools_durable.integrations.telemetry import Telemetry

__all__ = [
    "HostedFunction",
    "durable_inside",
    "invoker_of",
    "is_durable",
    "program_of",
    "record_stack_traces",
    "target_of",
]

# The backend and the environment of this invocation in place of the function's own: set by `invoker_of` alone.
_STAND_IN: ContextVar[tuple[DurableBackend, Environment] | None] = ContextVar(
    "powertools_durable_stand_in", default=None
)


class HostedFunction:
    """A decorated function with what its invocations need: ``handler.__durable__``.

    Parameters
    ----------
    program : Program
        The function, prepared once.
    backend : DurableBackend
        Keeps the records of invocations by Lambda.
    telemetry : Telemetry
        The integrations of the function.

    Attributes
    ----------
    handler : Callable
        The Lambda handler that `durable` returned.
    """

    handler: Callable[..., Any]

    def __init__(self, program: Program, backend: DurableBackend, telemetry: Telemetry) -> None:
        from powertools_durable._runtime.invocation import run_invocation

        self.program = program
        self._run = run_invocation
        self._backend = backend
        self._telemetry = telemetry
        self._was_called = False

    def answer(self, event: object, context: object, extra: Mapping[str, Any]) -> dict[str, Any]:
        """Answer an invocation of the handler, with the keyword arguments that decorators above it add."""
        from powertools_durable._contexts.decorators import refuse_idempotent, warn_of_decorators
        from powertools_durable._runtime.environment import Environment

        refuse_idempotent(event)
        program = self.program
        caller = sys._getframe(2)  # noqa: SLF001 - the documented way to look at what called the handler
        if not self._was_called:
            self._was_called = True
            warn_of_decorators(program.handler, place_of(program.handler), caller)
        if extra:
            from dataclasses import replace

            program = replace(program, handler=functools.partial(program.handler, **extra))
        backend, environment = _STAND_IN.get() or (self._backend, Environment())
        try:
            answer = self._run(program, event, context, backend, environment)
        except BaseException:
            self._telemetry.raised()
            raise
        self._telemetry.ended(answer, caller)
        return answer

    def invoke(self, event: object, context: object, *, backend: DurableBackend) -> dict[str, Any]:
        """Answer an invocation by another host than Lambda, whose records are kept by *backend*."""
        from powertools_durable._runtime.environment import Environment

        return self._run(self.program, event, context, backend, Environment())


def is_durable(function: object) -> bool:
    """Tell whether `durable` made *function* itself; decorators above copy its attributes, ``__durable__`` too."""
    return isinstance(function, FunctionType) and _hosted(function) is not None


def _hosted(function: FunctionType) -> HostedFunction | None:
    hosted = vars(function).get("__durable__")
    return hosted if isinstance(hosted, HostedFunction) and hosted.handler is function else None


def durable_inside(handler: object) -> HostedFunction | None:
    """Return what `durable` made below the decorators of *handler*; None when there is no such thing."""
    if not callable(handler):
        return None
    for layer in layers(handler):
        if isinstance(layer, FunctionType) and (hosted := _hosted(layer)) is not None:
            return hosted
    return None


def program_of(handler: object) -> Program | None:
    """Return what `durable` prepared of *handler*; None when it is not durable."""
    hosted = durable_inside(handler)
    return hosted.program if hosted is not None else None


def record_stack_traces(handler: object) -> None:
    """Have a durable handler record where its errors came from, as ``DurableConfig(stack_traces=True)`` does."""
    from dataclasses import replace

    hosted = durable_inside(handler)
    if hosted is not None:
        config = replace(hosted.program.config, stack_traces=True)
        hosted.program = replace(hosted.program, config=config)


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
    if fits(function, 2, follow_wrapped=True, without_signature=False):
        return Target(plain=lambda event: function(event, None))
    return Target(plain=function)
