"""Names that a module of the official SDK passes on, because it imports them; handlers import them from there, too."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

__all__ = ["elsewhere"]

_PACKAGE = "powertools_durable.compat.aws"


def elsewhere(module: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """Return the ``__getattr__`` of a module.

    Parameters
    ----------
    module : str
        Its ``__name__``.
    homes : Mapping[str, str]
        Names, separated by spaces, by the module of `compat.aws` that defines them.
    """
    home_of = {name: home for home, names in homes.items() for name in names.split()}

    def load(name: str) -> Any:
        if name not in home_of:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        return getattr(import_module(f"{_PACKAGE}.{home_of[name]}"), name)

    return load
