"""An async client that is opened once, and used by every invocation that the sandbox serves.

Run it here::

    powertools-durable run examples/warm_client.py:handler --event '["EUR", "CHF"]' --skip-time

The client here keeps one connection to an in-memory server, so that the example needs no network. Like `aiohttp`,
`httpx` and `aiobotocore`, it belongs to the event loop on which it was opened. A thread that invokes keeps its loop,
so the connection stays usable from one invocation to the next, after an exception too.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal

from powertools_durable import AsyncDurableContext, durable

PRICES = {"EUR": Decimal("1.08"), "CHF": Decimal("1.12"), "GBP": Decimal("1.27")}


class RatesClient:
    """Asks a server for exchange rates over one connection.

    Attributes
    ----------
    opened : int
        How often it was opened.
    """

    def __init__(self) -> None:
        self.opened = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._questions: asyncio.Queue[tuple[str, asyncio.Future[Decimal]]] = (
            asyncio.Queue()
        )
        self._connection: asyncio.Task[None] | None = None

    async def rate(self, currency: str) -> Decimal:
        """Return the rate of a currency."""
        loop = asyncio.get_running_loop()
        if (
            self._loop is not loop
        ):  # not open, or opened on a loop that no longer exists
            self.opened += 1
            self._loop = loop
            self._questions = asyncio.Queue()
            self._connection = asyncio.create_task(self._serve(self._questions))
        answer: asyncio.Future[Decimal] = loop.create_future()
        await self._questions.put((currency, answer))
        return await answer

    async def _serve(
        self, questions: asyncio.Queue[tuple[str, asyncio.Future[Decimal]]]
    ) -> None:
        while True:
            currency, answer = await questions.get()
            if currency in PRICES:
                answer.set_result(PRICES[currency])
            else:
                answer.set_exception(LookupError(f"no rate for {currency}"))


# --8<-- [start:warm]
# Created when the module loads. It connects at its first use, inside a step.
client = RatesClient()


async def rate(currency: str) -> Decimal:
    return await client.rate(currency)


@durable
async def handler(currencies: list[str], ctx: AsyncDurableContext) -> list[Decimal]:
    """Ask for rates today and tomorrow, and return how much each has changed."""
    today = await asyncio.gather(*[ctx.step(rate, currency) for currency in currencies])
    await ctx.wait(timedelta(days=1))
    tomorrow = await asyncio.gather(
        *[ctx.step(rate, currency) for currency in currencies]
    )
    return [after - before for before, after in zip(today, tomorrow, strict=True)]


# --8<-- [end:warm]
