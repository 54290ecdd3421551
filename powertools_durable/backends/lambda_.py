"""The two calls over boto3, one client for the process; AWS's errors sorted into those that may heal and not."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any, TypeVar

from powertools_durable._protocol.result import CheckpointResponse, StatePage
from powertools_durable._protocol.update import OperationUpdate
from powertools_durable._protocol.wire import to_wire
from powertools_durable.errors import BackendError

__all__ = ["LambdaBackend"]

R = TypeVar("R")

CONNECT_TIMEOUT = 5  # seconds
READ_TIMEOUT = 50  # seconds
ATTEMPTS = 4  # the first call included; botocore repeats with the same client token
_SHOWN = 300  # characters of the service's own message


class LambdaBackend:
    """The Lambda service.

    Parameters
    ----------
    client : object | None
        A boto3 Lambda client; default: one for the process, made with the first call or by `warm`.
    """

    def __init__(self, client: Any = None) -> None:
        self._client = client

    def warm(self) -> None:
        """Make the client now: in Lambda's init phase the CPU is free, in the first invocation it is not."""
        if self._client is None:
            self._client = _shared_client()

    def checkpoint(
        self, arn: str, checkpoint_token: str, updates: Sequence[OperationUpdate], client_token: str
    ) -> CheckpointResponse:
        """Apply *updates*; see `DurableBackend.checkpoint`."""
        self.warm()
        answer = _called(
            "CheckpointDurableExecution",
            self._client.checkpoint_durable_execution,
            DurableExecutionArn=arn,
            CheckpointToken=checkpoint_token,
            Updates=[to_wire(update) for update in updates],
            ClientToken=client_token,
        )
        return _read(CheckpointResponse, answer)

    def get_execution_state(self, arn: str, checkpoint_token: str, marker: str, max_items: int) -> StatePage:
        """Return a page of records; see `DurableBackend.get_execution_state`."""
        self.warm()
        answer = _called(
            "GetDurableExecutionState",
            self._client.get_durable_execution_state,
            DurableExecutionArn=arn,
            CheckpointToken=checkpoint_token,
            Marker=marker,
            MaxItems=max_items,
        )
        return _read(StatePage, answer)


# -- the client -----------------------------------------------------------------------------------------------

_shared: list[Any] = []
_making = threading.Lock()


def _shared_client() -> Any:
    with _making:  # boto3's default session is not safe to use from two threads
        if not _shared:
            _shared.append(_new_client())
    return _shared[0]


def _new_client() -> Any:
    import boto3
    from botocore.config import Config

    config = Config(
        connect_timeout=CONNECT_TIMEOUT,
        read_timeout=READ_TIMEOUT,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        user_agent_extra=f"powertools-durable/{_version()}",
    )
    return boto3.client("lambda", config=config)


def _version() -> str:
    try:
        return version("powertools-durable")
    except PackageNotFoundError:  # run from a folder that was never installed
        return "unknown"


# -- answers --------------------------------------------------------------------------------------------------


_readers: dict[type[Any], Callable[[object], Any]] = {}


def _reader(cls: type[Any]) -> Callable[[object], Any]:
    if cls not in _readers:
        from pydantic import TypeAdapter

        _readers[cls] = TypeAdapter(cls).validate_python
    return _readers[cls]


def _read(cls: type[R], answer: object) -> R:
    from pydantic import ValidationError

    try:
        result: R = _reader(cls)(answer)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False, include_context=False)
        failure = f"the service's answer can't be read: {details[0]['loc']} ({details[0]['type']})"
    else:
        return result
    raise BackendError(failure, retryable=True)


# -- refusals -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Refusal:
    retryable: bool
    throttled: bool = False
    hint: str = ""


HEALS = _Refusal(retryable=True)
SLOWS = _Refusal(retryable=True, throttled=True)
FAILS = _Refusal(retryable=False)
FORBIDDEN = _Refusal(
    retryable=False,
    hint=(
        " The function's role needs lambda:CheckpointDurableExecution and lambda:GetDurableExecutionState on "
        "arn:aws:lambda:REGION:ACCOUNT:function:NAME:* (with the ':*': an unqualified function ARN never matches)."
    ),
)
TOO_LARGE = _Refusal(retryable=False, hint=" Store large values elsewhere and return a reference to them.")

BY_CODE: Mapping[str, _Refusal] = {
    # The error's code wins over its HTTP status (protocol.md 14.4; reliability.md 2, rows 14 to 21).
    "TooManyRequestsException": SLOWS,
    "ThrottlingException": SLOWS,
    "Throttling": SLOWS,
    "RequestLimitExceeded": SLOWS,
    "ServiceException": HEALS,
    "RequestTimeout": HEALS,
    "RequestTimeoutException": HEALS,
    "RequestExpired": HEALS,
    "IDPCommunicationError": HEALS,
    "ExpiredToken": HEALS,  # a fresh sandbox has fresh credentials
    "ExpiredTokenException": HEALS,
    "InvalidSignatureException": HEALS,
    "SignatureDoesNotMatch": HEALS,
    "AccessDenied": FORBIDDEN,
    "AccessDeniedException": FORBIDDEN,
    "KMSAccessDeniedException": FAILS,
    "KMSDisabledException": FAILS,
    "KMSInvalidStateException": FAILS,
    "KMSNotFoundException": FAILS,
    "RequestTooLargeException": TOO_LARGE,
    "RequestEntityTooLargeException": TOO_LARGE,
}
BY_STATUS: Mapping[int, _Refusal] = {403: FORBIDDEN, 408: HEALS, 413: TOO_LARGE, 429: SLOWS}
_STALE = "invalid checkpoint token"


def _called(operation: str, call: Callable[..., R], **request: Any) -> R:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return call(**request)
    except ClientError as error:
        failure = _refused(operation, error.response)
    except BotoCoreError as error:
        failure = _unreached(operation, error)
    except Exception as error:  # noqa: BLE001 - botocore's reading of an answer that is none
        failure = BackendError(f"{operation}: the answer can't be read ({type(error).__name__})", retryable=True)
    # Raised here, outside the except: botocore's error holds the request, and with it payload and token.
    raise failure


def _refused(operation: str, response: Mapping[str, Any]) -> BackendError:
    details = response.get("Error", {})
    code = str(details.get("Code", ""))
    text = str(details.get("Message", "") or response.get("message", ""))
    status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    stale = status in {0, 400} and text.lower().startswith(_STALE)
    refusal = HEALS if stale else BY_CODE.get(code) or BY_STATUS.get(status) or _by_class(status)
    message = f"{operation} was refused: {code or 'no error code'}, HTTP {status or 'status unknown'}"
    if text:
        message += f": {text[:_SHOWN]}"
    return BackendError(
        message + refusal.hint, retryable=refusal.retryable, throttled=refusal.throttled, stale_token=stale
    )


def _by_class(status: int) -> _Refusal:
    return FAILS if 400 <= status < 500 else HEALS


_DETERMINISTIC = frozenset({"ParamValidationError", "UnknownParameterError", "ValidationError", "NoRegionError"})


def _unreached(operation: str, error: Exception) -> BackendError:
    """No answer: the network may heal. What botocore refused to send will never be sent."""
    name = type(error).__name__
    fails = name in _DETERMINISTIC
    why = "botocore refused to send it" if fails else "no answer came"
    return BackendError(f"{operation}: {why} ({name})", retryable=not fails)
