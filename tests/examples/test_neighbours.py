"""examples/powertools/neighbours and circuit_breaker: what docs/powertools/neighbours.md shows."""

from __future__ import annotations

import json

import boto3
import pytest
from botocore.stub import Stubber

from examples.powertools import neighbours as example
from powertools_durable.testing import Simulator


@pytest.fixture(autouse=True)
def nothing_charged_yet():
    example.CHARGED.clear()
    example.store.records.clear()
    example.charges.records.clear()


def sqs(*ids):
    bodies = [json.dumps({"id": each}) if each else "{}" for each in ids]
    return {"Records": [{"messageId": f"m{n}", "body": body, "attributes": {}} for n, body in enumerate(bodies)]}


def test_a_second_execution_of_the_same_order_gets_the_stored_result():
    runs = [Simulator(example.place_order).start({"id": "42"}).finish() for _ in range(2)]
    assert [run.result for run in runs] == ["pay-42", "pay-42"]
    assert example.CHARGED == ["42"]


def test_an_execution_is_named_by_what_it_is_about():
    client = boto3.client("lambda")
    with Stubber(client) as stub:
        expected = {
            "FunctionName": "orders:live",
            "InvocationType": "Event",
            "DurableExecutionName": "order-42",
            "Payload": '{"id": "42"}',
        }
        stub.add_response("invoke", {"StatusCode": 202}, expected)
        example.start_once(client, {"id": "42"})
        stub.assert_no_pending_responses()


def test_an_idempotent_function_in_a_step_runs_once_for_two_executions():
    assert [Simulator(example.pay).start("42").finish().result for _ in range(2)] == ["pay-42"] * 2
    assert example.CHARGED == ["42"]


def test_a_step_s_own_key_needs_no_store():
    simulator = Simulator(example.pay_by_key)
    first, second = (simulator.start("42").finish().result for _ in range(2))
    assert first.startswith("pay-42 under ")
    assert first != second  # each execution has its own


@pytest.mark.parametrize("handler", [example.process_queue, example.process_in_sequence])
def test_records_that_failed_are_named(handler):
    run = Simulator(handler).start(sqs("1", None, "3")).finish()
    assert run.result == {"batchItemFailures": [{"itemIdentifier": "m1"}]}
    assert example.CHARGED == ["1", "3"]


def test_a_route_makes_durable_calls():
    event = {
        "version": "2.0",
        "rawPath": "/orders/42",
        "rawQueryString": "",
        "headers": {},
        "requestContext": {"http": {"method": "GET", "path": "/orders/42"}, "stage": "$default"},
    }
    run = Simulator(example.http).start(event).finish()
    assert json.loads(run.result["body"]) == {"payment": "pay-42"}


def test_what_is_configured_is_read_once_and_secrets_are_in_no_record():
    run = Simulator(example.price).start({"id": 1, "price": 200})
    example.parameters.clear_cache()
    example.parameters.values["discount"] = "50"
    run.finish()
    assert run.result == {"price": 180, "express": True}
    assert "s3cret" not in str(run.operations)
    example.parameters.values["discount"] = "10"


def test_an_open_circuit_is_waited_for():
    pytest.importorskip("aws_lambda_powertools.utilities.circuit_breaker")
    from examples.powertools import circuit_breaker as breaker

    run = Simulator(breaker.pay).start("42")
    run.step()
    run.step()
    assert (run.status, len(breaker.CALLS)) == ("RUNNING", 2)  # the third attempt found the circuit open
    breaker.circuits.records["payments"].opened_at = 0  # its time is over
    assert (run.finish().result, len(breaker.CALLS)) == ("pay-42", 3)
