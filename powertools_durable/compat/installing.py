"""Redirects imports of the official SDK to `compat.aws`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType

__all__ = ["OFFICIAL", "OURS", "install", "install_named"]

OFFICIAL = "aws_durable_execution_sdk_python"
OURS = "powertools_durable.compat.aws"
VARIABLE = "POWERTOOLS_DURABLE_COMPAT"


def install() -> None:
    """Let imports of ``aws_durable_execution_sdk_python`` and its modules return those of `compat.aws`.

    Call it before anything imports the official SDK, whether that is installed or not. A second call does nothing.

    Raises
    ------
    DurableConfigError
        The official SDK has been imported already.
    """
    if any(isinstance(finder, _Redirection) for finder in sys.meta_path):
        return
    imported = sys.modules.get(OFFICIAL)
    if imported is not None:
        from powertools_durable.errors import DurableConfigError

        raise DurableConfigError(
            f"{OFFICIAL} was imported before powertools_durable.compat.install(), from "
            f"{getattr(imported, '__file__', None) or 'an unknown place'}: call install() first, at the top of the "
            "handler's module, or don't import both"
        )
    sys.meta_path.insert(0, _Redirection())


def install_named(name: str) -> None:
    """Do what the environment variable asks for.

    Raises
    ------
    DurableConfigError
        The name is not that of an SDK; or see `install`.
    """
    if name.strip().lower() == "aws":
        install()
        return
    from powertools_durable.errors import DurableConfigError

    raise DurableConfigError(f"{VARIABLE}={name!r} names no SDK; set it to 'aws', or not at all")


class _Redirection(MetaPathFinder):
    """Finds the modules of the official SDK in `compat.aws`."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        del path, target
        if fullname != OFFICIAL and not fullname.startswith(f"{OFFICIAL}."):
            return None
        ours = OURS + fullname.removeprefix(OFFICIAL)
        if find_spec(ours) is None:
            message = (
                f"{fullname} is not offered by powertools_durable.compat: see the table in the documentation, "
                "'Compatibility with the official SDK'"
            )
            raise ModuleNotFoundError(message, name=fullname)
        return ModuleSpec(fullname, _Loader(ours), is_package=hasattr(import_module(ours), "__path__"))


class _Loader(Loader):
    """Puts a module of `compat.aws` in the place of the one that is imported.

    Parameters
    ----------
    ours : str
        Its name.
    """

    def __init__(self, ours: str) -> None:
        self._ours = ours

    def exec_module(self, module: ModuleType) -> None:
        sys.modules[module.__name__] = import_module(self._ours)
