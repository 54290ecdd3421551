"""Which decorator above ``@durable`` is in the way: told by the call stack of an invocation.

``@durable`` is applied first, so when it is, nothing above it exists yet; the stack of an invocation has it all.
Powertools' modules are known by name here, none is imported.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import FrameType

from powertools_durable.errors import DecoratorOrderError
from powertools_durable.parser.layers import REPLACING

__all__ = ["culprit", "refuse_idempotent"]

_UTILITIES = "aws_lambda_powertools.utilities."
_IDEMPOTENCY = f"{_UTILITIES}idempotency.base"


def culprit() -> str | None:
    """Return the nearest decorator on the stack that hands on another event than it was given; None without one."""
    for frame in _frames():
        found = REPLACING.get((frame.f_globals.get("__name__", ""), frame.f_code.co_name))
        if found is not None:
            return found
    return None


def refuse_idempotent(event: object) -> None:
    """Refuse to run below ``@idempotent``.

    On the whole event it protects from nothing, for each invocation brings another checkpoint token. On the
    payload it keeps the first answer, ``PENDING``, as the final one: the execution never ends.

    Parameters
    ----------
    event : object
        What was handed to `durable`. An ``idempotent_function`` somewhere on the stack that was handed something
        else is none of its business.

    Raises
    ------
    DecoratorOrderError
        Before anything is recorded.
    """
    for frame in _frames():
        if frame.f_globals.get("__name__") == _IDEMPOTENCY:
            handed = getattr(frame.f_locals.get("self"), "fn_args", None)
            if handed and handed[0] is event:
                break
    else:
        return
    raise DecoratorOrderError(
        "@idempotent stands above @durable: it would take the PENDING of a suspension for the final answer, or guard "
        "against nothing. Put it below @durable, or start executions under a name of their own "
        "(DurableExecutionName), which is the stronger guard"
    )


def _frames() -> Iterator[FrameType]:
    frame: FrameType | None = sys._getframe(2)  # noqa: SLF001 - the documented way to look at the caller
    while frame is not None:
        yield frame
        frame = frame.f_back
