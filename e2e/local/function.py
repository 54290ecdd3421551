"""A Lambda function on this machine: the Invoke API in front, Lambda's own Python runtime behind.

The runtime (the package ``awslambdaric``) is what runs in Lambda's sandboxes. It fetches its invocations from the
Runtime API and posts the answers there: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
import uuid
from concurrent.futures import Future
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import SimpleQueue
from typing import Any

ACCOUNT, REGION = "123456789012", "us-west-2"
TIMEOUT = 30  # seconds one invocation may take
ROOT = Path(__file__).parents[2]
DUMMY_ACCOUNT = {
    "AWS_ACCESS_KEY_ID": "x",
    "AWS_SECRET_ACCESS_KEY": "x",
    "AWS_DEFAULT_REGION": REGION,
    "AWS_REGION": REGION,
    "AWS_EC2_METADATA_DISABLED": "true",
}


@dataclass
class Answer:
    """What came of an invocation: a payload, and how it failed if it did."""

    payload: bytes
    error: str | None = None


@dataclass
class Invocation:
    """An event on its way through a sandbox."""

    event: bytes
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    answer: Future[Answer] = field(default_factory=Future)

    def end(self, payload: bytes, error: str | None = None) -> None:
        if not self.answer.done():
            self.answer.set_result(Answer(payload, error))


class Server:
    """HTTP on a free port of this machine; whoever inherits answers."""

    def __init__(self) -> None:
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._adapter())
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._http.server_port}"

    def answer(self, path: str, body: bytes, headers: Any) -> tuple[int, dict[str, str], bytes] | None:
        """Return status, headers and body; None to close the connection without a word."""
        raise NotImplementedError

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def _adapter(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Adapter(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                answer = server.answer(self.path, body, self.headers)
                if answer is None:
                    self.close_connection = True
                    return
                status, headers, content = answer
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(content))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def do_GET(self) -> None:
                self.do_POST()

            def log_message(self, *args: object) -> None:
                pass

        return Adapter


class Sandbox(Server):
    """One process with Lambda's runtime and the handler in it, and the Runtime API for it."""

    def __init__(self, task_root: Path, handler: str, environment: dict[str, str], log: Path) -> None:
        super().__init__()
        self._todo: SimpleQueue[Invocation | None] = SimpleQueue()
        self._current: Invocation | None = None
        self._init_error: bytes | None = None
        self._name = environment["AWS_LAMBDA_FUNCTION_NAME"]
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "awslambdaric", handler],
                cwd=task_root,
                env=environment | {"AWS_LAMBDA_RUNTIME_API": self.address},
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        threading.Thread(target=self._watch, daemon=True).start()

    def invoke(self, event: bytes) -> Answer:
        self._current = invocation = Invocation(event)
        if self.process.poll() is None:
            self._todo.put(invocation)
        else:
            self._fail(invocation)
        try:
            return invocation.answer.result(TIMEOUT)
        except TimeoutError:
            self.process.kill()
            return Answer(b'{"errorType": "Sandbox.Timedout", "errorMessage": "Task timed out"}', "Unhandled")

    def answer(self, path: str, body: bytes, headers: Any) -> tuple[int, dict[str, str], bytes] | None:
        match path.removeprefix("/2018-06-01/runtime/").split("/"):
            case ["invocation", "next"]:
                invocation = self._todo.get()
                return (200, self._headers(invocation), invocation.event) if invocation else None
            case ["invocation", id_, "response"] if self._current and self._current.id == id_:
                self._current.end(body)
            case ["invocation", id_, "error"] if self._current and self._current.id == id_:
                self._current.end(body, "Unhandled")
            case ["init", "error"]:
                self._init_error = body
            case _:
                return 404, {}, b"{}"
        return 202, {}, b"{}"

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        super().close()

    def _headers(self, invocation: Invocation) -> dict[str, str]:
        return {
            "Content-Type": "application/json",
            "Lambda-Runtime-Aws-Request-Id": invocation.id,
            "Lambda-Runtime-Deadline-Ms": str(round((time.time() + TIMEOUT) * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{self._name}:1",
            "Lambda-Runtime-Trace-Id": f"Root=1-{int(time.time()):x}-{uuid.uuid4().hex[:24]};Sampled=0",
        }

    def _watch(self) -> None:
        self.process.wait()
        self._todo.put(None)  # releases the thread that waits to answer the process
        if self._current is not None:
            self._fail(self._current)

    def _fail(self, invocation: Invocation) -> None:
        message = f"RequestId: {invocation.id} Error: Runtime exited with error: {self.process.returncode}"
        exited = json.dumps({"errorType": "Runtime.ExitError", "errorMessage": message}).encode()
        invocation.end(self._init_error or exited, "Unhandled")


class Function(Server):
    """A function with one sandbox at a time, a new one after a crash; reached by Lambda's Invoke API."""

    def __init__(self, name: str, task_root: Path, handler: str, **environment: str) -> None:
        super().__init__()
        self.name = name
        self.answers: list[Answer] = []
        self.sandboxes: list[Sandbox] = []
        self._log = task_root / "function.log"
        self._deployed = (task_root, handler)
        self._one_at_a_time = threading.Lock()
        self._environment = (
            DUMMY_ACCOUNT
            | {
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(ROOT),
                "AWS_EXECUTION_ENV": f"AWS_Lambda_python{sys.version_info.major}.{sys.version_info.minor}",
                "AWS_LAMBDA_FUNCTION_NAME": name,
                "AWS_LAMBDA_FUNCTION_VERSION": "1",
                "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
                "AWS_LAMBDA_LOG_FORMAT": "JSON",
                "LAMBDA_TASK_ROOT": str(task_root),
            }
            | environment
        )

    @property
    def log(self) -> str:
        return self._log.read_text(encoding="utf-8")

    def invoke(self, event: bytes) -> Answer:
        with self._one_at_a_time:
            if not self.sandboxes or self.sandboxes[-1].process.poll() is not None:
                self.sandboxes.append(Sandbox(*self._deployed, self._environment, self._log))
            answer = self.sandboxes[-1].invoke(event)
            self.answers.append(answer)
            return answer

    def deploy(self, handler: str) -> None:
        """Let the next invocation run *handler*, in a new sandbox."""
        with self._one_at_a_time:
            for sandbox in self.sandboxes:
                sandbox.close()
            self._deployed = (self._deployed[0], handler)
            self.sandboxes.clear()

    def answer(self, path: str, body: bytes, headers: Any) -> tuple[int, dict[str, str], bytes]:
        if f"/functions/{self.name}" not in path:
            return 404, {"X-Amzn-ErrorType": "ResourceNotFoundException"}, b'{"Message":"no such function"}'
        answer = self.invoke(body)
        failed = {"X-Amz-Function-Error": answer.error} if answer.error else {}
        return 200, {"X-Amzn-RequestId": str(uuid.uuid4()), "X-Amz-Executed-Version": "1", **failed}, answer.payload

    def close(self) -> None:
        for sandbox in self.sandboxes:
            sandbox.close()
        super().close()
