"""What the X-Ray recorder has open: it follows the code that runs, and the invocation."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from threading import Lock
from typing import Any, NamedTuple

from aws_xray_sdk import global_sdk_config  # type: ignore[import-untyped]
from aws_xray_sdk.core.exceptions.exceptions import AlreadyEndedException  # type: ignore[import-untyped]
from aws_xray_sdk.core.lambda_launcher import LAMBDA_TRACE_HEADER_KEY, LambdaContext  # type: ignore[import-untyped]
from aws_xray_sdk.core.models.dummy_entities import DummySegment  # type: ignore[import-untyped]
from aws_xray_sdk.core.models.facade_segment import FacadeSegment  # type: ignore[import-untyped]
from aws_xray_sdk.core.models.trace_header import TraceHeader  # type: ignore[import-untyped]

from powertools_durable.integrations.instrumentation import on_reset
from powertools_durable.integrations.xray_documents import GuardingEmitter, is_cancelled, mark_suspended
from powertools_durable.scope import BACKEND_CALL, SCOPE

__all__ = ["DurableXRayContext", "install", "trace_header", "uninstall"]

logger = logging.getLogger(__name__)


class _Open(NamedTuple):
    """The trace header, Lambda's segment, and the subsegments that the running code is in, innermost last."""

    header: str | None
    segment: Any
    entities: tuple[Any, ...]


# Immutable, so that the copy of a branch, a task or a thread goes its own way.
_OPEN: ContextVar[_Open | None] = ContextVar("powertools_durable_xray", default=None)


class _Segment(FacadeSegment):  # type: ignore[misc]
    """Lambda's own segment, which nothing can be written on: to try so is no reason to fail an execution."""

    def put_annotation(self, key: str, value: object) -> None:
        if SCOPE.get() is None:
            super().put_annotation(key, value)
        logger.debug("annotation %s is left out: no subsegment is open", key)

    def put_metadata(self, key: str, value: object, namespace: str = "default") -> None:
        if SCOPE.get() is None:
            super().put_metadata(key, value, namespace)
        logger.debug("metadata %s is left out: no subsegment is open", key)


class DurableXRayContext(LambdaContext):  # type: ignore[misc]
    """The SDK's context for Lambda, but for many invocations of one trace, and for code that runs beside other code.

    Parameters
    ----------
    recorder : AWSXRayRecorder
        Whose context this is.
    replaced : LambdaContext
        The one before.
    """

    def __init__(self, recorder: Any, replaced: Any) -> None:
        super().__init__()
        self.replaced = replaced
        self.trace_backend_calls = False
        self._recorder = recorder
        self._nobody = DummySegment()

    def get_trace_entity(self) -> Any:
        """Return the innermost subsegment that is open here, else the invocation's segment."""
        if BACKEND_CALL.get() is not None and not self.trace_backend_calls:
            return self._nobody
        opened = self._opened()
        return next((one for one in reversed(opened.entities) if one.in_progress), opened.segment)

    def put_subsegment(self, subsegment: Any) -> None:
        """Open a subsegment below that."""
        current = self.get_trace_entity()
        if isinstance(current, DummySegment) or getattr(current, "initializing", False):
            if current is not self._nobody and global_sdk_config.sdk_enabled() and not trace_header():
                logger.debug("subsegment %s is left out: Lambda has set no trace header", subsegment.name)
            return
        opened = self._opened()
        if subsegment.sampled:
            try:
                current.add_subsegment(subsegment)
            except AlreadyEndedException:  # by another thread, just now
                opened.segment.add_subsegment(subsegment)
        else:  # it is sent to nobody, so nobody needs to keep it
            subsegment.parent_id = current.id
        _OPEN.set(opened._replace(entities=(*opened.entities, subsegment)))

    def end_subsegment(self, end_time: float | None = None) -> bool:
        """End the subsegment that was opened last here, also one of an invocation that is over; False without one."""
        before = _OPEN.get()
        if self.get_trace_entity() is self._nobody or before is None or not before.entities:
            return False
        *outer, last = before.entities
        _OPEN.set(before._replace(entities=tuple(outer)))
        scope = SCOPE.get()
        if scope is not None and scope.unwinding and is_cancelled(last):  # a suspension, in an 'async def' handler
            mark_suspended(last)
        if last.in_progress:
            last.close(end_time)
            self._hand_over(last)
        return True

    def leave(self, entity: Any) -> None:
        """Be outside of *entity* again, and of whatever was opened in it and never closed."""
        opened = self._opened()
        at = next((place for place, one in enumerate(opened.entities) if one is entity), None)
        if at is None:
            return
        for forgotten in reversed(opened.entities[at + 1 :]):
            if forgotten.in_progress:
                forgotten.close()
        _OPEN.set(opened._replace(entities=opened.entities[:at]))

    def close(self, entity: Any, end_time: float | None = None) -> None:
        """End *entity*, wherever it was opened, and send what is ready."""
        self.leave(entity)
        if entity.in_progress:
            entity.close(end_time)
            self._hand_over(entity)
        streaming, segment = self._recorder.streaming, entity.parent_segment
        if streaming.is_eligible(segment):
            streaming.stream(segment, self._recorder.emitter.send_entity)

    def set_trace_entity(self, trace_entity: Any) -> None:
        """Go on below *trace_entity*, here and nowhere else."""
        is_inside = self._is_subsegment(trace_entity)
        segment = trace_entity.parent_segment if is_inside else trace_entity
        _OPEN.set(_Open(trace_header(), segment, (trace_entity,) if is_inside else ()))

    def clear_trace_entities(self) -> None:
        """Forget what is open here."""
        _OPEN.set(None)

    def _opened(self) -> _Open:
        """Return what is open; nothing is, when another invocation has begun."""
        header = trace_header()
        opened = _OPEN.get()
        if opened is None or opened.header != header:
            opened = _Open(header, _segment(header), ())
            _OPEN.set(opened)
        return opened

    def _hand_over(self, ended: Any) -> None:
        """Let the segment keep what goes on in *ended*: as long as it did, it would hold up whatever encloses it.

        Its parent stays its parent; it is sent when it has ended.
        """
        if not ended.subsegments:
            return
        with _lock_of(self._recorder.streaming):
            for outer, one in list(_going_on(ended)):
                outer.subsegments.remove(one)
                ended.parent_segment.subsegments.append(one)


