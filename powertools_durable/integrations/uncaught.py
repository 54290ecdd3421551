"""Does for decorators above ``@durable`` what they do at an uncaught error, which they don't see: we answer FAILED.

Powertools' ``flush_buffer_on_uncaught_error`` and ``capture_error`` act where an exception passes a decorator. Above
``@durable`` none does when an execution fails. What a decorator was told stands in its frame, so that is looked for on
the stack; where a version of Powertools names it otherwise, nothing happens.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from types import FrameType
from typing import Any

from powertools_durable.errors.places import is_own

__all__ = ["act_as_at_an_uncaught_error"]

logger = logging.getLogger(__name__)

_LOGGER = "aws_lambda_powertools.logging.logger"
_TRACER = "aws_lambda_powertools.tracing.tracer"
_DECORATOR = "decorate"


def act_as_at_an_uncaught_error(error: Mapping[str, Any], caller: FrameType) -> None:
    """Flush buffers and mark subsegments as the decorators above would for an exception.

    Parameters
    ----------
    error : Mapping
        The answer's error, as it goes over the wire.
    caller : FrameType
        The frame that called the handler: a wrapper of the decorator above it, if there is one.
    """
    for frame in _decorators_above(caller):
        try:
            if frame.f_globals.get("__name__") == _LOGGER:
                _flush(frame.f_locals)
            else:
                _mark(frame.f_locals, error)
        except Exception as broken:  # noqa: BLE001 - the answer stays what it is
            logger.warning(
                "a decorator of Powertools above @durable could not be told of the failure: %s", type(broken).__name__
            )


def _decorators_above(caller: FrameType) -> Iterator[FrameType]:
    frame: FrameType | None = caller
    while frame is not None and not is_own(frame):  # further up is what invoked this handler
        if frame.f_code.co_name == _DECORATOR and frame.f_globals.get("__name__") in {_LOGGER, _TRACER}:
            yield frame
        frame = frame.f_back


def _flush(names: Mapping[str, Any]) -> None:
    if names.get("flush_buffer_on_uncaught_error"):
        names["self"].flush_buffer()


def _mark(names: Mapping[str, Any], error: Mapping[str, Any]) -> None:
    subsegment = names.get("subsegment")
    if subsegment is None:
        return
    kind = str(error.get("ErrorType") or "Exception")
    shown = type(kind, (Exception,), {})(error.get("ErrorMessage") or "")
    if hasattr(subsegment, "add_exception"):
        subsegment.add_exception(shown, [])
    if names.get("capture_error"):
        name = f"{names.get('lambda_handler_name', 'handler')} error"
        subsegment.put_metadata(key=name, value=shown, namespace=names["self"].service)
