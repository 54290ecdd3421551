"""A program and what is against it: run, judged, counted, and printed as a script that shows what is wrong."""

from __future__ import annotations

import json
import textwrap
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, NamedTuple

from tests.properties.bodies import FUNCTIONS, LEDGER, MISPLACED, WRONG
from tests.properties.changes import CHANGES, Change, changed, deployed, mixed
from tests.properties.counters import tallied
from tests.properties.events import Answered, Ended, Requested, Trace
from tests.properties.faults import CALLS, CLASSES, NONE, PAGES, FaultPlan
from tests.properties.invariants import check
from tests.properties.making import Maker, Seeded
from tests.properties.programs import (
    ASYNC_IMPORTS,
    IMPORTS,
    Program,
    Written,
    callbacks_of,
    functions_of,
    lines_of,
    source,
)
from tests.properties.trace import observe

_FAR = 200
_AGAINST = 4  # executions of each program besides the one that nothing is against
# A page that does not come is asked for again by botocore, which is not in these runs.
_PASSING = frozenset({*CLASSES} - {"stale token", "no token", "overlap", *PAGES})
# How a program may fail: by what its lines raise, or by a gesture that raises something instead.
_FAIR = ("StepError", "ChildContextError", "InvokeError", "CallbackTimeoutError", "ValueError")
_MISUSE = "ValidationError"
# Code that asks for the same in another format can't read what is recorded.
_DETECTED = ("NonDeterminismError", "SerDesError")


class Case(NamedTuple):
    """A program, and what is against it: ``repr`` is Python.

    ``kills`` are the numbers of the moments at which a process dies. A program that ``awaits`` is ``async def``.
    """

    program: Program
    seed: int = 0
    kills: tuple[int, ...] = ()
    faults: FaultPlan = NONE
    change: Change | None = None
    awaits: bool = False


@dataclass
class Examined:
    """What came of a case."""

    case: Case
    trace: Trace
    violations: list[str]

    def tally(self) -> Counter[str]:
        """Count what was hit."""
        return tallied(self.case.program, self.trace, self.case.change)


class Bench:
    """Runs one program: first with nothing against it, which is what all else is compared with.

    Parameters
    ----------
    program : Program
        The program.
    seed : int
        Decides tokens, ids and jitter.
    awaits : bool
        It runs as ``async def``.
    """

    def __init__(self, program: Program, seed: int = 0, *, awaits: bool = False) -> None:
        self._handler = Written(program, f"program-{seed}", awaits=awaits).handler
        self._case = Case(program, seed, awaits=awaits)
        self.reference = self._observe(self._case, self._handler)

    def examined(self, case: Case | None = None) -> Examined:
        """Run *case*, which is of this program; None is the one that nothing is against."""
        if case is None or case == self._case:
            case, trace = self._case, self.reference
        elif case.change is not None:
            trace = self._observe(case, deployed(case.program, case.change, awaits=case.awaits))
            return Examined(case, trace, mixed_up(trace))
        else:
            trace = self._observe(case, self._handler)
        return Examined(case, trace, violations(trace, self.reference))

    def _observe(self, case: Case, handler: Callable[..., Any]) -> Trace:
        WRONG.clear()
        MISPLACED.clear()
        return observe(
            handler,
            None,
            functions=FUNCTIONS if case.change else functions_of(case.program),
            seed=case.seed,
            kills=case.kills,
            faults=case.faults,
            callbacks=_answers(case),
            ledger=LEDGER,
        )


def examined(case: Case) -> Examined:
    """Run a case, and one with nothing against it to compare with."""
    return Bench(case.program, case.seed, awaits=case.awaits).examined(case)


def examined_of(seed: int, *, awaits: bool = False) -> Iterator[Examined]:
    """Run the program of that seed, and then with this and that against it."""
    maker = Maker(Seeded(Random(seed)))
    program = maker.program()
    bench = Bench(program, seed, awaits=awaits)
    yield bench.examined()
    for _ in range(_AGAINST):
        yield bench.examined(against(maker, program, seed, bench.reference)._replace(awaits=awaits))


def against(maker: Maker, program: Program, seed: int, reference: Trace) -> Case:
    """Choose what is against a program: crashes, faults of the service, or a change of its code."""
    number, several = maker.choices.number, maker.choices.several
    if maker.seldom(8):
        at = number(0, len(list(lines_of(program))) - 1)
        return Case(program, seed, change=Change(maker.pick(CHANGES), at, number(2, 3)))
    # Which of them there are may depend on how threads take turns, so what is chosen does not.
    moments = len(reference.moments) + 1
    requests = _requests(reference)
    kills = several(lambda: number(0, _FAR) % moments, 0, 3)
    calls = several(lambda: (_one_of(number(0, _FAR), maker.pick(requests)), maker.pick(CALLS)), number(0, 1), 3)
    items = maker.pick((0, 0, 1, 2, 3))
    pages = several(lambda: (number(0, 3), maker.pick(PAGES)), 0, 2) if items else []
    faults = FaultPlan(
        calls=dict(calls),
        pages=dict(pages),
        page_items=items,
        skew=maker.pick((0.0, 0.0, 0.0, 2.0, -2.0)),
        unknown=maker.seldom(4),
        duplicates=maker.seldom(4),
    )
    return Case(program, seed, tuple(sorted(set(kills))), faults)


