"""A handler's annotations are resolved when it is decorated."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import pytest
from pydantic import BaseModel

from powertools_durable.errors import DurableConfigError
from powertools_durable.parser.annotations import is_plain, model_of, name_of, output_of

if TYPE_CHECKING:
    from powertools_durable.nowhere import Hidden


class Order(BaseModel):
    id: int


class Receipt(BaseModel):
    id: int


def annotated(order: Order, ctx: Hidden) -> Receipt: ...


def bare(event, ctx): ...


def nested(orders: list[Order] | None, ctx) -> None: ...


def inline(order: Annotated[Order, "kept"], ctx) -> dict[str, Receipt]: ...


@functools.wraps(annotated)
def decorated(*args, **kwargs):
    return annotated(*args, **kwargs)


class Service:
    def method(self, order: Order, ctx: Hidden) -> Receipt: ...

    def __call__(self, order: Order, ctx: Hidden) -> Receipt: ...


@pytest.mark.parametrize(
    ("handler", "model", "output"),
    [
        pytest.param(annotated, Order, Receipt, id="text annotations, another one unresolvable"),
        pytest.param(bare, Any, Any, id="none"),
        pytest.param(lambda: None, Any, Any, id="no parameters"),
        pytest.param(nested, list[Order] | None, type(None), id="nested"),
        pytest.param(inline, Annotated[Order, "kept"], dict[str, Receipt], id="Annotated"),
        pytest.param(decorated, Order, Receipt, id="decorated"),
        pytest.param(functools.partial(annotated, ctx=None), Order, Receipt, id="partial"),
        pytest.param(Service().method, Order, Receipt, id="method"),
        pytest.param(Service(), Order, Receipt, id="callable object"),
    ],
)
def test_annotations_are_found_and_resolved(handler, model, output):
    assert model_of(handler) == model
    assert output_of(handler) == output


def test_a_model_of_the_surrounding_function_needs_its_names():
    class Local(BaseModel):
        pass

    def handler(event: Local, ctx) -> list[Local]: ...

    assert model_of(handler, locals()) is Local
    assert output_of(handler, locals()) == list[Local]
    with pytest.raises(DurableConfigError, match="Local"):
        model_of(handler)


def unresolved(event: Hidden, ctx) -> Hidden | None: ...


@pytest.mark.parametrize(
    ("read", "subject", "option"),
    [(model_of, "parameter 'event', 'Hidden'", "model"), (output_of, "the result, 'Hidden | None'", "output")],
)
def test_an_annotation_that_names_nothing_is_refused_with_file_line_and_what_to_do(read, subject, option):
    line = unresolved.__code__.co_firstlineno
    place = rf"{re.escape(Path(__file__).name)}:{line}"
    expected = rf"^unresolved at {place}: the annotation of {re.escape(subject)}.*@durable\({option}=\.\.\.\)"
    with pytest.raises(DurableConfigError, match=expected):
        read(unresolved)


@pytest.mark.parametrize(
    ("annotation", "plain"),
    [
        *[(kind, True) for kind in (Any, object, dict, dict[str, Any], dict[str, object], Mapping, Mapping[str, Any])],
        *[(kind, False) for kind in (Order, dict[str, int], dict[int, Any], list, str, None, int | None)],
    ],
)
def test_what_counts_as_plain_json(annotation, plain):
    assert is_plain(annotation) is plain


def test_names_are_short():
    assert [name_of(kind) for kind in (Order, list[int], Any, int | None)] == [
        "Order",
        "list[int]",
        "Any",
        "int | None",
    ]
