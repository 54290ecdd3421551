"""I01 to I09: what runs again, what comes of it, and what the service and the process know of each other."""

from __future__ import annotations

from collections import Counter

from tests.properties.reading import ENDED, NEVER, Execution, Request
from tests.properties.views import Found, View

__all__ = [
    "acknowledged_is_visible",
    "acknowledged_means_never_again",
    "at_most_once_is",
    "effects_are_the_same",
    "nothing_below_what_has_ended",
    "the_result_is_the_same",
    "the_same_position_has_the_same_id",
    "tokens_are_a_chain",
    "whoever_waits_is_woken",
]


def acknowledged_means_never_again(view: View) -> Found:
    """I01: ack => never re-run."""
    one = view.one
    for start in one.bodies:
        ended = one.ended_at.get(start.body.operation, NEVER) < start.at
        if ended and one.knows(start.at, start.body.invocation):
            yield start.body.invocation, f"the body of {start.body.operation} runs after its end was acknowledged"
    for at, entered in one.entered:
        ended = one.ended_at.get(entered.operation, NEVER) < at and entered.operation not in one.rebuilt
        if ended and one.knows(at, entered.invocation):
            yield entered.invocation, f"the code of {entered.operation} runs after its end was acknowledged"


def at_most_once_is(view: View) -> Found:
    """I02: at-most-once per (op, attempt)."""
    once = {asked.operation for _, asked in view.one.asked if asked.at_most_once}
    if once:
        met = set()
        for start in view.one.bodies:
            key = (start.body.operation, start.body.attempt)
            if start.body.operation in once and key in met:
                yield start.body.invocation, f"attempt {key[1]} of the at-most-once step {key[0]} runs twice"
            met.add(key)


def the_result_is_the_same(view: View) -> Found:
    """I03: result(crash plan) = result(crash-free)."""
    trace, reference = view.trace, view.reference
    if not view.is_first:
        return
    if trace.stuck and (reference is None or not reference.stuck):
        yield 0, f"the execution {trace.stuck}"
    elif reference is not None:
        mine = (trace.status, trace.result, trace.error, trace.words)
        other = (reference.status, reference.result, reference.error, reference.words)
        if mine != other:
            yield 0, f"ends with {mine}, without crashes with {other}"


def effects_are_the_same(view: View) -> Found:
    """I04: effects(crash plan) >= effects(crash-free), extra ones only of bodies whose end was not acknowledged."""
    one, other = view.one, view.other
    if other is None:
        return
    mine = Counter((effect.effect, effect.operation) for _, effect in one.effects)
    theirs = Counter((effect.effect, effect.operation) for _, effect in other.effects)
    if mine == theirs:
        return
    (mine, runs), (theirs, usual) = _effects(one), _effects(other)
    luck = _paths(one, one.cut_off) | _paths(other, other.cut_off)
    for key in {*mine, *theirs}:
        effect, path = key
        if any(path == around or path.endswith(f"/{around}") for around in luck):
            continue
        if mine[key] < theirs[key]:
            yield 0, f"{effect} of {path or 'the handler'} happens {mine[key]} times, not {theirs[key]}"
        if mine[key] > theirs[key] and not (path and runs[path] > usual[path]):
            yield 0, f"{effect} of {path or 'the handler'} happens {mine[key]} times, with no body run again"


def _effects(one: Execution) -> tuple[Counter[tuple[str, str]], Counter[str]]:
    """Count effects, and how often bodies ran, by path."""
    paths = one.paths()
    effects = Counter((effect.effect, paths.get(effect.operation, "")) for _, effect in one.effects)
    return effects, Counter(paths.get(start.body.operation, "") for start in one.bodies)


def _paths(one: Execution, operations: set[str]) -> set[str]:
    paths = one.paths() if operations else {}
    return {paths[operation] for operation in operations}


def nothing_below_what_has_ended(view: View) -> Found:
    """I05: no update or body start below a terminal ancestor."""
    one = view.one
    sent: set[str] = set()
    for request in one.requests:
        here: set[str] = set()
        if request.sent.client_token in sent or not one.knows(request.at, request.sent.invocation):
            continue  # the same again, or of one that does not know that it is too late
        sent.add(request.sent.client_token)
        for update in request.sent.updates:
            parent = update.get("ParentId") or ""
            if parent:
                around = one.ended_around(update["Id"], request.at)
                if not around and here:
                    around = parent if parent in here else next((c for c in one.ancestors(parent) if c in here), "")
                if around:
                    yield (
                        request.sent.invocation,
                        f"{update['Action']} of {update['Id']} below {around}, which has ended",
                    )
            if update["Type"] == "CONTEXT" and update["Action"] != "START":
                here.add(update["Id"])
    for start in one.bodies:
        around = one.ended_around(start.body.operation, start.at)
        if around and one.knows(start.at, start.body.invocation):
            yield start.body.invocation, f"the body of {start.body.operation} runs below {around}, which has ended"


