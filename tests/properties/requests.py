"""I10 to I14: what is sent, in which order, and what its answers mean."""

from __future__ import annotations

import re
from collections import Counter

from tests.properties.reading import ENDED, NEVER
from tests.properties.views import Found, View

__all__ = [
    "batches_follow_the_program",
    "success_owes_nothing",
    "timers_are_the_services",
    "updates_are_in_order",
    "what_has_ended_stays_so",
]

_SLACK = 0.002  # seconds: moments are whole milliseconds on the wire
_OUTSIDE = frozenset({"WAIT", "CALLBACK", "CHAINED_INVOKE"})
_SEQUENCES = {
    "STEP": re.compile(r"S(RS)*R?[TF]?"),
    "CONTEXT": re.compile(r"S[TF]?"),
    "WAIT": re.compile(r"SC?"),
    "CALLBACK": re.compile(r"S"),
    "CHAINED_INVOKE": re.compile(r"S"),
}
_LETTERS = {"START": "S", "RETRY": "R", "SUCCEED": "T", "FAIL": "F", "CANCEL": "C"}


def updates_are_in_order(view: View) -> Found:
    """I10: per operation the updates are START (RETRY START)* (SUCCEED|FAIL)?; at most one terminal."""
    for operation, actions in view.one.updates.items():
        record = view.one.records.get(operation)
        told = "".join([_LETTERS[action] for action in actions])
        pattern = _SEQUENCES.get(record.type) if record is not None else None
        if told not in {"S", "ST"} and pattern is not None and not pattern.fullmatch(told):
            yield 0, f"updates of {operation}: {', '.join(actions)}"


def batches_follow_the_program(view: View) -> Found:
    """I11: batch order respects program order per branch; parent START before child START."""
    one = view.one
    places = {asked.operation: (asked.context, asked.position) for _, asked in one.asked}
    begun: set[str] = set()
    last: dict[str, int] = {}
    for request in one.requests:
        for update in request.sent.updates if request.is_new else ():
            if update["Action"] != "START" or update["Id"] in begun:
                continue
            begun.add(update["Id"])
            parent = update.get("ParentId")
            if parent and parent not in begun:
                yield request.sent.invocation, f"START of {update['Id']} before the START of {parent} around it"
            context, position = places.get(update["Id"], ("", 0))
            if position and not context.startswith("branches of"):
                if position < last.get(context, 0):
                    yield request.sent.invocation, f"operation {position} of {context or 'the handler'} begins too late"
                last[context] = position


def success_owes_nothing(view: View) -> Found:
    """I12: SUCCEEDED is returned only if every owed update was acknowledged."""
    one = view.one
    for invocation, (_, ended) in one.ended.items():
        if ended.answer != "SUCCEEDED":
            continue
        owed = Counter((owed.operation, owed.action) for _, owed in one.owed if owed.invocation == invocation)
        if not owed:
            continue
        for request in one.requests:
            if request.sent.invocation == invocation and request.is_heard:
                owed.subtract((update["Id"], update["Action"]) for update in request.sent.updates)
        if any(count > 0 for count in owed.values()):
            luck = one.cut_off
            for (operation, action), count in owed.items():
                if count > 0 and not one.below(luck, operation):
                    yield invocation, f"SUCCEEDED, and {action} of {operation} was not acknowledged"


def what_has_ended_stays_so(view: View) -> Found:
    """I13: terminal status never regresses in the local view."""
    told = view.one.told
    seen: dict[tuple[int, str], str] = {}
    for events in (view.one.asked, view.one.seen):
        seen.clear()
        for at, event in events:
            key = (event.invocation, event.operation)
            moment, status = told.get(key, (NEVER, ""))
            if moment < at and event.status != status:
                yield event.invocation, f"{event.operation} was {status}, and is {event.status or 'unknown'}"
            before = seen.get(key)
            if before is not None and event.status != before:
                yield event.invocation, f"{event.operation} was {before}, and is {event.status or 'unknown'}"
            if event.status in ENDED:
                seen[key] = event.status


def timers_are_the_services(view: View) -> Found:
    """I14: a timer never completes before the service says so."""
    one = view.one
    told = one.said_to_have_ended
    for at, seen in one.seen:
        record = one.records.get(seen.operation)
        if record is None or record.type not in _OUTSIDE or seen.call == "create_callback":
            continue
        if told.get((seen.invocation, seen.operation), NEVER) > at:
            yield seen.invocation, f"{record.type} {seen.operation} is over before the service says so"
        elif record.due and seen.at < record.due - _SLACK:
            yield seen.invocation, f"{record.type} {seen.operation} is over before its time"
    for start in one.bodies:
        if (
            start.attempt > 1
            and one.knows(start.at, start.body.invocation)
            and (start.status == "PENDING" or start.body.at < start.due - _SLACK)
        ):
            yield start.body.invocation, f"{start.body.operation} is tried again before its time"
