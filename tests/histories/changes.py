"""Changes of code, made on the history instead: what is recorded becomes what other code would have recorded.

Ids are hashes of places, so whatever moves is numbered anew, with all that is below it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

Event = dict[str, Any]
Place = tuple[int, ...]
FAN_OUTS = {"Map", "Parallel"}
_FAR = 24  # how many numbers of a context are looked at


def identifier(place: Place) -> str:
    """Return the id of a place: the number of an operation behind those of the contexts around it."""
    found = ""
    for number in place:
        found = blake2b((f"{found}-{number}" if found else str(number)).encode()).hexdigest()[:64]
    return found


def _around(place: Place) -> Iterator[Place]:
    return (place[:length] for length in range(1, len(place)))


def is_of_an_operation(event: Event) -> bool:
    return not event["EventType"].startswith(("Execution", "Invocation"))


@dataclass
class History:
    """A history whose operations are known by their places."""

    events: list[Event]
    places: dict[str, Place] = field(default_factory=dict)

    def __post_init__(self) -> None:
        known = {event["Id"] for event in self.events if is_of_an_operation(event)}
        self._look_below((), known, depth=0)
        if any(self.first(key).get("SubType") != "Patch" for key in known - self.places.keys()):
            self._look_below((), known, depth=2)
        self.by_place = {place: key for key, place in self.places.items()}

    def _look_below(self, place: Place, known: set[str], *, depth: int, unseen: int = 0) -> None:
        """Find what is below *place*, also in contexts without a record, *depth* of them inside one another."""
        for number in range(_FAR):
            below = (*place, number)
            key = identifier(below)
            if key in known:
                self.places[key] = below
                self._look_below(below, known, depth=depth)
            elif unseen < depth and number < 12:
                self._look_below(below, known, depth=depth, unseen=unseen + 1)

    # -- what is there -------------------------------------------------------------------------------------

    @property
    def status(self) -> str:
        last = self.events[-1]["EventType"]
        return last.removeprefix("Execution").upper() if last.startswith("Execution") else "RUNNING"

    def first(self, key: str) -> Event:
        return next(event for event in self.events if event.get("Id") == key)

    def last(self, key: str) -> Event:
        return next(event for event in reversed(self.events) if event.get("Id") == key)

    def identity(self, key: str) -> tuple[Any, ...]:
        """Return what the determinism check compares, but for the parent."""
        last = self.last(key)
        kind = last["EventType"]
        for suffix in ("Started", "Succeeded", "Failed", "TimedOut", "Stopped", "Cancelled"):
            kind = kind.removesuffix(suffix)
        return kind, last.get("SubType"), last.get("Name") or None

    def has_ended(self, key: str) -> bool:
        return not self.last(key)["EventType"].endswith("Started")

    def is_branch(self, key: str) -> bool:
        return self.first(key).get("SubType") in {"MapIteration", "ParallelBranch"}

    def neighbours(self) -> Iterator[tuple[str, str]]:
        """Yield operations that follow one another in a context."""
        for place, key in sorted(self.by_place.items()):
            after = self.by_place.get((*place[:-1], place[-1] + 1))
            if after and not self.is_branch(key):
                yield key, after

    def inside(self, place: Place) -> list[tuple[Any, ...]]:
        """Return the identities of what is directly in a context, in order."""
        return [self.identity(key) for p, key in sorted(self.by_place.items()) if p[:-1] == place]

    def unseen(self) -> set[str]:
        """Return the operations that no replay asks for.

        Those inside contexts that have ended, of an execution that still runs; what a compensation did; and what
        was cut off of a fan-out whose large result is rebuilt.
        """
        return {key for key, place in self.places.items() if any(self._hides(p, place) for p in _around(place))}

    def _hides(self, outer: Place, place: Place) -> bool:
        key = self.by_place.get(outer)
        if key is None:
            return False
        if self.first(key)["SubType"] == "Compensation":
            return True
        last = self.last(key)
        if not self.has_ended(key):
            return False
        told = (last.get("ContextSucceededDetails") or {}).get("Result", {}).get("Payload")
        if told in {"", "300000 characters"}:
            return False
        if told is not None and told.startswith('{"type"'):
            return place[len(outer)] in json.loads(told)["startedIndexes"]
        return self.status == "RUNNING"

    # -- changes -------------------------------------------------------------------------------------------

    def with_fields(self, key: str, **fields: Any) -> list[Event]:
        """What code would have recorded that calls the operation otherwise."""
        return [event | fields if event.get("Id") == key else event for event in self.events]

    def as_wait(self, key: str) -> list[Event]:
        """What code would have recorded that waits there."""
        mine = [index for index, event in enumerate(self.events) if event.get("Id") == key]
        kinds = {mine[-1]: "WaitSucceeded", mine[0]: "WaitStarted"}
        changed = []
        for index, event in enumerate(self.events):
            if index not in mine:
                changed.append(event)
            elif kind := kinds.get(index):
                kept = {name: value for name, value in event.items() if not name.endswith("Details")}
                changed.append(kept | {"EventType": kind, "SubType": "Wait", f"{kind}Details": {"Duration": 1}})
        return _numbered(changed)

    def swapped(self, key: str, after: str) -> list[Event]:
        """What code would have recorded that asks for the two in the other order."""
        one, other = self.places[key], self.places[after]
        return self._moved({one: other, other: one})

    def with_one_more(self, place: Place) -> list[Event]:
        """What code would have recorded that has a step at *place*, before what is there or behind what was last."""
        parent = identifier(place[:-1]) if len(place) > 1 else None
        before = self.by_place.get(place)
        at = self._index_of_first(before) if before else self._behind(place)
        moment = self.events[at - 1]["EventTimestamp"]
        extra: Event = {"Id": identifier(place), "SubType": "Step", "Name": "dropped", "EventTimestamp": moment}
        extra |= {"ParentId": parent} if parent else {}
        added = [
            extra | {"EventType": "StepStarted", "StepStartedDetails": {}},
            extra | {"EventType": "StepSucceeded", "StepSucceededDetails": {"Result": {"Payload": "1"}}},
        ]
        moved = self._moved(self._shift(place, 1))
        return _numbered([*moved[:at], *added, *moved[at:]])

    def with_one_less(self, key: str) -> list[Event]:
        """What code would have recorded that does not ask for the operation, nor for what is in it."""
        place = self.places[key]
        gone = {k for k, p in self.places.items() if p[: len(place)] == place}
        kept = [event for event in self.events if event.get("Id") not in gone]
        return _numbered(self._moved(self._shift((*place[:-1], place[-1] + 1), -1), kept))

    def with_one_more_branch(self, key: str) -> list[Event]:
        """What code would have recorded that has another branch in a fan-out, behind the others."""
        inside = sorted(p for p in self.by_place if p[:-1] == self.places[key])
        last = self.by_place[inside[-1]]
        model = self.first(last)
        place = (*inside[-1][:-1], inside[-1][-1] + 1)
        kind = "map-item" if model["SubType"] == "MapIteration" else "parallel-branch"
        extra = model | {"Id": identifier(place), "Name": f"{kind}-{place[-1]}"}
        at = self._index_of_first(last) + 1
        return _numbered([*self.events[:at], extra, *self.events[at:]])

    # -- how -----------------------------------------------------------------------------------------------

    def _index_of_first(self, key: str) -> int:
        return next(index for index, event in enumerate(self.events) if event.get("Id") == key)

    def _behind(self, place: Place) -> int:
        """Return where the events of what comes before *place*, and of what is in it, are over."""
        before = (*place[:-1], place[-1] - 1)
        keys = {k for k, p in self.places.items() if p[: len(before)] == before}
        return max(index for index, event in enumerate(self.events) if event.get("Id") in keys) + 1

    def _shift(self, place: Place, by: int) -> dict[Place, Place]:
        """Return the moves of what is at *place* and behind it in the same context."""
        depth = len(place)
        later = {
            p[:depth] for p in self.by_place if p[: depth - 1] == place[:-1] and p[depth - 1 : depth] >= place[-1:]
        }
        return {p: (*p[:-1], p[-1] + by) for p in later if len(p) == depth}

    def _moved(self, moves: dict[Place, Place], events: list[Event] | None = None) -> list[Event]:
        new: dict[str, str] = {}
        for key, place in self.places.items():
            for length in range(len(place), 0, -1):
                if place[:length] in moves:
                    new[key] = identifier((*moves[place[:length]], *place[length:]))
        return [
            event | {name: new[event[name]] for name in ("Id", "ParentId") if event.get(name) in new}
            for event in (self.events if events is None else events)
        ]


def _numbered(events: list[Event]) -> list[Event]:
    return [event | {"EventId": number} for number, event in enumerate(events, 1)]
