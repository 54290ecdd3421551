"""The names of other SDKs over this package's engine, for handlers that exist already.

`compat.aws` has those of the official SDK, ``aws-durable-execution-sdk-python`` 3.0. A handler that imports them from
there runs here unchanged; its execution's history is the one that the official SDK writes.
"""

from __future__ import annotations

__all__: list[str] = []
