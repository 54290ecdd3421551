"""Envelopes that make a list: an annotation says what the handler gets, a misfit says where it is."""

from __future__ import annotations

import base64
import gzip
import json
import typing
from collections.abc import Collection, Iterable, Sequence
from typing import Annotated, Any

import pytest
from aws_lambda_powertools.utilities.parser import BaseEnvelope
from aws_lambda_powertools.utilities.parser.envelopes import (
    CloudWatchLogsEnvelope,
    DynamoDBStreamEnvelope,
    EventBridgeEnvelope,
    KafkaEnvelope,
    KinesisDataStreamEnvelope,
    KinesisFirehoseEnvelope,
    SnsEnvelope,
    SnsSqsEnvelope,
    SqsEnvelope,
)
from pydantic import BaseModel, Field, field_validator

from powertools_durable import DurableContext, durable
from powertools_durable.errors import DurableConfigError, PayloadValidationError
from powertools_durable.parser.payload import PayloadParser
from powertools_durable.testing import Simulator

CANARY = "CANARY"


class Order(BaseModel):
    id: int
    sku: str = "a"

    @field_validator("sku")
    @classmethod
    def check(cls, value):
        return {}[value] if value == "break" else value


def text(body):
    return json.dumps(body)


def coded(body):
    return base64.b64encode(text(body).encode()).decode()


def sqs(*bodies):
    record = {
        "messageId": "m",
        "receiptHandle": "r",
        "attributes": {
            "ApproximateReceiveCount": "1",
            "ApproximateFirstReceiveTimestamp": "1545082649185",
            "SenderId": "s",
            "SentTimestamp": "1545082649183",
        },
        "messageAttributes": {},
        "md5OfBody": "0" * 32,
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:q",
        "awsRegion": "eu-west-1",
    }
    return {"Records": [{**record, "body": text(body)} for body in bodies]}


def sns(*bodies):
    message = {
        "Type": "Notification",
        "MessageId": "m",
        "TopicArn": "arn:aws:sns:eu-west-1:123456789012:t",
        "Timestamp": "2026-01-01T00:00:00.000Z",
        "SignatureVersion": "1",
        "Signature": "s",
        "SigningCertUrl": "https://example.org/c",
        "UnsubscribeUrl": "https://example.org/u",
        "MessageAttributes": {},
    }
    record = {"EventSource": "aws:sns", "EventVersion": "1.0", "EventSubscriptionArn": "arn:aws:sns:x"}
    return {"Records": [{**record, "Sns": {**message, "Message": text(body)}} for body in bodies]}


def sns_sqs(*bodies):
    topics = [record["Sns"] for record in sns(*bodies)["Records"]]
    renamed = [
        {key.replace("CertUrl", "CertURL").replace("beUrl", "beURL"): value for key, value in one.items()}
        for one in topics
    ]
    return sqs(*renamed)


def kinesis(*bodies):
    stream = {
        "kinesisSchemaVersion": "1.0",
        "partitionKey": "1",
        "sequenceNumber": "1",
        "approximateArrivalTimestamp": 1545084650.987,
    }
    record = {
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": "e",
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": "arn:aws:iam::123456789012:role/r",
        "awsRegion": "eu-west-1",
        "eventSourceARN": "arn:aws:kinesis:eu-west-1:123456789012:stream/s",
    }
    return {"Records": [{**record, "kinesis": {**stream, "data": coded(body)}} for body in bodies]}


def firehose(*bodies):
    records = [{"recordId": "r", "approximateArrivalTimestamp": 1664028820148, "data": coded(body)} for body in bodies]
    return {
        "invocationId": "i",
        "deliveryStreamArn": "arn:aws:firehose:eu-west-1:123456789012:deliverystream/d",
        "region": "eu-west-1",
        "records": records,
    }


def kafka(*bodies):
    record = {
        "topic": "t",
        "partition": 0,
        "timestamp": 1545084650987,
        "timestampType": "CREATE_TIME",
        "headers": [],
        "key": None,
    }
    records = [{**record, "offset": number, "value": coded(body)} for number, body in enumerate(bodies)]
    return {
        "eventSource": "aws:kafka",
        "eventSourceArn": "arn:aws:kafka:eu-west-1:123456789012:cluster/c/1",
        "bootstrapServers": "b:9092",
        "records": {"t-0": records},
    }


def logs(*bodies):
    data = {
        "messageType": "DATA_MESSAGE",
        "owner": "o",
        "logGroup": "g",
        "logStream": "s",
        "subscriptionFilters": ["f"],
        "logEvents": [{"id": "1", "timestamp": 1440442987000, "message": text(body)} for body in bodies],
    }
    return {"awslogs": {"data": base64.b64encode(gzip.compress(text(data).encode())).decode()}}


