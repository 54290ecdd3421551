"""Compressed values: what is recorded, what is read again, and what is refused."""

from __future__ import annotations

import gzip
import json
import random
import sys
from base64 import b64encode

import pytest

from powertools_durable import durable
from powertools_durable.errors import DurableConfigError, RetryableSerDesError, SerDesError
from powertools_durable.serdes import CompressingSerDes, SerDesContext
from powertools_durable.serdes.base import prove, read
from powertools_durable.testing import Simulator

HERE = SerDesContext("op", "arn")
CATALOG = [{"sku": f"sku-{n}", "title": "a chair, é"} for n in range(500)]
ALGORITHMS = ["gzip", "zstd"]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_record_is_smaller_and_reads_back_equal(algorithm):
    serdes = CompressingSerDes(algorithm)
    text, seen = prove(CATALOG, serdes, HERE)
    assert len(text) < len(json.dumps(CATALOG)) / 5
    assert set(json.loads(text)) == {algorithm, "bytes"}
    assert (seen, read(text, serdes, HERE)) == (CATALOG, CATALOG)
    assert prove(CATALOG, CompressingSerDes(algorithm), HERE)[0] == text  # the same on every day, and in every process


@pytest.mark.parametrize(("writes", "reads"), [("gzip", "zstd"), ("zstd", "gzip")])
def test_either_reads_what_the_other_wrote(writes, reads):
    text, _ = prove(CATALOG, CompressingSerDes(writes), HERE)
    assert read(text, CompressingSerDes(reads), HERE) == CATALOG


def test_a_small_text_and_one_that_gets_no_smaller_are_recorded_themselves():
    noise = b64encode(random.Random(1).randbytes(3000)).decode()
    for value, over in (("short", 1024), (noise, 0)):
        serdes = CompressingSerDes(over=over)
        text, _ = prove(value, serdes, HERE)
        assert set(json.loads(text)) == {"data"}
        assert read(text, serdes, HERE) == value
    assert json.loads(prove("short", CompressingSerDes(), HERE)[0]) == {"data": '"short"'}


@pytest.mark.parametrize(("size", "is_packed"), [(100, False), (101, True)])
def test_the_threshold_counts_bytes(size, is_packed):
    text, _ = prove("x" * (size - 2), CompressingSerDes(over=100), HERE)
    assert ("gzip" in json.loads(text)) is is_packed


@pytest.mark.parametrize(
    "text",
    [
        *("", "x", "[]", "{}", '{"data":1}', '{"data":"1","gzip":"x"}', '{"gzip":"x"}', "[" * 9_999),
        *('{"gzip":"eA==","bytes":-1}', '{"brotli":"eA==","bytes":1}', '{"gzip":"eA==","bytes":9999999999}'),
    ],
)
def test_what_is_no_envelope_is_refused(text):
    with pytest.raises(SerDesError, match="no envelope of CompressingSerDes"):
        read(text, CompressingSerDes(), HERE)


def packed(data, size=None):
    return json.dumps({"gzip": b64encode(data).decode(), "bytes": len(data) if size is None else size})


WHOLE = gzip.compress(b'"a value"', mtime=0)  # the names of cases must not depend on the time


@pytest.mark.parametrize(
    "text",
    [
        packed(b"no gzip"),
        packed(WHOLE[:-9], 9),  # cut off
        packed(WHOLE[:-8] + b"\0" * 8, 9),  # another checksum
        packed(WHOLE, 8),
        packed(WHOLE, 10),
        packed(gzip.compress(b"\xff", mtime=0), 1),
        '{"gzip":"?","bytes":1}',
        '{"zstd":"eA==","bytes":1}',
    ],
)
def test_what_was_damaged_is_refused(text):
    with pytest.raises(SerDesError, match="can't be decompressed") as caught:
        read(text, CompressingSerDes(), HERE)
    assert caught.value.__context__ is None


def test_no_more_is_decompressed_than_was_recorded():
    bomb = packed(gzip.compress(b"0" * 200_000_000, 9), 10)
    with pytest.raises(SerDesError, match="can't be decompressed"):
        read(bomb, CompressingSerDes(), HERE)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"algorithm": "brotli"}, "'gzip' or 'zstd', not 'brotli'"),
        ({"level": 10}, "from 0 to 9, not 10"),
        ({"algorithm": "zstd", "level": 0}, "from 1 to 22, not 0"),
    ],
)
def test_what_can_t_be_is_refused_when_it_is_made(arguments, problem):
    with pytest.raises(DurableConfigError, match=problem):
        CompressingSerDes(**arguments)


def test_without_zstandard_it_says_what_to_install_and_no_execution_ends(monkeypatch):
    text, _ = prove(CATALOG, CompressingSerDes("zstd"), HERE)
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(DurableConfigError, match=r"install powertools-durable\[zstd\]"):
        CompressingSerDes("zstd")
    with pytest.raises(RetryableSerDesError, match=r"install powertools-durable\[zstd\]"):
        read(text, CompressingSerDes(), HERE)


def test_a_result_that_is_too_large_for_a_record_fits_when_compressed():
    @durable(serdes=CompressingSerDes())
    def handler(event, ctx):
        catalog = ctx.step(lambda: CATALOG * 100, name="load")
        ctx.wait(5)
        return len(catalog)

    run = Simulator(handler).start().finish()
    assert (run.status, run.result) == ("SUCCEEDED", 50_000)
    assert len(run.operation("load").result) < 200_000
