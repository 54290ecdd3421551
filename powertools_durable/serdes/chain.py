"""The order of wrapping serdes: which layer may be around which, and why another order is refused."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

from powertools_durable.errors import DurableConfigError

__all__ = ["ChainLayer", "check_order"]


class ChainLayer(IntEnum):
    """What a wrapping serdes does to the text; a layer goes around lower ones only."""

    MASK = 1
    COMPRESS = 2
    ENCRYPT = 3
    STORE = 4


_REASONS = {
    (ChainLayer.MASK, ChainLayer.COMPRESS): "{inner} leaves nothing to mask: mask first",
    (ChainLayer.MASK, ChainLayer.ENCRYPT): "{inner} leaves nothing to mask: mask first",
    (ChainLayer.MASK, ChainLayer.STORE): "{inner} leaves nothing to mask: mask first",
    (ChainLayer.COMPRESS, ChainLayer.ENCRYPT): "ciphertext does not get smaller: compress first",
    (ChainLayer.COMPRESS, ChainLayer.STORE): "{inner} inside would store its text uncompressed: compress first",
    (ChainLayer.ENCRYPT, ChainLayer.STORE): "{inner} inside would keep its text in clear: encrypt first",
}
_TWICE = {
    ChainLayer.COMPRESS: "what is compressed does not get smaller: one {outer} is enough",
    ChainLayer.ENCRYPT: "what is encrypted once is encrypted: one {outer} is enough",
    ChainLayer.STORE: "{outer} around {inner} would store a pointer: use one",
}


def check_order(outer: str, layer: ChainLayer | None, inside: Iterable[tuple[str, ChainLayer | None]]) -> None:
    """Refuse a serdes around others that undo what it is for.

    Parameters
    ----------
    outer : str
        Name of the class that goes around the others.
    layer : ChainLayer | None
        Its layer; None (a class of the user's) may be anywhere.
    inside : Iterable[tuple[str, ChainLayer | None]]
        Names and layers of the serdes inside it.

    Raises
    ------
    DurableConfigError
        The order makes no sense; the message says why, and the order that does.
    """
    for inner, lower in inside:
        if layer is None or lower is None or lower < layer or layer is lower is ChainLayer.MASK:
            continue
        if lower is layer:
            raise DurableConfigError(_TWICE[layer].format(outer=outer, inner=inner))
        reason = _REASONS[layer, lower].format(outer=outer, inner=inner)
        raise DurableConfigError(f"{reason}, {inner}(inner={outer}(...))")
