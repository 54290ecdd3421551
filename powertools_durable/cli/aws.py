"""The calls of the Lambda API that ``--aws`` makes, and what may go wrong with them, in words that say what to do."""

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
_PAGE = 1000  # [M] the most that one answer holds
_SIGN_IN = "sign in (`aws sso login`), or say AWS_PROFILE=..."
_THROTTLED = {"TooManyRequestsException", "ThrottlingException", "Throttling", "RequestLimitExceeded"}
_DENIED = {"AccessDenied", "AccessDeniedException"}
_NOBODY = {
    *("ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "UnrecognizedClientException"),
    *("InvalidSignatureException", "SignatureDoesNotMatch", "MissingAuthenticationTokenException"),
}


class AwsError(UsageError):
    """AWS did not do what it was asked; the message holds no payload and no callback id."""


class FunctionName(NamedTuple):
    """``NAME``, ``NAME:QUALIFIER``, or an ARN of either."""

    name: str
    qualifier: str | None

    @classmethod
    def parse(cls, text: str) -> FunctionName:
        """Read what ``--function`` was given."""
        parts = text.split(":")
        named = 7 if text.startswith("arn:") else 1
        if len(parts) not in {named, named + 1} or not all(parts):
            raise UsageError("--function takes NAME or NAME:QUALIFIER, the name of a Lambda function or its ARN")
        return cls(":".join(parts[:named]), parts[named] if len(parts) > named else None)


class Account:
    """Durable executions of an AWS account, by the credentials and the region that boto3 finds.

    Parameters
    ----------
    region : str | None
        In place of the configured one: that of an ARN.
    """

    def __init__(self, region: str | None = None) -> None:
        self._region = region

    def executions(self, function: FunctionName, **filters: Any) -> Iterator[Mapping[str, Any]]:
        """Yield what ListDurableExecutionsByFunction tells of each execution, the newest first."""
        request = {"FunctionName": function.name, "Qualifier": function.qualifier, **filters}
        subject = f"function {function.name!r}"
        yield from self._pages("ListDurableExecutionsByFunction", "DurableExecutions", request, subject)

    def execution(self, arn: str, *, data: bool) -> Mapping[str, Any]:
        """Return what GetDurableExecution tells; with *data* input, result and error too."""
        request = {"DurableExecutionArn": arn, "IncludeExecutionData": data}
        return self._call("GetDurableExecution", request, _named(arn))

    def history(self, arn: str, *, data: bool) -> list[dict[str, Any]]:
        """Return the events of GetDurableExecutionHistory; with *data* payloads too."""
        request = {"DurableExecutionArn": arn, "IncludeExecutionData": data}
        return list(self._pages("GetDurableExecutionHistory", "Events", request, _named(arn)))

    def stop(self, arn: str) -> None:
        """Stop an execution."""
        self._call("StopDurableExecution", {"DurableExecutionArn": arn}, _named(arn))

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
        """Give a sign of life."""
        self._call("SendDurableExecutionCallbackHeartbeat", {"CallbackId": callback_id}, "callback", (callback_id,))

    # -- calls -------------------------------------------------------------------------------------------------

    def _pages(self, operation: str, key: str, request: Mapping[str, Any], subject: str) -> Iterator[dict[str, Any]]:
        with _explained(operation, subject):
            paginator = self._client.get_paginator(_method(operation))
            for page in paginator.paginate(**_given(request), PaginationConfig={"PageSize": _PAGE}):
                yield from page[key]

    def _call(
        self, operation: str, request: Mapping[str, Any], subject: str, secrets: Iterable[str] = ()
    ) -> Mapping[str, Any]:
        with _explained(operation, subject, secrets):
            answer: Mapping[str, Any] = getattr(self._client, _method(operation))(**_given(request))
            return answer

    @cached_property
    def _client(self) -> Any:
        import boto3
        from botocore.config import Config

        config = Config(
            connect_timeout=5,
            retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
            user_agent_extra="powertools-durable-cli",
        )
        # The AWS CLI and the other SDKs read AWS_REGION; boto3 knows AWS_DEFAULT_REGION alone.
        region = self._region or os.environ.get("AWS_REGION") or None
        return boto3.client("lambda", region_name=region, config=config)


def _method(operation: str) -> str:
    from botocore import xform_name

    return xform_name(operation)


def _given(request: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in request.items() if value is not None}


def _named(arn: str) -> str:
    return f"execution {arn.rpartition('/')[2]!r}"


# -- what went wrong -------------------------------------------------------------------------------------------


@contextmanager
def _explained(operation: str, subject: str, secrets: Iterable[str] = ()) -> Iterator[None]:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        raise AwsError(_refusal(operation, subject, error.response, secrets)) from None
    except BotoCoreError as error:
        raise AwsError(_unsent(operation, error)) from None


def _refusal(operation: str, subject: str, response: Mapping[str, Any], secrets: Iterable[str]) -> str:
    details = response.get("Error", {})
    code = str(details.get("Code", ""))
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    text = showable(str(details.get("Message") or response.get("message") or ""), secrets)
    words = f" AWS says: {text}" if text else ""
    match code:
        case _ if code in _NOBODY:
            return f"AWS does not take these credentials ({code}): {_SIGN_IN}"
        case _ if code in _DENIED:
            return (
                f"{operation} is not allowed to you: your role needs lambda:{operation} on the function's ARN, with "
                f"':*' behind it for its executions.{words}"
            )
        case _ if code in _THROTTLED:
            return f"{operation} is throttled ({code}): try again in a moment"
        case "ResourceNotFoundException" if subject == "callback":
            return "nobody waits for that callback: its id is unknown, or it was answered. A name needs --function NAME"
        case "ResourceNotFoundException":
            return f"there is no {subject} in this account and region; is it the right AWS_PROFILE and AWS_REGION?"
        case "CallbackTimeoutException":
            return "the callback can't be answered any more: it timed out"
        case _ if code.startswith("KMS"):
            return f"{operation}: the function's KMS key can't be used ({code}).{words}"
        case _:
            return f"{operation} was refused: {code or 'no error code'}, HTTP {status or 'status unknown'}.{words}"


def _unsent(operation: str, error: Exception) -> str:
    from botocore import exceptions as botocore

    name = type(error).__name__
    match error:
        case botocore.NoCredentialsError() | botocore.PartialCredentialsError():
            return f"there are no AWS credentials ({name}): {_SIGN_IN}"
        case botocore.CredentialRetrievalError() | botocore.SSOError() | botocore.TokenRetrievalError():
            return f"the AWS credentials can't be had ({name}): {_SIGN_IN}"
        case botocore.ProfileNotFound():
            return f"{error}: AWS_PROFILE names none of those in your AWS configuration"
        case botocore.NoRegionError():
            return "no region is known: say AWS_REGION=..., or give a whole ARN"
        case botocore.ParamValidationError():
            return f"{operation} does not take that ({name}): is it the right name or id?"
        case botocore.HTTPClientError() | botocore.ConnectionError():
            return f"{operation}: no answer came ({name}); is there a network, and is it the right AWS_REGION?"
        case _:
            return f"{operation} could not be sent ({name})"
