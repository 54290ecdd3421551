"""An agent that uses several tools at once; one of them waits for a person, the others don't wait for it.

Run it here::

    powertools-durable run examples/agent_async.py:handler --event '{"task": "book a table for four"}'

Each tool call is a child context that is named by the id of the call. A tool may take several steps, wait, or ask
somebody. What the model said and what a tool returned is recorded: nothing is asked, or paid, a second time. The
model here is a few lines of rules, so that the example needs no account; put a call to yours into `think`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Literal

from pydantic import BaseModel

from powertools_durable import AsyncDurableContext, ChildContextError, Retry, durable

MAX_TURNS = 10


class Task(BaseModel):
    task: str


class ToolCall(BaseModel):
    id: str
    tool: str
    argument: str


class Thought(BaseModel):
    text: str = ""
    calls: list[ToolCall] = []


class Message(BaseModel):
    role: Literal["user", "tool"]
    text: str


async def think(messages: list[Message]) -> Thought:
    """Ask the model what to do next. This fake only counts the messages."""
    if len(messages) == 1:
        return Thought(
            calls=[
                ToolCall(id="call-1", tool="search", argument=messages[0].text),
                ToolCall(id="call-2", tool="weather", argument="tonight"),
                ToolCall(id="call-3", tool="ask", argument="Italian or Thai?"),
            ]
        )
    return Thought(text="; ".join(message.text for message in messages[1:]))


async def find(what: str) -> str:
    return "Luigi's has a table"


def forecast(when: str) -> str:
    """Ask a service with a blocking client: a ``def`` function runs on a thread."""
    if when != "tonight":
        raise LookupError(f"there is no forecast for {when}")
    return "it will rain"


async def send_question(callback_id: str, question: str) -> None:
    """Send the question to a person, by chat or mail."""


# --8<-- [start:tools]
async def search(ctx: AsyncDurableContext, what: str) -> str:
    return await ctx.step(find, what)


async def weather(ctx: AsyncDurableContext, when: str) -> str:
    return await ctx.step(forecast, when, retry=Retry.transient())


async def ask(ctx: AsyncDurableContext, question: str) -> str:
    answer = ctx.wait_for_callback(send_question, question, name="person", returns=str)
    winner, value = await ctx.race(
        {"answer": answer, "nobody": ctx.wait(timedelta(days=7))}, name="patience"
    )
    return str(value) if winner == "answer" else "nobody answered"


TOOLS: dict[str, Callable[[AsyncDurableContext, str], Awaitable[str]]] = {
    "search": search,
    "weather": weather,
    "ask": ask,
}


async def use(ctx: AsyncDurableContext, call: ToolCall) -> Message:
    """Use one tool in a child context with the name of the call."""
    try:
        text = await ctx.run_in_child_context(
            TOOLS[call.tool], call.argument, name=call.id
        )
    except KeyError:
        text = f"there is no tool {call.tool}; there are {', '.join(TOOLS)}"
    except ChildContextError as error:
        text = f"{call.tool} failed: {error.message}"
    return Message(role="tool", text=text)


@durable
async def handler(event: Task, ctx: AsyncDurableContext) -> str:
    """Work on a task until the model has nothing left to call."""
    messages = [Message(role="user", text=event.task)]
    for turn in range(1, MAX_TURNS + 1):
        thought = await ctx.step(
            think, messages, name=f"think-{turn}", retry=Retry.transient()
        )
        if not thought.calls:
            return thought.text
        async with asyncio.TaskGroup() as group:
            used = [group.create_task(use(ctx, call)) for call in thought.calls]
        messages += [task.result() for task in used]
    raise RuntimeError(f"no answer after {MAX_TURNS} turns")


# --8<-- [end:tools]
