"""The official emulator of the durable execution service, stock, as a process of its own."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import boto3

from e2e.executions import Executions
from e2e.local.function import ACCOUNT, DUMMY_ACCOUNT, REGION, Function


class Emulator:
    """Runs from the first line to `close`; what it says goes to *log*. *functions* may be invoked by others."""

    def __init__(self, log: Path, functions: dict[str, Any] | None = None) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        module = "aws_durable_execution_sdk_python_testing.cli"
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", module, "start-server", "--host=127.0.0.1", f"--port={port}"),
                    f"--function-configs={json.dumps(functions or {})}",
                ],
                env=DUMMY_ACCOUNT | {"PATH": os.environ["PATH"]},
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self._wait_until_healthy()
        self._client = boto3.client(
            "lambda",
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=DUMMY_ACCOUNT["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=DUMMY_ACCOUNT["AWS_SECRET_ACCESS_KEY"],
        )
        self.executions = Executions(self._client)

    def start(self, function: Function, event: object, name: str = "order-42", *, seconds: int = 120) -> str:
        """Start an execution, which is the emulator's own call; return its ARN."""
        started = self._post(
            "/start-durable-execution",
            AccountId=ACCOUNT,
            FunctionName=function.name,
            FunctionQualifier="1",
            ExecutionName=name,
            ExecutionTimeoutSeconds=seconds,
            ExecutionRetentionPeriodDays=1,
            Input=json.dumps(event),
            LambdaEndpoint=f"http://{function.address}",
        )
        arn: str = started["ExecutionArn"]
        return arn

    def invoke_at(self, address: str) -> None:
        """Reach functions that others invoke at *address*; an execution's own endpoint is not for them."""
        body = json.dumps({"EndpointUrl": f"http://{address}"}).encode()
        request = urllib.request.Request(f"{self.url}/lambda-endpoint", body, method="PUT")
        urllib.request.urlopen(request, timeout=10).close()

    def close(self) -> None:
        self._client.close()
        self._process.kill()
        self._process.wait()

    def _post(self, path: str, **body: object) -> dict[str, Any]:
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=10) as response:
            answer: dict[str, Any] = json.loads(response.read())
        return answer

    def _wait_until_healthy(self) -> None:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise RuntimeError(f"the emulator ended at once with exit code {self._process.returncode}")
            try:
                urllib.request.urlopen(f"{self.url}/health", timeout=1).close()
            except OSError:
                time.sleep(0.1)
            else:
                return
        raise TimeoutError("the emulator does not answer")
