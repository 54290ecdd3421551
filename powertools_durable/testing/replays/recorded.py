"""What was recorded, what a replay shows of it, and what the code did with it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING

from powertools_durable._protocol.limits import MAX_CONTEXT_RESULT_BYTES
from powertools_durable._protocol.operation import ContextDetails, Operation, OperationStatus, OperationType, SubType
from powertools_durable._protocol.update import OperationAction, OperationUpdate
from powertools_durable._replay.effects import Outcome
from powertools_durable._replay.frame import Frame, operation_id
from powertools_durable._replay.handle import OperationHandle
from powertools_durable._runtime.driver import BlockingDriver
from powertools_durable._service.history_reader import RecordedExecution
from powertools_durable.batch import Compact
from powertools_durable.errors import NonDeterminismError
from powertools_durable.errors.places import call_site
from powertools_durable.testing.replays.stops import ContextFailures, Stop

if TYPE_CHECKING:
    from powertools_durable._runtime.async_driver import AsyncDriver

__all__ = ["Script", "inside", "label_of"]

_FAN_OUTS = (SubType.MAP, SubType.PARALLEL)
_MOST_TIMES_LONGER = 4  # is a text in any format than in plain JSON
_KIND = {OperationType.CHAINED_INVOKE: "invoke"}


class Script:
    """What was recorded, what is shown of it, and what the code did.

    Parameters
    ----------
    found : RecordedExecution
        The history.
    rebuilt : frozenset[str]
        Contexts whose recorded text turned out not to be their result, but a summary of one too large.
    stop : Stop | None
        Where a debugger is opened.

    Attributes
    ----------
    held : dict[str, Operation]
        Ends of contexts that are not shown yet.
    returned : set[str | None]
        Contexts whose code ran to its end; None is the handler.
    cut_off : set[str]
        Branches that had not ended when their fan-out did, and what is inside of them: nobody asks for it again.
    failures : ContextFailures
        What the code of contexts raised.
    outcome : Outcome | None
        What the handler returned or raised; None when it was suspended.
    stopped_at : str
        Where history ended.
    is_ordered : bool
        The code asks for operations in the order of their records. Tasks side by side need not.
    entered : set[str | None]
        Contexts whose code began, if tasks may run side by side in it; None is the handler.
    unreadable : str | None
        The operation whose recorded result can't be read.
    not_summed_up : str | None
        A rebuilt context whose result is too small for a summary: what is recorded of it was its result.
    """

    def __init__(self, found: RecordedExecution, rebuilt: frozenset[str], stop: Stop | None = None) -> None:
        self.found = found
        self.failures = ContextFailures(found)
        self._stop = stop
        self.held: dict[str, Operation] = {}
        self.returned: set[str | None] = set()
        self.cut_off: set[str] = set()
        self.outcome: Outcome | None = None
        self.stopped_at = ""
        self.driver: BlockingDriver | AsyncDriver | None = None
        self.is_ordered = True
        self.entered: set[str | None] = {None}
        self.unreadable: str | None = None
        self.not_summed_up: str | None = None
        self._rebuilt = rebuilt
        self._last: dict[int, tuple[int, str, Frame]] = {}
        self._asked: set[str] = set()
        self._ended: list[Frame] = []
        self._sites: dict[str | None, str] = {}
        self._marks: dict[str | None, set[str]] | None = None

    def marks_below(self, parent: str) -> set[str]:
        """Return the marks of patches directly below a context; they are looked for once, not by each fan-out."""
        if self._marks is None:
            self._marks = {}
            for record in self.found.operations.values():
                if record.sub_type == SubType.PATCH:
                    self._marks.setdefault(record.parent_id, set()).add(record.id)
        return self._marks.get(parent, set())

    def shown(self) -> list[Operation]:
        """Return the records as the code shall find them at its beginning."""
        return [self.found.execution, *map(self._shown, self.found.operations.values())]

    def _shown(self, record: Operation) -> Operation:
        if record.sub_type == SubType.WAIT_FOR_CONDITION and record.result and not record.status.is_terminal:
            return replace(record, status=OperationStatus.READY)  # as its next check will find it: the state is read
        if record.type is not OperationType.CONTEXT or not record.status.is_terminal:
            return record
        if self.looks_rebuilt(record):
            details = record.context_details or ContextDetails()
            return replace(record, context_details=replace(details, replay_children=True))
        is_entered = self.found.status != "RUNNING" or (self._stop is not None and record.id in self._stop.opened)
        if not is_entered or record.sub_type == SubType.COMPENSATION:
            return record
        self.held[record.id] = record
        return replace(record, status=OperationStatus.STARTED, end_timestamp=None, context_details=ContextDetails())

    def looks_rebuilt(self, record: Operation) -> bool:
        """Tell whether a context's text is not its result: no event says so."""
        if record.status is not OperationStatus.SUCCEEDED or record.sub_type == SubType.COMPENSATION:
            return False
        if record.id in self._rebuilt:
            return True
        if record.sub_type in _FAN_OUTS:
            return Compact.read(record.result, len(self.found.operations)) is not None
        return self.found.status == "RUNNING" and not record.result

    # -- what the code does --------------------------------------------------------------------------------

    def asks(self, frame: Frame, op: OperationHandle) -> None:
        """Note that the code asks for an operation; it should do so in the order that was recorded."""
        if self._stop is not None:
            self._stop.asks(op)
        site = call_site()
        self._sites[frame.parent_id] = self._sites[frame.context_id] = site
        order = self.found.order.get(op.id)
        if order is None or op.id in self._asked:  # a callback is asked for, and later its answer
            return
        self._asked.add(op.id)
        before = self._last.get(id(frame))
        if self.is_ordered and before is not None and order < before[0]:
            raise self.breaks(
                op.engine.interrupt,
                op.label,
                site,
                {"order": f"before {before[1]}"},
                {"order": f"after {before[1]}"},
            )
        self._last[id(frame)] = (order, op.label, frame)  # the frame is kept, so that its id stays its own

    def breaks(
        self,
        interrupt: Callable[[BaseException], None],
        operation: str,
        site: str,
        recorded: Mapping[str, str | None],
        asked: Mapping[str, str | None],
    ) -> NonDeterminismError:
        """Make the error that ends this replay."""
        message = f"{operation} at {site or 'an unknown place'} is not what was recorded there"
        error = NonDeterminismError(message, operation=operation, recorded=recorded, asked=asked, location=site)
        interrupt(error)
        return error

    def ends(self, frame: Frame) -> None:
        """Note that the code of a context ran to its end."""
        self.returned.add(frame.context_id)
        self._ended.append(frame)

    def rebuilds(self, context: str, value: object) -> None:
        """Note what the code of a context came to, whose record can't be read."""
        if context in self._rebuilt and not _may_be_large(value):
            self.not_summed_up = context

    def stop(self, update: OperationUpdate | None, label: str) -> None:
        """Note where history ends."""
        site = call_site()
        if not self.stopped_at:
            what = (
                "would record the end of" if update is not None and update.action is not OperationAction.START else ""
            )
            self.stopped_at = f"{what or 'asks for'} {label}, which is not recorded{f' ({site})' if site else ''}"

    def left(self) -> tuple[Operation, str] | None:
        """Return the first recorded operation that code, which has come to its end, never asked for; and where."""
        asked = (self.driver.engine.called if self.driver is not None else set()) | self.cut_off
        record: Operation | None
        for record in self.found.operations.values():
            if record.id not in asked and record.parent_id in self.returned:
                return record, self._sites.get(record.parent_id) or self._sites.get(None, "")
        for frame in self._ended:  # what is in a virtual context lies below another one
            record = frame.next_record()
            if record is not None and record.id not in asked:
                return record, self._sites.get(frame.context_id, "")
        return None

    def passed_over(self) -> Operation | None:
        """Return the first recorded operation that code, all of whose tasks wait, has not asked for."""
        if self.is_ordered or self.outcome is not None or self.driver is None:
            return None
        asked = self.driver.engine.called | self.cut_off
        unasked = (record for record in self.found.operations.values() if record.id not in asked)
        return next((record for record in unasked if record.parent_id in self.entered), None)


def _may_be_large(value: object) -> bool:
    """Tell whether a result may have been too large for its record; the format it was written in is not known."""
    try:
        text = json.dumps(value, default=lambda part: getattr(part, "__dict__", None) or repr(part))
    except (TypeError, ValueError, RecursionError):
        return True
    return len(text) * _MOST_TIMES_LONGER > MAX_CONTEXT_RESULT_BYTES


def inside(found: Mapping[str, Operation], context: str, depth: int = 4) -> set[str]:
    """Return the operations of a context that has no record of its own."""
    seen: set[str] = set()
    for number in count(1):
        child = operation_id(f"{context}-{number}")
        deeper = {child} if child in found else inside(found, child, depth - 1) if depth else set()
        if not deeper:
            break
        seen |= deeper
    return seen


def label_of(told: OperationUpdate | Operation) -> str:
    """Return how an operation is called in a verdict."""
    kind = _KIND.get(told.type, told.type.value.lower())
    return f"{kind} {told.name!r}" if told.name else f"{kind} {told.id[:8]!r}"
