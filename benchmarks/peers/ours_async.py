"""powertools_durable with ``async def`` handlers: the same programs as `ours`, bodies are ``async def``."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

from peers.ours import configured

from powertools_durable import AsyncDurableContext, durable

Handler = Callable[[Any, Any], dict[str, Any]]


class Peer:
    """Programs of the harness as async handlers."""

    import_statement = "import asyncio\nfrom powertools_durable import AsyncDurableContext, durable"
    client_statement = (
        f"{import_statement}\nfrom powertools_durable.backends.lambda_ import LambdaBackend\nLambdaBackend().warm()"
    )
    recording = staticmethod(nullcontext)

    async_bodies = True
    gathers = False  # a gather of steps in place of a map

    def steps(self, client: Any, program: Any) -> Handler:
        """Make *n* steps one after another."""

        async def body(i: int) -> Any:
            return program.body(i)

        func = body if self.async_bodies else program.body

        @durable(boto3_client=configured(client))
        async def handler(_event: dict[str, Any], ctx: AsyncDurableContext) -> Any:
            return program.fold([await ctx.step(func, i, name=f"s{i}") for i in range(program.n)])

        return handler

    def fan_out(self, client: Any, program: Any) -> Handler:
        """Map over *n* items, each one step, or gather *n* steps."""

        async def work(i: int) -> Any:
            if program.pause:
                await asyncio.sleep(program.pause)
            return program.body(i)

        def blocking_work(i: int) -> Any:
            if program.pause:
                time.sleep(program.pause)
            return program.body(i)

        func = work if self.async_bodies else blocking_work

        async def item(child: AsyncDurableContext, value: int) -> Any:
            return await child.step(func, value, name="work")

        @durable(boto3_client=configured(client))
        async def handler(_event: dict[str, Any], ctx: AsyncDurableContext) -> Any:
            if self.gathers:
                return program.fold(await asyncio.gather(*[ctx.step(func, i, name="work") for i in range(program.n)]))
            batch = await ctx.map(item, range(program.n), name="fan", max_concurrency=program.max_concurrency)
            return program.fold(batch.results)

        return handler

    def waiting(self, client: Any, program: Any) -> Handler:
        """Step, wait, step."""

        async def body(i: int) -> Any:
            return program.body(i)

        @durable(boto3_client=configured(client))
        async def handler(_event: dict[str, Any], ctx: AsyncDurableContext) -> Any:
            a = await ctx.step(body, 0, name="before")
            await ctx.wait(program.seconds, name="pause")
            return a + await ctx.step(body, 1, name="after")

        return handler

    def parked(self, client: Any, n: int) -> Handler:
        """Wait *n* times at once."""

        @durable(boto3_client=configured(client))
        async def handler(_event: dict[str, Any], ctx: AsyncDurableContext) -> int:
            return len(await asyncio.gather(*[ctx.wait(60, name="pause") for _ in range(n)]))

        return handler