def the_same_position_has_the_same_id(view: View) -> Found:
    """I06: ids unique per (parent, position); same position => same id in every invocation."""
    places: dict[tuple[str, int], tuple[str, ...]] = {}
    owners: dict[str, tuple[str, int]] = {}
    for _, asked in view.one.asked:
        if asked.sub_type == "Patch":
            continue
        place = (asked.context, asked.position)
        what = (asked.operation, asked.type, asked.sub_type, asked.name, asked.parent)
        if places.setdefault(place, what) != what:
            yield asked.invocation, f"operation {place} is {what}, and was {places[place]}"
        if owners.setdefault(asked.operation, place) != place:
            yield asked.invocation, f"{asked.operation} is operation {place}, and was {owners[asked.operation]}"


def tokens_are_a_chain(view: View) -> Found:
    """I07: token chain linear: each request has the newest token; none after stale/missing/terminal."""
    one = view.one
    sent_with: dict[str, Request] = {}
    state: dict[int, tuple[str, str, str]] = {n: (began.token, "", "") for n, (_, began) in one.began.items()}
    calls: list[tuple[int, Request | None, str, str, int]] = [
        (request.at, request, request.sent.token, "", request.sent.invocation) for request in one.requests
    ]
    if one.pages:
        calls += [(at, None, page.token, page.answer, page.invocation) for at, page in one.pages]
        calls.sort(key=lambda call: call[0])
    for _, request, token, page, invocation in calls:
        newest, over, repeats = state[invocation]
        if over:
            yield invocation, f"a call after {over}"
        elif token != newest:
            yield invocation, "a call without the newest token"
        if request is None:
            state[invocation] = (newest, "a stale token" if page == "stale" else over, repeats)
            continue
        client_token = request.sent.client_token
        before = sent_with.setdefault(client_token, request)
        if before is not request and (before.sent.token, before.sent.updates) != (token, request.sent.updates):
            yield invocation, "two different requests have the same client token"
        if repeats and client_token != repeats:
            yield invocation, "a request whose answer was lost is not sent again, but another one"
        state[invocation] = _after(request, newest)


def _after(request: Request, newest: str) -> tuple[str, str, str]:
    """Return the newest token after *request*, why no call may follow, and which request must be repeated."""
    answer = request.answer
    if answer is None:
        return newest, "", ""
    if answer.answer == "token":
        return answer.token, "", ""
    if answer.answer in {"none", "stale"}:
        return newest, "a stale token" if answer.answer == "stale" else "an answer without a token", ""
    return newest, "", request.sent.client_token


def whoever_waits_is_woken(view: View) -> Found:
    """I08: PENDING => a waker exists, not below a finished ancestor, or the token was withdrawn."""
    for invocation, wakers in view.one.open_wakers.items():
        if wakers:
            continue
        answers = [r.answer for r in view.one.requests if r.sent.invocation == invocation]
        if not (answers and answers[-1] is not None and answers[-1].answer == "none"):
            yield invocation, "PENDING, and nothing will wake the execution"


def acknowledged_is_visible(view: View) -> Found:
    """I09: acknowledged updates are visible to the next replay."""
    one = view.one
    for _, asked in one.asked:
        begins = one.began[asked.invocation][0]
        if one.ended_at.get(asked.operation, NEVER) < begins and asked.status not in ENDED:
            yield asked.invocation, f"{asked.operation} has ended, and is {asked.status or 'unknown'} to a later replay"
    for invocation, (begins, _) in one.began.items():
        told = one.loaded(invocation)
        if told is None:
            continue  # it did not get so far
        for request in one.requests:
            if request.at > begins:
                break
            for update in request.sent.updates if request.is_new else ():
                if update["Type"] != "EXECUTION" and update["Id"] not in told and not _is_hidden(one, update["Id"]):
                    yield (
                        invocation,
                        f"{update['Action']} of {update['Id']} was acknowledged, and its record is missing",
                    )


def _is_hidden(one: Execution, operation: str) -> bool:
    return any(around in one.ended_at and around not in one.rebuilt for around in one.ancestors(operation))
