"""The two calls over botocore, one client for the process; AWS's errors sorted into those that may heal and not."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from powertools_durable._protocol.result import CheckpointResponse, StatePage
from powertools_durable._protocol.update import OperationUpdate
from powertools_durable._protocol.wire import to_wire
from powertools_durable.backends.clients import Clients, shared_client
from powertools_durable.backends.refusals import refused, secrets_of
from powertools_durable.errors import BackendError

__all__ = ["LambdaBackend"]

R = TypeVar("R")

CONNECT_TIMEOUT = 5  # seconds
READ_TIMEOUT = 50  # seconds
ATTEMPTS = 4  # the first call included; botocore repeats with the same client token
_NO_METHOD = "the client has no such call; it must be a Lambda client of boto3 1.42.1 or newer"


class LambdaBackend:
    """The Lambda service.

    Parameters
    ----------
    client : object | None
        A boto3 Lambda client; default: one for the process, made with the first call or by `warm`. Outside of Lambda
        another one is made when the environment tells botocore something else.
    """

    def __init__(self, client: Any = None) -> None:
        self._client = client
        self._is_shared = client is None

    def warm(self) -> None:
        """Make the client now: in Lambda's init phase the CPU is free, in the first invocation it is not."""
        if self._is_shared:
            self._client = shared_client(_shared, _new_client)

    def checkpoint(
        self, arn: str, checkpoint_token: str, updates: Sequence[OperationUpdate], client_token: str
    ) -> CheckpointResponse:
        """Apply *updates*; see `DurableBackend.checkpoint`."""
        operation = "CheckpointDurableExecution"
        request = {
            "DurableExecutionArn": arn,
            "CheckpointToken": checkpoint_token,
            "Updates": [to_wire(update) for update in updates],
            "ClientToken": client_token,
        }
        answer = self._call(operation, "checkpoint_durable_execution", request, updates)
        return _read(CheckpointResponse, operation, answer)

    def get_execution_state(self, arn: str, checkpoint_token: str, marker: str, max_items: int) -> StatePage:
        """Return a page of records; see `DurableBackend.get_execution_state`."""
        operation = "GetDurableExecutionState"
        request = {
            "DurableExecutionArn": arn,
            "CheckpointToken": checkpoint_token,
            "Marker": marker,
            "MaxItems": max_items,
        }
        page = _read(StatePage, operation, self._call(operation, "get_durable_execution_state", request))
        if page.operations is None:  # taken for the last page, it would have finished steps run again
            raise _unreadable(operation, "it has no Operations")
        return page

    def _call(
        self, operation: str, method: str, request: Mapping[str, Any], updates: Sequence[OperationUpdate] = ()
    ) -> Mapping[str, Any]:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            self.warm()
            call = getattr(self._client, method, None)
            if call is not None:
                return call(**request)  # type: ignore[no-any-return]
            failure = BackendError(f"{operation}: {_NO_METHOD}", retryable=False)
        except ClientError as error:
            secrets = (request["CheckpointToken"], request.get("ClientToken", ""), *secrets_of(updates))
            failure = _refused(operation, error.response, updates, secrets)
        except BotoCoreError as error:
            failure = _unreached(operation, error)
        except Exception as error:  # noqa: BLE001 - botocore's reading of an answer that is none
            failure = _unreadable(operation, type(error).__name__)
        # Raised here, outside the except: botocore's error holds the request, and with it payload and token.
        raise failure


# -- the client -----------------------------------------------------------------------------------------------

_shared: Clients = []


def _new_client() -> Any:
    from botocore.config import Config
    from botocore.session import get_session

    session = get_session()  # what boto3 adds to it, resources and the like, has no use here
    config = Config(
        connect_timeout=CONNECT_TIMEOUT,
        read_timeout=READ_TIMEOUT,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        parameter_validation=False,  # what is sent is built of checked and typed parts; the service has the last word
        # Given as a whole: botocore would put it together anew for each request.
        user_agent=f"{session.user_agent()} powertools-durable/{_version()}",
    )
    session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=_left_or_parsed)
    return session.create_client("lambda", config=config)


def _left_or_parsed(value: Any) -> Any:
    """Leave a moment that is a number to our own reading: botocore's is most of what a page of records costs."""
    if type(value) is int or type(value) is float:
        return value
    from botocore.utils import parse_timestamp

    return parse_timestamp(value)


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

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


def _read(cls: type[R], operation: str, answer: Mapping[str, Any]) -> R:
    from pydantic import ValidationError

    kind = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("content-type", "json")
    if "json" not in kind:  # a page of something in between, which botocore takes for an answer without fields
        raise _unreadable(operation, "it is no JSON")
    try:
        result: R = _reader(cls)(answer)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False, include_context=False)
        failure = _unreadable(operation, f"{details[0]['loc']}: {details[0]['type']}")
    else:
        return result
    raise failure


def _unreadable(operation: str, why: str) -> BackendError:
    return BackendError(f"{operation}: the answer can't be read ({why})", retryable=True)


# -- refusals -------------------------------------------------------------------------------------------------


def _refused(
    operation: str, response: Mapping[str, Any], updates: Sequence[OperationUpdate], secrets: Iterable[str]
) -> BackendError:
    details = response.get("Error", {})
    code = str(details.get("Code", ""))
    text = str(details.get("Message", "") or response.get("message", ""))
    status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    lead = f"{operation} was refused: {code or 'no error code'}, HTTP {status or 'status unknown'}"
    return refused(lead, code=code, status=status, text=text, updates=updates, secrets=secrets)


# The one part of botocore's report that holds none of the values: the phrase and the path it begins with.
_PATH = re.compile(r"[A-Z][a-z ]+ parameter (?:in )?([\w.\[\]]+)")


def _unreached(operation: str, error: Exception) -> BackendError:
    """No answer: the network may heal. What botocore refused to send will never be sent."""
    from botocore.exceptions import ConnectionError as NoConnection
    from botocore.exceptions import HTTPClientError, NoRegionError, ParamValidationError, ValidationError

    name = type(error).__name__
    match error:
        case ParamValidationError() | ValidationError() | NoRegionError():
            path = _PATH.search(str(error.kwargs.get("report", "")).partition("\n")[0])
            detail = f"{name}: {path[1]}" if path else name
            return BackendError(f"{operation}: botocore refused to send it ({detail})", retryable=False)
        case HTTPClientError() | NoConnection():
            return BackendError(f"{operation}: no answer came ({name})", retryable=True)
        case _:
            return BackendError(f"{operation}: botocore could not send it ({name})", retryable=True)
