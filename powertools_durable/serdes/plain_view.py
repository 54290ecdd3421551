"""The tagged format as plain JSON, for readers and for paths into it."""

from __future__ import annotations

from typing import Any

__all__ = ["plain_view"]


def plain_view(node: Any) -> Any:
    """Return what a text in the tagged format says, as plain JSON."""
    if not isinstance(node, dict):
        return [plain_view(item) for item in node] if isinstance(node, list) else node
    match node.get("t"), node.get("v"):
        case "m" | "br", dict() as items:
            return {key: plain_view(item) for key, item in items.items()}
        case "t" | "l" | "xs" | "xfs", list() as items:
            return [plain_view(item) for item in items]
        case "xk", list() as pairs:
            return {str(plain_view(key)): plain_view(item) for key, item in pairs}
        case _, value:
            return value
