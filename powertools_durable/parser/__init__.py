"""Lambda's event and the customer's payload as models.

`DurableInvocationEvent` and `DurableEnvelope` are for readers of raw events and for tests: they work with
Powertools' ``parse()`` and ``@event_parser``. A handler under ``@durable`` needs neither, only
``@durable(model=..., envelope=...)``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from powertools_durable.parser.envelope import DurableEnvelope
    from powertools_durable.parser.event import DurableInvocationEvent

__all__ = ["DurableEnvelope", "DurableInvocationEvent"]


_WHERE = {"DurableEnvelope": "envelope", "DurableInvocationEvent": "event"}


def __getattr__(name: str) -> object:
    """Load a name when it is first asked for: one of them needs Powertools, both need pydantic."""
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
    globals()[name] = found
    return found
