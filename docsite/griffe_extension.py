"""Tells griffe, which reads the reference from source, that a `frozen` class is a dataclass.

Without it such a class has no signature.
"""

from __future__ import annotations

from typing import Any

import griffe

_FROZEN = "powertools_durable._frozen.frozen"


class Records(griffe.Extension):
    """Calls our decorator by the name of the one that griffe knows."""

    def on_module_members(self, *, mod: griffe.Module, **_: Any) -> None:
        """Do so where *mod* imports it."""
        for member in mod.members.values():
            if isinstance(member, griffe.Alias) and member.target_path == _FROZEN:
                member.target_path = "dataclasses.dataclass"
