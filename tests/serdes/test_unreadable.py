"""Recorded texts of something else, and formats that a user brings: docs/contributing/protocol.md#text-formats."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import pytest
from pydantic import BaseModel
from typing_extensions import TypedDict

from powertools_durable import durable
from powertools_durable.errors import RetryableSerDesError, SerDesError
from powertools_durable.serdes import ModelSerDes, PassThrough, PlainJson, SerDesContext, TaggedJson
from powertools_durable.serdes.base import prove, read, write
from powertools_durable.serdes.models import serdes_for
from powertools_durable.testing import Simulator

HERE = SerDesContext("op", "arn")


class Payment(BaseModel):
    id: str
    fee: Decimal = Decimal(0)


class Row(TypedDict):
    when: date


class Colour(enum.Enum):
    BLUE = "blue"


@dataclass
class Node:
    below: Node | None = None


UNREADABLE = [
    (ModelSerDes(Payment), '{"id":', "a recorded value is not a Payment: result (json_invalid)"),
    (ModelSerDes(Payment), '"canary"', "a recorded value is not a Payment: result ("),
    (ModelSerDes(Payment), '{"id":["canary"],"fee":"canary"}', "result.id (string_type); result.fee (decimal_parsing)"),
    (ModelSerDes(list[Row]), '[{"when":"canary"}]', "result[0].when (date_from_datetime_parsing)"),
    (ModelSerDes(Colour), '"canary"', "a recorded value is not a Colour: result (enum)"),
    (ModelSerDes(Node), '{"below":' * 5000, "a recorded value is not a Node: result (json_invalid)"),
    (TaggedJson(), '{"canary":1', "a recorded value is no JSON, from position 11 on"),
    (TaggedJson(), '{"t":"i","v":' + "9" * 5000 + "}", "a recorded value is not in the tagged format: ValueError"),
    (TaggedJson(), '{"t":"l","v":[' * 5000, "a recorded value is "),
    (TaggedJson(), '{"t":"xtd","v":' + "9" * 50 + "}", "a recorded value is not in the tagged format: OverflowError"),
    (TaggedJson(), '{"t":"xs","v":[{"t":"l","v":[]}]}', "a recorded value is not in the tagged format: TypeError"),
    (TaggedJson(), '{"t":"xk","v":["ab"]}', "a recorded value has no envelope"),
    (TaggedJson(), '{"t":"m","v":{"a":"canary"}}', "a recorded value has no envelope"),
    (PlainJson(), "{canary", "a recorded value can't be read by PlainJson: JSONDecodeError"),
    (PlainJson(), "[" * 100_000, "a recorded value can't be read by PlainJson: RecursionError"),
]


@pytest.mark.parametrize(("serdes", "text", "words"), UNREADABLE, ids=[row[2][-40:] for row in UNREADABLE])
def test_a_recorded_text_of_something_else_is_named_and_not_shown(serdes, text, words):
    with pytest.raises(SerDesError) as caught:
        read(text, serdes, HERE)
    assert words in str(caught.value)
    assert len(str(caught.value)) < 500
    assert "canary" not in str(caught.value)
    assert caught.value.__context__ is None or "canary" not in str(caught.value.__context__)


def test_a_long_place_is_cut_short():
    with pytest.raises(SerDesError) as caught:
        read('{"%s":{"id":1}}' % ("k" * 5000), ModelSerDes(dict[str, Payment]), HERE)
    assert len(str(caught.value)) < 300


# -- a serdes of the user's --------------------------------------------------------------------------------------------


class Rounds:
    """Loses something, and may: it was asked for."""

    def serialize(self, value, context):
        return f"{value:.0f}"

    def deserialize(self, text, context):
        if text == "away":
            raise RetryableSerDesError("later")
        return float(text)


def test_a_given_serdes_may_change_the_value_and_the_first_run_sees_what_it_reads():
    assert prove(1.6, Rounds(), HERE) == ("2", 2.0)


def test_a_given_serdes_may_ask_for_another_invocation_when_reading():
    with pytest.raises(RetryableSerDesError, match="later"):
        read("away", Rounds(), HERE)


class Keeper:
    def __init__(self):
        self.seen = []

    def serialize(self, value, context):
        self.seen.append(context)
        return "x"

    def deserialize(self, text, context):
        self.seen.append(context)
        return text


def test_a_given_serdes_is_told_whose_value_it_is():
    keeper = Keeper()
    prove(1, keeper, HERE)
    assert keeper.seen == [SerDesContext("op", "arn")] * 2


async def answer(): ...


@pytest.mark.parametrize("serdes", [TaggedJson(), PlainJson(), PassThrough(), Keeper(), serdes_for(Iterable[Payment])])
def test_what_is_no_result_yet_is_refused_by_every_serdes(serdes):
    with closing(answer()) as coroutine:
        for value, remedy in ((iter_of(), "return a list of what it yields"), (coroutine, "await it")):
            with pytest.raises(SerDesError, match=f"it is not a result yet; {remedy}"):
                write(value, serdes, HERE)


def iter_of():
    yield 1


# -- whose it is -------------------------------------------------------------------------------------------------------


class RefusedError(SerDesError):
    """What a user's serdes says in its own words."""


class Refuses(Keeper):
    def deserialize(self, text, context):
        raise RefusedError("no")


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"returns": bool}, ("SerDesError", "callback 'approval' (#1): a recorded value is not a bool: ")),
        ({"serdes": Refuses()}, (f"{__name__}.RefusedError", "no")),
    ],
)
def test_the_operation_is_named_unless_the_serdes_has_words_of_its_own(options, error):
    @durable
    def handler(event, ctx):
        return ctx.create_callback(name="approval", **options).result()

    run = Simulator(handler).start().finish()
    run.callback("approval").succeed("canary")
    run.finish()
    kind, words = error
    assert run.error.error_type == kind
    assert run.error.error_message.startswith(words)
    assert "canary" not in run.error.error_message
