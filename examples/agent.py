"""An agent that plans, uses tools and asks a person: every thought and every tool call is a step.

Run it here::

    powertools-durable run examples/agent.py:handler --event '{"task": "book a table for four"}'

It stops where a person must say something, for a minute or a week, and prints how to answer. What the model said
before is recorded: it is not asked, and not paid, a second time. The model here is a few lines of rules, so that the
example needs no account; put a call to yours into `think`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from pydantic import BaseModel

from powertools_durable import DurableContext, Retry, durable

MAX_TURNS = 10


class Task(BaseModel):
    task: str


class ToolCall(BaseModel):
    kind: Literal["tool"] = "tool"
    tool: str
    argument: str


class Question(BaseModel):
    kind: Literal["question"] = "question"
    text: str


class Answer(BaseModel):
    kind: Literal["answer"] = "answer"
    text: str


class Message(BaseModel):
    role: Literal["user", "tool", "person"]
    text: str


Thought = ToolCall | Question | Answer


def think(messages: list[Message]) -> Thought:
    """Ask the model what to do next; a fake one, which only looks at who spoke last."""
    last = messages[-1]
    match last.role:
        case "user":
            return ToolCall(tool="search", argument=last.text)
        case "tool" if last.text.startswith("found"):
            return Question(text=f"I {last.text}. Shall I book it?")
        case "person" if last.text.lower().startswith("yes"):
            return ToolCall(
                tool="book", argument=messages[1].text.removeprefix("found ")
            )
        case _:
            return Answer(text=f"{last.text}; that is all")


def search(what: str) -> str:
    return "found Luigi's"


def book(what: str) -> str:
    return f"booked {what}"


TOOLS: dict[str, Callable[[str], str]] = {"search": search, "book": book}


def ask_person(callback_id: str, question: str) -> None:
    """Send the question to a person, by chat or mail."""


def act(thought: ToolCall | Question, turn: int, ctx: DurableContext) -> Message:
    """Do what the model wants, and write down what came of it."""
    match thought:
        case ToolCall(tool=tool, argument=argument) if tool in TOOLS:
            return Message(
                role="tool", text=ctx.step(TOOLS[tool], argument, name=f"{tool}-{turn}")
            )
        case ToolCall(tool=tool):
            return Message(
                role="tool",
                text=f"there is no tool {tool!r}; there are {', '.join(TOOLS)}",
            )
        case Question(text=text):
            answer = ctx.wait_for_callback(ask_person, text, name="person", returns=str)
            return Message(role="person", text=answer)


@durable
def handler(event: Task, ctx: DurableContext) -> str:
    """Work on a task until the model says that it is done."""
    messages = [Message(role="user", text=event.task)]
    for turn in range(1, MAX_TURNS + 1):
        thought = ctx.step(
            think, messages, name=f"think-{turn}", retry=Retry.transient()
        )
        if isinstance(thought, Answer):
            return thought.text
        messages.append(act(thought, turn, ctx))
    raise RuntimeError(f"no answer after {MAX_TURNS} turns")
