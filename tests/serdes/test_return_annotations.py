"""Which format the return annotation of a step's function asks for."""

from __future__ import annotations

from contextlib import contextmanager

import pytest
from pydantic import BaseModel

from powertools_durable.serdes.models import ModelSerDes, serdes_of


class Payment(BaseModel):
    id: str


class Refund(BaseModel):
    id: str


@contextmanager
def timed():
    yield


def pay() -> Payment: ...


@timed()  # makes a wrapper in contextlib, where nobody knows Payment
def pay_timed() -> Payment: ...


@timed()
@timed()
def refund_timed() -> Refund: ...


def made_for(model):
    def make() -> model:
        return model(id="1")

    return make


@pytest.mark.parametrize(
    ("function", "annotation"),
    [(pay, Payment), (pay_timed, Payment), (refund_timed, Refund)],
    ids=["bare", "decorated", "decorated twice"],
)
def test_an_annotation_is_looked_up_where_it_was_written(function, annotation):
    serdes = serdes_of(function)

    assert isinstance(serdes, ModelSerDes)
    assert serdes.annotation is annotation


def test_functions_made_by_one_piece_of_code_keep_their_own_classes():
    made = [serdes_of(made_for(model)) for model in (Payment, Refund, Payment)]

    assert [serdes.annotation for serdes in made] == [Payment, Refund, Payment]
