"""Collects a function's plugins: those that it lists, and those of other packages that the environment names.

Without a name in the environment, none of another package is loaded.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from powertools_durable.errors import DurableConfigError
from powertools_durable.errors.places import warn_the_user

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from powertools_durable.plugins import PluginSource

__all__ = ["GROUP", "VARIABLE", "plugins_of"]

VARIABLE = "POWERTOOLS_DURABLE_PLUGINS"
GROUP = "powertools_durable.plugins"


def plugins_of(listed: Any) -> tuple[PluginSource, ...]:
    """Return what is listed, then what ``POWERTOOLS_DURABLE_PLUGINS`` names, separated by commas; each once.

    Raises
    ------
    DurableConfigError
        Something listed is no plugin; or a name is given twice, no installed package offers it, two do, or it can't
        be loaded.
    """
    named = _named()
    if not listed and not named:
        return ()
    from powertools_durable.plugins import Plugin, PluginFactory

    if isinstance(listed, (Plugin, PluginFactory)) or callable(listed):
        raise DurableConfigError("durable(plugins=...) takes a list: plugins=[...]")
    found: list[PluginSource] = []
    for source in (*(listed or ()), *named):
        if isinstance(source, type) and issubclass(source, PluginFactory):
            found.append(source())
            continue
        if not isinstance(source, (Plugin, PluginFactory)) and (
            not callable(source) or (isinstance(source, type) and not issubclass(source, Plugin))
        ):
            shown = source.__name__ if isinstance(source, type) else type(source).__name__
            raise DurableConfigError(
                f"a plugin is a Plugin of powertools_durable.plugins or makes one; {shown} is none"
            )
        if any(source is known for known in found):
            warn_the_user(f"plugin {source!r} is listed twice; it hears everything once", UserWarning)
        else:
            found.append(source)
    return tuple(found)


def _named() -> list[Any]:
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