def trace_header() -> str | None:
    """Return what Lambda has set for this invocation."""
    return os.environ.get(LAMBDA_TRACE_HEADER_KEY)


def _segment(header: str | None) -> Any:
    told = TraceHeader.from_header_str(header)
    if told.root and told.parent and told.sampled is not None:
        sampled = {0: False, 1: global_sdk_config.sdk_enabled()}.get(told.sampled)
        segment = _Segment(name="facade", entityid=told.parent, traceid=told.root, sampled=sampled)
    else:
        segment = DummySegment()
    segment.save_origin_trace_header(told)
    return segment


def _going_on(entity: Any) -> Iterator[tuple[Any, Any]]:
    for one in entity.subsegments:
        if one.in_progress:
            yield entity, one
        else:
            yield from _going_on(one)


def _lock_of(streaming: Any) -> AbstractContextManager[Any]:
    return getattr(streaming, "_lock", None) or nullcontext()


# -- into the recorder, and out of it ----------------------------------------------------------------------------

_INSTALLED: list[Any] = []  # recorders
_INSTALLING = Lock()


def install(recorder: Any, *, trace_backend_calls: bool = False) -> bool:
    """Put our context and our emitter into a recorder; once, and only where the SDK's own for Lambda is.

    By its properties: ``configure()`` would set what it is not asked to set, and make a client outside of Lambda.

    Returns
    -------
    bool
        False when the context is somebody else's.
    """
    with _INSTALLING:
        if not isinstance(recorder.context, DurableXRayContext):
            if type(recorder.context) is not LambdaContext:
                return False
            context = DurableXRayContext(recorder, recorder.context)
            if (opened := recorder.current_subsegment()) is not None:  # after a reset, in the middle of things
                context.set_trace_entity(opened)
            recorder.context = context
        if not isinstance(recorder.emitter, GuardingEmitter):
            recorder.emitter = GuardingEmitter(recorder.emitter)
        recorder.context.trace_backend_calls |= trace_backend_calls
        if not any(one is recorder for one in _INSTALLED):
            _INSTALLED.append(recorder)
    return True


@on_reset
def uninstall() -> None:
    """Give every recorder back what it had, unless somebody has changed it meanwhile."""
    with _INSTALLING:
        for recorder in _INSTALLED:
            if isinstance(recorder.context, DurableXRayContext):
                recorder.context = recorder.context.replaced
            if isinstance(recorder.emitter, GuardingEmitter):
                recorder.emitter = recorder.emitter.replaced
        _INSTALLED.clear()
    _OPEN.set(None)
