"""The same with all steps inside ``ctx.batch()``."""

from __future__ import annotations

from peers.ours import Peer as Plain


class Peer(Plain):
    """Programs in batch mode."""

    batched = True
