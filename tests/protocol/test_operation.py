"""A record is read from the wire by its type, and holds the details of that type."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from powertools_durable._protocol.operation import (
    CallbackDetails,
    ChainedInvokeDetails,
    ContextDetails,
    ErrorObject,
    ExecutionDetails,
    Operation,
    OperationStatus,
    OperationType,
    StepDetails,
    WaitDetails,
)
from powertools_durable._protocol.wire import to_wire

ADAPTER = TypeAdapter(Operation)
DETAILS = {
    OperationType.EXECUTION: ("ExecutionDetails", ExecutionDetails(input_payload="{}")),
    OperationType.CONTEXT: ("ContextDetails", ContextDetails(result="1")),
    OperationType.STEP: ("StepDetails", StepDetails(attempt=2, error=ErrorObject(error_message="m"))),
    OperationType.WAIT: ("WaitDetails", WaitDetails()),
    OperationType.CALLBACK: ("CallbackDetails", CallbackDetails(callback_id="c", result="1")),
    OperationType.CHAINED_INVOKE: ("ChainedInvokeDetails", ChainedInvokeDetails(result="1")),
}


def wire(kind, **fields):
    return {"Id": "a", "Type": kind, "Status": "SUCCEEDED", **fields}


@pytest.mark.parametrize("kind", OperationType)
def test_the_details_of_its_type_are_read_and_written(kind):
    key, details = DETAILS[kind]
    record = ADAPTER.validate_python(wire(kind.value, **{key: to_wire(details)}))
    found = [getattr(record, name) for name in Operation.__dataclass_fields__ if name.endswith("_details")]
    assert [one for one in found if one is not None] == [details]
    assert (record.result, record.error) == (getattr(details, "result", None), getattr(details, "error", None))
    assert to_wire(record) == wire(kind.value, **{key: to_wire(details)})
    assert ADAPTER.validate_python(record) is record


@pytest.mark.parametrize("kind", OperationType)
def test_details_may_be_missing_and_those_of_another_type_are_none(kind):
    others = {key: {} for other, (key, _) in DETAILS.items() if other is not kind}
    record = ADAPTER.validate_python(wire(kind.value, **others))
    assert record == Operation(id="a", type=kind, status=OperationStatus.SUCCEEDED)
    assert (record.outcome, record.result, record.error, record.attempts) == (None, None, None, 0)


def test_a_type_that_nobody_knows_is_kept_as_text():
    record = ADAPTER.validate_python(wire("NOVEL", NovelDetails={"Deep": 1}, StepDetails={"Result": "1"}))
    assert (record.type, record.type.value, record.result) == ("NOVEL", "NOVEL", None)


@pytest.mark.parametrize("value", [None, 7, "STEP", [], {"Id": "a"}, wire("STEP", StepDetails=7), wire(7)])
def test_what_is_no_record_is_refused(value):
    with pytest.raises(ValidationError):
        ADAPTER.validate_python(value)


@pytest.mark.parametrize("kind", OperationType)
def test_pydantic_writes_what_it_has_read(kind):
    key, details = DETAILS[kind]
    record = ADAPTER.validate_python(wire(kind.value, **{key: to_wire(details)}))
    written = ADAPTER.dump_python(record, by_alias=True, exclude_none=True)
    assert written == wire(kind, **{key: to_wire(details)})
