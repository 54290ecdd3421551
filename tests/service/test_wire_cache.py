"""Records as an event has them, each cache once."""

from __future__ import annotations

from dataclasses import replace

from powertools_durable._protocol.operation import ErrorObject, Operation, OperationStatus, OperationType, StepDetails
from powertools_durable._protocol.wire import to_wire
from powertools_durable._service.wire_cache import WireCache

FAILED = Operation(
    id="a",
    type=OperationType.STEP,
    status=OperationStatus.FAILED,
    name="charge",
    step_details=StepDetails(attempt=2, error=ErrorObject(error_type="E", stack_trace=("line 1", "line 2"))),
)
OTHER = replace(FAILED, id="b", name="ship")


def test_records_are_shown_as_they_are_written():
    cache = WireCache()
    for _ in range(2):
        assert cache.of([FAILED, OTHER]) == [to_wire(FAILED), to_wire(OTHER)]
    assert cache.of([OTHER]) == [to_wire(OTHER)]


def test_a_record_that_changed_is_written_anew():
    cache = WireCache()
    cache.of([FAILED])
    changed = replace(FAILED, status=OperationStatus.PENDING)
    assert cache.of([changed]) == [to_wire(changed)]


def test_what_a_handler_does_to_its_event_is_not_in_the_next_one():
    cache = WireCache()
    [shown] = cache.of([FAILED])
    shown["Name"] = "other"
    shown["StepDetails"]["Error"]["StackTrace"].append("line 3")
    shown["StepDetails"]["Attempt"] = 7
    assert cache.of([FAILED]) == [to_wire(FAILED)]
