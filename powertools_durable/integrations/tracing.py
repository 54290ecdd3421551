"""What is asked of any tracer: spans for an invocation, its replay and its operations."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from powertools_durable._protocol.operation import ErrorObject, SubType
from powertools_durable.plugins import InvocationEnd, InvocationInfo, OperationInfo, ReplayInfo

__all__ = ["NAMESPACE", "InvocationEnding", "OperationEnding", "OperationTracer", "ProviderTracer", "asked", "kind_of"]

NAMESPACE = "powertools_durable"
"""Of everything in a trace that is not indexed."""

logger = logging.getLogger(__name__)

_KINDS: dict[str, str] = {  # where the type alone does not say it
    SubType.WAIT_FOR_CONDITION: "condition",
    SubType.MAP: "map",
    SubType.PARALLEL: "parallel",
    SubType.CHAINED_INVOKE: "invoke",
}


def kind_of(info: OperationInfo) -> str:
    """Return what an operation is called in a trace: ``step``, ``map``, ``condition`` and so on."""
    return _KINDS.get(info.sub_type or "") or info.type.lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class InvocationEnding:
    """How an invocation ended, and what happened in it.

    Attributes
    ----------
    info : InvocationEnd
        What plugins hear.
    operations : Mapping[str, int]
        How many were ``replayed``, ``started``, ``completed``, ``failed``, and how many of them were ``notTraced``.
    suspended_on : Sequence[Mapping]
        Type and name of what the execution waits for.
    """

    info: InvocationEnd
    operations: Mapping[str, int]
    suspended_on: Sequence[Mapping[str, str]]

    @property
    def is_terminal(self) -> bool:
        """True when the execution has ended with it."""
        return self.info.outcome in ("SUCCEEDED", "FAILED")

    def as_metadata(self) -> dict[str, Any]:
        """Return what a trace tells of the invocation."""
        return {
            "executionArn": self.info.execution_arn,
            "status": self.info.outcome,
            "replay": self.operations["replayed"] > 0,
            "firstInvocation": self.info.is_first,
            "operations": dict(self.operations),
            "suspendedOn": [dict(one) for one in self.suspended_on],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationEnding:
    """How what was traced of an operation ended.

    Attributes
    ----------
    outcome : str
        ``SUCCEEDED``, ``RETRY``, ``FAILED`` or another terminal status, ``STARTED`` for what goes on outside,
        ``INCOMPLETE`` when the execution suspended in it.
    at : float
        When, in seconds since 1970.
    is_final_failure : bool
        The operation failed, and is not tried again.
    exception : Exception | None
        What its code raised; None when only the record is known.
    error : ErrorObject | None
        What is recorded of it.
    next_attempt_seconds : float | None
        After which delay it is tried again.
    """

    outcome: str
    at: float
    is_final_failure: bool = False
    exception: Exception | None = field(default=None, repr=False)
    error: ErrorObject | None = field(default=None, repr=False)
    next_attempt_seconds: float | None = None


class OperationTracer(Protocol):
    """What is asked of any tracer. A span is whatever it makes of what it opens.

    It may raise: that is logged for who debugs, and the execution goes on.
    """

    def is_sampled(self) -> bool:
        """Say whether anything of this invocation is recorded; asked once."""

    def start_invocation(self, info: InvocationInfo) -> Any:
        """Open the span of the invocation; what the handler traces itself belongs below it."""

    def start_operation(self, invocation: Any, info: OperationInfo, *, began: float | None = None) -> Any:
        """Open a span below the innermost one that is open here.

        What the code that runs next traces belongs below it. With *began*, in seconds since 1970, it tells of
        something that is over, and nothing belongs below it.
        """

    def leave(self, span: Any) -> None:
        """The code of *span* has run; how that counts is told later, by `end`."""

    def end(self, span: Any, ending: InvocationEnding | OperationEnding) -> None:
        """Close a span."""

    def note_replay(self, invocation: Any, info: ReplayInfo, *, began: float, ended: float) -> None:
        """Tell how long it took to repeat what was recorded."""

    def inject(self, span: Any) -> str | None:
        """Return the trace header for what is invoked by *span*; without one, by the code that runs."""


def asked(tracer: OperationTracer, method: str, *arguments: Any, **named: Any) -> Any:
    """Have *tracer* do something; what it can't do is not done, and the execution goes on."""
    try:
        return getattr(tracer, method)(*arguments, **named)
    except Exception:
        logger.debug("%s failed in %s; it is ignored", type(tracer).__name__, method, exc_info=True)
        return None


class ProviderTracer:
    """Draws the span of the invocation by what every tracing provider of Powertools has, and no other.

    Parameters
    ----------
    provider : BaseProvider
        Of a Tracer.
    """

    def __init__(self, provider: Any) -> None:
        self._provider = provider

    def is_sampled(self) -> bool:
        """Leave that to the provider."""
        return True

    def start_invocation(self, info: InvocationInfo) -> Any:
        """Open its span."""
        manager = self._provider.in_subsegment(name="## durable")
        span = manager.__enter__()
        span.put_annotation(key="DurableExecutionName", value=info.execution_name)
        return manager, span

    def start_operation(self, invocation: Any, info: OperationInfo, *, began: float | None = None) -> Any:
        """Draw nothing."""

    def leave(self, span: Any) -> None:
        """There is none."""

    def end(self, span: Any, ending: InvocationEnding | OperationEnding) -> None:
        """Close the span of the invocation."""
        manager, opened = span
        if isinstance(ending, InvocationEnding):
            opened.put_metadata(key="invocation", value=ending.as_metadata(), namespace=NAMESPACE)
            if ending.is_terminal:
                opened.put_annotation(key="DurableStatus", value=ending.info.outcome)
        manager.__exit__(None, None, None)

    def note_replay(self, invocation: Any, info: ReplayInfo, *, began: float, ended: float) -> None:
        """Draw nothing; the span of the invocation has the number."""

    def inject(self, span: Any) -> str | None:
        """Leave that to the provider."""
