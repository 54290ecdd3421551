"""Which operations are traced, and how many.

All invocations of an execution share one trace, and a trace is small; so tracing is frugal. One span for the
invocation, one for its replay, and one for each of the first operations that ran or began in it. Failures always.
See docs/powertools/tracer.md#what-x-ray-shows.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any

from powertools_durable._protocol.operation import OperationStatus, OperationType, SubType
from powertools_durable.config import DurableConfig
from powertools_durable.errors import DurableConfigError
from powertools_durable.errors.wording import class_name
from powertools_durable.integrations.tracing import (
    InvocationEnding,
    OperationEnding,
    OperationTracer,
    ProviderTracer,
    asked,
)
from powertools_durable.plugins import (
    AttemptEnd,
    AttemptInfo,
    ChangeInfo,
    InvocationEnd,
    InvocationInfo,
    OperationEnd,
    OperationInfo,
    Plugin,
    PluginSource,
    PropagationInfo,
    ReplayInfo,
)

__all__ = ["OperationTracing", "plugins_of_tracer"]

_XRAY = "powertools_durable.integrations.xray"  # loads the X-Ray SDK, which who has no tracer does without
_MOMENTS = (OperationType.WAIT, OperationType.CALLBACK, OperationType.CHAINED_INVOKE)
_FAN_OUTS = (SubType.MAP, SubType.PARALLEL)
_SHOWN = 10  # of what an execution waits for


@dataclass(slots=True)
class _Attempt:
    """Code that runs, or has failed and may be tried again."""

    span: Any  # None beyond the cap
    began: float
    end: AttemptEnd | None = None
    ended: float = 0.0


class OperationTracing(Plugin):
    """Has one invocation traced.

    Parameters
    ----------
    tracer : OperationTracer
        Draws the spans.
    mode : str
        ``DurableConfig.trace_operations``.
    cap : int
        Spans of operations, ``DurableConfig.trace_max_subsegments``.
    """

    def __init__(self, tracer: OperationTracer, mode: str, cap: int) -> None:
        self._tracer = tracer
        self._draws = mode in ("live", "all")
        self._left = cap
        self._invocation: Any = None
        self._began = 0.0
        self._records: Mapping[str, OperationInfo] = {}
        self._counts = dict.fromkeys(("started", "completed", "failed", "notTraced"), 0)
        self._open: dict[str, OperationInfo] = {}
        self._running: dict[str, _Attempt] = {}
        self._undecided: dict[str, _Attempt] = {}
        self._spans: dict[str, Any] = {}  # of fan-outs that are open, and of invokes that have no header yet
        self._told: set[str] = set()  # operations whose failure has a span
        self._lock = threading.Lock()  # branches are threads

    # -- the invocation ------------------------------------------------------------------------------------

    def on_invocation_start(self, info: InvocationInfo) -> None:
        """Open its span."""
        self._records = info.operations
        self._invocation = self._ask("start_invocation", info)
        self._began = time.time()

    def on_replay_end(self, info: ReplayInfo) -> None:
        """Tell what was repeated."""
        if self._draws and info.operations:
            self._ask("note_replay", self._invocation, info, began=self._began, ended=time.time())

    def on_invocation_end(self, info: InvocationEnd) -> None:
        """Close what is open."""
        self._decide(self._records, [*self._undecided])
        now = time.time()
        for span in self._spans.values():
            self._ask("end", span, OperationEnding(outcome="INCOMPLETE", at=now))
        waits = [one for one in self._open.values() if one.type != OperationType.CONTEXT]
        ending = InvocationEnding(
            info=info,
            operations={"replayed": info.replayed} | self._counts,
            suspended_on=[_waits_for(one) for one in waits[:_SHOWN]] if info.outcome == "PENDING" else [],
        )
        self._ask("end", self._invocation, ending)

    # -- an operation --------------------------------------------------------------------------------------

    def on_operation_start(self, info: OperationInfo) -> None:
        """Tell of one that begins; open the span of a fan-out, whose branches belong below it."""
        if info.status is not None and OperationStatus(info.status).is_terminal:  # runs only to rebuild its result
            return
        self._open[info.id] = info
        if not info.is_replayed:
            self._count("started")
        if not self._draws:
            return
        if info.sub_type in _FAN_OUTS and self._takes_one():
            self._spans[info.id] = self._ask("start_operation", self._invocation, info)
        elif info.type in _MOMENTS and not info.is_replayed and self._takes_one():
            span = self._draw(info, OperationEnding(outcome="STARTED", at=time.time()))
            if info.type == OperationType.CHAINED_INVOKE:
                self._spans[info.id] = span

    def on_operation_end(self, info: OperationEnd) -> None:
        """Close the span of a fan-out; tell of a failure that no code here has shown."""
        self._open.pop(info.id, None)
        failed = info.outcome != OperationStatus.SUCCEEDED
        self._count("failed" if failed else "completed")
        if not self._draws:
            return
        self._decide(self._records, [info.id])
        ending = OperationEnding(outcome=info.outcome, at=time.time(), is_final_failure=failed, error=info.error)
        span = self._spans.pop(info.id, None)
        if span is not None and info.sub_type in _FAN_OUTS:
            self._ask("end", span, ending)
        elif failed and info.id not in self._told:
            self._draw(info, ending)

    def on_operation_change(self, info: ChangeInfo) -> None:
        """Hear whether failed attempts are tried again."""
        if self._undecided:
            self._decide(info.operations, [key for key in [*self._undecided] if key in info.updated])

    # -- the user's code -----------------------------------------------------------------------------------

    def on_user_function_start(self, info: AttemptInfo) -> None:
        """Open the span of an attempt or a context."""
        # A context that leaves no record begins anew each time; it has nothing to show while it only repeats.
        if not self._draws or info.is_replay_children or (info.is_replaying and info.status is None):
            return
        span = self._ask("start_operation", self._invocation, info) if self._takes_one() else None
        self._running[info.id] = _Attempt(span, time.time())

    def on_user_function_end(self, info: AttemptEnd) -> None:
        """Close it; but whether an attempt that failed is tried again shows later."""
        attempt = self._running.pop(info.id, None)
        if attempt is None:
            return
        attempt.end, attempt.ended = info, time.time()
        if info.outcome != "FAILED":
            if attempt.span is not None:
                self._ask("end", attempt.span, OperationEnding(outcome=info.outcome, at=attempt.ended))
        elif info.type == OperationType.CONTEXT:
            self._failed(attempt, info)
        else:
            if attempt.span is not None:
                self._ask("leave", attempt.span)
            self._undecided[info.id] = attempt

    def _decide(self, records: Mapping[str, OperationInfo], identifiers: Sequence[str]) -> None:
        for identifier in identifiers:
            attempt = self._undecided.pop(identifier, None)
            if attempt is None or attempt.end is None:
                continue
            record = records.get(identifier)
            if record is not None and OperationStatus(record.status or "").is_terminal:
                self._failed(attempt, attempt.end)
            elif attempt.span is not None:
                delay = _delay(record, attempt.end)
                ending = OperationEnding(
                    outcome="FAILED" if delay is None else "RETRY",
                    at=attempt.ended,
                    error=attempt.end.error,
                    next_attempt_seconds=delay,
                )
                self._ask("end", attempt.span, ending)

    def _failed(self, attempt: _Attempt, info: AttemptEnd) -> None:
        """Show a failure that stays; also one beyond the cap."""
        self._told.add(info.id)
        ending = OperationEnding(
            outcome="FAILED", at=attempt.ended, is_final_failure=True, exception=info.exception, error=info.error
        )
        if attempt.span is not None:
            self._ask("end", attempt.span, ending)
        else:
            self._count("notTraced", -1)
            self._draw(info, ending, began=attempt.began)

    # -- asking --------------------------------------------------------------------------------------------

    def provide_propagation_metadata(self, info: PropagationInfo) -> str | None:
        """Let the invoked function join the trace."""
        header: str | None = self._ask("inject", self._spans.pop(info.operation_id, None))
        return header

    def _draw(self, info: OperationInfo, ending: OperationEnding, *, began: float | None = None) -> Any:
        """Tell of something that is over."""
        span = self._ask("start_operation", self._invocation, info, began=ending.at if began is None else began)
        self._ask("end", span, ending)
        return span

    def _ask(self, method: str, *arguments: Any, **named: Any) -> Any:
        """Have the tracer do something; what it can't do is not done, and the execution goes on."""
        if self._invocation is None and method not in ("start_invocation", "inject"):
            return None
        if method in ("end", "leave") and arguments[0] is None:
            return None
        return asked(self._tracer, method, *arguments, **named)

    def _count(self, what: str, by: int = 1) -> None:
        with self._lock:
            self._counts[what] += by

    def _takes_one(self) -> bool:
        with self._lock:
            takes = self._left > 0
            self._left -= takes
            self._counts["notTraced"] += not takes
        return takes


