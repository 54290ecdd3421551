"""A function may get its annotation while executions run: what was recorded without it is read as what it says now.

The same holds for what the official SDK recorded, which knows no annotations.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path

import pytest
from pydantic import BaseModel
from typing_extensions import TypedDict

from powertools_durable import durable
from powertools_durable.errors import SerDesError
from powertools_durable.serdes import ModelSerDes, SerDesContext, TaggedJson
from powertools_durable.serdes.models import serdes_for
from powertools_durable.testing import Simulator, replay

HERE = SerDesContext("op", "arn")
OFFICIAL = Path(__file__).parents[1] / "histories" / "official"
CHARGED = {"id": "pay-7", "total": 30}


class Model(BaseModel):
    id: str
    total: Decimal
    at: datetime | None = None


@dataclass
class Data:
    id: str
    total: int


class Typed(TypedDict):
    id: str
    total: int


class Colour(StrEnum):
    RED = "red"


@pytest.mark.parametrize(
    ("annotation", "recorded", "read"),
    [
        (Model, CHARGED, Model(id="pay-7", total=30)),
        (
            Model,
            {"id": "p", "total": Decimal("1.10"), "at": datetime(2026, 1, 1, tzinfo=UTC)},
            Model(id="p", total=Decimal("1.10"), at=datetime(2026, 1, 1, tzinfo=UTC)),
        ),
        (Data, CHARGED, Data("pay-7", 30)),
        (Typed, CHARGED, CHARGED),
        (list[Data], [CHARGED, CHARGED], [Data("pay-7", 30)] * 2),
        (dict[str, Data], {"a": CHARGED}, {"a": Data("pay-7", 30)}),
        (tuple[Colour, Data], ("red", CHARGED), (Colour.RED, Data("pay-7", 30))),
        (Colour, "red", Colour.RED),
        (Data | None, None, None),
    ],
    ids=str,
)
def test_what_was_recorded_without_an_annotation_is_read_as_it_says(annotation, recorded, read):
    text = TaggedJson().serialize(recorded, HERE)
    found = serdes_for(annotation).deserialize(text, HERE)
    assert (type(found), found) == (type(read), read)


@pytest.mark.parametrize("text", ['{"t":"m","v":{"id":{"t":"s","v":"canary"}}}', '{"t":"?","v":"canary"}', '{"t":'])
def test_what_does_not_fit_is_refused_and_not_told(text):
    with pytest.raises(SerDesError) as refused:
        serdes_for(Data).deserialize(text, HERE)
    assert "canary" not in str(refused.value)


def test_a_model_that_looks_like_the_format_is_read_as_itself():
    class Envelope(BaseModel):
        t: str
        v: int

    text = serdes_for(Envelope).serialize(Envelope(t="i", v=7), HERE)
    assert serdes_for(Envelope).deserialize(text, HERE) == Envelope(t="i", v=7)


def test_a_serdes_of_the_user_and_what_comes_from_outside_are_no_records_of_ours():
    text = TaggedJson().serialize(CHARGED, HERE)
    with pytest.raises(SerDesError):
        ModelSerDes(Data).deserialize(text, HERE)


@pytest.mark.parametrize("annotation", [Model, Data, Typed])
def test_an_annotation_may_be_added_to_a_step_that_has_run(annotation):
    seen = []

    def before(event, ctx):
        ctx.step(lambda: CHARGED, name="charge")
        ctx.map(lambda child, n: child.step(lambda: CHARGED, name="part"), [1, 2], name="parts")
        ctx.wait(60)

    def after(event, ctx):
        def charge() -> annotation: ...
        def part(child, n) -> annotation: ...

        charge.__annotations__["return"] = part.__annotations__["return"] = annotation
        seen.append(ctx.step(charge))
        seen.extend(ctx.map(part, [1, 2], name="parts").results)
        ctx.wait(60)

    run = Simulator(durable(before)).start()
    replay(durable(after), run.history()).assert_safe()
    assert seen == [serdes_for(annotation).deserialize('{"id":"pay-7","total":30}', HERE)] * 3


def test_what_the_official_sdk_recorded_is_read_as_the_annotation_says():
    seen = []

    def charge(order) -> Data: ...

    @durable
    def handler(event, ctx):
        seen.append(ctx.step(charge, event))
        ctx.wait(3600, name="cooling-off")

    replay(handler, OFFICIAL / "wait_running.json").assert_safe()
    assert seen == [Data("pay-7", 30)]


def test_another_annotation_than_what_was_recorded_still_breaks():
    class Other(BaseModel):
        number: int

    def charge(order) -> Other: ...

    charge.__annotations__["return"] = Other

    @durable
    def handler(event, ctx):
        ctx.step(charge, event)
        ctx.wait(3600, name="cooling-off")

    verdict = replay(handler, OFFICIAL / "wait_running.json")
    assert (verdict.status, verdict.operation) == ("BREAKS", "step 'charge' (#1)")
    assert verdict.recorded == {"result": "another type"}
    assert "pay-7" not in repr(verdict)
