"""How the result of a fan-out is written: tagged, or plain JSON where a branch's result is a model."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import date
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from powertools_durable import BatchItem, BatchResult, ChildContextError, Nesting, durable
from powertools_durable.errors import SerDesError
from powertools_durable.serdes import SerDesContext, TaggedJson
from powertools_durable.serdes.base import prove
from powertools_durable.serdes.batch_format import BatchSerDes, batch_serdes
from powertools_durable.serdes.models import ModelSerDes
from powertools_durable.testing import Simulator

HERE = SerDesContext("op", "arn")
NAMES = ["a", "b", "c"]


class Invoice(BaseModel):
    number: int
    due: date


@dataclass
class Page:
    text: str


def of(*results):
    return BatchSerDes(list(results), NAMES)


def batch(*results, reason="ALL_COMPLETED"):
    return BatchResult(
        tuple(BatchItem(n, NAMES[n], "SUCCEEDED", result=result) for n, result in enumerate(results)), reason
    )


TAGGED = of(*[TaggedJson()] * 3)
TYPED = of(ModelSerDes(Invoice), ModelSerDes(Page), TaggedJson())
INVOICE = Invoice(number=7, due=date(2026, 1, 2))
MIXED = BatchResult(
    (
        BatchItem(0, "a", "SUCCEEDED", result=INVOICE),
        BatchItem(1, "b", "FAILED", error=ChildContextError("no", error_type="ValueError", data="d")),
        BatchItem(2, "c", "STARTED"),
    ),
    "MIN_SUCCESSFUL_REACHED",
)


def test_without_models_it_is_the_tagged_format_and_names_come_back():
    result = batch(1, (2, b"x"), None)
    text, seen = prove(result, TAGGED, HERE)
    assert text == TaggedJson().serialize(result, HERE)
    assert json.loads(text)["t"] == "br"
    assert seen == result


def test_the_official_sdk_writes_the_same_text():
    official = pytest.importorskip("aws_durable_execution_sdk_python.serdes")
    models = pytest.importorskip("aws_durable_execution_sdk_python.concurrency.models")
    theirs = models.BatchResult(
        [models.BatchItem(n, models.BatchItemStatus.SUCCEEDED, value) for n, value in enumerate([1, (2, b"x"), None])],
        models.CompletionReason.ALL_COMPLETED,
    )
    assert TAGGED.serialize(batch(1, (2, b"x"), None), HERE) == official.EXTENDED_TYPES_SERDES.serialize(theirs)


def test_with_a_model_it_is_plain_json_each_result_as_its_type_asks():
    result = batch(INVOICE, Page("x"), (1, 2))
    text, seen = prove(result, TYPED, HERE)
    assert json.loads(text) == {
        "all": [
            {"index": 0, "status": "SUCCEEDED", "error": None, "result": {"number": 7, "due": "2026-01-02"}},
            {"index": 1, "status": "SUCCEEDED", "error": None, "result": {"text": "x"}},
            {
                "index": 2,
                "status": "SUCCEEDED",
                "error": None,
                "result": {"t": "t", "v": [{"t": "i", "v": 1}, {"t": "i", "v": 2}]},
            },
        ],
        "completionReason": "ALL_COMPLETED",
    }
    assert seen == result
    assert [type(value) for value in seen.results] == [Invoice, Page, tuple]


def test_failures_and_what_was_cut_off_are_plain_json_too():
    text, seen = prove(MIXED, TYPED, HERE)
    assert json.loads(text)["all"][1]["error"] == {"ErrorType": "ValueError", "ErrorMessage": "no", "ErrorData": "d"}
    assert seen == MIXED
    assert seen.completion_reason == "MIN_SUCCESSFUL_REACHED"


def test_a_branch_that_returned_none_returned_none():
    optional = of(ModelSerDes(Invoice | None), ModelSerDes(Page), TaggedJson())
    result = batch(None, Page(""), None)
    assert prove(result, optional, HERE)[1] == result


@given(st.lists(st.none() | st.integers() | st.text() | st.binary() | st.tuples(st.integers()), min_size=1, max_size=3))
def test_whatever_the_branches_return_is_read_back(values):
    result = batch(*values)
    assert TAGGED.deserialize(TAGGED.serialize(result, HERE), HERE) == result
    typed = of(*[TaggedJson()] * len(values), ModelSerDes(Page))
    assert typed.deserialize(typed.serialize(result, HERE), HERE) == result


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "7",
        "null",
        "[]",
        "{}",
        '{"t":"m","v":{}}',
        '{"all":1,"completionReason":"R"}',
        '{"all":[1],"completionReason":"R"}',
        '{"all":[{"index":0}],"completionReason":"R"}',
        '{"all":[{"index":9,"status":"SUCCEEDED","result":1}],"completionReason":"R"}',
        '{"all":[{"index":"0","status":"SUCCEEDED","result":1}],"completionReason":"R"}',
        '{"all":[{"index":0,"status":"LOST","result":null}],"completionReason":"R"}',
        '{"all":[{"index":0,"status":"SUCCEEDED","result":{"number":"x"}}],"completionReason":"R"}',
        "[" * 100_000,
    ],
    ids=lambda text: text[:40],
)
@pytest.mark.parametrize("serdes", [TAGGED, TYPED], ids=["tagged", "typed"])
def test_what_is_no_result_of_a_fan_out_is_a_serdes_error(serdes, text):
    with pytest.raises(SerDesError):
        serdes.deserialize(text, HERE)


def test_a_result_that_its_type_does_not_know_is_a_serdes_error_before_anything_is_recorded():
    with pytest.raises(SerDesError):
        prove(batch(Page("x"), INVOICE, 1), TYPED, HERE)
    with pytest.raises(SerDesError):
        prove(batch(INVOICE, 1, 2), TAGGED, HERE)


# -- results written by a serdes of the user's -------------------------------------------------------------------


class Elsewhere:
    """Keeps values outside, under a key that it makes of the context, as `SerDesContext` tells it to."""

    def __init__(self):
        self.kept = {}

    def serialize(self, value, context):
        self.kept.setdefault(context.operation_id, []).append(value)
        return f"see {context.operation_id}"

    def deserialize(self, text, context):
        assert text == f"see {context.operation_id}"
        return self.kept[context.operation_id][-1]


@pytest.mark.parametrize("nesting", list(Nesting))
@pytest.mark.parametrize("given_to", ["item", "decorator"])
def test_what_a_custom_serdes_hides_is_not_repeated_in_clear(given_to, nesting):
    storage, seen = Elsewhere(), []

    def handler(event, ctx):
        options = {"item_serdes": storage} if given_to == "item" else {}
        result = ctx.map(lambda child, n: f"secret {n}", ["a", "b"], nesting=nesting, **options)
        seen.append([(item.name, item.result) for item in result])
        ctx.wait(5)

    run = Simulator(durable(serdes=storage if given_to == "decorator" else None)(handler)).start().finish()
    assert run.status == "SUCCEEDED"
    assert seen == [[("map-item-0", "secret a"), ("map-item-1", "secret b")]] * 2
    assert "secret" not in str(run.operations)
    # Each value under one key, that of its branch, wherever it is recorded; the wait's None is none of them.
    assert [set(values) for values in storage.kept.values()] == [{"secret a"}, {"secret b"}]


def test_a_result_that_failed_or_was_cut_off_has_no_text():
    serdes = batch_serdes([Elsewhere()] * 3, NAMES, str)
    data = json.loads(serdes.serialize(replace(MIXED, items=(BatchItem(0, "a", "SUCCEEDED"), *MIXED.items[1:])), HERE))
    assert [item["result"] for item in data["all"]] == ["see 0", None, None]
    assert (data["results"], data["completionReason"]) == ("text", "MIN_SUCCESSFUL_REACHED")


def test_what_has_no_text_reads_back_as_none():
    class Nothing:
        def serialize(self, value, context):
            return None

        def deserialize(self, text, context):
            raise AssertionError

    serdes = batch_serdes([Nothing()] * 3, NAMES, str)
    assert prove(batch(1, 2, 3), serdes, HERE)[1].results == [None, None, None]


def test_ciphertext_that_differs_from_call_to_call_is_no_reason_to_refuse_it():
    class Salted:
        calls = count()

        def serialize(self, value, context):
            return f"{next(self.calls)}:{value}"

        def deserialize(self, text, context):
            return text.partition(":")[2]

    assert prove(batch("x", "y"), batch_serdes([Salted()] * 2, NAMES, str), HERE)[1] == batch("x", "y")


def test_the_official_sdk_s_record_of_items_with_a_custom_serdes_is_read():
    text = TAGGED.serialize(batch(1, (2, b"x"), None), HERE)
    assert batch_serdes([Elsewhere()] * 3, NAMES, str).deserialize(text, HERE) == batch(1, (2, b"x"), None)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "null",
        '{"results":"text"}',
        '{"t":"i","v":1}',
        '{"all":[],"completionReason":"x"}',
        '{"results":"text","completionReason":"x","all":[{"index":9,"status":"SUCCEEDED","result":"x"}]}',
    ],
)
def test_what_is_no_such_record_is_refused(text):
    with pytest.raises(SerDesError, match="not the result of a fan-out|is no JSON"):
        batch_serdes([Elsewhere()], NAMES, str).deserialize(text, HERE)
