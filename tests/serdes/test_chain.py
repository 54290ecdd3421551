"""Which wrapping serdes may be around which: refused orders say why when they are built."""

from __future__ import annotations

from itertools import permutations

import pytest

from powertools_durable.errors import DurableConfigError
from powertools_durable.serdes import (
    CompressingSerDes,
    EncryptingSerDes,
    FileSystemSerDes,
    MaskingSerDes,
    SerDesContext,
)
from powertools_durable.serdes.base import prove, read
from powertools_durable.serdes.wrapping import WrappingSerDes
from tests.serdes.vault import Vault

HERE = SerDesContext("op", "arn")


@pytest.fixture
def makers(tmp_path):
    return {
        "mask": lambda inner=None: MaskingSerDes(["card"], inner=inner),
        "compress": lambda inner=None: CompressingSerDes(inner=inner),
        "encrypt": lambda inner=None: EncryptingSerDes(Vault(), inner=inner),
        "file": lambda inner=None: FileSystemSerDes(tmp_path, inner=inner),
    }


REASONS = {
    ("compress", "mask"): r"CompressingSerDes leaves nothing to mask: mask first, CompressingSerDes\(inner=Masking",
    ("encrypt", "mask"): r"leaves nothing to mask: mask first, EncryptingSerDes\(inner=MaskingSerDes\(...\)\)",
    ("file", "mask"): r"leaves nothing to mask: mask first, FileSystemSerDes\(inner=MaskingSerDes",
    ("encrypt", "compress"): r"ciphertext does not get smaller: compress first, EncryptingSerDes\(inner=Compressing",
    ("file", "compress"): r"would store its text uncompressed: compress first, FileSystemSerDes\(inner=Compressing",
    ("file", "encrypt"): r"would keep its text in clear: encrypt first, FileSystemSerDes\(inner=Encrypting",
    ("compress", "compress"): "what is compressed does not get smaller: one CompressingSerDes is enough",
    ("encrypt", "encrypt"): "what is encrypted once is encrypted: one EncryptingSerDes is enough",
    ("file", "file"): "would store a pointer: use one",
}


@pytest.mark.parametrize(("inner", "outer"), REASONS, ids="-".join)
def test_a_senseless_pair_is_refused_when_it_is_built_with_the_reason(makers, inner, outer):
    with pytest.raises(DurableConfigError, match=REASONS[inner, outer]):
        makers[outer](makers[inner]())


class Reversing(WrappingSerDes):
    """A layer of the user's, of no kind."""

    def wrap(self, text, context):
        return text[::-1]

    def unwrap(self, text, context):
        return text[::-1]


def test_a_layer_of_the_user_s_hides_no_senseless_order(makers):
    with pytest.raises(DurableConfigError, match="compress first"):
        makers["compress"](Reversing(makers["encrypt"]()))


@pytest.mark.parametrize("place", [0, 1, 2, 3])
def test_a_layer_of_the_user_s_may_be_anywhere(makers, place):
    chain = None
    for position, name in enumerate(["compress", "encrypt", "file"]):
        chain = makers[name](Reversing(chain) if position == place else chain)
    chain = Reversing(chain) if place == 3 else chain
    text, seen = prove({"a": "x" * 5000}, chain, HERE)
    assert (seen, read(text, chain, HERE)) == ({"a": "x" * 5000}, {"a": "x" * 5000})
    assert chain.text_in(text, HERE) == '{"t":"m","v":{"a":{"t":"s","v":"' + "x" * 5000 + '"}}}'


@pytest.mark.parametrize("order", list(permutations(["mask", "compress", "encrypt", "file"])), ids="-".join)
def test_of_all_orders_of_all_four_one_makes_sense(makers, order):
    def build():
        chain = None
        for name in order:
            chain = makers[name](chain)
        return chain

    if order != ("mask", "compress", "encrypt", "file"):
        with pytest.raises(DurableConfigError):
            build()
        return
    value = {"card": "4111", "rest": "x" * 5000}
    _, seen = prove(value, build(), HERE)
    assert seen == {"card": "*****", "rest": "x" * 5000}


def test_masks_may_be_around_masks():
    chain = MaskingSerDes(["card"], inner=MaskingSerDes(["name"]))
    assert prove({"card": "4", "name": "Ann"}, chain, HERE)[1] == {"card": "*****", "name": "*****"}
