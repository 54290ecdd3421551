"""What the steps of programs do, and what programs invoke. Each result says whose it is."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from powertools_durable import DurableContext, current_step_or_none, durable
from powertools_durable.errors import ValidationError
from powertools_durable.testing import Ledger, Simulator
from powertools_durable.testing.simulation.sandbox import SANDBOX

LEDGER = Ledger()
"""What was done to the world outside, with keys by which it recognises what it knows."""

WRONG: list[str] = []
"""Lines that came out otherwise than they must: what is wrong in each run in the same way, no comparison sees."""


MISPLACED: set[int] = set()
"""The invocations in which a call at a wrong place was refused: none of them may end in another way than by failing."""


class MisuseAcceptedError(BaseException):
    """Misuse was not refused; nothing may catch it."""


@dataclass
class Thing:
    """What a step returns that says what it returns."""

    name: str


# -- bodies ----------------------------------------------------------------------------------------------------


def does(name: str) -> str:
    """Do something once."""
    step = current_step_or_none()
    LEDGER.record("did", key=step.idempotency_key if step else None)
    return name


def reads(name: str) -> str:
    """Look at something, which changes nothing."""
    return name


def does_at_last(name: str, attempts: int) -> str:
    """Fail but for the last of *attempts*."""
    step = current_step_or_none()
    if step is not None and step.attempt < attempts:
        raise TimeoutError(name)
    return does(name)


def refuses(name: str) -> str:
    """Fail always."""
    raise PermissionError(name)


def refuses_again(name: str) -> str:
    """Fail always, and say in which attempt."""
    step = current_step_or_none()
    raise PermissionError(f"{name}/{step.attempt if step else 0}")


def enters(name: str, item: int, most: int) -> None:
    """Be inside, with no more than *most* others; it is the world outside that knows, so a crash changes nothing."""
    inside = LEDGER.state.setdefault(name, set())
    inside.add(item)
    expects(name, len(inside) <= most)


def leaves(name: str, item: int) -> None:
    """Be inside no longer."""
    LEDGER.state[name].discard(item)


def marks(name: str) -> None:
    """Look at the clock, the first time."""
    LEDGER.state.setdefault(name, _seconds())


def has_passed(name: str, seconds: float) -> None:
    """Look whether so much time has passed since."""
    expects(name, _seconds() - LEDGER.state[name] >= seconds)


def _seconds() -> float:
    sandbox = SANDBOX.get()
    return sandbox.clock.monotonic() if sandbox is not None else 0.0


def expects(name: str, right: bool) -> None:
    """Note that the line of that name went wrong if it is not *right*."""
    if not right:
        WRONG.append(name)


def does_in_a_thread(name: str) -> str:
    """Do it as bodies may: on other threads."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(len, name).result()
    return does(name)


def submits(callback_id: str, name: str) -> str:
    """Tell somebody outside where to answer; *callback_id* is a secret."""
    return does(name)


def undoes(ctx: DurableContext, name: str) -> str:
    """Compensate."""
    return ctx.step(does, name, name="undo")


def misuses(ctx: DurableContext, name: str) -> str:
    """Ask for an operation in a step's body, on a context of an invocation that is over: that harms nobody."""
    refused(lambda: KEPT.step(does, "never", name="never"))
    return does(name)


def misplaces(ctx: DurableContext, name: str) -> str:
    """Ask for an operation on a context whose code is not running, and swallow the refusal.

    Raises
    ------
    MisuseAcceptedError
        It is not refused.
    """
    try:
        ctx.step(does, "never", name="never")
    except ValidationError:
        MISPLACED.add(int(ctx.lambda_context.aws_request_id.rpartition("-")[2]))
        return name
    raise MisuseAcceptedError


def misplaces_on_a_thread(ctx: DurableContext, name: str) -> str:
    """Do the same on a foreign thread."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(misplaces, ctx, name).result()


# -- misuse ----------------------------------------------------------------------------------------------------


def _kept() -> DurableContext:
    """Return the context of an invocation that is over."""
    contexts: list[DurableContext] = []

    @durable
    def keeps(_event: object, ctx: DurableContext) -> None:
        contexts.append(ctx)

    Simulator(keeps).start()
    return contexts[0]


KEPT = _kept()


def refused(call: Callable[[], Any]) -> None:
    """Pass if *call* is refused as misuse.

    Raises
    ------
    MisuseAcceptedError
        It is not.
    """
    try:
        call()
    except ValidationError:
        return
    raise MisuseAcceptedError


def refused_on_another_thread(ctx: DurableContext) -> None:
    """Pass if an operation on a foreign thread is refused, also with the scope of this one.

    The context is one of an invocation that is over. On *ctx* itself the execution would fail: tests/contexts.
    """
    for call in (KEPT.step, ctx.bind(KEPT.step)):
        with ThreadPoolExecutor(1) as pool:
            refused(pool.submit(call, does, "never", name="never").result)


class Closing:
    """A context manager whose end is an operation."""

    def __init__(self, ctx: DurableContext, name: str) -> None:
        self._ctx, self._name = ctx, name

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ctx.step(does, self._name, name=self._name)


# -- functions that are invoked --------------------------------------------------------------------------------


def echo(event: Any) -> Any:
    """Answer what it is asked."""
    return event


@durable
def durable_echo(event: dict[str, Any], ctx: DurableContext) -> Any:
    """Answer what it is asked, after a while."""
    told = ctx.step(lambda: event["told"], name="told")
    ctx.wait(30)
    return {"told": told}


FUNCTIONS: dict[str, Callable[..., Any]] = {"echo": echo, "refuses": refuses, "durable-echo": durable_echo}
