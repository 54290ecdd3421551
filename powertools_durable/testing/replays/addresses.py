"""How a person names an operation of a history: ``PATH#N``.

``etl > map-item-7 > extract#2`` is the second operation with that path, in the order of their start. A path is the
names of an operation and of the contexts around it. An operation without a name is called by its kind: ``wait#2``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from powertools_durable._protocol.operation import Operation, OperationType
from powertools_durable.errors import ValidationError

__all__ = ["addresses_in", "find_operation", "path_of"]

_NUMBERED = re.compile(r"(?P<path>.*?)\s*#(?P<number>\d+)", re.DOTALL)
_BETWEEN = re.compile(r"\s*>\s*")
_KINDS = {OperationType.CHAINED_INVOKE: "invoke"}
_MOST_NAMED = 12  # operations that a message names


def path_of(operations: Mapping[str, Operation], record: Operation) -> str:
    """Return the names of the contexts around an operation, and its own."""
    names: list[str] = []
    above: Operation | None = record
    while above is not None:
        names.append(above.name or _KINDS.get(above.type, above.type.value.lower()))
        above = operations.get(above.parent_id or "")
    return " > ".join(reversed(names))


def addresses_in(operations: Mapping[str, Operation]) -> Iterator[tuple[str, Operation]]:
    """Yield each operation with its address, in the order of their start."""
    counts: dict[str, int] = {}
    for record in operations.values():
        path = path_of(operations, record)
        counts[path] = counts.get(path, 0) + 1
        yield f"{path}#{counts[path]}", record


def find_operation(operations: Mapping[str, Operation], address: str, history: str = "the history") -> Operation:
    """Return the operation with that address; without a number, the first with that path.

    Parameters
    ----------
    operations : Mapping[str, Operation]
        The records in the order of their start.
    address : str
        ``PATH`` or ``PATH#N``.
    history : str
        What a message calls the history.

    Raises
    ------
    ValidationError
        There is no such operation. The message names those that there are.
    """
    known = dict(addresses_in(operations))
    for wanted in (address, f"{address}#1"):  # a name may end in a number itself
        match = _NUMBERED.fullmatch(wanted)
        path = _BETWEEN.sub(" > ", match["path"].strip()) if match else ""
        if match and (record := known.get(f"{path}#{int(match['number'])}")) is not None:
            return record
    name = _BETWEEN.split(_NUMBERED.sub(r"\g<path>", address).strip())[-1]
    similar = [known_as for known_as in known if name and name in known_as] or list(known)
    more = f" and {len(similar) - _MOST_NAMED} more" if len(similar) > _MOST_NAMED else ""
    listed = ", ".join(map(_without_one, similar[:_MOST_NAMED])) or "none"
    message = f"{history} has no operation {address!r}; write PATH or PATH#N, of: {listed}{more}"
    raise ValidationError(message)


def _without_one(address: str) -> str:
    return address.removesuffix("#1")
