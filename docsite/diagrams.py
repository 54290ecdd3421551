"""State diagrams and limits, generated from the code that they describe.

A page asks with a comment of its own line::

    <!-- lifecycle: STEP -->
    <!-- limits -->
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator

from powertools_durable._protocol import limits
from powertools_durable._protocol.lifecycle import EXTERNAL, TIMERS, TRANSITIONS
from powertools_durable._protocol.operation import OperationStatus, OperationType

Change = tuple[OperationStatus | None, OperationStatus, str]

_MARKER = re.compile(r"^<!-- (?P<what>lifecycle|limits)(?:: (?P<of>\w+))? -->$", re.MULTILINE)
_LIMIT = re.compile(r"^(?P<name>[A-Z_]+) = .*  # \[(?P<source>\w)\] ?(?P<words>.*)$", re.MULTILINE)
_SOURCES = {"M": "service model", "P": "official SDK", "E": "official emulator"}


def draw(markdown: str) -> str:
    """Return *markdown* with what is generated in place of each marker."""
    return _MARKER.sub(lambda marker: _WRITERS[marker["what"]](marker["of"]), markdown)


def state_diagram(kind: OperationType) -> str:
    """Return the life of a record as mermaid draws it.

    An arrow's label says who makes the change: an update of ours has its action's name, a timer is "time", and
    "outside" is a caller that answers from outside.
    """
    arrows: dict[tuple[OperationStatus | None, OperationStatus], list[str]] = {}
    for before, after, hand in _changes(kind):
        arrows.setdefault((before, after), []).append(hand)
    lines = [f"{_node(before)} --> {_node(after)}: {' / '.join(hands)}" for (before, after), hands in arrows.items()]
    ends = dict.fromkeys(after for _, after in arrows if after.is_terminal)
    lines += [f"{_node(status)} --> [*]" for status in ends]
    return "\n    ".join(["stateDiagram-v2", *lines])


def limits_table() -> str:
    """Return every limit of the service with its value, its meaning and where the number is from."""
    rows = [
        f"| `{limit['name']}` | {getattr(limits, limit['name']):,} | {limit['words']} | {_SOURCES[limit['source']]} |"
        for limit in _LIMIT.finditer(inspect.getsource(limits))
    ]
    return "\n".join(["| Limit | Number | Of what | Source |", "|---|---:|---|---|", *rows])


def _changes(kind: OperationType) -> Iterator[Change]:
    for (of, before, action), after in TRANSITIONS.items():
        if of is kind:
            yield before, after, action.value
    for (of, present), after in TIMERS.items():
        if of is kind:
            yield present, after, "time"
    for (of, present), outcomes in EXTERNAL.items():
        if of is kind:
            yield from ((present, after, "outside") for after in sorted(outcomes))


def _node(status: OperationStatus | None) -> str:
    return "[*]" if status is None else status.value


def _lifecycle(of: str) -> str:
    return f"```mermaid\n{state_diagram(OperationType[of])}\n```"


_WRITERS: dict[str, Callable[[str], str]] = {"lifecycle": _lifecycle, "limits": lambda _: limits_table()}
