"""The same with ``def`` bodies, which run on threads."""

from __future__ import annotations

from peers.ours_async import Peer as Plain


class Peer(Plain):
    """Programs whose steps block."""

    async_bodies = False
