"""The public names of the official SDK, and how `compat` has each. ``python -m tests.compat.names`` prints them."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from dataclasses import is_dataclass
from typing import Any, ParamSpec, TypeVar

OFFICIAL, OURS = "aws_durable_execution_sdk_python", "powertools_durable.compat.aws"


def modules() -> list[str]:
    """Return the modules of the official SDK, without the package's name; the package itself is an empty name."""
    package = importlib.import_module(OFFICIAL)
    return [
        "",
        *(found.name.removeprefix(f"{OFFICIAL}.") for found in pkgutil.walk_packages(package.__path__, f"{OFFICIAL}.")),
    ]


def public_names(module: str) -> list[str]:
    """Return what *module* itself defines without an underscore; of the package, what it exports."""
    found = importlib.import_module(f"{OFFICIAL}.{module}".rstrip("."))
    if not module:
        return sorted(found.__all__)
    return sorted(
        name
        for name, value in vars(found).items()
        if not name.startswith("_")
        and getattr(value, "__module__", None) == found.__name__
        and not isinstance(value, TypeVar | ParamSpec)
    )


def both(module: str, name: str) -> tuple[Any, Any]:
    """Return the official thing of that name, and ours; None where there is none."""
    theirs = getattr(importlib.import_module(f"{OFFICIAL}.{module}".rstrip(".")), name)
    try:
        return theirs, getattr(importlib.import_module(f"{OURS}.{module}".rstrip(".")), name, None)
    except ModuleNotFoundError:
        return theirs, None


def shape(value: Any) -> Any:
    """Return its parameters with their defaults; of an enum its members; None of a protocol."""
    if isinstance(value, type) and hasattr(value, "__members__"):
        return {name: member.value for name, member in value.__members__.items()}
    if isinstance(value, type) and not is_dataclass(value) and value.__init__ in {object.__init__, Exception.__init__}:
        return None
    if getattr(value, "_is_protocol", False):
        return None
    try:
        parameters = inspect.signature(value).parameters.values()
    except (TypeError, ValueError):
        return None
    return [(each.name, each.kind.name, _default(each.default)) for each in parameters]


def _default(value: object) -> str:
    text = repr(value)
    return "..." if " at 0x" in text or "factory" in text else text


def members(value: Any) -> set[str]:
    """Return the public methods and properties of a class, with its parameters for each method."""
    if not isinstance(value, type) or issubclass(value, BaseException | str) or hasattr(value, "__members__"):
        return set()
    found = ((name, inspect.getattr_static(value, name)) for name in dir(value) if not name.startswith("_"))
    return {
        f"{name}{_parameters(each)}"
        for name, each in found
        if isinstance(each, property | staticmethod | classmethod) or inspect.isfunction(each)
    }


def _parameters(member: Any) -> str:
    if isinstance(member, property):
        return ""
    function = getattr(member, "__func__", member)
    return f"({', '.join(name for name in inspect.signature(function).parameters if name not in {'self', 'cls'})})"


def rows() -> list[str]:
    """Return the rows of the table in docs/coming-from/compatibility.md."""
    table = []
    for module in modules():
        cells: dict[str, list[str]] = {"same": [], "differs": [], "missing": []}
        for name in public_names(module):
            theirs, ours = both(module, name)
            is_same = shape(theirs) == shape(ours) and members(theirs) <= members(ours)
            if isinstance(theirs, str | int | float):  # a constant
                is_same = theirs == ours
            cells["missing" if ours is None else "same" if is_same else "differs"].append(f"`{name}`")
        if any(cells.values()):
            lists = (", ".join(cell) for cell in cells.values())
            table.append(f"| {' | '.join([f'`{module or OFFICIAL}`', *lists])} |")
    return table


if __name__ == "__main__":
    print("\n".join(rows()))
