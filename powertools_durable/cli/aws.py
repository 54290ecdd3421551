"""The calls of the Lambda API that ``--aws`` makes; their errors become messages that say what to do."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any, NamedTuple

from powertools_durable._protocol.operation import ErrorObject
from powertools_durable._protocol.wire import to_wire
from powertools_durable.backends.refusals import showable
from powertools_durable.cli.usage import UsageError

__all__ = ["Account", "AwsError", "FunctionName"]

_ATTEMPTS = 3
_PAGE = 1000  # [M] the most items that one response contains
_SIGN_IN = "sign in (`aws sso login`), or set AWS_PROFILE"
_THROTTLED = {"TooManyRequestsException", "ThrottlingException", "Throttling", "RequestLimitExceeded"}
_DENIED = {"AccessDenied", "AccessDeniedException"}
_BAD_CREDENTIALS = {
    *("ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "UnrecognizedClientException"),
    *("InvalidSignatureException", "SignatureDoesNotMatch", "MissingAuthenticationTokenException"),
}


class AwsError(UsageError):
    """A call of AWS failed; the message contains no payload and no callback id."""


class FunctionName(NamedTuple):
    """``NAME``, ``NAME:QUALIFIER``, or an ARN of either."""

    name: str
    qualifier: str | None

    @classmethod
    def parse(cls, text: str) -> FunctionName:
        """Parse the value of ``--function``."""
        parts = text.split(":")
        named = 7 if text.startswith("arn:") else 1
        if len(parts) not in {named, named + 1} or not all(parts):
            raise UsageError("--function takes a Lambda function: NAME, NAME:QUALIFIER or an ARN")
        return cls(":".join(parts[:named]), parts[named] if len(parts) > named else None)


class Account:
    """The durable executions of an AWS account, with the credentials and the region that boto3 finds.

    Parameters
    ----------
    region : str | None
        The region of an ARN; None for the configured one.
    attempts : int
        How often a request that was throttled or got no response is sent in all; 0 for a few times.
    adaptive : bool
        After a request was throttled, send fewer requests per second. For commands that send many.
    """

    def __init__(self, region: str | None = None, *, attempts: int = 0, adaptive: bool = False) -> None:
        self._region = region
        self._attempts = attempts or _ATTEMPTS
        self._adaptive = adaptive

    def executions(self, function: FunctionName, **filters: Any) -> Iterator[Mapping[str, Any]]:
        """Yield the items of ListDurableExecutionsByFunction, newest first."""
        request = {"FunctionName": function.name, "Qualifier": function.qualifier, **filters}
        subject = f"function {function.name!r}"
        yield from self._pages("ListDurableExecutionsByFunction", "DurableExecutions", request, subject)

    def execution(self, arn: str, *, data: bool) -> Mapping[str, Any]:
        """Return the response of GetDurableExecution; with *data* including input, result and error."""
        request = {"DurableExecutionArn": arn, "IncludeExecutionData": data}
        return self._call("GetDurableExecution", request, _execution_label(arn))

    def history(self, arn: str, *, data: bool) -> list[dict[str, Any]]:
        """Return the events of GetDurableExecutionHistory; with *data* including payloads."""
        request = {"DurableExecutionArn": arn, "IncludeExecutionData": data}
        return list(self._pages("GetDurableExecutionHistory", "Events", request, _execution_label(arn)))

    def stop(self, arn: str) -> None:
        """Stop an execution."""
        self._call("StopDurableExecution", {"DurableExecutionArn": arn}, _execution_label(arn))

    def succeed(self, callback_id: str, result: str | None) -> None:
        """Answer a callback."""
        request = {"CallbackId": callback_id, "Result": result.encode() if result is not None else None}
        secrets = (callback_id, result or "", (result or "").strip('"'))
        self._call("SendDurableExecutionCallbackSuccess", request, "callback", secrets)

    def fail(self, callback_id: str, error: ErrorObject) -> None:
        """Answer a callback with a failure."""
        request = {"CallbackId": callback_id, "Error": to_wire(error)}
        secrets = (callback_id, error.error_message or "")
        self._call("SendDurableExecutionCallbackFailure", request, "callback", secrets)

    def heartbeat(self, callback_id: str) -> None:
        """Restart a callback's heartbeat timer."""
        self._call("SendDurableExecutionCallbackHeartbeat", {"CallbackId": callback_id}, "callback", (callback_id,))

    # -- calls -------------------------------------------------------------------------------------------------

    def _pages(self, operation: str, key: str, request: Mapping[str, Any], subject: str) -> Iterator[dict[str, Any]]:
        with _explaining_errors(operation, subject):
            paginator = self._client.get_paginator(_method(operation))
            for page in paginator.paginate(**_without_none(request), PaginationConfig={"PageSize": _PAGE}):
                yield from page[key]

    def _call(
        self, operation: str, request: Mapping[str, Any], subject: str, secrets: Iterable[str] = ()
    ) -> Mapping[str, Any]:
        with _explaining_errors(operation, subject, secrets):
            response: Mapping[str, Any] = getattr(self._client, _method(operation))(**_without_none(request))
            return response

    @cached_property
    def _client(self) -> Any:
        import boto3
        from botocore.config import Config

        config = Config(
            connect_timeout=5,
            retries={"mode": "adaptive" if self._adaptive else "standard", "total_max_attempts": self._attempts},
            user_agent_extra="powertools-durable-cli",
        )
        # The AWS CLI and the other SDKs read AWS_REGION; boto3 reads AWS_DEFAULT_REGION only.
        region = self._region or os.environ.get("AWS_REGION") or None
        return boto3.client("lambda", region_name=region, config=config)


