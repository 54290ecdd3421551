"""powertools_durable, as its users write it. The interface is that of the harness that measures it beside its peers."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

from powertools_durable import DurableContext, durable
from powertools_durable.backends import lambda_

log = logging.getLogger()
Handler = Callable[[Any, Any], dict[str, Any]]


def numbered(i: int) -> dict[str, int]:
    """Return what the harness's own body returns, without its look at the service."""
    return {"i": i}


def configured(client: Any) -> Any:
    """Return the harness's client with the ``meta`` that each client of boto3 has; what it holds is our default's."""
    if client is not None and not hasattr(client, "meta"):
        retries = {"mode": "standard", "total_max_attempts": lambda_.ATTEMPTS}
        timeouts = {"connect_timeout": lambda_.CONNECT_TIMEOUT, "read_timeout": lambda_.READ_TIMEOUT}
        client.meta = SimpleNamespace(config=SimpleNamespace(**timeouts, retries=retries))
    return client


class Peer:
    """Programs of the harness as durable handlers."""

    import_statement = "from powertools_durable import DurableContext, durable"
    client_statement = (
        "from powertools_durable import DurableContext, durable\n"
        "from powertools_durable.backends.lambda_ import LambdaBackend\n"
        "LambdaBackend().warm()"
    )
    recording = staticmethod(nullcontext)
    returns: Any = None

    batched = False  # in batch mode a step is not safe before the next one runs, so the harness must not ask for that

    def steps(self, client: Any, program: Any) -> Handler:
        """Make *n* steps one after another."""
        batched, mark, returns, lines = self.batched, program.mark, self.returns, program.log_lines
        body = numbered if batched else program.body

        @durable(boto3_client=configured(client))
        def handler(_event: dict[str, Any], ctx: DurableContext) -> Any:
            results = []
            with ctx.batch() if batched else nullcontext():
                for i in range(program.n):
                    results.append(ctx.step(body, i, name=f"s{i}", returns=returns))
                    for k in range(lines):
                        log.info("line %d of step %d", k, i)
            if program.tail_lines:
                mark("tail")
                for k in range(program.tail_lines):
                    log.info("line %d of step %d", k, program.n)
                mark("end")
            return program.fold(results)

        return handler

    def fan_out(self, client: Any, program: Any) -> Handler:
        """Map over *n* items, each one step."""

        def work(i: int) -> Any:
            if program.pause:
                time.sleep(program.pause)
            return program.body(i)

        def item(child: DurableContext, value: int) -> Any:
            return child.step(work, value, name="work")

        @durable(boto3_client=configured(client))
        def handler(_event: dict[str, Any], ctx: DurableContext) -> Any:
            batch = ctx.map(item, range(program.n), name="fan", max_concurrency=program.max_concurrency)
            return program.fold(batch.results)

        return handler

    def waiting(self, client: Any, program: Any) -> Handler:
        """Step, wait, step."""

        @durable(boto3_client=configured(client))
        def handler(_event: dict[str, Any], ctx: DurableContext) -> Any:
            a = ctx.step(program.body, 0, name="before")
            ctx.wait(program.seconds, name="pause")
            return a + ctx.step(program.body, 1, name="after")

        return handler
