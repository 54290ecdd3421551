"""Which methods of an async context return a `DurableTask`, for tools that read code."""

from __future__ import annotations

import inspect

from powertools_durable._contexts.async_context import AsyncDurableContext

__all__ = ["DURABLE_METHODS"]

DURABLE_METHODS = frozenset(
    name
    for name, member in inspect.getmembers(AsyncDurableContext, inspect.isfunction)
    if str(inspect.signature(member).return_annotation).startswith("DurableTask")
)
