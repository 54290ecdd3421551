"""One module for each durable call: a generator that implements its section of the protocol, without I/O.

A handler uses few of them, so a module is loaded when it is first accessed, as in ``_operations.wait``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from powertools_durable._lazy import lazy

if TYPE_CHECKING:
    from powertools_durable._operations import batch_mode as batch_mode
    from powertools_durable._operations import callback as callback
    from powertools_durable._operations import child as child
    from powertools_durable._operations import compensation as compensation
    from powertools_durable._operations import defer as defer
    from powertools_durable._operations import fan_out as fan_out
    from powertools_durable._operations import invoke as invoke
    from powertools_durable._operations import patch as patch
    from powertools_durable._operations import step as step
    from powertools_durable._operations import wait as wait
    from powertools_durable._operations import wait_for_callback as wait_for_callback
    from powertools_durable._operations import wait_for_condition as wait_for_condition
    from powertools_durable._operations import with_retry as with_retry
else:
    __all__, __getattr__ = lazy(
        __name__,
        {},
        modules=(
            "batch_mode callback child compensation defer fan_out invoke patch step "
            "wait wait_for_callback wait_for_condition with_retry"
        ),
    )
