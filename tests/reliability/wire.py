"""The service's twin behind real HTTP on loopback, for real botocore: with faults, and with every word kept."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import boto3
from botocore.config import Config
from pydantic import TypeAdapter

from powertools_durable._protocol.update import OperationUpdate
from powertools_durable._protocol.wire import to_wire
from powertools_durable._service.host import Host
from powertools_durable._service.update_validation import ServiceRefusal
from powertools_durable.backends import LambdaBackend
from tests.loopback import LoopbackServer

UPDATES = TypeAdapter(list[OperationUpdate])
READ_TIMEOUT = 2  # seconds; a loaded machine must not reach it, and a test with a silent server waits for it
_SESSION = boto3.Session()  # loads the service model once


@dataclass(frozen=True)
class Fault:
    """What happens to one request: ``reset`` the connection, stay ``silent`` until the client gives up, or a status.

    ``applied`` says whether the service did what it was asked before. ``echo`` repeats the request in the answer.
    """

    status: int = 0
    code: str = ""
    message: str = "no"
    reset: bool = False
    silent: bool = False
    applied: bool = False
    echo: bool = False
    body: str | None = None


class LambdaOverHttp(LoopbackServer):
    """CheckpointDurableExecution and GetDurableExecutionState of one host."""

    def __init__(self, host: Host) -> None:
        super().__init__(_Handler)
        self.host = host
        self.faults: dict[str, deque[Fault]] = {"checkpoint": deque(), "state": deque()}
        self.always: Fault | None = None
        self.requests: list[tuple[str, dict[str, Any]]] = []

    def fail(self, call: str, *faults: Fault) -> None:
        """Let the next requests of *call* go wrong."""
        self.faults[call].extend(faults)

    def asked(self, call: str) -> list[dict[str, Any]]:
        """The requests of *call*."""
        return [request for name, request in self.requests if name == call]

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: LambdaOverHttp

    def log_message(self, *_: object) -> None:
        pass

    def _serve(self) -> None:
        url = urlsplit(self.path)
        arn, call = unquote(url.path).removeprefix("/2025-12-01/durable-executions/").rsplit("/", 1)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        asked = json.loads(body) if body else {key: values[0] for key, values in parse_qs(url.query).items()}
        self.server.requests.append((call, asked))
        faults = self.server.faults[call]
        fault = faults.popleft() if faults else self.server.always
        if fault is None or fault.applied:
            status, code, answer = self._do(call, arn, asked)
        if fault is None:
            self._answer(status, answer, code)
        elif fault.reset:
            self.close_connection = True
            self.connection.close()
        elif fault.silent:
            self.close_connection = True
            self.rfile.read(1)  # returns when the client has given up
        elif fault.body is not None:
            self._answer(200, fault.body, "")
        else:
            text = f"{fault.message} {json.dumps(asked)}" if fault.echo else fault.message
            self._answer(fault.status, json.dumps({"message": text, "Message": text}), fault.code)

    do_GET = do_POST = _serve  # noqa: N815 - as http.server wants them

    def _do(self, call: str, arn: str, asked: dict[str, Any]) -> tuple[int, str, str]:
        host = self.server.host
        try:
            if call == "checkpoint":
                updates = UPDATES.validate_python(asked.get("Updates", []))
                told: object = host.checkpoint(arn, asked["CheckpointToken"], updates, asked["ClientToken"])
            else:
                told = host.get_execution_state(arn, asked["CheckpointToken"], asked["Marker"], int(asked["MaxItems"]))
        except ServiceRefusal as refusal:
            return refusal.status, refusal.code, json.dumps({"message": str(refusal)})
        return 200, "", json.dumps(_in_seconds(to_wire(told)))

    def _answer(self, status: int, text: str, code: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        if code:
            self.send_header("x-amzn-ErrorType", code)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())


def _in_seconds(value: Any) -> Any:
    """An answer of the API has seconds, an event milliseconds (docs/contributing/protocol.md#timestamps)."""
    if isinstance(value, list):
        return [_in_seconds(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: part / 1000 if key.endswith("Timestamp") and isinstance(part, int) else _in_seconds(part)
        for key, part in value.items()
    }


class Wire:
    """Makes the backend of a `Run`: real botocore to a `LambdaOverHttp` of its host."""

    def __init__(self, attempts: int = 1) -> None:
        self._attempts = attempts  # botocore's own; with one, what is sent again is the checkpointer's doing

    def __call__(self, host: Host) -> LambdaBackend:
        """Serve *host*."""
        self.server = LambdaOverHttp(host).__enter__()
        config = Config(
            connect_timeout=READ_TIMEOUT,
            read_timeout=READ_TIMEOUT,
            retries={"mode": "standard", "total_max_attempts": self._attempts},
        )
        self.client = _SESSION.client("lambda", endpoint_url=self.server.url, region_name="eu-west-1", config=config)
        return LambdaBackend(self.client)

    def close(self) -> None:
        """End both sides."""
        self.client.close()
        self.server.__exit__()


@contextmanager
def wired(attempts: int = 1) -> Iterator[Wire]:
    """Give a `Wire`, and close it."""
    wire = Wire(attempts)
    try:
        yield wire
    finally:
        wire.close()
