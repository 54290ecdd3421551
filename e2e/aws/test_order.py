"""examples/order.py on AWS Lambda; README.md says how to deploy it."""

from __future__ import annotations

import json
import os
import uuid

import boto3
import pytest

from e2e.executions import Executions
from e2e.order_story import APPROVAL, ORDER, RECEIPT, STORY

FUNCTION = "ORDER_FUNCTION"
pytestmark = pytest.mark.e2e


@pytest.fixture
def function():
    name = os.environ.get(FUNCTION)
    if not name:
        pytest.skip(f"{FUNCTION} does not name a deployed function, see e2e/aws/README.md")
    if boto3.Session().get_credentials() is None:
        pytest.skip("there are no AWS credentials")
    return name


@pytest.fixture
def client():
    client = boto3.client("lambda")
    yield client
    client.close()


def test_an_order_ends_with_a_receipt(function, client):
    request = {
        "FunctionName": function,
        "InvocationType": "Event",
        "DurableExecutionName": f"order-{uuid.uuid4()}",
        "Payload": json.dumps(ORDER),
    }
    arn = client.invoke(**request)["DurableExecutionArn"]
    assert client.invoke(**request)["DurableExecutionArn"] == arn  # the name makes a second start the same one

    executions = Executions(client)
    executions.answer(arn, APPROVAL, seconds=120)
    execution = executions.end(arn, seconds=120)

    assert execution["Status"] == "SUCCEEDED"
    assert json.loads(execution["Result"]) == RECEIPT
    assert executions.story(arn) == STORY