class Lines(BaseEnvelope):
    """A user's own."""

    def parse(self, data, model) -> list[Any]:
        return [self._parse(data=line, model=model) for line in data["lines"]]


class One(BaseEnvelope):
    """Another, around one thing."""

    def parse(self, data, model) -> Any:
        return self._parse(data=data["inner"], model=model)


def lines(*bodies):
    return {"lines": [text(body) for body in bodies]}


MANY = {
    SqsEnvelope: sqs,
    SnsEnvelope: sns,
    SnsSqsEnvelope: sns_sqs,
    KinesisDataStreamEnvelope: kinesis,
    KinesisFirehoseEnvelope: firehose,
    KafkaEnvelope: kafka,
    CloudWatchLogsEnvelope: logs,
    Lines: lines,
}
EVERY = pytest.mark.parametrize(("envelope", "wrap"), MANY.items(), ids=lambda value: value.__name__)


def run(annotation, envelope, event):
    seen = []

    def handler(orders, ctx):
        seen.append(orders)

    handler.__annotations__["orders"] = annotation
    made = durable(envelope=envelope)(handler)
    return Simulator(made).start(event), seen


@EVERY
@pytest.mark.parametrize(
    ("annotation", "kind"),
    [
        (list[Order], list),
        (Sequence[Order], list),
        (typing.List[Order], list),  # noqa: UP006
        (tuple[Order, ...], tuple),
        (Collection[Order], list),
        (Annotated[list[Order], Field(min_length=1)], list),
        (list[Order] | None, list),
        (tuple[Order, ...] | None, tuple),
        (Annotated[tuple[Order, ...], Field(min_length=1)], tuple),
    ],
    ids=str,
)
def test_the_annotation_of_a_list_means_its_items(envelope, wrap, annotation, kind):
    done, (orders,) = run(annotation, envelope, wrap({"id": 1}, {"id": 2, "sku": "b"}))
    assert done.error is None
    assert type(orders) is kind
    assert list(orders) == [Order(id=1), Order(id=2, sku="b")]


@EVERY
def test_what_does_not_fit_is_named_by_envelope_record_and_field(envelope, wrap):
    done, seen = run(list[Order], envelope, wrap({"id": 1}, {"id": 2}, {"id": CANARY}))
    assert seen == []
    assert done.error.error_type == "PayloadValidationError"
    assert done.error.error_message == (
        f"1 validation error for Order in record 2 of {envelope.__name__}: id (int_parsing)"
    )
    data = json.loads(done.error.error_data)
    assert (data["envelope"], data["record"], data["errors"][0]["loc"]) == (envelope.__name__, 2, ["id"])
    assert CANARY not in done.error.error_data


@EVERY
def test_so_is_a_body_that_is_no_object_and_one_whose_validator_breaks(envelope, wrap):
    done, _ = run(list[Order], envelope, wrap({"id": 1}, 7))
    assert f"in record 1 of {envelope.__name__}: body (model_type)" in done.error.error_message
    done, _ = run(list[Order], envelope, wrap({"id": 1, "sku": "break"}))
    assert f"in record 0 of {envelope.__name__}: body (unexpected_error)" in done.error.error_message


def test_a_list_that_breaks_its_own_rule_names_the_envelope():
    done, _ = run(Annotated[list[Order], Field(min_length=2)], SqsEnvelope, sqs({"id": 1}))
    assert "in SqsEnvelope: payload (too_short)" in done.error.error_message


def test_an_event_that_is_none_of_the_envelope_names_it():
    done, _ = run(list[Order], SqsEnvelope, {"Records": [{}]})
    assert "validation errors for SqsModel in SqsEnvelope: Records.0.messageId (missing)" in done.error.error_message


def test_an_envelope_of_one_asks_for_what_the_annotation_says():
    bridge = {
        "version": "0",
        "id": "1",
        "detail-type": "t",
        "source": "s",
        "account": "123456789012",
        "time": "2026-01-01T00:00:00Z",
        "region": "eu-west-1",
        "resources": [],
    }
    _, (orders,) = run(list[Order], One, {"inner": [{"id": 1}]})
    assert orders == [Order(id=1)]
    done, _ = run(Order, EventBridgeEnvelope, bridge | {"detail": {}})
    assert done.error.error_message == "1 validation error for Order in EventBridgeEnvelope: id (missing)"


def test_a_model_that_is_given_is_that_of_one_record_as_powertools_has_it():
    @durable(model=list[Order], envelope=SqsEnvelope)
    def handler(orders: list[list[Order]], ctx: DurableContext):
        return [[order.id for order in one] for one in orders]

    assert Simulator(handler).start(sqs([{"id": 1}, {"id": 2}], [])).result == [[1, 2], []]


