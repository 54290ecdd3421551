"""Masked on the way into the record, and the same to the handler, live and replayed.

See docs/powertools/data-masking.md.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from aws_lambda_powertools.utilities.data_masking import DataMasking
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr

from powertools_durable import Nesting, durable
from powertools_durable.errors import DurableConfigError, SerDesError
from powertools_durable.serdes import EncryptingSerDes, MaskingSerDes, PlainJson, SerDesContext, TaggedJson
from powertools_durable.serdes.base import prove
from powertools_durable.serdes.models import ModelSerDes, serdes_for
from powertools_durable.testing import Simulator
from tests.serdes.vault import Vault

HERE = SerDesContext("op", "arn")
CARD = "4111-1111"
WHEN = datetime(2026, 1, 2, tzinfo=UTC)
TOLERANT = DataMasking(raise_on_missing_field=False)


class Customer(BaseModel):
    name: str
    card: str
    limit: int = 5


def masking(*fields, **options):
    return MaskingSerDes(list(fields), **options)


def test_a_masked_field_is_masked_in_the_record_and_everything_else_keeps_its_type():
    value = {"card": CARD, "due": WHEN, "fee": Decimal("1.50"), "ids": (UUID(int=1), b"x"), 7: {"card": "other"}}
    text, seen = prove(value, masking("card"), HERE)
    assert seen == {**value, "card": "*****"}
    assert CARD not in text
    assert TaggedJson().deserialize(text, HERE) == seen


@pytest.mark.parametrize(
    ("value", "path", "seen"),
    [
        ({"a": {"b": CARD}}, "a.b", {"a": {"b": "*****"}}),
        ({"a": {"b": CARD, "c": {1}}}, "a", {"a": "*****"}),
        ([{"n": CARD}, {"n": "x", "d": WHEN}], "[*].n", [{"n": "*****"}, {"n": "*****", "d": WHEN}]),
        ({"cards": [CARD, "x"]}, "cards", {"cards": ["*****", "*****"]}),
        ({"cards": (CARD, WHEN)}, "cards", {"cards": ("*****", "*****")}),
        ({1: {"n": CARD}}, '"1".n', {1: {"n": "*****"}}),
        ({"n": None}, "n", {"n": "*****"}),
        ({"n": WHEN}, "n", {"n": "*****"}),
        ([CARD, 5], "[0]", ["*****", 5]),
    ],
)
def test_paths_find_their_way_in_untyped_values(value, path, seen):
    assert prove(value, masking(path), HERE)[1] == seen


def test_a_model_stays_a_model():
    text, seen = prove(Customer(name="Ann", card=CARD), masking("card", inner=ModelSerDes(Customer)), HERE)
    assert seen == Customer(name="Ann", card="*****")
    assert json.loads(text) == {"name": "Ann", "card": "*****", "limit": 5}


def test_a_field_that_takes_no_text_can_t_be_masked_and_nobody_is_told_its_value():
    with pytest.raises(SerDesError, match=r"result.limit \(int_parsing\).*Mask fields that take a text") as caught:
        prove(Customer(name="Ann", card=CARD, limit=9_999), masking("limit", inner=ModelSerDes(Customer)), HERE)
    assert "9999" not in str(caught.value)
    assert CARD not in str(caught.value)


def test_rules_of_powertools_say_how_to_mask():
    rules = {"card": {"regex_pattern": r"\d(?=.*\d{2}$)", "mask_format": "#"}, "name": {"custom_mask": "XX"}}
    _, seen = prove({"card": "4111-11", "name": "Ann"}, MaskingSerDes(masking_rules=rules), HERE)
    assert seen == {"card": "####-11", "name": "XX"}


def test_a_missing_field_is_refused_unless_the_masker_lets_it_be():
    with pytest.raises(SerDesError, match="a field is missing.*raise_on_missing_field=False"):
        prove({"name": "Ann"}, masking("card"), HERE)
    with pytest.warns(UserWarning, match="card not found"):
        assert prove({"name": "Ann"}, masking("card", masker=TOLERANT), HERE)[1] == {"name": "Ann"}


def test_a_text_that_is_no_json_is_refused_by_name():
    class Csv:
        def serialize(self, value, context):
            return ",".join(value)

        def deserialize(self, text, context):
            return text.split(",")

    with pytest.raises(SerDesError, match="masks JSON, and the text of Csv is none"):
        prove(["a", "b"], masking("a", inner=Csv()), HERE)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.floats(allow_nan=False) | st.datetimes(),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "c"]), inside, max_size=3),
    max_leaves=8,
)


@given(inner=st.dictionaries(st.sampled_from(["b", "c"]), json_values, max_size=2), secret=json_values)
def test_what_is_not_masked_comes_back_as_it_was_and_masking_again_changes_nothing(inner, secret):
    serdes = masking("a")
    text, seen = prove({**inner, "a": secret}, serdes, HERE)
    assert {key: seen[key] for key in inner} == prove(inner, TaggedJson(), HERE)[1]
    assert (text, seen) == prove({**inner, "a": secret}, serdes, HERE) == prove(seen, serdes, HERE)


# -- in an execution -------------------------------------------------------------------------------------------


def wire(run):
    """Everything that the service ever saw or told."""
    return (
        json.dumps([[dict(i.event), str(i.answer)] for i in run.invocations]) + str(run.operations) + str(run.history())
    )


def load(n="Ann") -> Customer:
    return Customer(name=n, card=CARD)


def test_the_handler_sees_the_mask_in_the_first_run_as_on_replays():
    seen = []

    @durable
    def handler(event, ctx):
        seen.append(ctx.step(load, serdes=masking("card")))
        ctx.wait(5)

    run = Simulator(handler).start().finish()
    assert seen == [Customer(name="Ann", card="*****")] * 2
    assert CARD not in wire(run)


@pytest.mark.parametrize("nesting", list(Nesting))
@pytest.mark.parametrize("option", ["item_serdes", "serdes"])
def test_a_fan_out_s_record_repeats_no_result_in_clear(option, nesting):
    @durable
    def handler(event, ctx):
        options = {option: masking("card"), "nesting": nesting}
        customers = ctx.map(lambda child, n: load(n), ["Ann", "Bob"], returns=Customer, **options)
        plain = ctx.parallel([lambda child: {"card": CARD, "at": WHEN}], **options)
        ctx.wait(5)
        return [customers.results[1].card, plain.results[0]["card"], plain.results[0]["at"] == WHEN]

    run = Simulator(handler).start().finish()
    assert (run.result, CARD in wire(run)) == (["*****", "*****", True], False)


def test_a_masked_payload_may_go_to_another_function():
    @durable
    def handler(event, ctx):
        return ctx.invoke("audit", load(), payload_serdes=masking("card"))

    run = Simulator(handler, functions={"audit": lambda event: event}).start()
    assert run.finish().result == {"name": "Ann", "card": "*****", "limit": 5}


def test_a_field_that_can_t_be_masked_fails_the_step_before_it_is_recorded():
    @durable
    def handler(event, ctx):
        ctx.step(load, serdes=masking("limit"))

    run = Simulator(handler).start().finish()
    assert (run.status, run.error.error_type) == ("FAILED", "SerDesError")
    assert CARD not in wire(run)


# -- making one ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong", [{}, {"fields": []}, {"fields": "card"}, {"fields": ["a"], "masking_rules": {"a": {}}}]
)
def test_it_takes_fields_or_rules(wrong):
    with pytest.raises(DurableConfigError, match=r"takes fields=\[...\]"):
        MaskingSerDes(**wrong)


def test_what_is_encrypted_can_t_be_masked():
    with pytest.raises(DurableConfigError, match=r"mask first, EncryptingSerDes\(inner=MaskingSerDes"):
        masking("a", inner=EncryptingSerDes(Vault()))
    text, seen = prove({"a": CARD}, EncryptingSerDes(Vault(), inner=masking("a")), HERE)
    assert (seen, CARD in text) == ({"a": "*****"}, False)


def test_without_the_extra_it_says_what_to_install(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("aws_lambda_powertools.utilities.data_masking")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "jsonpath_ng.ext", None)
    with pytest.raises(DurableConfigError, match=r"needs jsonpath_ng.ext.*aws-lambda-powertools\[datamasking\]"):
        masking("a")


def test_it_says_what_it_masks():
    assert repr(masking("a.b", inner=PlainJson())) == "MaskingSerDes(['a.b'])"


# -- what is not masked is proven -----------------------------------------------------------------


class Animal(BaseModel):
    name: str = "rex"


class Dog(Animal):
    breed: str = "pug"


class Visit(BaseModel):
    token: SecretStr = SecretStr("s3cr3t")
    pet: Animal = Animal()


class Bag(BaseModel):
    data: dict[str, Any]
    pet: Animal = Animal()


def test_what_is_masked_may_be_lost_for_a_mask_takes_its_place():
    text, seen = prove(Bag(data={"born": WHEN, "n": 1}), masking("data.born", inner=serdes_for(Bag)), HERE)
    assert seen == Bag(data={"born": "*****", "n": 1})
    assert "2026" not in text


@pytest.mark.parametrize(
    ("value", "fields", "place"),
    [
        (Bag(data={"born": WHEN}, pet=Dog()), ["data.born"], "result.pet was a Dog and came back as an Animal"),
        (Bag(data={"born": WHEN, "n": 1}), ["data.n"], r"result.data\[key 1\] was a datetime and came back as a str"),
        (Visit(), ["pet.name"], "result.token was a SecretStr"),
        ([Visit(), Visit(pet=Dog())], ["[*].pet.name"], r"result\[0\].token was a SecretStr"),
    ],
    ids=["a subclass", "a datetime", "a secret", "in a list"],
)
def test_what_is_not_masked_must_come_back_equal(value, fields, place):
    annotation = list[Visit] if isinstance(value, list) else type(value)
    with pytest.raises(SerDesError, match=place):
        prove(value, masking(*fields, inner=serdes_for(annotation)), HERE)


def test_a_masked_result_must_fit_its_annotation():
    with pytest.raises(SerDesError, match="is annotated -> dict but returned a list"):
        prove([{"a": 1}], masking("[*].a", inner=serdes_for(dict)), HERE)


def test_none_has_nothing_to_mask():
    """It is what a step records that returns nothing, and what submits a callback."""
    serdes = MaskingSerDes(["card"])
    assert prove(None, serdes, HERE) == ("null", None)

    @durable(serdes=serdes)
    def handler(event, ctx):
        ctx.step(lambda: None, name="nothing")
        return ctx.wait_for_callback(lambda callback_id: None, name="ask", returns=Customer).card

    run = Simulator(handler).start()
    run.callback("ask").succeed({"name": "Ann", "card": CARD})
    assert run.finish().result == "*****"
