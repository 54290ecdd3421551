"""A Lambda service of our own on loopback: real HTTP, real botocore."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, unquote, urlsplit

import boto3
import pytest
from botocore.config import Config

from powertools_durable.backends import LambdaBackend
from tests.loopback import LoopbackServer


class Service(LoopbackServer):
    """Answers as it is told, in order; the last answer stays."""

    def __init__(self):
        super().__init__(Handler)
        self.requests = []
        self.answers = []

    def answer(self, status=200, body=None, *, error=None, raw=None, drop=False):
        self.answers.append({"status": status, "body": body or {}, "error": error, "raw": raw, "drop": drop})


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def _serve(self):
        url = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.requests.append(
            {
                "method": self.command,
                "path": unquote(url.path),
                "query": parse_qs(url.query),
                "body": json.loads(body) if body else None,
                "agent": self.headers["User-Agent"],
            }
        )
        answers = self.server.answers
        told = answers.pop(0) if len(answers) > 1 else answers[0]
        if told["drop"]:
            self.close_connection = True
            self.connection.close()
            return
        text = told["raw"] if told["raw"] is not None else json.dumps(told["body"])
        self.send_response(told["status"])
        self.send_header("Content-Type", "application/json")
        if told["error"]:
            self.send_header("x-amzn-ErrorType", told["error"])
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    do_GET = do_POST = _serve  # noqa: N815 - as http.server wants them


@pytest.fixture
def service():
    with Service() as server:
        yield server


@pytest.fixture
def client(service):
    """A client as ours is, but one that does not wait between attempts."""
    config = Config(connect_timeout=30, read_timeout=30, retries={"mode": "standard", "total_max_attempts": 2})
    made = boto3.client("lambda", endpoint_url=service.url, region_name="eu-west-1", config=config)
    yield made
    made.close()


@pytest.fixture
def backend(client):
    return LambdaBackend(client)
