"""The names of other SDKs over this package's engine, for handlers that exist already.

`compat.aws` has those of the official SDK, ``aws-durable-execution-sdk-python`` 3.0. A handler that imports them from
there runs here unchanged; its execution's history is the one that the official SDK writes.

* ``python -m powertools_durable.compat app.py`` shows the change of a file's imports, and ``--write`` makes it.
* `install` redirects the imports of code that you don't own.
"""

from __future__ import annotations

from powertools_durable.compat.installing import install

__all__ = ["install"]
