"""The invariants I01 to I23, and the promise G8, checked over a trace.

Shares no code with the engine: it reads `events` alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.properties.assertions import (
    attempts_have_no_gap,
    lines_appear_once,
    outcomes_stay_as_they_were,
    replay_sends_nothing,
)
from tests.properties.ending import (
    nothing_survives,
    passing_faults_pass,
    requests_are_small,
    secrets_are_kept,
    the_same_seed_is_the_same_run,
    waits_end_in_time,
)
from tests.properties.events import Trace
from tests.properties.reading import readings
from tests.properties.repeats import (
    acknowledged_is_visible,
    acknowledged_means_never_again,
    at_most_once_is,
    effects_are_the_same,
    nothing_below_what_has_ended,
    the_result_is_the_same,
    the_same_position_has_the_same_id,
    tokens_are_a_chain,
    whoever_waits_is_woken,
)
from tests.properties.requests import (
    batches_follow_the_program,
    success_owes_nothing,
    timers_are_the_services,
    updates_are_in_order,
    what_has_ended_stays_so,
)
from tests.properties.views import Found, View

__all__ = ["INVARIANTS", "Violation", "check"]


@dataclass(frozen=True, slots=True)
class Violation:
    """An invariant that does not hold."""

    invariant: str
    invocation: int
    words: str

    def __str__(self) -> str:
        where = f" (invocation {self.invocation})" if self.invocation else ""
        return f"{self.invariant}{where}: {self.words}"


def check(trace: Trace, reference: Trace | None = None) -> list[Violation]:
    """Return what is violated in *trace*.

    Parameters
    ----------
    trace : Trace
        What happened.
    reference : Trace | None
        The same without crashes; with it, I03, I04, I15 and I16 are looked at as a whole.
    """
    found = []
    others = {}
    if reference is not None:
        others = reference.read = reference.read or readings(reference)
    for arn, one in readings(trace).items():
        view = View(trace, one, reference, others.get(arn))
        for name, invariant in INVARIANTS.items():
            found += [Violation(name, number, words) for number, words in invariant(view)]
    return found


INVARIANTS: dict[str, Callable[[View], Found]] = {
    "I01": acknowledged_means_never_again,
    "I02": at_most_once_is,
    "I03": the_result_is_the_same,
    "I04": effects_are_the_same,
    "I05": nothing_below_what_has_ended,
    "I06": the_same_position_has_the_same_id,
    "I07": tokens_are_a_chain,
    "I08": whoever_waits_is_woken,
    "I09": acknowledged_is_visible,
    "I10": updates_are_in_order,
    "I11": batches_follow_the_program,
    "I12": success_owes_nothing,
    "I13": what_has_ended_stays_so,
    "I14": timers_are_the_services,
    "I15": outcomes_stay_as_they_were,
    "I16": lines_appear_once,
    "I17": attempts_have_no_gap,
    "I18": replay_sends_nothing,
    "I19": nothing_survives,
    "I20": waits_end_in_time,
    "I21": secrets_are_kept,
    "I22": requests_are_small,
    "I23": the_same_seed_is_the_same_run,
    "G8": passing_faults_pass,
}
