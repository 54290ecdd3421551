"""Lambda's event becomes a model with the engine's own records in it."""

from __future__ import annotations

import json
import warnings
from datetime import UTC, datetime

import pytest
from aws_lambda_powertools.utilities.data_classes import SQSEvent, event_source
from aws_lambda_powertools.utilities.parser import event_parser, parse
from pydantic import BaseModel

from powertools_durable._protocol.operation import Operation, OperationStatus, OperationType
from powertools_durable.errors import DecoratorOrderError, NotADurableInvocationError
from powertools_durable.parser import DurableInvocationEvent
from powertools_durable.parser.event import execution_name, execution_record, parse_event

ARN = "arn:aws:lambda:eu-west-1:123456789012:function:orders:7/durable-execution/order-42/5f0c"
MOMENT = datetime(2026, 11, 24, 7, 2, 59, 346000, tzinfo=UTC)
INPUT = {"Id": "5f0c", "Type": "EXECUTION", "Status": "STARTED", "ExecutionDetails": {"InputPayload": '{"id":42}'}}


def event(*operations, **fields):
    state = {"Operations": list(operations), "NextMarker": ""}
    return {"DurableExecutionArn": ARN, "CheckpointToken": "dG9rZW4=", "InitialExecutionState": state, **fields}


def first(parsed):
    return parsed.initial_execution_state.operations[0]


def test_an_event_becomes_a_model_with_our_own_records_in_it():
    parsed = parse_event(event(INPUT, UpdatedOperationIds=["a", "b"]))
    assert parsed.durable_execution_arn == ARN
    assert parsed.checkpoint_token == "dG9rZW4="
    assert parsed.updated_operation_ids == ("a", "b")
    assert type(first(parsed)) is Operation
    assert first(parsed).execution_details.input_payload == '{"id":42}'


@pytest.mark.parametrize(
    "state",
    [None, {}, {"Operations": None}, {"Operations": []}, {"NextMarker": ""}, {"Operations": [], "NextMarker": None}],
)
def test_an_empty_first_page_has_no_records_and_no_next(state):
    page = parse_event(event() | {"InitialExecutionState": state}).initial_execution_state
    assert page.operations == ()
    assert page.next_marker is None


def test_a_missing_state_and_missing_updates_are_empty():
    raw = {"DurableExecutionArn": ARN, "CheckpointToken": "t"}
    for given in (raw, raw | {"UpdatedOperationIds": None}):
        parsed = parse_event(given)
        assert parsed.initial_execution_state.operations == ()
        assert parsed.updated_operation_ids == ()


def test_the_next_marker_is_kept():
    parsed = parse_event(event() | {"InitialExecutionState": {"NextMarker": "page-2"}})
    assert parsed.initial_execution_state.next_marker == "page-2"


def test_unknown_fields_are_ignored_everywhere():
    record = {**INPUT, "Later": 1, "ExecutionDetails": {"InputPayload": "1", "Later": {}}}
    parsed = parse_event(event(record, Later=[1]))
    assert first(parsed).execution_details.input_payload == "1"


def test_unknown_types_and_statuses_are_kept_as_text_also_when_written_again():
    parsed = parse_event(event({"Id": "1", "Type": "TELEPORT", "Status": "BEAMING"}))
    record = first(parsed)
    assert isinstance(record.type, OperationType)
    assert isinstance(record.status, OperationStatus)
    assert (record.type, record.status) == ("TELEPORT", "BEAMING")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        text = parsed.model_dump_json(by_alias=True)
        assert parsed.model_dump(mode="json")["initial_execution_state"]["operations"][0]["status"] == "BEAMING"
    assert '"TELEPORT"' in text
    assert parse_event(json.loads(text)) == parsed


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        pytest.param(1795503779346, MOMENT, id="milliseconds"),
        pytest.param(1795503779.346, MOMENT, id="seconds with a fraction"),
        pytest.param(1795503779, MOMENT.replace(microsecond=0), id="seconds"),
        pytest.param("2026-11-24T07:02:59.346Z", MOMENT, id="ISO with Z"),
        pytest.param("2026-11-24T08:02:59.346+01:00", MOMENT, id="ISO with an offset"),
        pytest.param("2026-11-24T07:02:59.346", MOMENT, id="naive ISO counts as UTC"),
        pytest.param(MOMENT, MOMENT, id="datetime"),
        pytest.param(MOMENT.replace(tzinfo=None), MOMENT, id="naive datetime counts as UTC"),
        pytest.param(0, None, id="zero"),
        pytest.param("", None, id="empty text"),
        pytest.param(None, None, id="null"),
    ],
)
def test_a_timestamp_may_come_in_any_form(sent, read):
    details = {"NextAttemptTimestamp": sent}
    record = {"Id": "1", "Type": "STEP", "Status": "PENDING", "StartTimestamp": sent, "StepDetails": details}
    parsed = first(parse_event(event(record)))
    assert parsed.start_timestamp == parsed.step_details.next_attempt_timestamp == read
    assert read is None or parsed.start_timestamp.utcoffset().total_seconds() == 0


