"""The contexts that users hold. Only here do operations and drivers meet.

The class of a context is imported wherever an annotation names it. The modules that build its calls, and with them the
engine, are loaded when the first context is created.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from powertools_durable._lazy import lazy

if TYPE_CHECKING:
    from powertools_durable._contexts import calls as calls
    from powertools_durable._contexts import fan_out_calls as fan_out_calls
    from powertools_durable._contexts import saga_calls as saga_calls
else:
    __all__, __getattr__ = lazy(__name__, {}, modules="calls fan_out_calls saga_calls")
