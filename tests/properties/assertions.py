"""I15 to I18: what the code is given, and what it says."""

from __future__ import annotations

import re
from collections import Counter, defaultdict

from tests.properties.reading import ENDED, NEVER, Execution
from tests.properties.views import Found, View

__all__ = [
    "attempts_have_no_gap",
    "lines_appear_once",
    "outcomes_stay_as_they_were",
    "replay_sends_nothing",
]

_ITEM = re.compile(r"(-(?:item|branch)-)\d+")
_LIBRARY = "powertools_durable"
_INTERRUPTED = "StepInterruptedError"


def outcomes_stay_as_they_were(view: View) -> Found:
    """I15: user-visible outcome of every operation identical live and on every replay."""
    one, other = view.one, view.other
    first: dict[tuple[str, str], tuple[str | None, str, str]] = {}
    for _, seen in one.seen:
        if seen.error and seen.status not in ENDED:
            continue  # what ends an invocation, or misuse
        key, outcome = (seen.operation, seen.call), (seen.value, seen.error, seen.words)
        if first.setdefault(key, outcome) != outcome:
            yield seen.invocation, f"{seen.call} {seen.operation} is {outcome}, and was {first[key]}"
    if other is None:
        return
    luck = one.cut_off | other.cut_off
    paths: dict[str, str] = {}
    for _, seen in other.seen:
        key, outcome = (seen.operation, seen.call), (seen.value, seen.error, seen.words)
        mine = first.get(key, outcome)
        if mine == outcome or seen.status not in ENDED or _INTERRUPTED in mine[1] or seen.call == "create_callback":
            continue
        paths, others = paths or one.paths(), other.paths()
        # After an interruption of an at-most-once step code goes other ways, and ids are those of other operations.
        if paths[seen.operation] == others[seen.operation] and not other.below(luck, seen.operation):
            yield 0, f"{seen.call} {seen.operation} is {mine}, without crashes {outcome}"


def lines_appear_once(view: View) -> Found:
    """I16: log lines of a crash-free execution appear exactly once; with crashes at least once."""
    one, other = view.one, view.other
    shown, said = _lines(one)
    exactly = one.had_peace and not view.trace.faults
    for line, count in said.items():
        if shown[line] < count or (exactly and shown[line] != count):
            yield 0, f"{line} appears {shown[line]} times, and was said {count} times"
    if other is None or not other.lines or shown >= (usual := _lines(other)[0]):
        return
    paths, others = one.paths(), other.paths()
    luck = one.cut_off | other.cut_off
    by_path: Counter[tuple[str, ...]] = Counter()
    for (context, operation, *words), count in shown.items():
        by_path[paths.get(str(context), ""), paths.get(str(operation), ""), *map(_without_item, words)] += count
    for (context, operation, *words), count in usual.items():
        line_ = (others.get(str(context), ""), others.get(str(operation), ""), *map(_without_item, words))
        if by_path[line_] < count and not other.below(luck, str(context)):
            yield 0, f"{line_} appears {by_path[line_]} times, without crashes {count}"


def _without_item(word: object) -> str:
    """Leave out which item of a fan-out a line names: the first of several that fail differs between runs."""
    return _ITEM.sub(r"\1*", str(word))


_Said = tuple[str, str, int, str, str, str]


def _lines(one: Execution) -> tuple[Counter[_Said], Counter[_Said]]:
    """Count how often each line came out, and how often it is said when its code runs from beginning to end."""
    shown: Counter[_Said] = Counter()
    said: Counter[_Said] = Counter()
    if not one.lines:
        return shown, said
    passes: dict[_Said, Counter[tuple[int, int]]] = defaultdict(Counter)
    entries: Counter[str] = Counter()
    entered = iter([*one.entered, (NEVER, None)])
    until, entry = next(entered)
    for at, line in one.lines:
        while until < at and entry is not None:
            entries[entry.operation] += 1
            until, entry = next(entered)
        if line.logger.startswith(_LIBRARY) or line.state == "UNWINDING":
            continue
        key = (line.context, line.operation, line.attempt, line.logger, line.level, line.message)
        shown[key] += line.shown
        passes[key][line.invocation, entries[line.context]] += 1
    for key, counts in passes.items():
        said[key] = max(counts.values())
    return shown, said


def attempts_have_no_gap(view: View) -> Found:
    """I17: attempt numbers are 1,2,3... without gap."""
    for start in view.one.bodies:
        if start.body.attempt != start.attempt and view.one.knows(start.at, start.body.invocation):
            words = (
                f"attempt {start.body.attempt} of {start.body.operation}, after {start.attempt - 1} that are recorded"
            )
            yield start.body.invocation, words


def replay_sends_nothing(view: View) -> Found:
    """I18: replay issues zero updates for already terminal operations."""
    told, ended_at, began = view.one.told, view.one.ended_at, view.one.began
    for request in view.one.requests:
        invocation = request.sent.invocation
        begins = began[invocation][0]
        for update in request.sent.updates:
            known = told.get((invocation, update["Id"]), (NEVER, ""))[0] < request.at
            if known or ended_at.get(update["Id"], NEVER) < begins:
                yield invocation, f"{update['Action']} of {update['Id']}, which has ended"
