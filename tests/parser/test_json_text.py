"""JSON that people and tools wrote, as bytes: every encoding they use, and what is wrong without what is in it."""

from __future__ import annotations

import codecs
import json

import pytest

from powertools_durable.parser.json_text import JsonTextError, read_json_text

VALUE = {"name": "Zoë ✓ 🚀", "n": [1, 2.5, None]}
ENCODINGS = {
    "UTF-8": ("utf-8", b""),
    "UTF-8 with a mark": ("utf-8", codecs.BOM_UTF8),
    "UTF-16 as PowerShell writes it": ("utf-16-le", codecs.BOM_UTF16_LE),
    "UTF-16 the other way round": ("utf-16-be", codecs.BOM_UTF16_BE),
    "UTF-16 without a mark": ("utf-16-le", b""),
    "UTF-16 the other way round, without a mark": ("utf-16-be", b""),
    "UTF-32": ("utf-32-le", codecs.BOM_UTF32_LE),
}


@pytest.mark.parametrize(("encoding", "mark"), ENCODINGS.values(), ids=list(ENCODINGS))
def test_json_is_read_in_every_encoding_that_tools_write(encoding, mark):
    assert read_json_text(mark + json.dumps(VALUE, ensure_ascii=False).encode(encoding)) == VALUE


def test_text_that_was_decoded_with_its_mark_is_read_too():
    assert read_json_text("\ufeff[1]") == [1]


REFUSED = {
    "NaN": (b"[NaN]", "NaN is not a JSON number"),
    "Infinity": (b"[-Infinity]", "-Infinity is not a JSON number"),
    "a number that becomes infinity": (b"1e999", "too large for a float"),
    "too many digits": (b"9" * 5_000, "too many digits"),
    "nothing": (b"", "it is empty at line 1"),
    "a mark alone": (codecs.BOM_UTF8, "it is empty"),
    "latin-1": ('"Zoë"'.encode("latin-1"), "neither UTF-8 nor UTF-16"),
    "half a UTF-16 character": (b"\xff\xfe\x00", "neither UTF-8 nor UTF-16"),
    "a surrogate alone": (b'"\xed\xa0\x80"', "neither UTF-8 nor UTF-16"),
    "depth": (b"[" * 200_000, "nested too deeply"),
    "syntax": (b'{"a": canary}', "Expecting value at line 1, column 7"),
}


@pytest.mark.parametrize(("data", "words"), REFUSED.values(), ids=list(REFUSED))
def test_what_is_no_json_is_refused_in_words_that_hold_nothing_of_it(data, words):
    with pytest.raises(JsonTextError, match=words) as caught:
        read_json_text(data)
    assert "canary" not in str(caught.value)
    assert caught.value.__cause__ is caught.value.__context__ is None
