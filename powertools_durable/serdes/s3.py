"""Large values as objects of S3; the record holds a pointer.

A pointer is trusted for one bucket and prefix, and for the operation that recorded it: any other is refused without a
request (docs/reliability.md#security-list, item 4).
"""

from __future__ import annotations

import re
import threading
from base64 import b64encode
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from powertools_durable.backends.clients import Clients, shared_client
from powertools_durable.errors import DurableConfigError, RetryableSerDesError, SerDesError
from powertools_durable.serdes.base import SerDes, SerDesContext
from powertools_durable.serdes.storing import OVER, StoringSerDes, folder_of

__all__ = ["S3SerDes"]

R = TypeVar("R")

PREFIX = "powertools-durable/"
TAG = ("powertools-durable", "value")
CONNECT_TIMEOUT = 3  # seconds
READ_TIMEOUT = 15  # seconds without a byte
ATTEMPTS = 4  # the first call included
_CONNECTIONS = 64  # of one client: a fan-out writes from 32 threads, and each may read
_FORMAT = 1
_KEPT = 512 * 1024  # bytes; what a branch that goes on after a wait reads again
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]|arn:[\w.:/-]{1,200}")
_PASSING = ("SlowDown", "Throttl", "Timeout", "TooManyRequests", "LimitExceeded", "Unavailable", "Internal", "Expired")
_SHOWN = 80  # characters of a name that a record holds


class S3SerDes(StoringSerDes):
    """Writes what is too large for a record to an object of S3.

    The object is written before the record, under a key made of hashes of the execution, the operation and the
    content: written again, it is the same object. It is read when a replay reaches the operation. Objects have the tag
    ``powertools-durable=value``; nothing deletes them but a lifecycle rule of yours.

    Parameters
    ----------
    bucket : str
        Name of the bucket, or ARN of an access point.
    over : int
        Largest text, in bytes, that is recorded itself; default: 261,120.
    preview : Callable | None
        Makes of the value something JSON has, up to 4,096 bytes, that is recorded beside the pointer for readers of
        the history. It is neither encrypted nor masked.
    inner : SerDes | None
        Makes the text; default: the format that ``returns`` asks for.
    prefix : str
        What keys begin with.
    client : object | None
        A boto3 client for S3; default: one that is made with the first call.

    Raises
    ------
    DurableConfigError
        That can't be the name of a bucket, or *inner* stores values too.

    Examples
    --------
    >>> @durable(serdes=S3SerDes("orders-values", inner=CompressingSerDes()))  # doctest: +SKIP
    """

    def __init__(
        self,
        bucket: str,
        *,
        over: int = OVER,
        preview: Callable[[Any], object] | None = None,
        inner: SerDes[Any] | None = None,
        prefix: str = PREFIX,
        client: Any = None,
    ) -> None:
        super().__init__(over, preview=preview, inner=inner)
        if not _BUCKET.fullmatch(str(bucket)):
            message = "S3SerDes takes the name of a bucket, such as S3SerDes('orders-values'), or an access point's ARN"
            raise DurableConfigError(message)
        self.bucket = bucket
        self.prefix = prefix
        self._objects = _Objects(bucket, client)  # shared by the copies around other formats

    def __repr__(self) -> str:
        return f"S3SerDes({self.bucket!r})"

    def _keep(self, data: bytes, digest: str, context: SerDesContext) -> dict[str, object]:
        key = self._key_of(context, digest)
        self._objects.put(key, data, digest)
        return {"s3": _FORMAT, "bucket": self.bucket, "key": key, "sha256": digest, "bytes": len(data)}

    def _fetch(self, pointer: Mapping[str, Any], context: SerDesContext) -> bytes | None:
        match pointer:
            case {"s3": int(version), "bucket": str(bucket), "key": str(key), "sha256": digest, "bytes": size}:
                pass
            case _:
                return None
        problem = ""
        if version != _FORMAT:
            problem = f"has version {version}, and only {_FORMAT} is known"
        elif bucket != self.bucket:
            problem = f"names another bucket than {self.bucket!r}"
        elif not key.startswith(self.prefix):
            problem = f"names a key outside of {self.prefix!r}"
        elif key != self._key_of(context, digest):
            problem = "is not one of this operation's"
        if problem:
            place = f"s3://{bucket[:_SHOWN]}/{key[:_SHOWN]}"
            message = f"a recorded pointer, {place!r}, {problem}; nothing was requested"
            raise SerDesError(message)
        return self._objects.get(key, size, context.execution_arn)

    def _altered(self, pointer: Mapping[str, Any]) -> SerDesError:
        return SerDesError(f"s3://{self.bucket}/{pointer['key']} is not what was recorded of it")

    def _key_of(self, context: SerDesContext, digest: str) -> str:
        execution, operation = folder_of(context)
        return f"{self.prefix}{execution}/{operation}-{digest}"


