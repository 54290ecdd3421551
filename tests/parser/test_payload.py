"""The execution's input becomes the handler's first argument, or an error without a word of it."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from aws_lambda_powertools.utilities.data_classes import SQSEvent
from aws_lambda_powertools.utilities.parser.envelopes import ApiGatewayEnvelope, EventBridgeEnvelope, SqsEnvelope
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, RootModel, TypeAdapter, field_validator

from powertools_durable._protocol.limits import MAX_ERROR_CHARACTERS
from powertools_durable.errors import (
    DurableConfigError,
    PayloadModelChangedError,
    PayloadValidationError,
)
from powertools_durable.errors.recording import to_error_object
from powertools_durable.parser import DurableEnvelope
from powertools_durable.parser.payload import PayloadParser, model_changed

CANARY = "CANARY"


class Order(BaseModel):
    id: int
    sku: str


class Booking(BaseModel):
    model_config = ConfigDict(strict=True)
    day: date
    price: Decimal


@dataclass
class Point:
    x: int
    y: int = 0


class Cat(BaseModel):
    kind: Literal["cat"]


class Dog(BaseModel):
    kind: Literal["dog"]


Pet = Annotated[Cat | Dog, Field(discriminator="kind")]


class Tree(BaseModel):
    children: list[Tree] = []


class Careless(BaseModel):
    id: str

    @field_validator("id")
    @classmethod
    def look_up(cls, value):
        return {}[value]


class Careful(BaseModel):
    id: str

    @field_validator("id")
    @classmethod
    def check(cls, value):
        raise ValueError("we do not serve this customer")


def refusal(model, text, envelope=None, **options):
    with pytest.raises(PayloadValidationError) as caught:
        PayloadParser(model, envelope, **options).parse(text)
    return caught.value


# ------------------------------------------------------------------------------------------- what fits


@pytest.mark.parametrize(
    ("model", "text", "value"),
    [
        pytest.param(Order, '{"id":1,"sku":"a"}', Order(id=1, sku="a"), id="model"),
        pytest.param(
            Booking,
            '{"day":"2026-11-24","price":"1.50"}',
            Booking(day=date(2026, 11, 24), price=Decimal("1.50")),
            id="a strict model reads dates and decimals from text",
        ),
        pytest.param(Point, '{"x":1}', Point(1), id="dataclass"),
        pytest.param(list[Order], '[{"id":1,"sku":"a"}]', [Order(id=1, sku="a")], id="list of models"),
        pytest.param(Pet, '{"kind":"dog"}', Dog(kind="dog"), id="discriminated union"),
        pytest.param(TypeAdapter(Pet), '{"kind":"cat"}', Cat(kind="cat"), id="TypeAdapter"),
        pytest.param(Order | None, "null", None, id="null, where the model allows it"),
        pytest.param(Tree, "{}", Tree(), id="a recursive model"),
        pytest.param(str, '"x"', "x", id="str"),
        pytest.param(dict[str, int], '{"a":"1"}', {"a": 1}, id="dict with values"),
        pytest.param(Any, '{"a":[1,2.5,null]}', {"a": [1, 2.5, None]}, id="Any"),
        pytest.param(dict, "[1]", [1], id="dict is plain JSON"),
        pytest.param(dict[str, Any], '{"a":1}', {"a": 1}, id="so is dict[str, Any]"),
        pytest.param(Mapping[str, object], '{"a":1}', {"a": 1}, id="and a mapping of anything"),
    ],
)
def test_a_payload_becomes_what_the_model_says(model, text, value):
    got = PayloadParser(model).parse(text)
    assert got == value
    assert type(got) is type(value)


@pytest.mark.parametrize("text", [None, "", " \n\t"])
def test_no_payload_is_an_empty_object(text):
    assert PayloadParser().parse(text) == {}
    assert PayloadParser(Tree).parse(text) == Tree()
    assert "id (missing)" in str(refusal(Order, text))


def test_null_is_none_and_checked_like_any_value():
    assert PayloadParser().parse("null") is None
    assert "model_type" in str(refusal(Order, "null"))


def test_a_data_class_is_made_from_the_object():
    event = PayloadParser(SQSEvent).parse('{"Records":[{"body":"hello"}]}')
    assert [record.body for record in event.records] == ["hello"]


@pytest.mark.parametrize("text", ["[1]", "null", '"x"'])
def test_a_data_class_needs_an_object(text):
    assert str(refusal(SQSEvent, text)) == "1 validation error for SQSEvent: payload (dict_type)"


BODY = '{"id":1,"sku":"a"}'
SQS = {
    "Records": [
        {
            "messageId": "1",
            "receiptHandle": "r",
            "body": BODY,
            "attributes": {
                "ApproximateReceiveCount": "1",
                "SentTimestamp": "1545082649183",
                "SenderId": "s",
                "ApproximateFirstReceiveTimestamp": "1545082649185",
            },
            "messageAttributes": {},
            "md5OfBody": "m",
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:q",
            "awsRegion": "eu-west-1",
        }
    ]
}
BRIDGE = {
    "version": "0",
    "id": "6a7e8feb",
    "detail-type": "Order",
    "source": "shop",
    "account": "111122223333",
    "time": "2026-11-24T07:02:59Z",
    "region": "eu-west-1",
    "resources": [],
    "detail": {"id": 1, "sku": "a"},
}


@pytest.mark.parametrize("model", [Order, TypeAdapter(Order), Annotated[Order, Field(title="an alias")]])
@pytest.mark.parametrize(
    ("envelope", "payload", "wrap"), [(SqsEnvelope, SQS, list), (EventBridgeEnvelope, BRIDGE, None)]
)
def test_an_envelope_is_opened_first(envelope, payload, wrap, model):
    order = Order(id=1, sku="a")
    assert PayloadParser(model, envelope).parse(json.dumps(payload)) == ([order] if wrap else order)


def test_an_envelope_without_a_model_hands_out_the_inner_part():
    assert PayloadParser(Any, EventBridgeEnvelope).parse(json.dumps(BRIDGE)) == {"id": 1, "sku": "a"}


def test_an_envelope_with_an_alias_costs_one_cached_adapter_not_one_per_call():
    from aws_lambda_powertools.utilities.parser.functions import CACHE_TYPE_ADAPTER

    parser = PayloadParser(Annotated[Order, Field(title="x")], EventBridgeEnvelope)
    parser.parse(json.dumps(BRIDGE))
    size = len(CACHE_TYPE_ADAPTER)
    for _ in range(5):
        parser.parse(json.dumps(BRIDGE))
    assert len(CACHE_TYPE_ADAPTER) == size


# -------------------------------------------------------------------------------------- what does not


def test_an_error_names_the_fields_in_words_and_as_data():
    error = refusal(Order, '{"id":"CANARY"}')
    assert str(error) == "2 validation errors for Order: id (int_parsing), sku (missing)"
    assert error.data == (
        '{"model":"Order","errors":[{"type":"int_parsing","loc":["id"],"msg":"Input should be a valid integer, unable '
        'to parse string as an integer"},{"type":"missing","loc":["sku"],"msg":"Field required"}]}'
    )


def test_one_error_is_singular_and_a_place_is_a_path():
    assert str(refusal(list[Order], '[{"id":1,"sku":2}]')) == "1 validation error for list[Order]: 0.sku (string_type)"


@pytest.mark.parametrize("model", [Any, Order, SQSEvent, dict[str, int]])
@pytest.mark.parametrize(
    "text",
    [
        pytest.param('{"a":CANARY}', id="no JSON"),
        pytest.param("CANARY", id="bare word"),
        pytest.param('{"CANARY', id="cut off"),
        pytest.param("\ufeff{}", id="byte order mark"),
        pytest.param('{"a":1} CANARY', id="more after the end"),
        pytest.param("[" * 100_000, id="deep lists"),
        pytest.param('{"a":' * 100_000, id="deep objects"),
        pytest.param("7" * 5_000, id="a number of 5,000 digits"),
        pytest.param('{"a":NaN}', id="NaN"),
        pytest.param("\ud800CANARY", id="lone surrogate"),
        pytest.param("\x00", id="NUL"),
    ],
)
def test_what_is_no_json_is_refused_and_not_logged(model, text, caplog):
    with caplog.at_level(logging.DEBUG):
        error = refusal(model, text)
    assert CANARY not in f"{error} {error!r} {error.data}"
    assert not [record for record in caplog.records if record.name.startswith("powertools_durable")]


@pytest.mark.parametrize(
    ("model", "text"),
    [
        pytest.param(Order, '{"id":"CANARY","sku":["CANARY"]}', id="fields"),
        pytest.param(Pet, '{"kind":"CANARY"}', id="tag of a union"),
        pytest.param(UUID, '"CANARY"', id="uuid"),
        pytest.param(date, '"CANARY"', id="date"),
        pytest.param(Literal["a"], '"CANARY"', id="literal"),
        pytest.param(Decimal, '"CANARY"', id="decimal"),
        pytest.param(RootModel[int], '"CANARY"', id="root model"),
        pytest.param(Careless, '{"id":"CANARY"}', id="a validator that raises a KeyError of the value"),
        pytest.param(Careful, '{"id":"CANARY"}', id="a validator's own words"),
    ],
)
def test_nothing_of_the_input_is_in_an_error_nor_behind_it(model, text):
    error = refusal(model, text)
    assert error.__cause__ is None
    assert error.__context__ is None
    assert CANARY not in f"{error} {error!r} {error.args} {error.data}"


@pytest.mark.parametrize("payload", [{"Records": CANARY}, {"Records": [CANARY]}, [CANARY], CANARY, None, 1])
@pytest.mark.parametrize("envelope", [SqsEnvelope, EventBridgeEnvelope, ApiGatewayEnvelope])
def test_nothing_of_an_enveloped_input_is_in_an_error_either(envelope, payload):
    error = refusal(Order, json.dumps(payload), envelope)
    assert error.__context__ is None
    assert CANARY not in f"{error} {error!r} {error.data}"


def test_a_bad_body_inside_an_envelope_names_the_inner_model():
    broken = {"Records": [{**SQS["Records"][0], "body": '{"id":"CANARY"}'}]}
    error = refusal(Order, json.dumps(broken), SqsEnvelope)
    assert str(error) == "2 validation errors for Order in record 0 of SqsEnvelope: id (int_parsing), sku (missing)"
    assert json.loads(error.data)["record"] == 0


def test_a_validators_own_words_are_kept():
    assert "we do not serve this customer" in refusal(Careful, '{"id":"1"}').data


def test_a_validator_that_breaks_is_named_by_class_and_line():
    entry = json.loads(refusal(Careless, '{"id":"1"}').data)["errors"][0]
    assert entry["type"] == "unexpected_error"
    assert entry["msg"].startswith("KeyError in look_up, test_payload.py:")


def test_out_of_memory_is_not_the_payloads_fault():
    class Greedy(BaseModel):
        @field_validator("*", mode="before")
        @classmethod
        def eat(cls, value):
            raise MemoryError

        id: int

    with pytest.raises(MemoryError):
        PayloadParser(Greedy).parse('{"id":1}')


@pytest.mark.parametrize("count", [1, 10, 11, 50, 51, 20_000])
def test_a_thousand_errors_are_counted_and_some_are_told(count):
    error = refusal(list[int], json.dumps(["x"] * count))
    data = json.loads(error.data)
    assert str(error).startswith(f"{count} validation error")
    assert len(data["errors"]) + data.get("omitted", 0) == count
    assert len(data["errors"]) <= 50
    assert bool(data["errors"]) is (count < 20_000)  # past ten thousand they are only counted
    assert len(str(error)) < 1_000


@pytest.mark.parametrize("include_input", [True, False])
@pytest.mark.parametrize("letter", ["x", '"', "\u00e9", "\U0001f40d"])
def test_the_data_always_fit_into_an_error_object(letter, include_input):
    text = json.dumps({letter * 2_000 + str(number): letter * 9_000 for number in range(60)})
    error = refusal(dict[str, int], text, include_input=include_input)
    written = to_error_object(error)
    assert written.error_data == error.data
    assert len(error.data) <= 16 * 1024
    assert len(json.dumps([written.error_data, written.error_message])) <= MAX_ERROR_CHARACTERS


def test_offending_values_are_copied_when_asked_for():
    entries = json.loads(refusal(Order, '{"id":"CANARY","sku":[1]}', include_input=True).data)["errors"]
    assert [entry["input"] for entry in entries] == ['"CANARY"', "[1]"]


def refused(model, text):
    try:
        PayloadParser(model).parse(text)
    except PayloadValidationError as error:
        return error
    return None


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=5))
def test_any_json_either_fits_or_is_refused(value):
    text = json.dumps(value)
    for model in (Any, Order, Pet, SQSEvent, Tree, dict[str, int], list[int | str]):
        error = refused(model, text)
        assert error is None or json.loads(error.data)["errors"]


@given(st.text())
def test_any_text_either_fits_or_is_refused(text):
    for model in (Any, Order, int | str):
        error = refused(model, text)
        assert error is None or error.__context__ is None


# ----------------------------------------------------------------------------------------- configuration


class NotAModel:
    pass


class Needy(SqsEnvelope):
    def __init__(self, queue):
        self.queue = queue


@pytest.mark.parametrize(
    ("model", "envelope", "named"),
    [
        pytest.param(NotAModel, None, "the model NotAModel", id="no schema"),
        pytest.param(list[NotAModel], None, r"the model list\[.*NotAModel\]", id="no schema inside"),
        pytest.param(list["Nowhere"], None, "Nowhere", id="a name that is not there"),  # noqa: F821
        pytest.param(5, None, "the model 5", id="no type"),
        pytest.param(NotAModel, SqsEnvelope, "the model NotAModel", id="no schema under an envelope"),
        pytest.param(SQSEvent, SqsEnvelope, "the model SQSEvent", id="a data class under an envelope"),
        pytest.param(Order, Order, "envelope=Order", id="no envelope"),
        pytest.param(Order, SqsEnvelope(), "envelope=.*SqsEnvelope", id="an envelope's instance"),
        pytest.param(Order, Needy, "envelope=Needy", id="an envelope with arguments"),
        pytest.param(Order, DurableEnvelope, "plain envelope", id="the durable envelope"),
        pytest.param(Order, DurableEnvelope.of(SqsEnvelope), "plain envelope", id="a composed one"),
    ],
)
def test_what_can_not_be_used_is_refused_at_decoration(model, envelope, named):
    with pytest.raises(DurableConfigError, match=named):
        PayloadParser(model, envelope)


def test_a_model_that_refers_to_a_later_class_is_refused_at_decoration():
    class Early(BaseModel):
        part: Late  # noqa: F821

    with pytest.raises(DurableConfigError, match=r"the model Early can't be used.*Late"):
        PayloadParser(Early)


def test_a_changed_model_says_so_with_the_same_details():
    error = refusal(Order, "{}")
    changed = model_changed(error)
    assert type(changed) is PayloadModelChangedError
    assert changed.data == error.data
    assert str(error) in str(changed)
