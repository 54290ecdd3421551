"""An S3 that speaks HTTP: moto's server, in this process, which also notes each request and can fail."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any

import pytest

REGION = "eu-west-1"
_OWN = "the-test-itself"
_NUMBERS = itertools.count(1)


class Request:
    """What a client sent: the method, the path with its query, the headers, the body."""

    def __init__(self, environ: dict[str, Any], body: bytes) -> None:
        query = environ.get("QUERY_STRING", "")
        self.method = environ["REQUEST_METHOD"]
        self.path = environ["PATH_INFO"] + (f"?{query}" if query else "")
        self.headers = {name[5:].lower(): value for name, value in environ.items() if name.startswith("HTTP_")}
        self.body = body

    def __repr__(self) -> str:
        return f"{self.method} {self.path}"


class FakeS3:
    """A server for the session, whose bucket and notes are those of one test.

    Attributes
    ----------
    url : str
        Its address.
    client : object
        A client of the test's own, whose requests are not noted.
    bucket : str
        Name of the bucket; no other test has the same.
    requests : list[Request]
        What was asked since the bucket was made.
    faults : dict[str, list[tuple[int, str]]]
        For a method, status and code of the next answers.
    gate : Callable | None
        Called with each request before it is answered.
    """

    def __init__(self) -> None:
        self._app = _moto()
        self.url = ""
        self.client: Any = None

    def begin(self) -> None:
        """Forget the last test, and make a bucket."""
        self.bucket = f"bucket-{next(_NUMBERS)}"
        self.requests: list[Request] = []
        self.faults: dict[str, list[tuple[int, str]]] = {}
        self.gate: Callable[[Request], object] | None = None
        self.client.create_bucket(Bucket=self.bucket, CreateBucketConfiguration={"LocationConstraint": REGION})

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        if _OWN not in environ.get("HTTP_USER_AGENT", ""):
            request = Request(environ, body)
            self.requests.append(request)
            if self.gate is not None:
                self.gate(request)
            if faults := self.faults.get(request.method):
                status, code = faults.pop(0)
                start_response(f"{status} Fault", [("Content-Type", "application/xml")])
                return [f"<Error><Code>{code}</Code><Message>words of S3</Message></Error>".encode()]
        return self._app({**environ, "wsgi.input": BytesIO(body)}, start_response)

    def objects(self) -> dict[str, bytes]:
        """Return what is in the bucket, by key."""
        listed = self.client.list_objects_v2(Bucket=self.bucket).get("Contents", [])
        return {one["Key"]: self.client.get_object(Bucket=self.bucket, Key=one["Key"])["Body"].read() for one in listed}

    def sent(self, method: str) -> list[Request]:
        """Return the requests with that method."""
        return [request for request in self.requests if request.method == method]


def _moto() -> Any:
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

    return DomainDispatcherApplication(create_backend_app)


@contextmanager
def s3_server() -> Iterator[FakeS3]:
    """Serve on a free port."""
    import boto3
    from botocore.config import Config
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Quiet(WSGIRequestHandler):
        def log(self, *_: Any) -> None:
            pass

    fake = FakeS3()
    server = make_server("127.0.0.1", 0, fake, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="s3-server", daemon=True)
    thread.start()
    fake.url = f"http://127.0.0.1:{server.server_port}"
    own = Config(user_agent_extra=_OWN)
    fake.client = boto3.client("s3", endpoint_url=fake.url, region_name=REGION, config=own)
    try:
        yield fake
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="session")
def s3_of_the_session() -> Iterator[FakeS3]:
    """Serve an S3; it is started when the first test asks for it."""
    with s3_server() as server:
        yield server


@pytest.fixture
def s3(s3_of_the_session: FakeS3, monkeypatch: pytest.MonkeyPatch) -> FakeS3:
    """Return the session's S3 with a bucket of this test; clients that are made from now on find it."""
    s3_of_the_session.begin()
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3_of_the_session.url)
    return s3_of_the_session
