"""Texts that are not in the default format, read by both SDKs."""

from __future__ import annotations

import importlib.util

import pytest

from powertools_durable.compat.aws import serdes as ours

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("aws_durable_execution_sdk_python") is None,
    reason="the official SDK is not installed (dependency group e2e)",
)


def answer(serdes, text):
    try:
        return serdes.EXTENDED_TYPES_SERDES.deserialize(text)
    except Exception as error:  # noqa: BLE001 - it is compared
        return type(error).__name__, str(error)


@pytest.mark.parametrize(
    "text",
    [
        '{"t":"l","v":"ab"}',
        '{"t":"l","v":{"a":1}}',
        '{"t":"l","v":null}',
        '{"t":"t","v":"ab"}',
        '{"t":"t","v":5}',
        '{"t":"m","v":[1]}',
        '{"t":"m","v":"ab"}',
        '{"t":"br","v":[1]}',
        '{"t":"br","v":"br"}',
        '{"t":["l"],"v":[1]}',
        '{"t":{"l":1},"v":[1]}',
        '{"t":null,"v":[1]}',
        '{"t":5,"v":"br"}',
        '{"t":"x","v":1}',
        '{"v":1}',
        '[{"t":"i","v":1}]',
        '{"t":"l","v":[{"t":"l","v":"ab"}]}',
        '{"t":"m","v":{"a":{"t":"t","v":"br"}}}',
    ],
)
@pytest.mark.sampled(20)
def test_what_is_not_in_the_format_is_refused_in_the_same_words(text):
    theirs = importlib.import_module("aws_durable_execution_sdk_python.serdes")
    assert answer(ours, text) == answer(theirs, text)
    assert answer(ours, text)[0] == "SerDesError"


def test_an_unknown_tag_inside_is_a_serdes_error_whatever_it_is():
    for text in ('{"t":"l","v":[{"t":"x","v":1}]}', '{"t":"l","v":[{"t":["l"],"v":1}]}'):
        assert answer(ours, text)[0] == "SerDesError"
