"""Names operations for people: a label, and a path through the contexts around it. Pure.

An operation without a name is called after its kind, and counted: ``wait #2`` is the second wait without a name in its
context. The callback inside a ``wait_for_callback`` is called as that is. An operation of a FLAT branch of a fan-out
belongs to the branch, though its record says otherwise: the branch has no record, but the operation's id is derived
from the branch's (docs/contributing/protocol.md#operation-ids).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from enum import StrEnum
from itertools import islice
from typing import Final

from powertools_durable._protocol.operation import Operation, OperationType, SubType, operation_id

__all__ = ["FAN_OUTS", "SEPARATOR", "Kind", "NamedPlace", "Naming", "kind_of"]

SEPARATOR: Final = " > "
_NUMBERS_AHEAD = 8  # operations of one branch may be recorded in another order than they were called
_BRANCHES_AHEAD = 256  # branches that have recorded nothing yet


class Kind(StrEnum):
    """What kind of call made an operation."""

    STEP = "step"
    WAIT = "wait"
    CALLBACK = "callback"
    INVOKE = "invoke"
    CONTEXT = "context"
    MAP = "map"
    PARALLEL = "parallel"
    BRANCH = "branch"
    WAIT_FOR_CALLBACK = "wait_for_callback"
    WAIT_FOR_CONDITION = "wait_for_condition"
    WITH_RETRY = "with_retry"
    COMPENSATION = "compensation"
    RACE = "race"
    PATCH = "patch"


FAN_OUTS: Final = frozenset({Kind.MAP, Kind.PARALLEL})
_BY_SUB_TYPE: Final[dict[str, Kind]] = {
    SubType.WAIT_FOR_CALLBACK: Kind.WAIT_FOR_CALLBACK,
    SubType.WAIT_FOR_CONDITION: Kind.WAIT_FOR_CONDITION,
    SubType.MAP: Kind.MAP,
    SubType.MAP_ITERATION: Kind.BRANCH,
    SubType.PARALLEL: Kind.PARALLEL,
    SubType.PARALLEL_BRANCH: Kind.BRANCH,
    SubType.COMPENSATION: Kind.COMPENSATION,
    SubType.RACE: Kind.RACE,
    SubType.PATCH: Kind.PATCH,
}
_BY_TYPE: Final[dict[str, Kind]] = {
    OperationType.STEP: Kind.STEP,
    OperationType.WAIT: Kind.WAIT,
    OperationType.CALLBACK: Kind.CALLBACK,
    OperationType.CHAINED_INVOKE: Kind.INVOKE,
    OperationType.CONTEXT: Kind.CONTEXT,
}
_BRANCH_NAME: Final = {Kind.MAP: "map-item-", Kind.PARALLEL: "parallel-branch-"}


def kind_of(type_: str, sub_type: str | None) -> Kind:
    """Return the kind of an operation; one of a type that this version does not know is a context."""
    return _BY_SUB_TYPE.get(sub_type or "") or _BY_TYPE.get(type_, Kind.CONTEXT)


class NamedPlace:
    """Where an operation is, and what it is called.

    Attributes
    ----------
    id : str
        The operation's id; of a FLAT branch the id that its record would have.
    kind : Kind
        What it is.
    name : str | None
        The name that the user gave it.
    above : NamedPlace | None
        The operation that contains it; None at the top.
    path : str
        Its name after the names of the operations around it: ``etl > map-item-7 > extract``.
    number : int
        It is the operation number *number* with this path, in the order of their start.
    label : str
        Its display name: ``charge``, ``charge #2`` for another of its kind with the same path, or ``wait #1``
        without a name.
    """

    __slots__ = ("above", "id", "kind", "label", "name", "number", "path")

    def __init__(self, identifier: str, kind: Kind, name: str | None, above: NamedPlace | None, segment: str) -> None:
        self.id = identifier
        self.kind = kind
        self.name = name
        self.above = above
        self.path: str = f"{above.path}{SEPARATOR}{segment}" if above is not None else segment
        self.number = 1
        self.label = segment

    @property
    def called(self) -> NamedPlace:
        """The operation that the user called: of the callback in a ``wait_for_callback`` the latter."""
        above = self.above
        return above if above is not None and above.kind is Kind.WAIT_FOR_CALLBACK else self

    @property
    def numbered(self) -> str:
        """Its path and its number, which no other operation has: ``PATH #N``."""
        return f"{self.path} #{self.number}"

    def is_called(self, text: str) -> bool:
        """Return whether *text* is its name, label, path or ``PATH #N``."""
        return text in {self.name, self.label, self.path, self.numbered}