@pytest.mark.parametrize("annotation", [list[dict[str, Order | None]], list[dict[str, Order]], list[Order]], ids=str)
def test_a_stream_of_dynamodb_gives_two_images_a_record(annotation):
    def image(number):
        return {"id": {"N": number}, "sku": {"S": "s"}}

    stream = {"StreamViewType": "NEW_AND_OLD_IMAGES", "SequenceNumber": "1", "SizeBytes": 1, "Keys": image("1")}
    record = {
        "eventID": "1",
        "eventName": "INSERT",
        "eventVersion": "1.0",
        "eventSource": "aws:dynamodb",
        "awsRegion": "eu-west-1",
        "eventSourceARN": "arn:aws:dynamodb:eu-west-1:123456789012:table/t",
    }

    def event(*numbers):
        return {"Records": [{**record, "dynamodb": {**stream, "NewImage": image(number)}} for number in numbers]}

    _, (orders,) = run(annotation, DynamoDBStreamEnvelope, event("1"))
    assert orders == [{"NewImage": Order(id=1, sku="s"), "OldImage": None}]
    done, _ = run(annotation, DynamoDBStreamEnvelope, event("1", "1.5"))
    assert "for Order in record 1 of DynamoDBStreamEnvelope: id" in done.error.error_message


def test_a_list_of_nothing_in_particular_takes_every_record():
    _, (orders,) = run(list, SqsEnvelope, sqs({"a": 1}, [2]))
    assert orders == [{"a": 1}, [2]]


@pytest.mark.parametrize("annotation", [tuple, typing.Tuple, tuple[Any, ...]], ids=str)  # noqa: UP006
def test_so_does_a_tuple_of_nothing_in_particular(annotation):
    _, (orders,) = run(annotation, SqsEnvelope, sqs({"a": 1}, [2]))
    assert orders == ({"a": 1}, [2])


@EVERY
@pytest.mark.parametrize(
    ("annotation", "count", "instead"),
    [
        (tuple[Order, int], 2, "list[Order | int]"),
        (tuple[Order, Order], 2, "list[Order]"),
        (tuple[Order], 1, "list[Order]"),
        (tuple[()], 0, "list[Order]"),
        (typing.Tuple[Order, int], 2, "list[Order | int]"),  # noqa: UP006
        (tuple[Order, int] | None, 2, "list[Order | int]"),
        (Annotated[tuple[Order, int], Field()], 2, "list[Order | int]"),
    ],
    ids=str,
)
def test_a_tuple_of_so_many_is_refused_when_the_handler_is_decorated(envelope, wrap, annotation, count, instead):
    with pytest.raises(DurableConfigError) as caught:
        run(annotation, envelope, wrap({"id": 1}, {"id": 2}))
    message = (
        f"a tuple of {count} can't be what {envelope.__name__} makes, which is a list of as many records as come: "
    )
    assert str(caught.value).startswith(f"{message}annotate the handler's first parameter {instead}, or ")


@EVERY
def test_a_list_of_tuples_takes_records_that_are_tuples(envelope, wrap):
    done, (pairs,) = run(list[tuple[Order, int]], envelope, wrap([{"id": 1}, 2], [{"id": 3}, 4]))
    assert done.error is None
    assert pairs == [(Order(id=1), 2), (Order(id=3), 4)]
    done, _ = run(list[tuple[Order, int]], envelope, wrap([{"id": 1}, 2], [{"id": 3}]))
    assert f"in record 1 of {envelope.__name__}: 1 (missing)" in done.error.error_message


def test_a_tuple_is_what_an_envelope_of_one_makes_of_its_inner_part():
    _, (pair,) = run(tuple[Order, int], One, {"inner": [{"id": 1}, 2]})
    assert pair == (Order(id=1), 2)


def test_an_iterable_may_be_read_twice():
    _, (orders,) = run(Iterable[Order], SqsEnvelope, sqs({"id": 1}))
    assert list(orders) == list(orders) == [Order(id=1)]


def test_an_envelope_with_slots_is_opened_too_but_names_no_record():
    class Slotted:
        __slots__ = ()

        def parse(self, data, model) -> list[Any]:
            return [BaseEnvelope._parse(data=part, model=model) for part in data]  # noqa: SLF001

    assert PayloadParser(list[Order], Slotted, handed=True).parse('[{"id":1}]') == [Order(id=1)]
    with pytest.raises(PayloadValidationError, match=r"for Order in Slotted: id \(missing\)"):
        PayloadParser(list[Order], Slotted, handed=True).parse("[{}]")
