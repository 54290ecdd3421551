"""Handlers that the official conformance requirements ask for, one module for each suite.

With ``CONFORMANCE_HANDLERS=async`` in the environment they are loaded as ``async def`` handlers.
"""

from __future__ import annotations

import os
import sys

if os.environ.get("CONFORMANCE_HANDLERS") == "async":
    from tests.twins import Twins

    sys.meta_path.insert(0, Twins(__name__, but=["common"]))
