"""The service's refusals, sorted into those that may heal and those that can't, in words that may be shown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from powertools_durable._frozen import frozen
from powertools_durable._protocol.operation import ErrorObject
from powertools_durable._protocol.update import OperationUpdate
from powertools_durable.errors import BackendError

__all__ = ["refused", "secrets_of", "showable"]


@frozen
class _Kind:
    retryable: bool
    throttled: bool = False
    hint: str = ""


HEALS = _Kind(retryable=True)
SLOWS = _Kind(retryable=True, throttled=True)
FAILS = _Kind(retryable=False)
FORBIDDEN = _Kind(
    retryable=False,
    hint=(
        " The function's role needs lambda:CheckpointDurableExecution and lambda:GetDurableExecutionState on "
        "arn:aws:lambda:REGION:ACCOUNT:function:NAME:* (with the ':*': an unqualified function ARN never matches)."
    ),
)
TOO_LARGE = _Kind(retryable=False, hint=" Store large values elsewhere and return a reference to them.")

BY_CODE: Mapping[str, _Kind] = {
    # The error's code wins over its HTTP status: docs/contributing/protocol.md#api-errors and
    # docs/reliability.md#fault-rows, rows 14 to 21, 73.
    "TooManyRequestsException": SLOWS,
    "ThrottlingException": SLOWS,
    "Throttling": SLOWS,
    "ThrottledException": SLOWS,
    "RequestThrottled": SLOWS,
    "RequestThrottledException": SLOWS,
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
    "InvalidParameterValueException": FAILS,  # unless it is about the token, see `refused`
    "ResourceNotFoundException": FAILS,
}
BY_STATUS: Mapping[int, _Kind] = {
    # A conflict (409) and "too early" (425) pass with what they collide with, such as another change of the function.
    403: FORBIDDEN,
    408: HEALS,
    409: HEALS,
    413: TOO_LARGE,
    425: HEALS,
    429: SLOWS,
}

_STALE = "invalid checkpoint token"
_SHOWN = 300  # characters of the service's own words
_SECRET_FROM = 8  # characters; anything shorter is part of ordinary words
_ECHO = re.compile(r"Value '.*' at ", re.DOTALL)  # how AWS repeats a value that it does not like


def refused(
    lead: str,
    *,
    code: str,
    status: int,
    text: str,
    updates: Sequence[OperationUpdate] = (),
    secrets: Iterable[str] = (),
) -> BackendError:
    """Return the error of a refusal.

    Parameters
    ----------
    lead : str
        How the message begins.
    code : str
        The exception's name in the service's model; empty when there was none.
    status : int
        HTTP status; 0 when unknown.
    text : str
        The service's own words.
    updates : Sequence[OperationUpdate]
        What was sent, so that the one that is too large can be named.
    secrets : Iterable[str]
        What the message must not repeat.
    """
    stale = status in {0, 400} and text.lower().startswith(_STALE)
    kind = HEALS if stale else BY_CODE.get(code) or BY_STATUS.get(status) or _by_class(status)
    words = f": {showable(text, secrets)}" if text else ""
    named = _largest(updates) if kind is TOO_LARGE or (kind is FAILS and "size" in text.lower()) else ""
    return BackendError(
        f"{lead}{words}{named}{kind.hint}", retryable=kind.retryable, throttled=kind.throttled, stale_token=stale
    )


def _by_class(status: int) -> _Kind:
    return FAILS if 400 <= status < 500 else HEALS


# -- words that may be shown ----------------------------------------------------------------------------------


def secrets_of(updates: Iterable[OperationUpdate]) -> Iterator[str]:
    """Yield every text of the user's in *updates*."""
    for update in updates:
        if update.payload:
            yield update.payload
        if update.error:
            yield from _texts(update.error)


def _texts(error: ErrorObject) -> Iterator[str]:
    yield from filter(None, (error.error_message, error.error_data, *(error.stack_trace or ())))


def showable(text: str, secrets: Iterable[str]) -> str:
    """Return *text* without what the service repeats of the request: a message goes into logs and into the history."""
    text = _ECHO.sub("Value '...' at ", text)
    for secret in secrets:
        if len(secret) >= _SECRET_FROM:
            text = text.replace(secret, "...")
    return text[:_SHOWN]


def _largest(updates: Sequence[OperationUpdate]) -> str:
    if not updates:
        return ""
    sizes = [sum(map(len, secrets_of([update]))) for update in updates]
    size, update = max(zip(sizes, updates, strict=True), key=lambda pair: pair[0])
    label = repr(update.name) if update.name else update.id[:8]
    return f" (the largest update: {update.action.value} of {update.type.value} {label}, {size} characters)"