@pytest.mark.parametrize("missing", ["StartTimestamp", "StepDetails", "Name", "ParentId", "SubType"])
@pytest.mark.parametrize("absent", [True, False], ids=["absent", "null"])
def test_optional_parts_of_a_record_may_be_absent_or_null(missing, absent):
    record = {"Id": "1", "Type": "STEP", "Status": "STARTED"} | ({} if absent else {missing: None})
    assert first(parse_event(event(record))).attempts == 0


def test_the_token_is_in_no_repr():
    assert "dG9rZW4=" not in repr(parse_event(event(INPUT)))


def test_the_model_is_frozen():
    with pytest.raises(ValueError, match="frozen"):
        parse_event(event()).checkpoint_token = "x"


# ------------------------------------------------------------------------------------- with Powertools


def test_powertools_parse_takes_the_model():
    assert parse(event(INPUT), model=DurableInvocationEvent) == parse_event(event(INPUT))


def test_powertools_event_parser_takes_the_model():
    @event_parser(model=DurableInvocationEvent)
    def handler(parsed: DurableInvocationEvent, context):
        return execution_name(parsed.durable_execution_arn)

    assert handler(event(INPUT), None) == "order-42"


def test_the_model_does_not_show_the_token_when_powertools_refuses_the_event():
    with pytest.raises(ValueError, match="DurableExecutionArn") as caught:
        parse({"CheckpointToken": "CANARY"}, model=DurableInvocationEvent)
    assert "CANARY" not in str(caught.value)


def test_a_data_class_around_the_event_is_unwrapped():
    @event_source(data_class=SQSEvent)
    def outer(wrapped, context):
        return parse_event(wrapped)

    assert outer(event(INPUT), None) == parse_event(event(INPUT))


# ------------------------------------------------------------------------------- not durable, wrong order


class Order(BaseModel):
    id: int


@pytest.mark.parametrize(
    ("replaced", "culprit"),
    [
        pytest.param(Order(id=1), "@event_parser", id="a model"),
        pytest.param("text", "@validator", id="text"),
        pytest.param([event()], "@validator", id="a list"),
        pytest.param(None, "list|None|@validator", id="nothing"),
    ],
)
def test_an_event_that_is_no_dict_names_the_likely_decorator(replaced, culprit):
    with pytest.raises(DecoratorOrderError, match=culprit):
        parse_event(replaced)


@pytest.mark.parametrize(
    ("raw", "named"),
    [
        ({}, "DurableExecutionArn and no CheckpointToken"),
        ({"Records": []}, "DurableExecutionArn and no CheckpointToken"),
        ({"DurableExecutionArn": ARN}, "no CheckpointToken"),
        ({"CheckpointToken": "t"}, "no DurableExecutionArn"),
        ({"DurableExecutionArn": ARN, "CheckpointToken": None}, "no CheckpointToken"),
    ],
)
def test_an_ordinary_event_is_answered_with_what_to_configure(raw, named):
    with pytest.raises(NotADurableInvocationError, match=rf"{named}, .*DurableConfig"):
        parse_event(raw)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"CheckpointToken": ""}, r"CheckpointToken \(string_too_short\)"),
        ({"CheckpointToken": "t" * 2049}, r"CheckpointToken \(string_too_long\)"),
        ({"CheckpointToken": 7}, r"CheckpointToken \(string_type\)"),
        ({"DurableExecutionArn": ""}, r"DurableExecutionArn \(string_too_short\)"),
        ({"DurableExecutionArn": "a" * 1025}, r"DurableExecutionArn \(string_too_long\)"),
        ({"UpdatedOperationIds": [1]}, r"UpdatedOperationIds.0 \(string_type\)"),
        ({"InitialExecutionState": []}, r"InitialExecutionState \(dataclass_type\)"),
        (
            {"InitialExecutionState": {"Operations": [INPUT, {}]}},
            r"InitialExecutionState.Operations.1.Id \(missing\), .*Type \(missing\), .*Status \(missing\)",
        ),
    ],
)
def test_a_malformed_event_names_the_field_and_the_kind_of_error(fields, named):
    with pytest.raises(NotADurableInvocationError, match=named):
        parse_event(event() | fields)


@pytest.mark.parametrize("length", [1, 2048])
def test_a_token_may_have_any_length_the_service_allows(length):
    assert len(parse_event(event(CheckpointToken="t" * length)).checkpoint_token) == length


# ----------------------------------------------------------------------------------------------- helpers


def record(operation_id, kind="EXECUTION"):
    return Operation(id=operation_id, type=OperationType(kind), status=OperationStatus.STARTED)


@pytest.mark.parametrize(
    ("records", "found"),
    [
        pytest.param([], None, id="none"),
        pytest.param([record("5f0c", "STEP")], None, id="the id alone is not enough"),
        pytest.param([record("a", "STEP"), record("5f0c")], "5f0c", id="last of several"),
        pytest.param([record("a"), record("5f0c")], "5f0c", id="the ARN's segment is preferred"),
        pytest.param([record("a"), record("b")], "a", id="else the first of its type"),
    ],
)
def test_the_execution_record_is_found_by_type_and_then_by_id(records, found):
    got = execution_record(iter(records), ARN)
    assert (got.id if got else None) == found


@pytest.mark.parametrize(("arn", "name"), [(ARN, "order-42"), ("5f0c", "5f0c"), ("", ""), ("a/b", "b")])
def test_the_name_is_the_last_but_one_segment_of_the_arn(arn, name):
    assert execution_name(arn) == name
