"""What the user holds. The only place where operations and drivers meet.

A context's class is imported wherever an annotation names it. Its calls, and with them the engine, are loaded with the
first one that is made.
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
