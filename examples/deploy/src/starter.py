"""An ordinary function that starts a durable execution for each message of a queue.

An SQS event source waits for the whole execution, for 15 minutes at most.
This function returns at once.
"""

from __future__ import annotations

import os
from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools.utilities.batch import (
    BatchProcessor,
    EventType,
    process_partial_response,
)
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

processor = BatchProcessor(event_type=EventType.SQS)


@cache
def lambda_client() -> Any:
    """Return one client for all invocations of this function."""
    return boto3.client("lambda")


def start(record: SQSRecord) -> None:
    """Start the execution that a message asks for.

    The message's id names it: a message that arrives twice starts one execution.
    """
    lambda_client().invoke(
        FunctionName=os.environ["ORDERS_FUNCTION"],
        InvocationType="Event",
        DurableExecutionName=record.message_id,
        Payload=record.body.encode(),
    )


def handler(event: dict[str, Any], context: LambdaContext) -> Any:
    """Start what the messages ask for; those that fail return to the queue."""
    return process_partial_response(event, start, processor, context)
