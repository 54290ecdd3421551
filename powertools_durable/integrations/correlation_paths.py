"""Powertools' correlation paths, through the event that Lambda hands to a durable function.

For ``@logger.inject_lambda_context(correlation_id_path=...)`` above ``@durable``: there the customer's event lies
inside the record of the execution. The first record must be on the first page, as it is unless the history is
longer than a page of the service.
"""

from __future__ import annotations

__all__ = [
    "API_GATEWAY_HTTP",
    "API_GATEWAY_REST",
    "APPLICATION_LOAD_BALANCER",
    "APPSYNC_AUTHORIZER",
    "APPSYNC_RESOLVER",
    "EVENT_BRIDGE",
    "LAMBDA_FUNCTION_URL",
    "S3_OBJECT_LAMBDA",
    "VPC_LATTICE",
]

_INPUT = "InitialExecutionState.Operations[0].ExecutionDetails.InputPayload | powertools_json(@)."

API_GATEWAY_REST = f"{_INPUT}requestContext.requestId"
API_GATEWAY_HTTP = API_GATEWAY_REST
APPSYNC_AUTHORIZER = API_GATEWAY_REST
APPSYNC_RESOLVER = f'{_INPUT}request.headers."x-amzn-trace-id"'
APPLICATION_LOAD_BALANCER = f'{_INPUT}headers."x-amzn-trace-id"'
EVENT_BRIDGE = f"{_INPUT}id"
LAMBDA_FUNCTION_URL = API_GATEWAY_REST
S3_OBJECT_LAMBDA = f"{_INPUT}xAmzRequestId"
VPC_LATTICE = f'{_INPUT}headers."x-amzn-trace-id"'
