"""Tells griffe, which reads the reference from source, that a `record` is a dataclass; else it has no signature."""

from __future__ import annotations

from typing import Any

import griffe

_RECORD = "powertools_durable._protocol.record.record"


class Records(griffe.Extension):
    """Calls our decorator by the name of the one that griffe knows."""

    def on_module_members(self, *, mod: griffe.Module, **_: Any) -> None:
        """Do so where *mod* imports it."""
        for member in mod.members.values():
            if isinstance(member, griffe.Alias) and member.target_path == _RECORD:
                member.target_path = "dataclasses.dataclass"