class _Objects:
    """The objects of a bucket, and those of one execution that were read last."""

    def __init__(self, bucket: str, client: Any) -> None:
        self._bucket = bucket
        self._client: Callable[[], Any] = _shared_client if client is None else lambda: client
        self._lock = threading.Lock()
        self._tried = False
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._kept_of = ""

    def put(self, key: str, data: bytes, digest: str) -> None:
        """Write an object; the first one of a process is read at once, before anything depends on it."""
        self._call(
            "written to",
            key,
            lambda: self._client().put_object(
                Bucket=self._bucket,
                Key=key,
                Body=data,
                ContentType="application/json",
                ChecksumSHA256=b64encode(bytes.fromhex(digest)).decode(),
                Tagging="=".join(TAG),
            ),
        )
        if not self._tried:
            self._read(key, 0)
            self._tried = True

    def get(self, key: str, size: int, execution_arn: str) -> bytes:
        """Return an object, but no more than *size* bytes and one: more is another object."""
        with self._lock:
            if self._kept_of != execution_arn:
                self._kept.clear()
                self._kept_of = execution_arn
            if (kept := self._kept.get(key)) is not None:
                return kept
        data = self._read(key, size)
        if len(data) <= _KEPT:
            with self._lock:
                self._kept[key] = data
                while sum(map(len, self._kept.values())) > _KEPT:
                    self._kept.popitem(last=False)
        return data

    def _read(self, key: str, size: int) -> bytes:
        def read() -> bytes:
            answer = self._client().get_object(Bucket=self._bucket, Key=key)
            with answer["Body"] as body:
                data: bytes = body.read(size + 1)
            return data

        return self._call("read from", key, read)

    def _call(self, done: str, key: str, call: Callable[[], R]) -> R:
        try:
            return call()
        except Exception as error:  # noqa: BLE001 - botocore's, or what the client of the user's raises
            failure = _failure(f"a value could not be {done} s3://{self._bucket}/{key}", error)
        # Raised here, outside the except: botocore's error may hold the request, and with it the value.
        raise failure


_shared: Clients = []


def _shared_client() -> Any:
    return shared_client(_shared, _new_client)


def _new_client() -> Any:
    from botocore.config import Config
    from botocore.session import get_session

    config = Config(
        connect_timeout=CONNECT_TIMEOUT,
        read_timeout=READ_TIMEOUT,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        max_pool_connections=_CONNECTIONS,
        request_checksum_calculation="when_required",  # each object comes with its SHA-256 ...
        response_checksum_validation="when_required",  # ... which is compared with the record's
        user_agent_extra="powertools-durable",
    )
    return get_session().create_client("s3", config=config)


def _failure(what: str, error: Exception) -> SerDesError:
    """Say what S3 or the network said, by its code and never its words, and whether that may be over in a moment."""
    from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, IncompleteReadError
    from botocore.exceptions import ConnectionError as NoConnection

    match error:
        case RetryableSerDesError():
            return error
        case ClientError():
            code = str(error.response.get("Error", {}).get("Code", "")) or "no error code"
            status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
            passes = status >= 500 or status == 429 or any(word in code for word in _PASSING)
            detail = f"{code}, HTTP {status}"
        case HTTPClientError() | NoConnection() | IncompleteReadError() | OSError():
            passes, detail = True, type(error).__name__
        case BotoCoreError():
            passes, detail = False, type(error).__name__
        case _:
            passes, detail = False, type(error).__name__
    message = f"{what}: {detail}{_HINTS.get(detail.partition(',')[0], '')}"
    return RetryableSerDesError(message) if passes else SerDesError(message)


_HINTS = {
    "AccessDenied": ". The function's role needs s3:PutObject, s3:PutObjectTagging and s3:GetObject on these keys; "
    "without s3:ListBucket S3 also says so of an object that is gone",
    "NoSuchKey": ". A lifecycle rule or somebody deleted it: rules must outlast executions and their retention",
}
