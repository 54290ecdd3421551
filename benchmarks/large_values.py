"""50 values of 1 MB: as plain records, and through gzip and S3, which is a process of its own with PUT and GET."""

from __future__ import annotations

import gc
import json
import os
import random
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

BUCKET = "bench-values"


def values(bench: Any, *, stored: bool, n: int = 50, kilobytes: int = 1000) -> dict[str, float]:
    """*n* steps that each return a value of *kilobytes*, of which gzip makes half: executed, then replayed."""
    from peers.ours import configured  # type: ignore[import-not-found]
    from scenarios import Clock, LambdaContext  # type: ignore[import-not-found]

    from powertools_durable import DurableContext, durable
    from powertools_durable.serdes import CompressingSerDes, S3SerDes

    clock = Clock(bench.service)
    size = kilobytes * 1000
    digits = random.Random(7)

    with _s3():
        serdes = S3SerDes(BUCKET, inner=CompressingSerDes()) if stored else None

        def handler_of(client: Any) -> Any:
            @durable(boto3_client=configured(client), serdes=serdes)
            def handler(_event: object, ctx: DurableContext) -> int:
                total = 0
                for i in range(n):
                    total += len(ctx.step(lambda: digits.randbytes(size // 2).hex(), name=f"v{i}"))
                return total

            return handler

        handler = handler_of(bench.client)

        def once(records: Any) -> dict[str, float]:
            bench.load(records)
            bench.succeeded(bench.invoke(handler, bench.event(), clock), n * size)
            wall, cpu = clock.between("enter", "return")
            return {"wall_ms": wall, "cpu_ms": cpu}

        history = bench.record(handler_of(bench.stub))
        executed = bench.repeat(lambda: once(None), most=3)
        replayed = bench.repeat(lambda: once(history), most=3)
        peaks = []
        for records in (None, history):
            bench.load(records)
            event = bench.event()
            gc.collect()
            tracemalloc.start()
            bench.succeeded(handler(event, LambdaContext()), n * size)
            peaks.append(tracemalloc.get_traced_memory()[1] / size)
            tracemalloc.stop()
    return {
        "execute_cpu_ms": executed["cpu_ms"],
        "replay_cpu_ms": replayed["cpu_ms"],
        "state_kb": len(json.dumps(history, default=str)) / 1024,
        "execute_values": round(peaks[0], 2),
        "replay_values": round(peaks[1], 2),
    }


@contextmanager
def _s3() -> Iterator[None]:
    """Serve a bucket in another process, whose CPU and memory are not measured."""
    server = subprocess.Popen(
        [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert server.stdin is not None
    assert server.stdout is not None
    os.environ |= {
        "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{int(server.stdout.readline())}",
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
    }
    try:
        yield
    finally:
        server.stdin.close()
        server.wait()


def _serve() -> None:
    objects: dict[str, bytes] = {}

    class Bucket(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_PUT(self) -> None:
            objects[self.path] = self.rfile.read(int(self.headers["Content-Length"]))
            self._answer(b"")

        def do_GET(self) -> None:
            self._answer(objects[self.path])

        def _answer(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Bucket)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_port, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    _serve()
