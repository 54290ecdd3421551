"""Faults of the two API calls, made on a socket and seen through real botocore.

See docs/reliability.md#fault-rows, rows 12 to 28, 73.
"""

from __future__ import annotations

import inspect
import signal
import sys
import threading

import pytest

from powertools_durable import durable
from tests.reliability.rig import Run
from tests.reliability.wire import Fault, wired


@pytest.fixture
def wire():
    with wired() as made:
        yield made


class Order:
    """Two steps and a wait, and how often their bodies ran."""

    def __init__(self, wire, **options):
        self.ran = []

        def body(name):
            self.ran.append(name)
            return name

        @durable
        def handler(event, ctx):
            first = ctx.step(body, "first", name="first")
            ctx.wait(60)
            return [first, ctx.step(body, "second", name="second")]

        self.run = Run(handler, over=wire, **options)
        self.wire = wire
        self.begins = []  # how many requests there were when an invocation began
        self.run.event = lambda raw: (self.begins.append(len(wire.server.requests)), raw)[1]

    def finish(self):
        self.run.finish()
        return self

    @property
    def checkpoints(self):
        return self.wire.server.asked("checkpoint")

    def calls(self, number):
        """The calls of one invocation, counted from 0."""
        begin, end = [*self.begins, None][number : number + 2]
        return [call for call, _ in self.wire.server.requests[begin:end]]

    def assert_done(self, *ran):
        assert (self.run.status, self.run.result) == ("SUCCEEDED", ["first", "second"]), self.run.error
        assert self.ran == list(ran)


PASSING = [
    (12, "reset before it is applied", Fault(reset=True)),
    (13, "reset after it was applied", Fault(reset=True, applied=True)),
    (13, "no answer after it was applied", Fault(silent=True, applied=True)),
    (14, "too many requests", Fault(429, "TooManyRequestsException")),
    (15, "throttled", Fault(400, "ThrottlingException")),
    (16, "500", Fault(500, "ServiceException")),
    (16, "502", Fault(502, "")),
    (16, "503", Fault(503, "")),
    (16, "504 after it was applied", Fault(504, "", applied=True)),
    (17, "408", Fault(408, "RequestTimeout")),
    (17, "expired request", Fault(400, "RequestExpired")),
    (17, "identity provider", Fault(400, "IDPCommunicationError")),
    (73, "409", Fault(409, "ResourceConflictException")),
    (73, "409 without a code, after it was applied", Fault(409, "", applied=True)),
    (73, "425", Fault(425, "TooEarlyException")),
]
IDS = [f"row {row}: {what}" for row, what, _ in PASSING]
EACH = pytest.mark.parametrize("fault", [fault for *_, fault in PASSING], ids=IDS)


@pytest.mark.sampled(5)
@EACH
def test_rows_12_to_17_a_passing_fault_of_a_checkpoint_costs_neither_a_body_nor_the_invocation(wire, fault):
    order = Order(wire)
    wire.server.fail("checkpoint", fault)
    order.finish().assert_done("first", "second")
    assert len(order.run.invocations) == 2  # the wait's, and no other
    once, again = order.checkpoints[:2]
    assert (once["CheckpointToken"], once["ClientToken"]) == (again["CheckpointToken"], again["ClientToken"])
    assert once["Updates"] == again["Updates"]


@pytest.mark.sampled(3)
@EACH
def test_rows_12_to_17_a_lasting_fault_is_met_by_few_tries_that_wait_longer_each_time_and_then_raised(wire, fault):
    pauses, order = [], Order(wire)
    sleep = order.run.clock.sleep
    order.run.clock.sleep = lambda seconds: (pauses.append(seconds), sleep(seconds))
    wire.server.fail("checkpoint", *[fault] * 4)
    order.run.settle()
    assert order.run.answers == ["BackendError"]  # raised, so Lambda invokes again: never FAILED
    assert len(order.checkpoints) == 4
    assert len(pauses) == 3
    assert all(0 <= pause <= 0.1 * 2**n for n, pause in enumerate(pauses))  # full jitter under a doubling cap
    order.finish().assert_done(*(["first", "second"] if fault.applied else ["first", "first", "second"]))


