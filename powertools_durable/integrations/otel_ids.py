"""Trace and span ids that every invocation of an execution derives alike, and Lambda's trace header.

The SDK of OpenTelemetry is not imported here: its tracers and their generators of ids are used by what they can do.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Any

from opentelemetry.trace import SpanContext, Tracer

__all__ = ["DerivedIds", "TraceHeader", "derived_ids", "derived_span_id", "derived_trace_id"]

_SPAN_ID_BYTES = 8
_TRACE_ID_BYTES = 16
_TIME_BYTES = 4  # of a trace id of X-Ray


def derived_trace_id(execution_arn: str, started_at: datetime | None) -> int:
    """Return the id of an execution's trace, in the form that X-Ray requires: the time of its start, then a hash."""
    seconds = int(started_at.timestamp()) if started_at is not None else 0
    digest = blake2b(execution_arn.encode(), digest_size=_TRACE_ID_BYTES - _TIME_BYTES).digest()
    return int.from_bytes((seconds & 0xFFFFFFFF).to_bytes(_TIME_BYTES) + digest) or 1


def derived_span_id(execution_arn: str, operation_id: str = "") -> int:
    """Return the id of an operation's first span; without *operation_id*, of the execution's."""
    digest = blake2b(f"{execution_arn}:{operation_id}".encode(), digest_size=_SPAN_ID_BYTES).digest()
    return int.from_bytes(digest) or 1  # zero is no id


@dataclass(frozen=True, slots=True)
class TraceHeader:
    """What Lambda says about the trace of an invocation.

    Attributes
    ----------
    trace_id : int
        Of the trace.
    parent_id : int | None
        Of Lambda's own segment.
    sampled : bool | None
        What was decided about the trace; None when nothing was.
    rest : str
        The other fields, such as ``Lineage``, by which Lambda finds loops.
    """

    trace_id: int
    parent_id: int | None
    sampled: bool | None
    rest: str = ""

    @classmethod
    def parse(cls, text: str) -> TraceHeader | None:
        """Read a header such as ``Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1``.

        Returns
        -------
        TraceHeader | None
            None if it names no trace.
        """
        fields = dict(field.strip().partition("=")[::2] for field in text.split(";"))
        version, time, rest = (*fields.pop("Root", "").split("-"), "", "")[:3]
        trace_id = _number(time + rest, 2 * _TRACE_ID_BYTES) if version == "1" else None
        if trace_id is None:
            return None
        parent_id = _number(fields.pop("Parent", ""), 2 * _SPAN_ID_BYTES)
        sampled = {"0": False, "1": True}.get(fields.pop("Sampled", ""))
        return cls(trace_id, parent_id, sampled, ";".join(f"{key}={value}" for key, value in fields.items() if value))

    @classmethod
    def of(cls, span: SpanContext, rest: str) -> TraceHeader:
        """Return the header for what is called from within a span."""
        return cls(span.trace_id, span.span_id, span.trace_flags.sampled, rest)

    def __str__(self) -> str:
        root = f"{self.trace_id:032x}"
        text = f"Root=1-{root[:8]}-{root[8:]}"
        if self.parent_id is not None:
            text += f";Parent={self.parent_id:016x}"
        if self.sampled is not None:
            text += f";Sampled={self.sampled:d}"
        return f"{text};{self.rest}" if self.rest else text


def _number(digits: str, length: int) -> int | None:
    """Return the number that *digits* are in hexadecimal; None if they are no id of that length."""
    try:
        return (int(digits, 16) if len(digits) == length else 0) or None
    except ValueError:
        return None


# -- ids that are given out ------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Next:
    """The ids of the span that is about to be started; each is used once."""

    span_id: int | None
    trace_id: int | None


_NEXT: ContextVar[_Next | None] = ContextVar("powertools_durable_otel_ids", default=None)


class DerivedIds:
    """Stands before the generator of a tracer, and gives a span the ids that it is to have.

    Parameters
    ----------
    replaced : IdGenerator
        Generates all other ids.
    """

    def __init__(self, replaced: Any) -> None:
        self._replaced = replaced

    def __getattr__(self, name: str) -> Any:
        return getattr(self._replaced, name)

    @contextmanager
    def use(self, span_id: int | None, trace_id: int | None = None) -> Iterator[None]:
        """Give the span that is started in the block these ids; None leaves the choice to the replaced generator."""
        token = _NEXT.set(_Next(span_id, trace_id))
        try:
            yield
        finally:
            _NEXT.reset(token)

    def generate_span_id(self) -> int:
        """Return the id of a new span."""
        chosen = _NEXT.get()
        if chosen is None or chosen.span_id is None:
            return self._replaced.generate_span_id()  # type: ignore[no-any-return]
        span_id, chosen.span_id = chosen.span_id, None
        return span_id

    def generate_trace_id(self) -> int:
        """Return the id of a new trace."""
        chosen = _NEXT.get()
        if chosen is None or chosen.trace_id is None:
            return self._replaced.generate_trace_id()  # type: ignore[no-any-return]
        return chosen.trace_id

    def is_trace_id_random(self) -> bool:
        """Return whether the id of a new trace is random, which samplers may rely on."""
        chosen = _NEXT.get()
        is_random = getattr(self._replaced, "is_trace_id_random", None)  # versions before 1.40 have none
        return (chosen is None or chosen.trace_id is None) and is_random is not None and bool(is_random())


def derived_ids(tracer: Tracer) -> DerivedIds | None:
    """Put a `DerivedIds` into a tracer of OpenTelemetry's SDK, unless it has one; None for another tracer."""
    replaced = getattr(tracer, "id_generator", None)
    if isinstance(replaced, DerivedIds):
        return replaced
    if not callable(getattr(replaced, "generate_span_id", None)):
        return None
    ids = DerivedIds(replaced)
    tracer.id_generator = ids  # type: ignore[attr-defined]
    return ids
