"""The record of an exception group names what is in it: `TaskGroup` says only how many there were."""

from __future__ import annotations

import asyncio

import pytest
from pydantic import BaseModel

from powertools_durable import ChildContextError, Retry, durable
from powertools_durable.errors.recording import to_error_object
from powertools_durable.testing import Simulator


class Card(BaseModel):
    number: int


async def fails(text):
    raise LookupError(text)


async def grouped(ctx):
    async with asyncio.TaskGroup() as group:
        group.create_task(fails("no hotel"))
        group.create_task(attempts(ctx))


async def attempts(ctx):
    await ctx.step(fails, "no flight", retry=Retry.none())


def test_the_execution_fails_with_what_failed_in_the_group():
    @durable
    async def handler(_: dict, ctx) -> None:
        await grouped(ctx)

    error = Simulator(handler).start({}).finish().error
    assert error.error_type == "ExceptionGroup"
    assert error.error_message == "unhandled errors in a TaskGroup (1 sub-exception): LookupError: no hotel"


def test_a_child_context_passes_it_on():
    @durable
    async def handler(_: dict, ctx) -> str:
        try:
            await ctx.run_in_child_context(grouped)
        except ChildContextError as error:
            return error.message
        return ""

    assert Simulator(handler).start({}).finish().result.endswith("(1 sub-exception): LookupError: no hotel")


def test_groups_in_a_group_are_named_too():
    group = ExceptionGroup("outer", [KeyError("a"), ExceptionGroup("inner", [ValueError("b")])])
    assert to_error_object(group).error_message == (
        "outer (2 sub-exceptions): KeyError: 'a'; ExceptionGroup: inner (1 sub-exception): ValueError: b"
    )


def test_a_refused_value_is_in_no_message_of_a_group():
    with pytest.raises(ValueError, match="number") as caught:
        Card(number="4111-1111")
    assert "4111" not in to_error_object(ExceptionGroup("g", [caught.value])).error_message
