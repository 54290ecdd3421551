"""Lambda's event and the customer's payload as models.

`DurableInvocationEvent` and `DurableEnvelope` are for readers of raw events and for tests: they work with
Powertools' ``parse()`` and ``@event_parser``. A handler under ``@durable`` needs neither, only
``@durable(model=..., envelope=...)``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from powertools_durable._lazy import lazy

if TYPE_CHECKING:
    from powertools_durable.parser.envelope import DurableEnvelope as DurableEnvelope
    from powertools_durable.parser.event import DurableInvocationEvent as DurableInvocationEvent
else:
    __all__, __getattr__ = lazy(
        __name__,
        {
            "envelope": "DurableEnvelope",
            "event": "DurableInvocationEvent",
        },
    )
