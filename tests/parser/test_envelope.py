"""Powertools' own parse() and @event_parser read durable events."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from aws_lambda_powertools.utilities.parser import event_parser, parse
from aws_lambda_powertools.utilities.parser.envelopes import ApiGatewayEnvelope, EventBridgeEnvelope, SqsEnvelope
from aws_lambda_powertools.utilities.parser.models import APIGatewayProxyEventModel
from pydantic import BaseModel, TypeAdapter, ValidationError

from powertools_durable.parser import DurableEnvelope

ARN = "arn:aws:lambda:eu-west-1:123456789012:function:orders:7/durable-execution/o/e"
CANARY = "CANARY"


class Order(BaseModel):
    id: int


ORDER = Order(id=1)
BRIDGE = {
    "version": "0",
    "id": "6a7e8feb",
    "detail-type": "Order",
    "source": "shop",
    "account": "111122223333",
    "time": "2026-11-24T07:02:59Z",
    "region": "eu-west-1",
    "resources": [],
    "detail": {"id": 1},
}
SQS_RECORD = {
    "messageId": "1",
    "receiptHandle": "r",
    "body": '{"id":1}',
    "messageAttributes": {},
    "md5OfBody": "m",
    "eventSource": "aws:sqs",
    "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:q",
    "awsRegion": "eu-west-1",
    "attributes": {
        "ApproximateReceiveCount": "1",
        "SentTimestamp": "1545082649183",
        "SenderId": "s",
        "ApproximateFirstReceiveTimestamp": "1545082649185",
    },
}
API = {
    "version": "1.0",
    "resource": "/orders",
    "path": "/orders",
    "httpMethod": "POST",
    "body": '{"id":1}',
    "headers": {},
    "multiValueHeaders": {},
    "queryStringParameters": None,
    "pathParameters": None,
    "multiValueQueryStringParameters": None,
    "stageVariables": None,
    "isBase64Encoded": False,
    "requestContext": {
        "accountId": "123456789012",
        "apiId": "id",
        "authorizer": None,
        "domainName": "d",
        "domainPrefix": "p",
        "extendedRequestId": "e",
        "httpMethod": "POST",
        "path": "/orders",
        "protocol": "HTTP/1.1",
        "requestId": "id=",
        "requestTime": "04/Mar/2020:19:15:17 +0000",
        "requestTimeEpoch": 1583349317135,
        "resourceId": None,
        "resourcePath": "/orders",
        "stage": "$default",
        "identity": {"sourceIp": "192.168.0.1/32"},
    },
}


def durable(payload, **fields):
    record = {"Id": "e", "Type": "EXECUTION", "Status": "STARTED", "ExecutionDetails": {"InputPayload": payload}}
    state = {"Operations": [record]}
    return {"DurableExecutionArn": ARN, "CheckpointToken": CANARY, "InitialExecutionState": state, **fields}


CASES = [
    pytest.param(DurableEnvelope, json.loads('{"id":1}'), ORDER, id="no inner envelope"),
    pytest.param(DurableEnvelope.of(SqsEnvelope), {"Records": [SQS_RECORD] * 2}, [ORDER, ORDER], id="SQS"),
    pytest.param(DurableEnvelope.of(EventBridgeEnvelope), BRIDGE, ORDER, id="EventBridge"),
    pytest.param(DurableEnvelope.of(ApiGatewayEnvelope), API, ORDER, id="API Gateway"),
]


def test_the_api_gateway_event_of_these_tests_is_one():
    assert APIGatewayProxyEventModel.model_validate(API)


@pytest.mark.parametrize("model", [Order, TypeAdapter(Order)])
@pytest.mark.parametrize(("envelope", "payload", "value"), CASES)
def test_parse_opens_the_durable_event_and_then_the_envelope(envelope, payload, value, model):
    assert parse(durable(json.dumps(payload)), model=model, envelope=envelope) == value


@pytest.mark.parametrize(("envelope", "payload", "value"), CASES)
def test_event_parser_does_so_too(envelope, payload, value):
    @event_parser(model=Order, envelope=envelope)
    def handler(event, context):
        return event

    assert handler(durable(json.dumps(payload)), None) == value


@pytest.mark.parametrize("text", [None, "", "  "])
def test_no_payload_is_an_empty_object(text):
    assert parse(durable(text), model=dict, envelope=DurableEnvelope) == {}


def test_of_the_same_envelope_is_the_same_class():
    assert DurableEnvelope.of(SqsEnvelope) is DurableEnvelope.of(SqsEnvelope)


@pytest.mark.parametrize(
    ("event", "named"),
    [
        pytest.param({"Records": []}, "DurableExecutionArn", id="not durable"),
        pytest.param(durable("1", InitialExecutionState={"NextMarker": "m"}), "first page", id="input on a later page"),
        pytest.param(durable("1", CheckpointToken=[CANARY]), "CheckpointToken", id="malformed"),
        pytest.param(durable(f'{{"id":{CANARY}'), "Invalid JSON", id="no JSON"),
    ],
)
@pytest.mark.parametrize("envelope", [DurableEnvelope, DurableEnvelope.of(EventBridgeEnvelope)])
def test_what_can_not_be_read_is_a_validation_error_of_pydantic(event, named, envelope):
    with pytest.raises(ValidationError, match=named) as caught:
        parse(event, model=Order, envelope=envelope)
    if named != "Invalid JSON":
        assert CANARY not in str(caught.value)


def test_importing_the_room_loads_neither_powertools_nor_pydantic_but_its_names_do():
    code = (
        "import sys, powertools_durable.parser as p; heavy = {'pydantic', 'aws_lambda_powertools', 'boto3'};"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules);"
        "p.DurableInvocationEvent; assert 'pydantic' in sys.modules;"
        "assert 'aws_lambda_powertools' not in sys.modules;"
        "p.DurableEnvelope; assert 'aws_lambda_powertools' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_name_that_is_not_there_is_an_attribute_error():
    import powertools_durable.parser as room

    with pytest.raises(AttributeError, match="Nothing"):
        room.Nothing  # noqa: B018
