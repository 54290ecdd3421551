"""examples/powertools/parser: what docs/powertools/parser.md shows."""

from __future__ import annotations

import json
from datetime import date

import pytest

from examples.powertools import parser as example
from powertools_durable.testing import Simulator

ORDER = {"id": 7, "due": "2026-01-02"}
SQS = {
    "Records": [
        {
            "messageId": f"m{number}",
            "receiptHandle": "r",
            "body": json.dumps({**ORDER, "id": number}),
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
        for number in (1, 2)
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
    "detail": ORDER,
}


@pytest.mark.parametrize(
    ("handler", "event", "result"),
    [
        (example.place_order, ORDER, {"order": 7, "due": "2026-01-02"}),
        (example.place_orders, [ORDER], {"7": {"order": 7, "due": "2026-01-02"}}),
        (example.on_order_event, BRIDGE, 7),
        (example.on_orders, SQS, [1, 2]),
        (example.on_messages, SQS, ["m1", "m2"]),
    ],
)
def test_an_input_becomes_what_the_handler_asks_for(handler, event, result):
    assert Simulator(handler).start(event).finish().result == result


@pytest.mark.parametrize(
    ("handler", "event", "message"),
    [
        (example.place_order, {"id": "7", "due": "2026-01-02"}, "1 validation error for Order: id (int_type)"),
        (example.place_orders, [], "(too_short)"),
        (example.on_orders, {}, "Records (missing)"),
    ],
)
def test_an_input_that_does_not_fit_ends_the_execution_without_a_word_of_it(handler, event, message):
    run = Simulator(handler).start(event).finish()
    assert (run.status, run.error.error_type) == ("FAILED", "PayloadValidationError")
    assert message in run.error.error_message
    assert '"input"' not in run.error.error_data


def test_values_are_shown_where_they_are_asked_for():
    run = Simulator(example.shows_what_was_wrong).start({"id": "seven", "due": "2026-01-02"}).finish()
    assert json.loads(run.error.error_data)["errors"][0]["input"] == '"seven"'


def test_what_the_handler_makes_is_the_same_on_each_replay():
    run = Simulator(example.makes_its_id).start({"order": 1}).finish()
    assert len(run.result["id"]) == 36


def test_raw_events_are_read():
    run = Simulator(example.place_order).start(ORDER)
    assert example.read_raw_event(run.invocations[0].event) == (run.arn, example.Order(id=7, due=date(2026, 1, 2)))
    run = Simulator(example.on_orders).start(SQS)
    assert [order.id for order in example.read_raw_queue_event(run.invocations[0].event)] == [1, 2]
