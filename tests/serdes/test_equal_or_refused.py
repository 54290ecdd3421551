"""What a function returned comes back equal, on the first run and on the replay, or it is refused.

Refused before SUCCEED, with the place. In shapes of every kind, annotated and not, in containers of every kind.
"""

from __future__ import annotations

import re
from itertools import cycle
from typing import Any

import pydantic
import pytest

from powertools_durable.errors import SerDesError
from powertools_durable.serdes import SerDesContext
from powertools_durable.serdes.base import prove, read
from powertools_durable.serdes.models import serdes_for
from tests.serdes.places import PLACES, outcomes, returning
from tests.serdes.shapes import CONTAINERS, LEAVES, same

HERE = SerDesContext("op", "arn")
BY_NAME = tuple(map(int, pydantic.VERSION.split(".")[:2])) >= (2, 11)
ONLY_BY_NAME = {"written otherwise", "read otherwise", "choices", "an alias path"}
PLACE_OF = dict(zip([(leaf, kind) for leaf in LEAVES for kind in CONTAINERS], cycle(PLACES), strict=False))
CASES = [(leaf, is_annotated) for leaf in LEAVES for is_annotated in (True, False)]


def made(leaf, kind, *, is_annotated):
    """The annotation and the value of one shape; whether it comes back, None when either may be."""
    annotation, value, kept, kept_without = LEAVES[leaf]
    annotate, fill = CONTAINERS[kind]
    filled = fill(value)
    if not is_annotated:
        return None, filled, kept_without
    if leaf in ONLY_BY_NAME and not BY_NAME:
        return annotate(annotation), filled, None
    if (leaf, kind) == ("nan in a model", "sequence"):  # pydantic leaves the model's config out there
        return annotate(annotation), filled, None
    if leaf == "== that says neither" and kind not in {"alone", "optional"}:  # to a container, "yes" is true
        return annotate(annotation), filled, None
    if leaf == "named tuple of anything" or (leaf == "model for a dict" and kind != "alone"):
        return annotate(annotation), filled, False
    return annotate(annotation), filled, kept


def attempted(value, serdes):
    try:
        return "", *prove(value, serdes, HERE)
    except SerDesError as error:
        return str(error), None, None


@pytest.mark.only("def", "there is no handler")
@pytest.mark.parametrize(("leaf", "is_annotated"), CASES, ids=str)
def test_a_value_of_any_shape_reads_back_equal_or_is_refused_with_its_place(leaf, is_annotated):
    for kind in CONTAINERS:
        annotation, value, kept = made(leaf, kind, is_annotated=is_annotated)
        serdes = serdes_for(annotation)
        words, text, seen = attempted(value, serdes)
        if words:
            assert kept is not True, (kind, words)
            assert re.search(r"result\b|an? \w+ can't be recorded|but returned", words), (kind, words)
            assert "s3cr3t" not in words
        else:
            assert kept is not False, (kind, seen)
            assert same(value, seen), (kind, seen)
            assert same(value, read(text, serdes, HERE)), kind


@pytest.mark.sampled(10)
@pytest.mark.parametrize("is_annotated", [True, False], ids=["annotated", "bare"])
@pytest.mark.parametrize("leaf", LEAVES)
def test_so_it_is_wherever_it_crosses_the_record(leaf, is_annotated):
    for kind in CONTAINERS:
        place = PLACE_OF[leaf, kind]
        annotation, value, kept = made(leaf, kind, is_annotated=is_annotated)
        seen, run = outcomes(PLACES[place], returning(lambda value=value: value, annotation))
        live, *replayed = seen
        assert len(replayed) >= 1, (kind, place, run.error)
        if kept or (kept is None and live[0] == "returned"):
            assert [one[0] for one in seen] == ["returned"] * len(seen), (kind, place, seen)
            assert all(same(value, one[1]) for one in seen), (kind, place, seen)
        elif kept is False:
            assert live[:2] == ("raised", SerDesError), (kind, place, live)
            assert replayed == [live] * len(replayed), (kind, place)
            assert "'it'" in live[2] or "'outer'" in live[2], (kind, place, live)
            assert "test_equal_or_refused.py" not in live[2]  # the call stands in places.py
            assert re.search(r"\(at .*places\.py:\d+\)", live[2]), (kind, place, live)
            succeeded = [one.name for one in run.operations if one.status.value == "SUCCEEDED"]
            assert "it" not in succeeded, (kind, place)


def test_every_place_had_shapes_of_both_kinds():
    assert set(PLACE_OF.values()) == set(PLACES)
    assert len(PLACE_OF) * 2 > 600


def test_any_is_no_promise_and_no_model():
    assert prove([1], serdes_for(Any), HERE) == ("[1]", [1])