class Naming:
    """The places of the operations of one execution, told of in the order of their start.

    Attributes
    ----------
    places : dict[str, NamedPlace]
        By id.
    """

    def __init__(self) -> None:
        self.places: dict[str, NamedPlace] = {}
        self._seen = 0
        self._unnamed: Counter[tuple[str, Kind]] = Counter()
        self._paths: Counter[str] = Counter()
        self._named: set[tuple[str, Kind]] = set()
        self._branches: dict[str, _FlatBranches] = {}

    def of(self, operations: Mapping[str, Operation], identifier: str) -> NamedPlace:
        """Return the place of an operation; *operations* are all records in the order of their start.

        Raises
        ------
        KeyError
            It is none of them.
        """
        if self._seen < len(operations):
            for record in islice(operations.values(), self._seen, None):
                if record.type is not OperationType.EXECUTION:
                    self.note(record.id, record.type, record.sub_type, record.name, record.parent_id)
            self._seen = len(operations)
        return self.places[identifier]

    def note(
        self, identifier: str, type_: str, sub_type: str | None, name: str | None, parent_id: str | None
    ) -> NamedPlace:
        """Return the place of an operation that has started."""
        kind = kind_of(type_, sub_type)
        above = self.places.get(parent_id or "")
        if above is not None and above.kind in FAN_OUTS and kind is not Kind.BRANCH:
            above = self._branch_of(above, identifier, kind, name) or above
        return self._add(identifier, kind, name, above)

    def _add(self, identifier: str, kind: Kind, name: str | None, above: NamedPlace | None) -> NamedPlace:
        segment = name
        if not name:
            key = (above.id if above is not None else "", kind)
            self._unnamed[key] += 1
            segment = f"{kind} #{self._unnamed[key]}"
        place = self.places[identifier] = NamedPlace(identifier, kind, name, above, segment or "")
        self._paths[place.path] += 1
        place.number = self._paths[place.path]
        if name and (place.path, kind) in self._named:
            place.label = f"{name} #{place.number}"
        self._named.add((place.path, kind))
        return place

    def _branch_of(self, fan_out: NamedPlace, identifier: str, kind: Kind, name: str | None) -> NamedPlace | None:
        """Return the FLAT branch of an operation whose record has the fan-out as parent."""
        branches = self._branches.get(fan_out.id)
        if branches is None:
            branches = self._branches[fan_out.id] = _FlatBranches(fan_out.id)
        index = branches.with_mark(identifier, name) if kind is Kind.PATCH else branches.with_operation(identifier)
        if index is None:
            return None
        branch = self.places.get(branches.ids[index])
        if branch is None:
            branch = self._add(branches.ids[index], Kind.BRANCH, f"{_BRANCH_NAME[fan_out.kind]}{index}", fan_out)
        return branch


class _FlatBranches:
    """Finds the FLAT branch of a fan-out in which an operation was called."""

    def __init__(self, fan_out: str) -> None:
        self.ids: list[str] = []
        self._fan_out = fan_out
        self._known = 0  # branches up to the last one of which an operation is known
        self._ahead: dict[str, tuple[int, int]] = {}  # ids of operations that may follow, with branch and number
        self._last: list[int] = []  # the highest number in it, by branch

    def with_operation(self, identifier: str) -> int | None:
        """Return the index of the branch that called an operation; None if none did."""
        place = self._ahead.pop(identifier, None)
        while place is None and len(self.ids) < self._known + _BRANCHES_AHEAD:
            self._open()
            place = self._ahead.pop(identifier, None)
        if place is None:
            return None
        index, number = place
        self._known = max(self._known, index + 1)
        self._extend(index, number + _NUMBERS_AHEAD)
        return index

    def with_mark(self, identifier: str, name: str | None) -> int | None:
        """Return the index of the branch with a mark of ``patched``, whose id is derived from its name."""
        while len(self.ids) < self._known + _BRANCHES_AHEAD:
            self._open()
        marks = (operation_id(f"{branch}-patch-{name}") for branch in self.ids)
        return next((index for index, mark in enumerate(marks) if mark == identifier), None)

    def _open(self) -> None:
        self.ids.append(operation_id(f"{self._fan_out}-{len(self.ids)}"))
        self._last.append(0)
        self._extend(len(self.ids) - 1, _NUMBERS_AHEAD)

    def _extend(self, index: int, last: int) -> None:
        for number in range(self._last[index] + 1, last + 1):
            self._ahead[operation_id(f"{self.ids[index]}-{number}")] = index, number
        self._last[index] = max(self._last[index], last)
