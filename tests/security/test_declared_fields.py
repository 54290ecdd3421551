"""A field that a closed type does not declare: its name is not shown, those that are declared are."""

from __future__ import annotations

import json
from dataclasses import field
from typing import Annotated, Literal

import pytest
from pydantic import AliasChoices, AliasPath, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, create_model
from pydantic.dataclasses import dataclass
from typing_extensions import TypedDict

from powertools_durable import Retry, durable
from powertools_durable.errors.declared_fields import declared_at
from powertools_durable.errors.validation import words_of
from powertools_durable.testing import Simulator

CLOSED = ConfigDict(extra="forbid")
ALICE = "alice@example.com"
EXTRA = {ALICE: 1}


class Line(BaseModel):
    model_config = CLOSED
    sku: str = ""
    price: int = Field(1, validation_alias="cost")


class Order(BaseModel):
    model_config = CLOSED
    id: int = 1
    lines: list[Line] = []
    by_name: dict[str, Line] = {}
    first: Line | None = None
    pair: tuple[int, Line] | None = None
    parent: Order | None = None
    either: int = Field(0, validation_alias=AliasChoices("one", "other"))
    inside: int = Field(0, validation_alias=AliasPath("outer", "inner"))


class Cat(BaseModel):
    model_config = CLOSED
    kind: Literal["cat"] = "cat"
    lives: int = 9


class Dog(BaseModel):
    model_config = CLOSED
    kind: Literal["dog"] = "dog"
    bark: int = 1


@dataclass(config=CLOSED)
class Parcel:
    weight: int = 1


class Priced(TypedDict):
    __pydantic_config__ = CLOSED  # type: ignore[misc]
    price: int


@dataclass(config=CLOSED)
class Summed:
    weight: int = 1
    total: int = field(init=False, default=0)


class Outer(BaseModel):
    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Line] = Field(init=False)
    b: int = 1


Wide = create_model("Wide", __config__=CLOSED, **{f"f{n}": (int, 1) for n in range(14)})
Bare = create_model("Bare", __config__=CLOSED)

ORDER = "Order takes id, lines, by_name, first, pair, parent, one, outer"
LINE = "Line takes sku, cost"
CASES = {
    "a model": (Order, EXTRA, f"[a key] (extra_forbidden; {ORDER})"),
    "in a list": (Order, {"lines": [EXTRA]}, f"lines.0[a key] (extra_forbidden; {LINE})"),
    "in a dict": (Order, {"by_name": {"x": EXTRA}}, f"by_name[a key][a key] (extra_forbidden; {LINE})"),
    "optional": (Order, {"first": EXTRA}, f"first[a key] (extra_forbidden; {LINE})"),
    "in a tuple": (Order, {"pair": [1, EXTRA]}, f"pair.1[a key] (extra_forbidden; {LINE})"),
    "recursive": (Order, {"parent": {"parent": EXTRA}}, f"parent.parent[a key] (extra_forbidden; {ORDER})"),
    "a list of models": (list[Order], [{}, EXTRA], f"1[a key] (extra_forbidden; {ORDER})"),
    "a union": (Cat | Dog, EXTRA, "Dog[a key] (extra_forbidden; Dog takes kind, bark)"),
    "a tagged union": (
        Annotated[Cat | Dog, Field(discriminator="kind")],
        {"kind": "dog"} | EXTRA,
        "dog[a key] (extra_forbidden; Dog takes kind, bark)",
    ),
    "a union that can't be told apart": (dict[str, Cat] | Dog, EXTRA, "Dog[a key] (extra_forbidden)"),
    "a dataclass": (Parcel, EXTRA, "[a key] (unexpected_keyword_argument; Parcel takes weight)"),
    "a TypedDict": (Priced, {"price": 1} | EXTRA, "[a key] (extra_forbidden; Priced takes price)"),
    "a field that is never given": (Summed, {"total": 1}, "total (unexpected_keyword_argument)"),
    "among extra fields": (Outer, {"x": EXTRA}, f"[a key][a key] (extra_forbidden; {LINE})"),
    "many fields": (Wide, EXTRA, "Wide takes f0, f1, f2, f3, f4, f5, f6, f7, f8, f9 and 4 more)"),
    "no fields": (Bare, EXTRA, "Bare takes no fields)"),
    "a name in place of its alias": (Order, {"lines": [{"price": 1}]}, f"lines.0.price (extra_forbidden; {LINE})"),
}


@pytest.mark.parametrize(("annotation", "value", "words"), CASES.values(), ids=CASES)
@pytest.mark.parametrize("reads", ["validate_python", "validate_json"])
def test_the_fields_that_are_declared_at_the_place_are_named(annotation, value, words, reads):
    with pytest.raises(ValidationError) as caught:
        getattr(TypeAdapter(annotation), reads)(value if reads == "validate_python" else json.dumps(value))
    assert words in words_of(caught.value)
    assert ALICE not in words_of(caught.value)


def test_so_they_are_for_an_input_for_a_step_and_for_an_answer():
    @durable
    def by_model(event: Order, ctx):
        return None

    @durable
    def in_a_step(event, ctx):
        ctx.step(lambda: Line(**EXTRA), name="line", retry=Retry.none())

    @durable
    def answered(event, ctx):
        ctx.invoke("other", returns=Line)

    refused = Simulator(by_model).start({"lines": [EXTRA]}).finish().error
    assert f"lines.0[a key] (extra_forbidden; {LINE})" in refused.error_message
    assert json.loads(refused.error_data)["errors"][0]["takes"] == LINE
    assert f"[a key] (extra_forbidden; {LINE})" in Simulator(in_a_step).start().finish().error.error_message
    run = Simulator(answered, functions={"other": lambda event: EXTRA}).start().finish()
    assert f"result[a key] (extra_forbidden; {LINE})" in run.error.error_message


FIELDS = {"type": "model-fields", "model_name": "Order", "fields": {"id": {"schema": {"type": "int"}}}}


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        (FIELDS, "Order takes id"),
        ({"type": "union", "choices": [(FIELDS, "a label"), {"type": "int"}]}, "Order takes id"),
        ({"type": "model-fields", "fields": {}}, "the type takes no fields"),
        ({"type": "model-fields", "fields": {"f" * 400: {"schema": {"type": "int"}}}}, "the type takes " + "f" * 285),
        ({"type": "a later one"}, ""),
        ({"no type": True}, ""),
        ({"type": "model-fields", "fields": 3}, ""),
        ({"type": "definition-ref", "schema_ref": "nowhere"}, ""),
        (None, ""),
    ],
)
def test_a_schema_of_any_form_hides_no_error(schema, words):
    assert declared_at([schema], (ALICE,)) == words


def test_two_schemas_that_say_different_things_say_nothing():
    assert declared_at([FIELDS, FIELDS], (ALICE,)) == "Order takes id"
    assert declared_at([FIELDS, FIELDS | {"model_name": "Other"}], (ALICE,)) == ""
