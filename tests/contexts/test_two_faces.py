"""`AsyncDurableContext` and `DurableContext` have the same methods, with the same parameters and defaults."""

from __future__ import annotations

import inspect

import pytest

from powertools_durable import AsyncCallback, AsyncDurableContext, Callback, DurableContext

MADE_BY_HAND = {"create", "close", "create_child_context"}  # contexts outside of a handler, which only `def` code has
ASYNC_ONLY = {"race"}


def public(face):
    return {name for name in dir(face) if not name.startswith("_")}


def parameters(face, name):
    """Return names, kinds and defaults; annotations name the context, so they differ."""
    found = inspect.signature(getattr(face, name)).parameters.values()
    return [(each.name, each.kind, each.default) for each in found]


def test_both_contexts_have_the_same_names():
    assert public(DurableContext) - MADE_BY_HAND == public(AsyncDurableContext) - ASYNC_ONLY


def test_both_callbacks_have_the_same_names():
    assert public(Callback) == public(AsyncCallback)


@pytest.mark.parametrize("name", sorted(public(DurableContext) - MADE_BY_HAND))
def test_a_method_has_the_same_parameters_on_both(name):
    if isinstance(inspect.getattr_static(DurableContext, name), property):
        assert isinstance(inspect.getattr_static(AsyncDurableContext, name), property)
    else:
        assert parameters(AsyncDurableContext, name) == parameters(DurableContext, name)


@pytest.mark.parametrize("name", sorted(public(DurableContext) - MADE_BY_HAND))
def test_a_method_of_the_async_context_has_a_docstring(name):
    assert inspect.getdoc(getattr(AsyncDurableContext, name))
