"""A key of a dict may be a name or an address, so no message shows it; what the user's own types name is shown (G10).

Each place that says where in a value something is wrong is tried with a key made of letters only.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

import pytest
from aws_lambda_powertools.utilities.parser.envelopes import SqsEnvelope
from pydantic import AliasChoices, BaseModel, ConfigDict, Field, RootModel, TypeAdapter, dataclasses
from typing_extensions import TypedDict

from powertools_durable import Retry, StepError, durable
from powertools_durable.serdes import MaskingSerDes, ModelSerDes
from powertools_durable.testing import Simulator
from tests.parser.test_enveloped import One, sqs

ALICE = "aliceexample"


class Line(BaseModel):
    sku: str = "x"
    price: int


class Basket(BaseModel):
    lines: dict[str, Line] = {}
    rest: dict[str, Any] = {}


class Closed(BaseModel):
    model_config = ConfigDict(extra="forbid")
    price: int = 0


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")


class Aliased(BaseModel):
    price: int = Field(validation_alias=AliasChoices("cost", "amount"))


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"]


class Priced(TypedDict):
    price: int


class Loose(TypedDict):
    price: Any


class Lines(RootModel[dict[str, Line]]):
    pass


@dataclass
class Plain:
    price: int
    lines: dict[str, Line] = field(default_factory=dict)


@dataclasses.dataclass
class Checked:
    lines: dict[str, Line]


BAD = {"price": "much"}

# -- what pydantic refuses: by which annotation, what, and the place that is named -----------------------------------

READ = {
    "a dict of models": (Basket, {"lines": {ALICE: BAD}}, "lines[a key].price (int_parsing)"),
    "two of them": (Basket, {"lines": {"x": {"price": 1}, ALICE: {}}}, "lines[a key].price (missing)"),
    "a dict itself": (dict[str, Line], {ALICE: BAD}, "[a key].price (int_parsing)"),
    "a key": (dict[int, int], {ALICE: 1}, "[a key itself] (int_parsing)"),
    "a dict in a dict": (dict[str, dict[str, int]], {ALICE: {ALICE: "x"}}, "[a key][a key] (int_parsing)"),
    "a list in a dict": (dict[str, list[int]], {ALICE: ["x"]}, "[a key].0 (int_parsing)"),
    "a root model": (Lines, {ALICE: BAD}, "[a key].price (int_parsing)"),
    "an extra field": (Closed, {ALICE: 1}, "[a key] (extra_forbidden; Closed takes price)"),
    "a TypedDict": (dict[str, Priced], {ALICE: BAD}, "[a key].price (int_parsing)"),
    "a dataclass": (Plain, {"price": 1, "lines": {ALICE: BAD}}, "lines[a key].price (int_parsing)"),
    "a dataclass of pydantic's": (Checked, {"lines": {ALICE: BAD}}, "lines[a key].price (int_parsing)"),
    "an alias": (dict[str, Aliased], {ALICE: {"cost": "much"}}, "[a key].cost (int_parsing)"),
    "a branch of a union": (
        dict[str, Cat | Dog],
        {ALICE: {"kind": "cat", "lives": "many"}},
        "[a key].Cat.lives (int_parsing), [a key].Dog.kind (literal_error)",
    ),
    "a union of what Python has": (
        dict[str, int | list[int]],
        {ALICE: "x"},
        "[a key].int (int_parsing), [a key].list[int] (list_type)",
    ),
}


def payload(annotation, value):
    def handler(event, ctx):
        return None

    handler.__annotations__ = {"event": annotation}
    return Simulator(durable(handler)).start(value).finish().error


def payload_in_an_envelope(annotation, value):
    handler = durable(model=annotation, envelope=One)(lambda event, ctx: None)
    return Simulator(handler).start({"inner": value}).finish().error


def payload_in_a_record(annotation, value):
    handler = durable(model=annotation, envelope=SqsEnvelope)(lambda event, ctx: None)
    return Simulator(handler).start(sqs(value)).finish().error


def result(annotation, value):
    return Simulator(durable(output=annotation)(lambda event, ctx: value)).start().finish().error


def raised_in_a_step(annotation, value):
    @durable
    def handler(event, ctx):
        ctx.step(lambda: TypeAdapter(annotation).validate_python(value), retry=Retry.none())

    return Simulator(handler).start().finish().error


def raised_in_the_handler(annotation, value):
    return Simulator(durable(lambda event, ctx: TypeAdapter(annotation).validate_python(value))).start().finish().error


def returned_by_an_invoke(annotation, value):
    @durable
    def handler(event, ctx):
        ctx.invoke("other", returns=annotation)

    return Simulator(handler, functions={"other": lambda event: value}).start().finish().error


READERS = {
    reader.__name__: reader
    for reader in (
        payload,
        payload_in_an_envelope,
        payload_in_a_record,
        result,
        raised_in_a_step,
        raised_in_the_handler,
        returned_by_an_invoke,
    )
}


@pytest.mark.sampled(40)
@pytest.mark.parametrize(("annotation", "value", "place"), READ.values(), ids=READ)
@pytest.mark.parametrize("reader", READERS)
def test_what_does_not_fit_is_placed_without_keys(reader, annotation, value, place, caplog):
    error = READERS[reader](annotation, value)
    if reader == "returned_by_an_invoke":  # which writes places as Python has them: result.lines[a key].price
        place = re.sub(r"list\[int\]", "['list[int]']", place.partition(", ")[0].replace(".0 ", "[0] "))
        place = f"result{'' if place.startswith('[') else '.'}{place}"
    assert place in error.error_message
    assert ALICE not in f"{error}{caplog.text}"


def test_who_asks_for_the_input_gets_the_keys_too():
    from powertools_durable import DurableConfig

    @durable(config=DurableConfig(include_validation_input=True))
    def handler(event: Basket, ctx):
        return None

    error = Simulator(handler).start({"lines": {ALICE: BAD}}).finish().error
    assert f"lines.{ALICE}.price (int_parsing)" in error.error_message
    assert json.loads(error.error_data)["errors"][0]["loc"] == ["lines", ALICE, "price"]


# -- what can't be written, or does not come back as it was ----------------------------------------------------------


class Sub(Line):
    more: int = 1


WRITTEN = {
    "a dict": (None, {ALICE: object()}, "[key 1]"),
    "the second key": (None, {"x": 1, ALICE: [object()]}, "[key 2][0]"),
    "a dict in a model": (Basket, Basket(rest={ALICE: object()}), "result.rest[key 1]"),
    "a subclass in a dict": (Basket, Basket(lines={ALICE: Sub(price=1)}), "result.lines[key 1]"),
    "an extra field": (Open, Open(**{ALICE: object()}), "[key 1]"),
    "a TypedDict": (Loose, {"price": {ALICE: object()}}, "result['price'][key 1]"),
    "a TypedDict in a dict": (dict[str, Loose], {ALICE: {"price": object()}}, "result[key 1]['price']"),
    "too deep": (None, {ALICE: json.loads("[" * 400 + "]" * 400)}, "result[key 1][0]"),
    "a datetime in a dict of anything": (dict[str, Any], {ALICE: {"x": Sub(price=1)}}, "[key 1][key 1]"),
}


def step(annotation, value):
    @durable
    def handler(event, ctx):
        ctx.step(lambda: value, returns=annotation, name="it")

    return Simulator(handler).start().finish().error


def item(annotation, value):
    @durable
    def handler(event, ctx):
        ctx.map(lambda child, n: value, [1], name="it", item_serdes=ModelSerDes(annotation) if annotation else None)

    return Simulator(handler).start().finish().error


def masked(annotation, value):
    @durable
    def handler(event, ctx):
        inner = ModelSerDes(annotation) if annotation else None
        ctx.step(lambda: value, serdes=MaskingSerDes(["secret"], inner=inner), name="it")

    return Simulator(handler).start().finish().error


def handed_to_an_invoke(annotation, value):
    @durable
    def handler(event, ctx):
        ctx.invoke("other", value)

    return Simulator(handler, functions={"other": len}).start().finish().error


def handlers_result(annotation, value):
    return Simulator(durable(output=annotation or Any)(lambda event, ctx: value)).start().finish().error


@pytest.mark.sampled(40)
@pytest.mark.parametrize("writer", [step, item, masked, handed_to_an_invoke, handlers_result], ids=lambda f: f.__name__)
@pytest.mark.parametrize(("annotation", "value", "place"), WRITTEN.values(), ids=WRITTEN)
def test_what_is_refused_when_it_is_written_is_placed_without_keys(writer, annotation, value, place, caplog):
    error = writer(annotation, value)
    if writer is step:
        assert place in error.error_message
    assert ALICE not in f"{error}{caplog.text}"


def test_a_masked_field_is_known_by_its_key_also_where_no_message_shows_it():
    @durable
    def handler(event, ctx):
        basket = Basket(rest={"line1": datetime(2026, 1, 1, tzinfo=UTC)})  # a model's Any comes back as text
        masked = ctx.step(lambda: basket, returns=Basket, serdes=MaskingSerDes(["rest.line1"]), name="it")
        return masked.rest

    run = Simulator(handler).start().finish()
    assert (run.status, run.result) == ("SUCCEEDED", {"line1": "*****"})


def test_an_error_that_nobody_knows_the_types_of_shows_no_text():
    from pydantic import ValidationError
    from pydantic_core import InitErrorDetails

    @durable
    def handler(event, ctx):
        details = InitErrorDetails(type="missing", loc=(ALICE, 3), input={})
        raise ValidationError.from_exception_data("Mine", [details])

    error = Simulator(handler).start().finish().error
    assert error.error_message == "1 validation error for Mine: [a key].3 (missing)"


def test_a_failed_step_says_where_and_the_code_that_catches_it_too():
    @durable
    def handler(event, ctx):
        try:
            ctx.step(lambda: Basket.model_validate({"lines": {ALICE: BAD}}), retry=Retry.none())
        except StepError as error:
            return str(error)

    run = Simulator(handler).start().finish()
    assert run.result == "1 validation error for Basket: lines[a key].price (int_parsing)"