class _OfAll(OperationTracing):
    """Tells of what is only repeated too; apart, because to be told of it costs something for each of many."""

    def on_operation_replayed(self, info: OperationEnd) -> None:
        """Tell of it."""
        if self._takes_one():
            self._draw(info, OperationEnding(outcome=info.outcome, at=time.time(), error=info.error))


class _Untraced(Plugin):
    """Nothing of this invocation is recorded; what it invokes shall know."""

    def __init__(self, tracer: OperationTracer) -> None:
        self._tracer = tracer

    def provide_propagation_metadata(self, info: PropagationInfo) -> str | None:  # noqa: ARG002 - as `Plugin` has it
        header: str | None = asked(self._tracer, "inject", None)
        return header


def plugins_of_tracer(tracer: Any, config: DurableConfig) -> tuple[PluginSource, ...]:
    """Return what hears each invocation for *tracer*, a Tracer of Powertools; make its recorder fit for replays.

    Raises
    ------
    DurableConfigError
        *tracer* is no Tracer.
    """
    provider = getattr(tracer, "provider", None)
    if provider is None or not callable(getattr(provider, "in_subsegment", None)):
        message = f"durable(tracer=...) takes a Tracer of Powertools, not {class_name(tracer)}"
        raise DurableConfigError(message)
    if getattr(tracer, "disabled", False):
        return ()
    is_xray = any(cls.__module__.startswith("aws_xray_sdk.") for cls in type(provider).__mro__)
    own: OperationTracer = import_module(_XRAY).xray_tracer(provider, config) if is_xray else ProviderTracer(provider)
    if config.trace_operations == "off":
        return ()
    return (partial(_plugin, own, config.trace_operations, config.trace_max_subsegments),)


def _plugin(tracer: OperationTracer, mode: str, cap: int) -> Plugin:
    if not asked(tracer, "is_sampled"):
        return _Untraced(tracer)
    return (_OfAll if mode == "all" else OperationTracing)(tracer, mode, cap)


def _delay(record: OperationInfo | None, end: AttemptEnd) -> float | None:
    """Return after how many seconds a failed attempt is tried again; None when nothing is recorded of that."""
    if record is None or (record.attempt or 0) < (end.attempt or 0):
        return None
    due = record.next_attempt_at
    seconds = round(max(0.0, (due - end.ended_at).total_seconds()), 1) if due and end.ended_at else 0.0
    return int(seconds) if seconds.is_integer() else seconds


def _waits_for(info: OperationInfo) -> dict[str, str]:
    return {"type": info.type, "name": info.name or info.id[:8]}
