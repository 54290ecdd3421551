"""The same with a type for what steps return: plain JSON by pydantic in place of the tagged format."""

from __future__ import annotations

from typing import Any

from peers.ours import Peer as Plain
from typing_extensions import TypedDict


class Row(TypedDict):
    """A row of the harness's payload."""

    id: int
    name: str
    tags: list[str]
    price: float


class Peer(Plain):
    """Programs whose steps return rows."""

    returns: Any = list[Row]
