"""examples/agent.py: thoughts and tools are steps, a person is a callback."""

from __future__ import annotations

from datetime import timedelta

from examples import agent as example
from powertools_durable.testing import Simulator

EVENT = {"task": "book a table for four"}


def steps(run):
    return [record.name for record in run.operations if record.type == "STEP"]


def test_it_searches_and_then_waits_for_a_person():
    run = Simulator(example.handler).start(EVENT)
    assert run.status == "RUNNING"
    assert steps(run)[:3] == ["think-1", "search-1", "think-2"]
    assert run.callback("person") is not None


def test_a_yes_books():
    run = Simulator(example.handler).start(EVENT)
    run.advance(timedelta(days=7))
    run.callback("person").succeed("Yes, please")
    assert (run.status, run.result) == ("SUCCEEDED", "booked Luigi's; that is all")
    assert "book-3" in steps(run)


def test_a_no_does_not():
    run = Simulator(example.handler).start(EVENT)
    run.callback("person").succeed("no, we eat at home")
    assert (run.status, run.result) == ("SUCCEEDED", "no, we eat at home; that is all")
    assert "book-3" not in steps(run)


def test_no_thought_is_paid_twice(monkeypatch):
    asked = []

    def think(messages: list[example.Message]) -> example.Thought:
        asked.append(len(messages))
        return original(messages)

    original = example.think
    monkeypatch.setattr(example, "think", think)
    run = Simulator(example.handler).start(EVENT)
    run.callback("person").succeed("yes")
    assert len(run.invocations) == 2
    assert asked == [1, 2, 3, 4]


def test_a_model_that_is_busy_is_asked_again(monkeypatch):
    calls = []

    def think(messages: list[example.Message]) -> example.Thought:
        calls.append(messages)
        if len(calls) == 1:
            raise ConnectionError("busy")
        return original(messages)

    original = example.think
    monkeypatch.setattr(example, "think", think)
    run = Simulator(example.handler).start(EVENT).finish()
    assert run.operation("think-1").attempts == 2


def test_a_tool_that_does_not_exist_is_told_to_the_model(monkeypatch):
    told = []

    def think(messages: list[example.Message]) -> example.Thought:
        told.append(messages[-1].text)
        if len(messages) == 1:
            return example.ToolCall(tool="teleport", argument="")
        return example.Answer(text="so be it")

    monkeypatch.setattr(example, "think", think)
    run = Simulator(example.handler).start(EVENT).finish()
    assert (run.status, run.result) == ("SUCCEEDED", "so be it")
    assert told[1] == "there is no tool 'teleport'; there are search, book"


def test_a_model_that_never_comes_to_an_end_is_stopped(monkeypatch):
    def think(messages: list[example.Message]) -> example.Thought:
        return example.ToolCall(tool="search", argument="more")

    monkeypatch.setattr(example, "think", think)
    run = Simulator(example.handler).start(EVENT).finish()
    assert (run.status, run.error.error_message) == ("FAILED", "no answer after 10 turns")
