"""Clients of AWS services that the process shares."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any, TypeAlias

__all__ = ["Clients", "shared_client"]

Clients: TypeAlias = list[tuple[object, Any]]
"""What the environment said, and the client that was made of it; empty before."""

_making = threading.Lock()


def shared_client(clients: Clients, make: Callable[[], Any]) -> Any:
    """Return the one in *clients*; make it first if there is none, or outside of Lambda the environment has changed."""
    settings = _settings()
    with _making:  # a session is not safe to use from two threads
        if not clients or clients[0][0] != settings:
            clients[:] = [(settings, make())]
        return clients[0][1]


def _settings() -> object:
    """Return what the environment tells botocore; in Lambda it stays as it is, and is not looked at."""
    if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
        return None
    return {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