def _requests(reference: Trace) -> list[list[int]]:
    """Return the numbers of the requests that tell of each type of operation: faults should meet all types."""
    found: defaultdict[str, list[int]] = defaultdict(list)
    sent = [event for event in reference.events if isinstance(event, Requested)]
    for number, event in enumerate(sent):
        for kind in sorted({update["Type"] for update in event.updates}):
            found[kind].append(number)
    return list(found.values()) or [[0]]


def _one_of(number: int, options: Sequence[int]) -> int:
    return options[number % len(options)]


# -- judging ---------------------------------------------------------------------------------------------------


def violations(trace: Trace, reference: Trace) -> list[str]:
    """Return what must not be, in an execution of unchanged code."""
    return [*map(str, check(trace, reference)), *_accepted(trace), *_given_up(trace), *_wrong(), *_forgiven(trace)]


def _given_up(trace: Trace) -> Iterator[str]:
    """Yield an invocation that failed though every fault of the service passed: G8, a plan has too few to last."""
    if _PASSING.issuperset(trace.faults):
        for event in trace.events:
            if isinstance(event, Ended) and event.answer == "raised":
                yield f"G8 (invocation {event.invocation}): {event.error}: {event.words}"


def _wrong() -> Iterator[str]:
    for name in sorted({*WRONG}):
        yield f"{name!r} came out otherwise than it must, with or without crashes"


def _forgiven(trace: Trace) -> Iterator[str]:
    """Yield an invocation that answers in which a misplaced call was refused, if its answer is not that error: G5."""
    withdrawn: set[int] = set()  # of these the service wants to hear no more: row 24
    for event in trace.events:
        if isinstance(event, Answered) and event.answer == "none":
            withdrawn.add(event.invocation)
        if isinstance(event, Ended) and event.arn == trace.arn and event.invocation in MISPLACED - withdrawn:
            failed = event.answer == "FAILED" and event.error.endswith(_MISUSE)
            if not failed and event.answer not in {"raised", "killed"}:
                yield f"G5 (invocation {event.invocation}): a misplaced call, and {event.answer} {event.error}"


def _accepted(trace: Trace) -> Iterator[str]:
    fair = (*_FAIR, _MISUSE) if MISPLACED else _FAIR
    if trace.error and not trace.error.endswith(fair):
        yield f"no program fails with {trace.error}: {trace.words}"
    for event in trace.events:
        if isinstance(event, Requested) and any(update.get("Name") == "never" for update in event.updates):
            yield f"G5: request {event.number} tells of an operation that is misuse"
            return


def mixed_up(trace: Trace) -> list[str]:
    """Return what must not come of changed code: it is detected, or no operation is given what another recorded."""
    found = [f"G6: after the code changed: {trace.stuck}"] if trace.stuck else []
    if trace.result is not None:
        found += [f"G6: {asked!r} was given what {got!r} recorded" for asked, got in mixed(json.loads(trace.result))]
    fair = (*_FAIR, *_DETECTED, _MISUSE) if MISPLACED else (*_FAIR, *_DETECTED)
    if trace.error and not trace.error.endswith(fair):
        found.append(f"G6: after the code changed: {trace.error}: {trace.words}")
    return [*found, *_forgiven(trace)]


# -- printing --------------------------------------------------------------------------------------------------

_SCRIPT = """\
{shows}
# Seed {seed}. Run it in the folder of the project: PYTHONPATH=. python this_file.py
from tests.properties.cases import mixed_up, violations
from tests.properties.changes import Deployed
from tests.properties.faults import FaultPlan
from tests.properties.trace import observe
from tests.properties.bodies import FUNCTIONS, LEDGER

{imports}

{handler}

against = {{"kills": {kills!r}, "faults": {faults!r}}}
same = {{"functions": FUNCTIONS, "seed": {seed}, "callbacks": {callbacks!r}, "ledger": LEDGER}}
"""
_UNCHANGED = """\
reference = observe(handler, None, **same)
found = violations(observe(handler, None, **same, **against), reference)
"""
_CHANGED = """\
before = handler


{handler}

found = mixed_up(observe(Deployed(before, handler, since={since}).handler, None, **same, **against))
"""


def script(case: Case, shows: Sequence[str] = ()) -> str:
    """Return the case as a Python program that prints its violations, and exits with 1 if there are any."""
    comments = "\n".join(textwrap.indent(line, "# ") for line in shows)
    words = {
        "shows": comments or "# Nothing is known to be wrong.",
        "imports": ASYNC_IMPORTS if case.awaits else IMPORTS,
        "handler": source(case.program, awaits=case.awaits),
        "callbacks": _answers(case),
    }
    text = _SCRIPT.format(**words, seed=case.seed, kills=case.kills, faults=case.faults)
    if case.change is None:
        text += _UNCHANGED
    else:
        text += _CHANGED.format(
            handler=source(changed(case.program, case.change), awaits=case.awaits), since=case.change.since
        )
    return f"{text}print(*found, sep='\\n')\nraise SystemExit(bool(found))\n"


def _answers(case: Case) -> dict[str, Any]:
    after = callbacks_of(changed(case.program, case.change)) if case.change else {}
    return {**callbacks_of(case.program), **after}
