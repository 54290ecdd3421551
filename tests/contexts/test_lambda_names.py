"""What Lambda's context has, and ours has not, says where it is."""

from __future__ import annotations

import pytest

from powertools_durable._contexts.core import LAMBDA_NAMES
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
