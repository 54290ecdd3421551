"""Operations as X-Ray subsegments. See docs/powertools/tracer.md#what-x-ray-shows."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from typing import Any

from aws_xray_sdk.core.models.subsegment import Subsegment  # type: ignore[import-untyped]
from aws_xray_sdk.core.models.trace_header import TraceHeader  # type: ignore[import-untyped]

from powertools_durable._protocol.operation import ErrorObject
from powertools_durable.config import DurableConfig
from powertools_durable.errors.places import traceback_of, user_frames
from powertools_durable.errors.rebuilding import raised_at_first
from powertools_durable.errors.validation import is_validation_error, words_of
from powertools_durable.errors.wording import class_name
from powertools_durable.integrations.instrumentation import report
from powertools_durable.integrations.tracing import (
    NAMESPACE,
    InvocationEnding,
    OperationEnding,
    OperationTracer,
    ProviderTracer,
)
from powertools_durable.integrations.xray_context import install, trace_header
from powertools_durable.integrations.xray_documents import operation_metadata, subsegment_name
from powertools_durable.plugins import InvocationInfo, OperationInfo, ReplayInfo

__all__ = ["XRayTracer", "xray_tracer"]

_REJECTIONS = ("PayloadValidationError", "PayloadModelChangedError")
_INDEXED_FAILURES = 5  # in an invocation: a trace has 50 annotations, for all of its invocations
_MAX_ANNOTATION = 1000  # characters
_FRAMES = 10  # of the user's own code, the innermost


def xray_tracer(recorder: Any, config: DurableConfig) -> OperationTracer:
    """Return what traces with *recorder*; only invocations, where its context is one that a user has installed."""
    if install(recorder, trace_backend_calls=config.trace_backend_calls):
        return XRayTracer(recorder, config)
    report(
        f"X-Ray's recorder has a context of its own, {class_name(recorder.context)}; it is left as it is, so "
        "operations are not traced, and subsegments of later invocations may hang at the first one's"
    )
    return ProviderTracer(recorder)


@dataclass(slots=True)
class _Span:
    """A subsegment that is open, and what it is about."""

    entity: Any
    info: OperationInfo | None = None
    invocation: _Span | None = None
    encloses: bool = True
    failures: int = 0  # of the invocation, indexed so far


class XRayTracer:
    """Writes X-Ray's documents.

    Parameters
    ----------
    recorder : AWSXRayRecorder
        With our context in it.
    config : DurableConfig
        Says whether API calls are traced.
    """

    def __init__(self, recorder: Any, config: DurableConfig) -> None:
        self._recorder = recorder
        self._config = config

    def is_sampled(self) -> bool:
        """Return what was decided about the trace of this invocation."""
        install(self._recorder, trace_backend_calls=self._config.trace_backend_calls)  # somebody may have reset it
        return bool(self._recorder.is_sampled())

    def start_invocation(self, info: InvocationInfo) -> _Span:
        """Open ``## durable``."""
        entity = self._recorder.begin_subsegment("## durable")
        entity.put_annotation("DurableExecutionName", info.execution_name)
        return _Span(entity)

    def start_operation(self, invocation: _Span, info: OperationInfo, *, began: float | None = None) -> _Span:
        """Open ``## step charge-card`` below what is open here; below ``## durable`` where nothing is."""
        name = subsegment_name(info)
        if began is None:
            entity = self._recorder.begin_subsegment(name)
        else:
            around = self._recorder.current_subsegment() or invocation.entity
            entity = _apart(name, around, began)
        entity.put_metadata("operation", operation_metadata(info, None), NAMESPACE)
        return _Span(entity, info, invocation, encloses=began is None)

    def leave(self, span: _Span) -> None:
        """Be outside of it."""
        self._recorder.context.leave(span.entity)

    def end(self, span: _Span, ending: InvocationEnding | OperationEnding) -> None:
        """Write down how it ended, and send it."""
        entity = span.entity
        try:
            if isinstance(ending, InvocationEnding):
                _write_invocation(entity, ending)
            elif entity.in_progress:
                self._write_operation(span, ending)
        finally:  # one that stays open would hold up all around it
            at = ending.at if isinstance(ending, OperationEnding) else None
            if span.encloses:
                self._recorder.context.close(entity, at)
            else:
                self._send(entity, at)

    def note_replay(self, invocation: _Span, info: ReplayInfo, *, began: float, ended: float) -> None:
        """Send ``## replay``."""
        entity = _apart("## replay", invocation.entity, began)
        told = {
            "operations": info.operations,
            "byType": dict(info.by_type),
            "statePages": info.state_pages,
            "durationMs": round((ended - began) * 1e3, 1),
        }
        entity.put_metadata("replay", told, NAMESPACE)
        self._send(entity, ended)

    def inject(self, span: _Span | None) -> str | None:
        """Return a header that names the subsegment as parent; the one of this invocation when it is not sampled."""
        entity = span.entity if span is not None else self._recorder.current_subsegment()
        if entity is None or not entity.sampled:
            return trace_header()
        origin = entity.parent_segment.get_origin_trace_header()
        header = TraceHeader(root=entity.trace_id, parent=entity.id, sampled=1, data=origin.data if origin else None)
        text: str = header.to_header_str()
        return text

    # -- writing -------------------------------------------------------------------------------------------

    def _write_operation(self, span: _Span, ending: OperationEnding) -> None:
        entity, info, invocation = span.entity, span.info, span.invocation
        if info is None or invocation is None:
            return
        entity.put_metadata("operation", operation_metadata(info, ending), NAMESPACE)
        if ending.is_final_failure:
            include_input = self._config.include_validation_input
            _write_failure(entity, ending.exception, ending.error, include_input=include_input)
            if invocation.failures < _INDEXED_FAILURES:  # a race may index one more, which does no harm
                invocation.failures += 1
                entity.put_annotation("DurableOperation", (info.name or info.id)[:_MAX_ANNOTATION])
        elif ending.outcome in ("RETRY", "FAILED"):
            entity.add_error_flag()

    def _send(self, entity: Any, at: float | None) -> None:
        entity.close(at)
        self._recorder.emitter.send_entity(entity)


