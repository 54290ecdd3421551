"""Plug-ins that the environment names, as ``aws_durable_execution_sdk_python.plugin_discovery`` finds them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points
from typing import Any

from powertools_durable.compat.aws.elsewhere import elsewhere
from powertools_durable.compat.aws.exceptions import PluginLoadError

__all__ = ["PLUGIN_ENTRY_POINT_GROUP", "PLUGIN_ENVIRONMENT_VARIABLE", "load_configured_plugins"]
__getattr__ = elsewhere(
    __name__,
    {
        "plugin": "DurableInstrumentationPluginFactory",
    },
)

PLUGIN_ENTRY_POINT_GROUP = "aws_durable_execution.plugins"
PLUGIN_ENVIRONMENT_VARIABLE = "DURABLE_EXECUTION_PLUGINS"


def load_configured_plugins(
    explicit_plugins: Sequence[Any] | None, *, environment: Mapping[str, str] | None = None
) -> list[Any]:
    """Return *explicit_plugins*, then the factories that ``DURABLE_EXECUTION_PLUGINS`` names; each once.

    Names are separated by commas.

    Raises
    ------
    PluginLoadError
        A name is empty or given twice, no installed package offers it or several do, or it can't be loaded.
    """
    found = list(explicit_plugins or ())
    text = (os.environ if environment is None else environment).get(PLUGIN_ENVIRONMENT_VARIABLE)
    if text is None or not text.strip():
        return found
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if not name:
            raise PluginLoadError(f"{PLUGIN_ENVIRONMENT_VARIABLE} has an empty name: separate names by single commas")
        if names.count(name) > 1:
            raise PluginLoadError(f"{PLUGIN_ENVIRONMENT_VARIABLE} lists {name!r} twice; list each plug-in once")
        factory = _load(name)
        if not any(factory is known for known in found):
            found.append(factory)
    return found


def _load(name: str) -> Any:
    offered = entry_points(group=PLUGIN_ENTRY_POINT_GROUP)
    points = [point for point in offered if point.name == name]
    if len(points) != 1:
        known = ", ".join(sorted({point.name for point in offered})) or "none"
        problem = "several packages offer" if points else "no installed package offers"
        raise PluginLoadError(
            f"{PLUGIN_ENVIRONMENT_VARIABLE} lists {name!r}, which {problem} in the entry point group "
            f"{PLUGIN_ENTRY_POINT_GROUP!r}; offered: {known}"
        )
    try:
        return points[0].load()
    except Exception as error:
        raise PluginLoadError(
            f"{PLUGIN_ENVIRONMENT_VARIABLE} lists {name!r}, but loading {points[0].value} failed: "
            f"{type(error).__name__}: {error}"
        ) from error