@pytest.mark.sampled(5)
@EACH
def test_rows_15_and_16_a_fault_of_a_page_is_raised_and_the_next_invocation_reads_it(wire, fault):
    order = Order(wire, page_items=1)
    order.run.settle()
    wire.server.fail("state", fault)
    order.finish().assert_done("first", "second")
    assert order.run.answers[1] == "BackendError"
    assert len(order.run.invocations) == 3


BY_BOTOCORE = [
    (what, row) for what, row in zip(IDS, PASSING, strict=True) if row[2].status not in {400, 409, 425} or row[0] == 15
]


@pytest.mark.parametrize("fault", [row[2] for _, row in BY_BOTOCORE], ids=[what for what, _ in BY_BOTOCORE])
def test_rows_12_to_17_botocore_itself_reads_a_page_again(fault, monkeypatch):
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0)
    with wired(attempts=2) as wire:
        order = Order(wire, page_items=1)
        order.run.settle()
        wire.server.fail("state", fault)
        order.finish().assert_done("first", "second")
        assert len(order.run.invocations) == 2


@pytest.mark.parametrize("call", ["checkpoint", "state"])
@pytest.mark.parametrize(
    "code", ["ExpiredToken", "ExpiredTokenException", "InvalidSignatureException", "SignatureDoesNotMatch"]
)
def test_row_18_credentials_that_ran_out_are_raised_for_a_fresh_sandbox_and_never_fail_the_execution(wire, call, code):
    order = Order(wire, page_items=1)
    if call == "state":
        order.run.settle()
    wire.server.fail(call, *[Fault(403, code)] * (4 if call == "checkpoint" else 1))
    order.run.step()
    assert order.run.answers.count("BackendError") == 1
    order.finish()
    assert (order.run.status, order.run.result) == ("SUCCEEDED", ["first", "second"])
    assert [answer for answer in order.run.answers if answer != "BackendError" and answer["Status"] == "FAILED"] == []


FINAL = [
    (19, Fault(403, "AccessDeniedException", "User is not authorized"), "lambda:CheckpointDurableExecution"),
    (20, Fault(502, "KMSAccessDeniedException", "no key"), "KMSAccessDeniedException"),
    (20, Fault(502, "KMSDisabledException", "no key"), "KMSDisabledException"),
    (20, Fault(502, "KMSInvalidStateException", "no key"), "KMSInvalidStateException"),
    (20, Fault(502, "KMSNotFoundException", "no key"), "KMSNotFoundException"),
    (21, Fault(413, "RequestTooLargeException", "Request too large"), "the largest update: SUCCEED of STEP 'first'"),
    (21, Fault(400, "InvalidParameterValueException", "STEP output payload size must be less"), "STEP 'first'"),
]


@pytest.mark.parametrize(
    ("row", "fault", "told"), FINAL, ids=[f"row {row}: {fault.code} {fault.status}" for row, fault, _ in FINAL]
)
def test_rows_19_to_21_what_cannot_heal_fails_the_execution_once_and_says_why(wire, row, fault, told):
    order = Order(wire)
    wire.server.always = fault
    order.finish()
    assert (order.run.status, order.run.error.error_type) == ("FAILED", "BackendError")
    assert told in order.run.error.error_message
    assert len(order.checkpoints) == 1
    assert order.ran == ["first"]


@pytest.mark.parametrize("fault", [fault for _, fault, _ in FINAL[:5]], ids=lambda fault: fault.code)
def test_rows_19_and_20_so_does_a_page_that_is_refused_for_good(wire, fault):
    order = Order(wire, page_items=1)
    order.run.settle()
    wire.server.fail("state", fault)
    order.finish()
    assert (order.run.status, order.run.error.error_type) == ("FAILED", "BackendError")
    assert order.run.answers[-1]["Status"] == "FAILED"
    assert len(wire.server.asked("state")) == 1


STALE = Fault(400, "InvalidParameterValueException", "Invalid Checkpoint Token: superseded")


@pytest.mark.parametrize("call", ["checkpoint", "state"])
def test_rows_22_and_23_a_stale_token_ends_all_calls_and_is_raised(wire, call):
    order = Order(wire, page_items=1)
    order.run.settle()
    wire.server.fail(call, STALE)
    order.finish()
    failed = order.run.answers.index("BackendError")
    calls = order.calls(failed)
    assert calls.count(call) == 1
    assert calls[-1] == call  # not one call after it
    assert (order.run.status, order.run.result) == ("SUCCEEDED", ["first", "second"])


