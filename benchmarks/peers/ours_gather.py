"""The same with `asyncio.gather` over steps in place of a map."""

from __future__ import annotations

from peers.ours_async import Peer as Plain


class Peer(Plain):
    """Programs that gather."""

    gathers = True