def _apart(name: str, around: Any, began: float) -> Any:
    """Make a subsegment below *around* that nothing is opened in."""
    entity = Subsegment(name, "local", around.parent_segment)
    entity.parent_id = around.id
    entity.start_time = began
    return entity


def _write_invocation(entity: Any, ending: InvocationEnding) -> None:
    info = ending.info
    entity.put_metadata("invocation", ending.as_metadata(), NAMESPACE)
    if ending.is_terminal:
        entity.put_annotation("DurableStatus", info.outcome)
    if info.calls.throttled:
        entity.add_throttle_flag()
        entity.add_error_flag()
    if info.outcome == "FAILED" and info.error is not None and info.error.error_type in _REJECTIONS:
        entity.add_error_flag()
    elif info.outcome == "FAILED":
        _write_failure(entity, None, info.error)
    elif info.outcome == "RETRY":
        entity.add_fault_flag()


def _write_failure(
    entity: Any, exception: Exception | None, error: ErrorObject | None, *, include_input: bool = False
) -> None:
    """Mark *entity* as failed; what only a record tells of is shown as an exception too."""
    stack = None
    if exception is not None:
        stack = traceback.StackSummary.extract(user_frames(traceback_of(exception)), limit=-_FRAMES)
    if exception is not None and is_validation_error(exception) and not include_input:
        exception = type(type(exception).__name__, (Exception,), {})(words_of(exception))
    elif isinstance(exception, ExceptionGroup) and error is not None:  # whose own text has only numbers
        exception = type(type(exception).__name__, (Exception,), {})(error.error_message or "")
    if exception is None and error is not None:
        exception = type(raised_at_first(error) or "Exception", (Exception,), {})(error.error_message or "")
    if exception is None:
        entity.add_fault_flag()
    else:
        entity.add_exception(exception, stack)
