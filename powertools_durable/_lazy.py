"""Packages whose names are loaded when they are first asked for.

Such a package lists each name twice, and nothing else: for type checkers as ``from ... import name as name`` below
``if TYPE_CHECKING:``, and at run time by the module that defines it. There is no ``__dir__``: what looks at each
attribute of each module, as freezegun does, need not load everything.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

__all__ = ["lazy"]


def lazy(package: str, homes: Mapping[str, str], *, modules: str = "") -> tuple[list[str], Callable[[str], Any]]:
    """Return ``__all__`` and ``__getattr__`` of a package.

    Parameters
    ----------
    package : str
        Its ``__name__``.
    homes : Mapping[str, str]
        Names, separated by spaces, by the module of the package that defines them.
    modules : str
        Modules of the package that are names themselves.
    """
    home_of = {name: home for home, names in homes.items() for name in names.split()}
    of_modules = modules.split()

    def load(name: str) -> Any:
        if name in of_modules:
            return import_module(f"{package}.{name}")
        if name not in home_of:
            message = f"module {package!r} has no attribute {name!r}"
            raise AttributeError(message)
        value = getattr(import_module(f"{package}.{home_of[name]}"), name)
        setattr(sys.modules[package], name, value)
        return value

    return sorted([*home_of, *of_modules]), load