def _method(operation: str) -> str:
    from botocore import xform_name

    return xform_name(operation)


def _without_none(request: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in request.items() if value is not None}


def _execution_label(arn: str) -> str:
    return f"execution {arn.rpartition('/')[2]!r}"


# -- errors ---------------------------------------------------------------------------------------------------


@contextmanager
def _explaining_errors(operation: str, subject: str, secrets: Iterable[str] = ()) -> Iterator[None]:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        raise AwsError(_describe_refusal(operation, subject, error.response, secrets)) from None
    except BotoCoreError as error:
        raise AwsError(_describe_failed_call(operation, error)) from None


def _describe_refusal(operation: str, subject: str, response: Mapping[str, Any], secrets: Iterable[str]) -> str:
    details = response.get("Error", {})
    code = str(details.get("Code", ""))
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    text = showable(str(details.get("Message") or response.get("message") or ""), secrets)
    details = f" AWS says: {text}" if text else ""
    match code:
        case _ if code in _BAD_CREDENTIALS:
            return f"AWS refuses these credentials ({code}): {_SIGN_IN}"
        case _ if code in _DENIED:
            return (
                f"you are not allowed to call {operation}: your role needs lambda:{operation} on the function's ARN "
                f"followed by ':*'.{details}"
            )
        case _ if code in _THROTTLED:
            return f"AWS throttles {operation} ({code}): try again later"
        case "ResourceNotFoundException" if subject == "callback":
            return "no open callback has that id: it is unknown, or was answered. To use a name, add --function NAME"
        case "ResourceNotFoundException":
            return f"there is no {subject} in this account and region: check AWS_PROFILE and AWS_REGION"
        case "CallbackTimeoutException":
            return "the callback can no longer be answered: it timed out"
        case _ if code.startswith("KMS"):
            return f"{operation}: the function's KMS key can't be used ({code}).{details}"
        case _:
            return f"{operation} was refused: {code or 'no error code'}, HTTP {status or 'status unknown'}.{details}"


def _describe_failed_call(operation: str, error: Exception) -> str:
    from botocore import exceptions as botocore

    name = type(error).__name__
    match error:
        case botocore.NoCredentialsError() | botocore.PartialCredentialsError():
            return f"no AWS credentials were found ({name}): {_SIGN_IN}"
        case botocore.CredentialRetrievalError() | botocore.SSOError() | botocore.TokenRetrievalError():
            return f"the AWS credentials can't be loaded ({name}): {_SIGN_IN}"
        case botocore.ProfileNotFound():
            return f"{error}: set AWS_PROFILE to a profile of your AWS configuration"
        case botocore.NoRegionError():
            return "no AWS region is set: set AWS_REGION, or use a full ARN"
        case botocore.ParamValidationError():
            return f"{operation} refuses the arguments ({name}): check the name or id"
        case botocore.HTTPClientError() | botocore.ConnectionError():
            return f"{operation} got no response ({name}): check the network and AWS_REGION"
        case _:
            return f"{operation} could not be sent ({name})"
