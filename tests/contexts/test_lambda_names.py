"""What Lambda's context has, and ours has not, says where it is."""

from __future__ import annotations

import re

import pytest

from powertools_durable import DurableContext
from powertools_durable._contexts.core import LAMBDA_NAMES, OTHER_NAMES
from powertools_durable.testing import MockDurableContext


@pytest.mark.parametrize("name", sorted(LAMBDA_NAMES))
def test_an_attribute_of_lambda_s_context_is_named_where_it_is(name):
    context = MockDurableContext().build().ctx
    with pytest.raises(AttributeError) as caught:
        getattr(context, name)
    assert f"ctx.lambda_context.{name}" in str(caught.value)
    assert not hasattr(context, name)


def test_every_other_one_is_missing_as_ever():
    context = MockDurableContext().build().ctx
    with pytest.raises(AttributeError, match="'DurableContext' object has no attribute 'stpe'"):
        _ = context.stpe


@pytest.mark.parametrize(("name", "instead"), OTHER_NAMES.items(), ids=OTHER_NAMES)
def test_what_other_software_calls_it_is_named_as_it_is_here(name, instead):
    context = MockDurableContext().build().ctx
    with pytest.raises(AttributeError) as caught:
        getattr(context, name)
    assert str(caught.value) == f"a DurableContext has no attribute {name!r}: write {instead}"
    assert {*re.findall(r"ctx\.(\w+)", instead)} <= {*dir(DurableContext)}
