"""The checker sees what it is there to see, each invariant violated once; and finds nothing where all is well."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
from copy import deepcopy
from importlib import import_module
from pathlib import Path
from random import Random

import pytest

from examples.testing import shop
from powertools_durable import Retry, StepSemantics, current_step, durable
from powertools_durable.testing import Ledger
from tests.properties.bodies import LEDGER
from tests.properties.events import (
    Answered,
    Asked,
    Began,
    BodyBegan,
    Effect,
    Ended,
    Entered,
    Line,
    Owed,
    Requested,
    Seen,
)
from tests.properties.exploring import program
from tests.properties.faults import FaultPlan
from tests.properties.invariants import INVARIANTS, check
from tests.properties.programs import Written, callbacks_of, functions_of, lines_of
from tests.properties.trace import observe
from tests.testing.test_explore_operations import ANSWERS, EVENTS, HANDLERS
from tests.testing.test_explore_operations import functions_of as functions_of_example

ROOT = Path(__file__).parents[2]
CANARY = "4242-4242-4242-4242"

log = logging.getLogger("order")
ledger = Ledger()


def charge():
    ledger.record("charge", key=current_step().idempotency_key)
    return 42


def flaky():
    if current_step().attempt < 3:
        raise TimeoutError
    return "at last"


@durable
def order(event, ctx):
    def pack(child):
        child.wait(1, name="glue")
        return child.step(lambda: "packed", name="pack")

    log.warning("charging")
    charged = ctx.step(charge, name="charge", semantics=StepSemantics.AT_MOST_ONCE)
    tried = ctx.step(flaky, name="flaky", retry=Retry(max_attempts=5, initial_delay=10))
    packed = ctx.run_in_child_context(pack, name="pack all")
    sent = ctx.parallel([lambda one: one.step(lambda: "left", name="left"), lambda one: "right"], name="send")
    ctx.wait(60, name="later")
    answer = ctx.create_callback(name="approval").result()
    return [charged, tried, packed, sent.results, answer, ctx.step(charge, name="again"), event]


def traced(**options):
    return observe(order, CANARY, ledger=ledger, callbacks={"approval": "yes"}, canaries=[CANARY], **options)


@pytest.fixture(scope="module")
def whole():
    return traced(twice=True)


# -- each is seen --------------------------------------------------------------------------------------------------


class Broken:
    """A trace in which something is changed; ``of`` finds events by kind and by the name of their operation."""

    def __init__(self, trace):
        self.trace = deepcopy(trace)
        self.ids = {asked.name: asked.operation for asked in self.trace.events if type(asked) is Asked}

    def of(self, kind, name=None):
        identifier = self.ids[name] if name else None
        return [
            event
            for event in self.trace.events
            if type(event) is kind and (identifier is None or event.operation == identifier)
        ]

    def put(self, event, *, behind=None):
        """Put a copy of *event* behind another, or before the end of the last invocation."""
        copy = deepcopy(event)
        at = len(self.trace.events) - 1 if behind is None else self.trace.events.index(behind) + 1
        copy.invocation = self.trace.events[at - 1].invocation
        self.trace.events.insert(at, copy)
        return copy

    def updates(self, name, action):
        """All updates of an operation, each with the list it is in."""
        return [
            (update, request.updates)
            for request in self.of(Requested)
            for update in request.updates
            if update["Id"] == self.ids[name] and update["Action"] == action
        ]


def i01_body(it):
    it.put(it.of(BodyBegan, "flaky")[-1])


def i01_context(it):
    it.put(it.of(Entered, "pack all")[0])


def i02(it):
    (body,) = it.of(BodyBegan, "charge")
    it.put(body, behind=body)


def i03_result(it):
    it.trace.result = "[]"


def i03_stuck(it):
    it.trace.stuck = "comes to no end"


def i04_twice(it):
    it.put(it.of(Effect)[0], behind=it.of(Effect)[0])


def i04_lost(it):
    it.trace.events.remove(it.of(Effect)[0])


def i05_update(it):
    (start, _) = it.updates("pack", "START")[0]
    (_, later) = it.updates("again", "START")[0]
    later.insert(0, {**start, "Id": "straggler"})


def i05_in_one_request(it):
    (end, request) = it.updates("send", "SUCCEED")[0]
    (start, _) = it.updates("left", "START")[0]
    request.insert(request.index(end) + 1, {**start, "Id": "straggler", "ParentId": it.ids["send"]})


def i05_body(it):
    it.put(it.of(BodyBegan, "pack")[0])


def i06(it):
    it.of(Asked, "later")[-1].operation = "another"


def i06_name(it):
    it.of(Asked, "later")[-1].name = "another"


def i07_old_token(it):
    first, *_, last = it.of(Requested)
    last.token = first.token


def i07_after_a_stale_one(it):
    next(
        a for a in it.of(Answered) if it.trace.events.index(a) < it.trace.events.index(it.of(Ended)[0])
    ).answer = "stale"


def i07_other_client_token(it):
    it.of(Answered)[0].answer = "lost"


def i08(it):
    it.of(Ended)[-1].answer = "PENDING"


def i09(it):
    it.of(Began)[-1].operations.pop(1)


def i09_view(it):
    it.of(Asked, "flaky")[-1].status = "STARTED"


def i10_twice(it):
    (end, _) = it.updates("charge", "SUCCEED")[0]
    (_, later) = it.updates("later", "START")[0]
    later.append(end)


def i10_order(it):
    (start, request) = it.updates("flaky", "START")[0]
    request.remove(start)


def i11_child_first(it):
    (start, request) = it.updates("pack all", "START")[0]
    request.remove(start)
    request.append(start)


def i11_order(it):
    (flaky_, first), (waits, second) = it.updates("charge", "START")[0], it.updates("later", "START")[0]
    first.remove(flaky_)
    second.remove(waits)
    first.append(waits)
    second.append(flaky_)


def i12(it):
    (end, request) = it.updates("again", "SUCCEED")[0]
    request.remove(end)


def i12_never_sent(it):
    it.put(it.of(Owed)[-1])


def i13(it):
    it.of(Seen, "charge")[-1].status = "STARTED"


def i14_wait(it):
    for began in it.of(Began):
        for record in began.operations:
            if record["Id"] == it.ids["later"]:
                record["Status"] = "STARTED"
    for answered in it.of(Answered):
        answered.operations = [r for r in answered.operations if r["Id"] != it.ids["later"]]


def i14_too_soon(it):
    it.of(Seen, "later")[0].at -= 5


def i14_retry(it):
    it.of(BodyBegan, "flaky")[1].at -= 5


def i15_value(it):
    it.of(Seen, "send")[-1].value = "nothing"


def i15_error(it):
    seen = it.of(Seen, "flaky")[-1]
    seen.value, seen.error = None, "StepError"


def i15_reference(it):
    for seen in it.of(Seen, "charge"):
        seen.value = "43"


def i16_lost(it):
    it.of(Line)[0].shown = False


def i16_twice(it):
    it.of(Line)[-1].shown = True


def i17(it):
    it.of(BodyBegan, "flaky")[-1].attempt = 4


def i18(it):
    (end, _) = it.updates("charge", "SUCCEED")[0]
    it.of(Requested)[-1].updates.append(end)


def i19(it):
    it.of(Ended)[0].threads = ["powertools-durable-checkpointer"]


def i19_handles(it):
    it.trace.handles = 1


def i20(it):
    it.of(Ended)[0].at += 901


def i20_request(it):
    it.of(Requested)[0].at += 901


def _says(it, text):
    line = deepcopy(it.of(Line)[0])
    line.logger, line.message = "powertools_durable._runtime.invocation", f"... {text} ..."
    it.put(line)


def i21_token(it):
    _says(it, it.of(Answered)[0].token)


def i21_callback_id(it):
    told = [record for began in it.of(Began) for record in began.operations if "CallbackDetails" in record]
    _says(it, told[0]["CallbackDetails"]["CallbackId"])


def i21_payload(it):
    _says(it, CANARY)


def i21_metric(it):
    it.trace.metrics.append(f'{{"_aws": {{}}, "order": "{CANARY}"}}')


def i21_error(it):
    it.of(Ended)[0].answer, it.of(Ended)[0].words = "raised", f"refused {CANARY}"


def i22_many(it):
    request = it.of(Requested)[0]
    request.updates += [{**request.updates[0], "Id": str(at)} for at in range(250)]


def i22_large(it):
    request = it.of(Requested)[0]
    request.updates += [{**request.updates[0], "Id": str(at), "Payload": "é" * 200_000} for at in range(2)]


def i23(it):
    it.trace.again = "0" * 32


def g8(it):
    ends = it.of(Ended)[0]
    ends.answer = "raised"
    answered = [a for a in it.of(Answered) if a.invocation == 1][-1]
    answered.answer, answered.fault = "refused", "503"


BREAKS = [value for name, value in list(globals().items()) if re.match(r"i\d\d|g\d", name)]


def broken_by(breaks):
    return breaks.__name__.partition("_")[0].upper()


@pytest.mark.parametrize("breaks", BREAKS, ids=lambda breaks: breaks.__name__)
def test_a_violation_is_seen(whole, breaks):
    it = Broken(whole)
    breaks(it)
    assert broken_by(breaks) in {violation.invariant for violation in check(it.trace, whole)}


def test_there_is_a_violation_of_each_invariant():
    assert set(map(broken_by, BREAKS)) == set(INVARIANTS) == {"G8", *(f"I{number:02}" for number in range(1, 24))}


def test_each_says_in_its_docstring_what_it_is():
    for name, invariant in INVARIANTS.items():
        assert invariant.__doc__.startswith(f"{name}: ")


def test_a_violation_tells_where_it_is(whole):
    it = Broken(whole)
    it.trace.again = None
    i19(it)
    (violation,) = check(it.trace, whole)
    assert str(violation) == "I19 (invocation 1): threads are left: powertools-durable-checkpointer"


def test_it_shares_no_code_with_the_engine():
    probe = "import sys, tests.properties.invariants; print([n for n in sys.modules if n.startswith('powertools')])"
    answer = subprocess.run([sys.executable, "-c", probe], cwd=ROOT, capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


# -- where all is well, nothing is found ---------------------------------------------------------------------------


def told(violations):
    return [str(violation) for violation in violations]


def test_nothing_is_found_in_the_trace_that_was_broken(whole):
    assert told(check(whole, whole)) == []


@pytest.mark.slow
def test_nothing_is_found_wherever_its_process_dies(whole):
    for at in range(len(whole.moments)):
        assert told(check(traced(kills=[at]), whole)) == [], at


def test_nothing_is_found_whatever_goes_wrong_between_it_and_the_service(whole):
    for seed in range(40):
        assert told(check(traced(faults=FaultPlan.drawn(seed)), whole)) == [], seed


def test_no_secret_is_told_whatever_goes_wrong(caplog):
    caplog.set_level(logging.DEBUG)

    def refuse():
        raise ValueError(CANARY)

    @durable
    def handler(event, ctx):
        for call in (
            lambda: ctx.step(refuse, name="refused", retry=Retry.none()),
            lambda: ctx.wait(5, name="swallowed"),
        ):
            try:
                call()
            except BaseException:  # noqa: BLE001 - as some users write it
                pass
        callback = ctx.create_callback(name="approval")
        return [ctx.step(lambda: CANARY, name="told"), callback.result()]

    lines = set()
    for seed in range(20):
        plan = FaultPlan.drawn(seed, chance=0.5)
        trace = observe(handler, CANARY, faults=plan, callbacks={"approval": CANARY}, canaries=[CANARY])
        assert [str(violation) for violation in check(trace) if violation.invariant == "I21"] == []
        assert trace.status == "SUCCEEDED"
        lines |= {event.message for event in trace.events if type(event) is Line}
        lines |= {event.words for event in trace.events if type(event) is Ended and event.answer == "raised"}
    assert len(lines) > 3


def all_is_well(handler, event=None, *, seed, same=("kills", "faults"), **options):
    """Check a run, one with a crash, one with two, two with faults and one with both.

    ``same`` says what may happen and the execution still ends alike.
    """
    random = Random(seed)
    reference = observe(handler, event, seed=seed, twice=True, **options)
    moments = range(len(reference.moments))
    plans = [{}, *({"kills": sorted(random.sample(moments, k=min(n, len(moments))))} for n in (1, 2))]
    plans += [{"faults": FaultPlan.drawn(seed)}, {"faults": FaultPlan.drawn(seed + 1)}]
    plans += [{"faults": FaultPlan.drawn(seed + 2), "kills": [random.choice(moments)], "twice": True}]
    for plan in plans:
        trace = observe(handler, event, seed=seed, **plan, **options) if plan else reference
        assert told(check(trace, reference if set(plan) <= {*same, "twice"} else None)) == [], plan


@pytest.mark.sampled(2)
@pytest.mark.parametrize(("file", "name"), HANDLERS, ids=["-".join(pair) for pair in HANDLERS])
def test_nothing_is_found_in_the_examples(file, name):
    handler = getattr(import_module(f"examples.operations.{file}"), name)
    options = {"functions": functions_of_example(file), "callbacks": ANSWERS}
    same = () if name == "pay_out" else ("kills", "faults")  # that one tells of its interruption
    all_is_well(handler, EVENTS[file][name], seed=1, same=same, **options)


def test_nothing_is_found_in_the_shop():
    all_is_well(shop.handler, "order-42", seed=1, ledger=shop.ledger, callbacks={"approval": "ada"})


@pytest.mark.sampled(2)
@pytest.mark.parametrize("seed", range(40))
def test_nothing_is_found_in_a_random_program(seed):
    lines = program(seed)
    kinds = {line.kind for line in lines_of(lines)}
    options = {"functions": functions_of(lines), "callbacks": callbacks_of(lines), "ledger": LEDGER}
    handler = Written(lines, f"program-{seed}").handler
    same = (
        ("kills",) if "drawn" in kinds else ("kills", "faults")
    )  # it tells the time, and what is tried again takes some
    all_is_well(handler, seed=seed, same=same, **options)
