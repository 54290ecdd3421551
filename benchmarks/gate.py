"""Measure `gate`: ``make bench-gate``, by default 1,000 running executions, read by HTTP from a process of its own.

Each execution has 40 operations, of 1 KB each, and its history comes in pages after a latency as AWS's. A second run on
a tenth of the executions shows that memory does not grow with their number. `def` and `async def` handlers take turns.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from powertools_durable import AsyncDurableContext, DurableContext, durable
from powertools_durable.testing import Simulator

SECONDS, MEGABYTES = 60, 1.15  # at most: for all of them; as often the memory that a tenth of them takes
OPERATIONS, BYTES, PAGE = 40, 1_000, 100
_ROOT = Path(__file__).parents[1]
_ARN = "arn:aws:lambda:us-east-1:123456789012:function:orders:$LATEST/durable-execution"


def work(number: int) -> str:
    """Return a text."""
    return f"{number} ".ljust(BYTES, "x")


@durable
def handler(_event: object, ctx: DurableContext) -> None:
    """Make the steps, then wait."""
    for number in range(OPERATIONS):
        ctx.step(work, number)
    ctx.wait(86_400)


@durable
async def async_handler(_event: object, ctx: AsyncDurableContext) -> None:
    """Make the steps, then wait."""
    for number in range(OPERATIONS):
        await ctx.step(work, number)
    await ctx.wait(86_400)


def _in_seconds(part: Any) -> Any:
    if not isinstance(part, dict):
        return part
    return {key: value / 1000 if key.endswith("Timestamp") else _in_seconds(value) for key, value in part.items()}


class _Account(BaseHTTPRequestHandler):
    """Answers ListDurableExecutionsByFunction and GetDurableExecutionHistory."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    events: list[Any]
    count: int
    latency: float

    def log_message(self, *_: object) -> None:
        """Print nothing."""

    def do_GET(self) -> None:
        """Answer a page."""
        url = urlsplit(self.path)
        query = parse_qs(url.query)
        time.sleep(self.latency)
        if unquote(url.path).endswith("/history"):
            key, items = "Events", self.events
        else:
            key, items = "DurableExecutions", [self._item(number) for number in range(self.count)]
        start = int(query.get("Marker", ["0"])[0])
        page: dict[str, Any] = {key: items[start : start + PAGE]}
        if start + PAGE < len(items):
            page["NextMarker"] = str(start + PAGE)
        text = json.dumps(page).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def _item(self, number: int) -> dict[str, Any]:
        return {
            "DurableExecutionArn": f"{_ARN}/order-{number}/{number:032x}",
            "DurableExecutionName": f"order-{number}",
            "FunctionArn": _ARN.partition(":$LATEST")[0],
            "Status": "RUNNING",
            "StartTimestamp": 1_760_000_000.0,
        }


def serve(count: int, latency: float) -> None:
    """Serve *count* executions until standard input ends; print the port."""
    run = Simulator(handler).start(None)
    _Account.events = [_in_seconds(event) for event in run.history()]
    _Account.count, _Account.latency = count, latency
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Account)
    print(server.server_port, flush=True)
    server.serve_forever()


def measure(name: str, count: int, latency: float) -> tuple[float, float, float]:
    """Return seconds by the clock, seconds of the processor and MB at most of `gate` on *count* executions."""
    line = [sys.executable, "-m", "benchmarks.gate", "--serve", str(count), "--latency", str(latency)]
    with subprocess.Popen(line, cwd=_ROOT, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            url = f"http://127.0.0.1:{server.stdout.readline().strip()}"
            gate = ["gate", f"benchmarks.gate:{name}", "--aws", "--function", "orders"]
            account = {"AWS_ENDPOINT_URL_LAMBDA": url, "AWS_REGION": "us-east-1"}
            keys = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}
            start = time.perf_counter()
            process = subprocess.Popen(
                [sys.executable, "-m", "powertools_durable", *gate],
                cwd=_ROOT,
                env=os.environ | account | keys,
                stdout=subprocess.PIPE,
                text=True,
            )
            assert process.stdout is not None
            said = process.stdout.read()
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            seconds = time.perf_counter() - start
        finally:
            server.kill()
    if process.returncode or f"safe {count}, broken 0, unknown 0" not in said:
        raise SystemExit(f"gate ended with {process.returncode}: {said}")
    return seconds, usage.ru_utime + usage.ru_stime, _megabytes(usage)


def _megabytes(usage: resource.struct_rusage) -> float:
    return usage.ru_maxrss / (1_000_000 if sys.platform == "darwin" else 1_000)


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gate", description=__doc__.partition("\n")[0])
    parser.add_argument("--executions", type=int, default=1_000)
    parser.add_argument("--latency", type=float, default=0.03, help="seconds that each response takes")
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve is not None:
        serve(arguments.serve, arguments.latency)
        return
    for name in ("handler", "async_handler"):
        _, _, few = measure(name, max(1, arguments.executions // 10), arguments.latency)
        seconds, cpu, many = measure(name, arguments.executions, arguments.latency)
        is_met = seconds <= SECONDS and many <= MEGABYTES * few
        print(
            f"{'met' if is_met else 'NOT MET':8} {name:14} {arguments.executions:,} executions: {seconds:.1f} s wall, "
            f"{cpu:.1f} s CPU, {many:.0f} MB at most; a tenth of them: {few:.0f} MB",
            flush=True,
        )


if __name__ == "__main__":
    main()
