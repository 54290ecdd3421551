"""Any sequence of requests, answers and moments leads from a legal state to a legal one."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from powertools_durable._service.update_validation import ServiceRefusal
from tests.service.bench import OOPS, A, Bench, S, T, callback, complaints, retry, update, wait
from tests.service.model import KINDS, NEXT, OVER, Known, Model
from tests.size import tenth

SECONDS = st.integers(1, 9)
ANY = st.tuples(
    st.sampled_from(list(KINDS)), st.sampled_from(list(NEXT)), st.sampled_from(list(A)), st.sampled_from([None, *KINDS])
)


@st.composite
def batches(draw, model):
    """Some updates of which most, but not all, can be done when it is their turn."""
    batch = []
    for _ in range(draw(st.integers(0, 4))):
        known = model.after(batch) or model.known
        can = [
            (key, kind, action)
            for key, kind in KINDS.items()
            for action, (statuses, _) in NEXT[kind].items()
            if (known[key].status if key in known else None) in statuses
        ]
        if can and draw(st.integers(0, 14)):
            key, kind, action = draw(st.sampled_from(can))
            contexts = [None, *(one for one in ("x", "y", "z") if one in known and one != key)]
            parent = known[key].parent if key in known else draw(st.sampled_from(contexts))
            parent = draw(st.sampled_from([parent] * 9 + [None]))
        else:
            key, kind, action, parent = draw(ANY)
        batch.append(made(key, kind, action, parent, draw(SECONDS), draw(st.sampled_from([0, 5]))))
    return batch


def made(key, kind, action, parent, seconds, heartbeat):
    match kind, action:
        case T.WAIT, A.START:
            plain = wait(key, seconds)
        case T.CALLBACK, A.START:
            plain = callback(key, seconds % 4 * 3, heartbeat)
        case T.STEP, A.RETRY:
            plain = retry(key, seconds)
        case _:
            plain = update(kind, action, key)
    return replace(plain, parent_id=parent)


class Service(RuleBasedStateMachine):
    """The service and its model, side by side."""

    @initialize()
    def begin(self):
        self.bench, self.model, self.ended = Bench(), Model(), {}

    @rule(data=st.data())
    def send(self, data):
        batch = data.draw(batches(self.model))
        before = self.bench.everything()
        expected = self.model.after(batch)
        if expected is None:
            with pytest.raises(ServiceRefusal):
                self.bench.send(*batch)
            assert self.bench.everything() == before
            return
        told = self.bench.send(*batch)
        assert {one.id for one in batch} <= {record.id for record in told}
        self.model.known = expected
        self.model.fire()

    @rule(seconds=st.integers(1, 6))
    def let_time_pass(self, seconds):
        self.bench.wait(seconds)
        self.model.now += seconds
        self.model.fire()

    def is_open(self, key):
        return key in self.model.known and self.model.known[key].status is S.STARTED

    @precondition(lambda self: self.is_open("c"))
    @rule(fails=st.booleans())
    def answer_the_callback(self, fails):
        record = self.bench.execution.operations["c"]
        if record.type is T.CALLBACK:
            error = OOPS if fails else None
            self.bench.execution.complete_callback(record.callback_details.callback_id, self.bench.now, error=error)
            self.settle("c", S.FAILED if fails else S.SUCCEEDED)

    @precondition(lambda self: self.is_open("i"))
    @rule(status=st.sampled_from([S.SUCCEEDED, S.FAILED, S.TIMED_OUT, S.STOPPED]))
    def answer_the_invoke(self, status):
        if self.bench.execution.operations["i"].type is T.CHAINED_INVOKE:
            self.bench.execution.complete_invoke("i", status, self.bench.now, result=None, error=None)
            self.settle("i", status)

    def settle(self, key, status):
        old = self.model.known[key]
        self.model.known[key] = Known(old.kind, status, old.parent)

    @rule(crashes=st.booleans())
    def invoke_again(self, crashes):
        self.bench.execution.header.illegal_pendings = self.bench.execution.header.failed_invocations = 0
        self.bench.answer(OOPS if crashes else {"Status": "PENDING"})
        self.bench.invoke()

    @invariant()
    def both_agree(self):
        one = self.bench.execution
        assert self.bench.statuses() == {key: known.status for key, known in self.model.known.items()}
        attempts = {key: known.ended for key, known in self.model.known.items()}
        assert {key: one.operations[key].attempts for key in attempts} == attempts
        due = [known.due for known in self.model.known.values() if known.due is not None]
        began = one.header.started
        assert one.next_moment() == (began + timedelta(seconds=min(due)) if due else None)

    @invariant()
    def no_record_contradicts_itself(self):
        one = self.bench.execution
        for record in one.operations.values():
            parent = one.operations.get(record.parent_id)
            assert record.parent_id is None or parent.type is T.CONTEXT
            assert (record.end_timestamp is not None) is (record.status in OVER)
            pending = record.step_details is not None and record.step_details.next_attempt_timestamp is not None
            assert pending is (record.status is S.PENDING)
            waits = record.type is T.CALLBACK and record.status is S.STARTED
            assert waits is (record.id in one.header.callbacks)

    @invariant()
    def what_has_ended_never_changes(self):
        for key, record in self.ended.items():
            assert self.bench.execution.operations[key] == record
        records = self.bench.execution.operations.items()
        self.ended = {key: record for key, record in records if record.status in OVER}

    @invariant()
    def the_history_is_complete_and_well_formed(self):
        history = self.bench.execution.history
        assert [event["EventId"] for event in history] == list(range(1, self.bench.execution.header.events + 1))
        assert not [report for event in history[-3:] if (report := complaints(event))]
        started = {event["Id"] for event in history if event["EventType"].endswith("Started")}
        assert started == set(self.bench.execution.operations)


TestService = Service.TestCase
TestService.pytestmark = [pytest.mark.sized]
TestService.settings = settings(max_examples=tenth(60), stateful_step_count=40, deadline=None)
