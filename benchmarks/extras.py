"""Scenarios that the shared harness does not have: cold starts, log lines, values that JSON does not have.

Each function takes the harness's `Bench` and returns figures, like those in its ``scenarios.py``.
"""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

LOAD = "from powertools_durable import DurableContext, durable"
IMPORTS = {
    "ours": f"from aws_lambda_powertools import Logger\n{LOAD}",
    "official": "import aws_durable_execution_sdk_python",
}

# What `init_ms` and `resident_mb` are measured on: engine, client, Powertools' Logger, a model, a decorated handler.
COLD = {
    "ours": """
from aws_lambda_powertools import Logger
from powertools_durable import DurableContext, durable
from pydantic import BaseModel

logger = Logger("orders")

class Order(BaseModel):
    id: str
    sku: str
    quantity: int = 1

def charge(order: Order) -> str:
    return order.id

@durable
def handler(order: Order, ctx: DurableContext) -> str:
    logger.info("order")
    return ctx.step(charge, order)
""",
    "official": """
from aws_durable_execution_sdk_python import durable_execution
from aws_durable_execution_sdk_python.lambda_service import LambdaClient
from aws_lambda_powertools import Logger
from pydantic import BaseModel

logger = Logger("orders")
LambdaClient.initialize_client()

class Order(BaseModel):
    id: str
    sku: str
    quantity: int = 1

@durable_execution
def handler(event, context):
    order = Order.model_validate(event)
    logger.info("order")
    return context.step(lambda _: order.id, name="charge")
""",
}

RESIDENT = """
import gc, pathlib, sys
gc.collect()
rss = next(l for l in pathlib.Path("/proc/self/status").read_text().splitlines() if l.startswith("VmRSS"))
print(int(rss.split()[1]), len(sys.modules))
"""

OWN = """
import sys, time, {others}
before = set(sys.modules)
began = time.process_time()
{load}
print((time.process_time() - began) * 1e3, len(set(sys.modules) - before))
"""


def cold(bench: Any, program: str) -> dict[str, float]:
    """A fresh sandbox: CPU from nothing to a decorated handler with its client, and what then stays resident."""
    environment = {**os.environ, "AWS_LAMBDA_FUNCTION_NAME": "bench", "POWERTOOLS_SERVICE_NAME": "bench"}

    def once() -> dict[str, float]:
        return _child(COLD[program] + RESIDENT, environment, ("resident_kb", "modules"))

    figures: dict[str, float] = bench.repeat(once, most=9, seconds=12)
    figures["resident_mb"] = round(figures.pop("resident_kb") / 1024, 2)
    return figures


def imported(bench: Any, program: str) -> dict[str, float]:
    """Import what a handler imports: ours with Powertools' Logger, the official SDK alone, which loads boto3."""
    found: dict[str, float] = bench.repeat(
        lambda: _child(f"{IMPORTS[program]}\nprint(0)", dict(os.environ), ("zero",)), most=9, seconds=9
    )
    return found


def own_modules(bench: Any) -> dict[str, float]:
    """CPU of our own modules alone: everything else they import is there already."""
    listing = f"import sys\n{LOAD}\nprint(*(n for n in sys.modules if not n.startswith(('powertools_durable', '__'))))"
    names = subprocess.run([sys.executable, "-c", listing], check=True, capture_output=True, text=True).stdout.split()
    importable = ", ".join(name for name in names if name.replace(".", "").replace("_", "").isalnum())
    code = OWN.format(others=importable, load=LOAD)
    found: dict[str, float] = bench.repeat(
        lambda: _child(code, dict(os.environ), ("own_ms", "own")), most=15, seconds=9
    )
    return found


def _child(code: str, environment: dict[str, str], names: tuple[str, ...]) -> dict[str, float]:
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment)
    assert child.stdout is not None
    out = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise RuntimeError(code)
    figures = dict(zip(names, map(float, out.split()), strict=True))
    return {"cpu_ms": (usage.ru_utime + usage.ru_stime) * 1e3, **figures}


def tagged_values(bench: Any, n: int = 50, kilobytes: int = 100) -> dict[str, float]:
    """*n* steps that each return *kilobytes* of values that JSON does not have: executed, then replayed."""
    from peers.base import Steps  # type: ignore[import-not-found]
    from scenarios import Clock  # type: ignore[import-not-found]

    clock = Clock(bench.service)
    row = {"at": datetime(2026, 1, 1, tzinfo=UTC), "price": Decimal("12.50"), "id": UUID(int=7), "tags": ("a", "b")}
    rows = [dict(row) for _ in range(kilobytes * 1024 // 212)]  # characters of a row in the tagged format
    expected = n * len(rows)

    def handler_of(client: Any) -> Any:
        return bench.peer.steps(client, Steps(n, lambda _: rows, lambda results: sum(map(len, results))))

    handler = handler_of(bench.client)
    history = bench.record(handler_of(bench.stub))

    def once(records: Any) -> dict[str, float]:
        bench.load(records)
        bench.succeeded(bench.invoke(handler, bench.event(), clock), expected)
        wall, cpu = clock.between("enter", "return")
        return {"wall_ms": wall, "cpu_ms": cpu}

    executed = bench.repeat(lambda: once(None), most=5)
    replayed = bench.repeat(lambda: once(history), most=5)
    return {"execute_cpu_ms": executed["cpu_ms"], "replay_cpu_ms": replayed["cpu_ms"]}


def log_line(bench: Any) -> dict[str, float]:
    """What a line of Powertools' Logger costs in a durable handler."""
    from log_line import powertools_line  # it imports ours, which peers' environments lack

    return powertools_line(bench)


def large_values(bench: Any, *, stored: bool) -> dict[str, float]:
    """50 values of 1 MB, as plain records or through gzip and S3."""
    from large_values import values  # it imports ours, which peers' environments lack

    return values(bench, stored=stored)


EXTRAS = {
    "cold": cold,
    "imported": imported,
    "large_values": large_values,
    "own_modules": own_modules,
    "powertools_line": log_line,
    "tagged_values": tagged_values,
}
