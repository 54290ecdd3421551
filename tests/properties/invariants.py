"""The invariants I01 to I23, and the promise G8, checked over a trace.

Shares no code with the engine: it reads `events` alone.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.properties.events import Trace, digest
from tests.properties.reading import ENDED, NEVER, Execution, Request, readings

__all__ = ["INVARIANTS", "Violation", "check"]

_MOST_UPDATES = 250
_MOST_BYTES = 750 * 1024
_SLACK = 0.002  # seconds: moments are whole milliseconds on the wire
_TOO_LATE = 60  # seconds before its deadline in which an invocation may refuse to call once more
_LIBRARY = "powertools_durable"
_INTERRUPTED = "StepInterruptedError"
_OUTSIDE = frozenset({"WAIT", "CALLBACK", "CHAINED_INVOKE"})
_SEQUENCES = {
    "STEP": re.compile(r"S(RS)*R?[TF]?"),
    "CONTEXT": re.compile(r"S[TF]?"),
    "WAIT": re.compile(r"SC?"),
    "CALLBACK": re.compile(r"S"),
    "CHAINED_INVOKE": re.compile(r"S"),
}
_LETTERS = {"START": "S", "RETRY": "R", "SUCCEED": "T", "FAIL": "F", "CANCEL": "C"}


@dataclass(frozen=True, slots=True)
class Violation:
    """An invariant that does not hold."""

    invariant: str
    invocation: int
    words: str

    def __str__(self) -> str:
        where = f" (invocation {self.invocation})" if self.invocation else ""
        return f"{self.invariant}{where}: {self.words}"


Found = Iterator[tuple[int, str]]


class View:
    """What the invariants look at: one execution of a trace, and the same one of the trace without crashes."""

    def __init__(self, trace: Trace, one: Execution, reference: Trace | None, other: Execution | None) -> None:
        self.trace = trace
        self.one = one
        self.reference = reference
        self.other = other

    @property
    def is_first(self) -> bool:
        """Tell whether this is the traced execution, and not one that it invoked."""
        return self.one.arn == self.trace.arn


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


# -- what runs again, and what comes of it -----------------------------------------------------------------------


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


# -- what is sent --------------------------------------------------------------------------------------------------


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


# -- what the code sees and says -------------------------------------------------------------------------------------


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
        by_path[paths.get(str(context), ""), paths.get(str(operation), ""), *map(str, words)] += count
    for (context, operation, *words), count in usual.items():
        line_ = (others.get(str(context), ""), others.get(str(operation), ""), *map(str, words))
        if by_path[line_] < count and not other.below(luck, str(context)):
            yield 0, f"{line_} appears {by_path[line_]} times, without crashes {count}"


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


# -- the invocation ----------------------------------------------------------------------------------------------------


def nothing_survives(view: View) -> Found:
    """I19: no library thread, socket, or file handle survives the invocation."""
    if view.is_first and view.trace.handles > 0:
        yield 0, f"{view.trace.handles} files or sockets are left open"
    for invocation, (_, ended) in view.one.ended.items():
        if ended.threads:
            yield invocation, f"threads are left: {', '.join(ended.threads)}"


def waits_end_in_time(view: View) -> Found:
    """I20: every blocking wait ends <= deadline."""
    one = view.one
    for invocation, (_, ended) in one.ended.items():
        if ended.at > one.began[invocation][1].ends + _SLACK:
            yield invocation, "the invocation ends after its deadline"
    for request in one.requests:
        if request.sent.at > one.began[request.sent.invocation][1].ends + _SLACK:
            yield request.sent.invocation, "a request is sent after the deadline"


def secrets_are_kept(view: View) -> Found:
    """I21: no payload, token or callback id in the library's lines and errors, in metrics and traces."""
    one, trace = view.one, view.trace
    texts = [(line.invocation, line.message) for _, line in one.lines if line.logger.startswith(_LIBRARY)]
    texts += [(number, ended.words) for number, (_, ended) in one.ended.items() if ended.answer == "raised"]
    if view.is_first:
        texts += [(0, metric) for metric in trace.metrics]
    for invocation, text in texts:
        if any(secret in text for secret in trace.canaries) or any(secret in text for secret in one.secrets):
            yield invocation, "a secret is told in a log line, an error or a metric"


def requests_are_small(view: View) -> Found:
    """I22: request sizes <= documented limit, ops per request <= 250."""
    for request in view.one.requests:
        updates = request.sent.updates
        if len(updates) > _MOST_UPDATES:
            yield request.sent.invocation, f"a request of {len(updates)} updates"
        if len(updates) > 1:
            size = sum(len(update.get("Payload") or "") for update in updates)
            if size > _MOST_BYTES:
                yield request.sent.invocation, f"a request of {size} characters"


def the_same_seed_is_the_same_run(view: View) -> Found:
    """I23: same seed => identical trace hash."""
    if view.is_first and view.trace.again is not None and view.trace.again != digest(view.trace):
        yield 0, "another run with the same seed is another"


def passing_faults_pass(view: View) -> Found:
    """G8: one transient API fault causes neither a re-run of a body nor a failed invocation."""
    one = view.one
    for invocation, (at, ended) in one.ended.items():
        if ended.answer != "raised" or ended.at > one.began[invocation][1].ends - _TOO_LATE:
            continue
        mine = [request for request in one.requests if request.sent.invocation == invocation]
        last = mine[-1].answer if mine else None
        if last is None or last.answer not in {"lost", "refused"} or not last.fault or not one.knows(at, invocation):
            continue
        if sum(request.sent.client_token == mine[-1].sent.client_token for request in mine) < 2:
            yield invocation, f"the invocation fails with one {last.fault}, and has not tried again"


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
