"""Finds plugins that other packages offer, by the names that the environment gives. Without a name, none is loaded."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from powertools_durable.errors import DurableConfigError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = ["GROUP", "VARIABLE", "plugins_from_environment"]

VARIABLE = "POWERTOOLS_DURABLE_PLUGINS"
GROUP = "powertools_durable.plugins"


def plugins_from_environment() -> list[Any]:
    """Load the entry points that ``POWERTOOLS_DURABLE_PLUGINS`` lists, separated by commas, in its order.

    Raises
    ------
    DurableConfigError
        A name is listed twice, no installed package offers it, two do, or it can't be loaded.
    """
    names = [name.strip() for name in os.environ.get(VARIABLE, "").split(",") if name.strip()]
    for name in names:
        if names.count(name) > 1:
            raise DurableConfigError(f"{VARIABLE} lists {name!r} twice; list each plugin once")
    return [_load(_found(name)) for name in names]


def _found(name: str) -> EntryPoint:
    from importlib.metadata import entry_points

    offered = entry_points(group=GROUP)
    found = [point for point in offered if point.name == name]
    if len(found) == 1:
        return found[0]
    if found:
        owners = ", ".join(sorted(point.dist.name if point.dist else "?" for point in found))
        raise DurableConfigError(f"{VARIABLE} lists {name!r}, which several packages offer: {owners}")
    known = ", ".join(sorted(point.name for point in offered)) or "none"
    raise DurableConfigError(
        f"{VARIABLE} lists {name!r}, which no installed package offers in the entry point group {GROUP!r}; "
        f"offered: {known}"
    )


def _load(point: EntryPoint) -> Any:
    try:
        return point.load()
    except Exception as error:
        raise DurableConfigError(
            f"{VARIABLE} lists {point.name!r}, but loading {point.value} failed: {type(error).__name__}: {error}"
        ) from error
