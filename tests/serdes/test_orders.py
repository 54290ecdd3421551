"""Every pair and triple of the five serdes that wrap others: refused when built, or a round trip at every place."""

from __future__ import annotations

import json
from decimal import Decimal
from itertools import pairwise, product

import pytest
from pydantic import BaseModel

from powertools_durable import Nesting, durable
from powertools_durable.errors import DurableConfigError, ValidationError
from powertools_durable.serdes import (
    CompressingSerDes,
    EncryptingSerDes,
    FileSystemSerDes,
    MaskingSerDes,
    S3SerDes,
    SerDesContext,
)
from powertools_durable.testing import Simulator
from tests.serdes.vault import Vault

NAMES = ["mask", "compress", "encrypt", "file", "s3"]
ORDERS = [*product(NAMES, repeat=2), *product(NAMES, repeat=3)]
RANKS = {"mask": 1, "compress": 2, "encrypt": 3, "file": 4, "s3": 4}
SECRET = "4111-1111"
FILLING = "filling " * 50


def makes_sense(order):
    """Each is above the one inside it; only masks may repeat."""
    return all(RANKS[inner] < RANKS[outer] or inner == outer == "mask" for inner, outer in pairwise(order))


def build(order, bucket, mount, vault):
    makers = {
        "mask": lambda inner: MaskingSerDes(["card"], inner=inner),
        "compress": lambda inner: CompressingSerDes(over=100, inner=inner),
        "encrypt": lambda inner: EncryptingSerDes(vault, inner=inner),
        "file": lambda inner: FileSystemSerDes(mount, threshold=100, inner=inner),
        "s3": lambda inner: S3SerDes(bucket, over=100, inner=inner),
    }
    chain = None
    for name in order:
        chain = makers[name](chain)
    return chain


def test_of_all_pairs_and_triples_those_that_make_no_sense_are_refused_when_built(tmp_path):
    wrong, vault = [], Vault()
    for order in ORDERS:
        try:
            build(order, "bucket", tmp_path, vault)
        except DurableConfigError:
            is_built = False
        else:
            is_built = True
        if is_built is not makes_sense(order):
            wrong.append(order)
    assert wrong == []
    assert [len(list(filter(makes_sense, (o for o in ORDERS if len(o) == size)))) for size in (2, 3)] == [10, 12]


class Card(BaseModel):
    card: str
    filling: str


def typed(*_) -> Card:
    return Card(card=SECRET, filling=FILLING)


def tagged(*_):
    return {"card": SECRET, "filling": FILLING, "fee": Decimal(1), "ids": (1, 2)}


@pytest.mark.sampled(6)
@pytest.mark.parametrize("value", [typed, tagged])
@pytest.mark.parametrize("order", [*filter(makes_sense, ORDERS)], ids="-".join)
def test_what_makes_sense_is_a_round_trip_at_every_place(order, value, s3, tmp_path):
    vault, seen = Vault(), []
    chain = build(order, s3.bucket, tmp_path, vault)

    @durable(serdes=chain, result_serdes=chain)
    def handler(event, ctx):
        seen.append(
            [
                ctx.step(value, name="step"),
                ctx.run_in_child_context(value, name="child"),
                *ctx.map(value, [1, 2], name="nested").results,
                *ctx.map(value, [1, 2], name="flat", nesting=Nesting.FLAT).results,
                *ctx.parallel({"left": value, "right": value}, name="parallel").results,
                ctx.step(value, name="own", serdes=chain),
                *ctx.map(value, [1], name="items", item_serdes=chain).results,
            ]
        )
        answer = ctx.wait_for_callback(lambda callback_id: None, name="ask", returns=Card)
        for call in (ctx.create_callback, lambda serdes: ctx.invoke("f", serdes=serdes)):
            with pytest.raises(ValidationError, match="an answer comes from outside"):
                call(serdes=chain)
        ctx.wait(5)
        return answer.model_dump()

    run = Simulator(handler).start()
    run.callback("ask").succeed({"card": "from outside", "filling": FILLING})
    run.finish()
    assert run.status == "SUCCEEDED", run.error

    is_masked = "mask" in order
    wanted = value()
    if is_masked:
        wanted = wanted.model_copy(update={"card": "*****"}) if value is typed else {**wanted, "card": "*****"}
    assert seen[0] == [wanted] * 10
    assert all(again == seen[0] for again in seen)  # on every replay
    assert {type(one) for one in seen[-1]} == {type(wanted)}

    stored = b"".join([*s3.objects().values(), *(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())])
    recorded = json.dumps([[dict(i.event), str(i.answer)] for i in run.invocations]) + str(run.operations)
    if is_masked or "encrypt" in order:
        assert SECRET not in recorded
        assert SECRET.encode() not in stored
    if RANKS[order[-1]] == 4:
        assert len(stored) > 0

    result = run.result
    if order[-1] != "mask":
        result = json.loads(chain.text_in(result, SerDesContext("result", run.arn)))
    assert result == {"card": "*****" if is_masked else "from outside", "filling": FILLING}
