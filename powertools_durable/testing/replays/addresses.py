"""How a person names an operation of a history: ``PATH#N``.

``etl > map-item-7 > extract#2`` is the second operation with that path, in the order of their start; see `naming`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from powertools_durable._protocol.operation import Operation
from powertools_durable._service.naming import NamedPlace, Naming
from powertools_durable.errors import ValidationError

__all__ = ["addresses_in", "find_operation"]

_SPACES = re.compile(r"\s*([#>])\s*")
_MOST_NAMED = 12  # operations that a message names


def addresses_in(operations: Mapping[str, Operation]) -> Iterator[tuple[str, Operation]]:
    """Yield each operation with its address, in the order of their start."""
    naming = Naming()
    for record in operations.values():
        yield _address(naming.of(operations, record.id)), record


def _address(place: NamedPlace) -> str:
    return place.path if place.number == 1 else place.numbered


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
    naming, wanted = Naming(), _without_spaces(address)
    known: dict[str, Operation] = {}
    for record in operations.values():
        place = naming.of(operations, record.id)
        known.setdefault(_without_spaces(place.path), record)
        known.setdefault(_without_spaces(place.numbered), record)
    if wanted in known:
        return known[wanted]
    name = wanted.rpartition(">")[2].partition("#")[0]
    addresses = [one for one, _ in addresses_in(operations)]
    similar = [one for one in addresses if name and name in one] or addresses
    more = f" and {len(similar) - _MOST_NAMED} more" if len(similar) > _MOST_NAMED else ""
    listed = ", ".join(similar[:_MOST_NAMED]) or "none"
    message = f"{history} has no operation {address!r}; write PATH or PATH#N, of: {listed}{more}"
    raise ValidationError(message)


def _without_spaces(address: str) -> str:
    return _SPACES.sub(r"\1", address.strip())