def test_row_24_an_answer_without_a_token_is_pending_and_no_call_follows(wire):
    order = Order(wire)
    wire.server.fail("checkpoint", Fault(body='{"NewExecutionState": {}}', applied=True))
    order.finish().assert_done("first", "second")
    assert order.run.answers[0] == {"Status": "PENDING"}
    assert order.calls(0) == ["checkpoint"]


@pytest.mark.parametrize("fault", [Fault(503), Fault(reset=True), Fault(429, "TooManyRequestsException")], ids=str)
def test_row_26_an_outage_costs_a_bounded_number_of_tries_for_each_invocation(wire, fault):
    order = Order(wire)
    wire.server.always = fault
    order.run.settle()
    assert order.run.answers == ["BackendError"]
    assert len(order.checkpoints) == 4
    wire.server.always = None
    order.finish()
    assert order.run.result == ["first", "second"]


def test_row_26_with_little_time_left_it_gives_up_at_once(wire):
    order = Order(wire, seconds=0.05)
    wire.server.always = Fault(503)
    order.run.settle()
    assert order.run.answers == ["BackendError"]
    assert len(order.checkpoints) < 4


@pytest.mark.parametrize(
    "fault", [Fault(400, "InvalidParameterValueException", "no"), Fault(503)], ids=["final", "503"]
)
def test_row_27_an_update_that_nobody_waited_for_is_owed_at_the_end(wire, fault):
    @durable
    def handler(event, ctx):
        return ctx.patched("new-way")  # marked without waiting for the answer

    run = Run(handler, over=wire)
    wire.server.fail("checkpoint", *[fault] * 4)
    run.settle()
    (answer,) = run.answers
    assert answer == "BackendError" if fault.status == 503 else answer["Status"] == "FAILED"
    assert not [event for event in run.history() if event["EventType"] == "ExecutionSucceeded"]


def test_row_28_a_large_result_is_no_success_without_its_acknowledgement(wire):
    @durable
    def handler(event, ctx):
        return "x" * (6 * 1024 * 1024)

    run = Run(handler, over=wire)
    wire.server.fail("checkpoint", *[Fault(503)] * 4)
    run.settle()
    assert run.answers == ["BackendError"]
    assert run.status == "RUNNING"
    run.finish()
    assert (run.status, len(run.result)) == ("SUCCEEDED", 6 * 1024 * 1024)


# -- calls made on the thread of user code --------------------------------------------------------------------


@pytest.mark.parametrize("applied", [False, True], ids=["before it is applied", "after it was applied"])
def test_row_59_ctrl_c_in_a_call_is_the_developers_and_the_execution_goes_on_later(wire, applied):
    if threading.current_thread() is not threading.main_thread():
        pytest.skip("signals reach the main thread only")
    order, pressed = Order(wire), []
    serve = wire.server.host.checkpoint

    def checkpoint(*request):
        answer = serve(*request) if applied or pressed else None
        if not pressed:
            pressed.append(threading.Event())
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
            assert pressed[0].wait(60)  # no answer comes until it has arrived
        return answer

    wire.server.host.checkpoint = checkpoint
    with pytest.raises(KeyboardInterrupt):
        order.run.settle()
    pressed[0].set()
    wire.server.host.checkpoint = serve
    order.finish().assert_done(*(["first", "second"] if applied else ["first", "first", "second"]))


@pytest.mark.parametrize("room", [5, 30, 40, 50, 60, 80, 120])
def test_row_60_a_call_takes_no_more_of_the_stack_than_who_waits_for_it(wire, room):
    """Botocore needs some forty frames: the sender, which makes the call, has a stack of its own."""

    @durable
    def handler(event, ctx):
        def deeper(left):
            return deeper(left - 1) if left else ctx.step(lambda: "deep")

        ctx.step(lambda: "high", name="first")  # what is loaded by the first call needs a stack too
        return deeper(sys.getrecursionlimit() - len(inspect.stack(0)) - room)

    run = Run(handler, over=wire)
    run.settle()
    if room == 5:
        assert (run.status, run.error.error_type) == ("FAILED", "RecursionError")
    else:
        assert (run.status, run.result) == ("SUCCEEDED", "deep")
