"""The official emulator is asked the same: it takes and refuses what our twin does, and makes the same records of it.

Left out where it is not installed. Ours is stricter in the ways that `STRICTER` lists, and in no other.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from powertools_durable._protocol.operation import ErrorObject
from powertools_durable._protocol.update import ChainedInvokeOptions, ContextOptions, OperationUpdate
from powertools_durable._protocol.wire import to_wire
from powertools_durable._service.update_validation import ServiceRefusal
from tests.service.bench import NOON, OOPS, A, Bench, S, T, callback, retry, update, wait
from tests.service.model import KINDS, NEXT
from tests.size import tenth

pytest.importorskip("aws_durable_execution_sdk_python_testing", reason="the official emulator is not installed")

from aws_durable_execution_sdk_python.lambda_service import OperationUpdate as TheirUpdate
from aws_durable_execution_sdk_python_testing.checkpoint.core import CheckpointCore
from aws_durable_execution_sdk_python_testing.checkpoint.transformer import CheckpointRequestDispatcher
from aws_durable_execution_sdk_python_testing.exceptions import InvalidParameterValueException
from aws_durable_execution_sdk_python_testing.execution import Execution
from aws_durable_execution_sdk_python_testing.model import StartDurableExecutionInput

WAYS = [*KINDS.items()] * 9 + [(key, kind) for key in KINDS for kind in T]
ALWAYS_STRICTER = {
    "Invalid operation id.",  # boto3 checks these before anything is sent
    "Invalid operation name.",
    "Invalid operation subtype.",
    "WaitOptions are required.",
    "A timer takes 1 to 31622400 seconds.",
    "A callback's timeout takes 0 to 99999999 seconds.",
    "Parent context has already ended.",
}
STRICTER_WITHOUT_A_RECORD = {
    "Invalid current STEP state to close.",  # nothing ends that never started
    "Invalid current STEP state to re-attempt.",
    "Invalid current CONTEXT state to close.",
    "Invalid StepOptions for the given action.",  # they look at the contents of a step only when it is known
    "Cannot provide both error and payload to RETRY a STEP.",
    "Cannot provide a Payload for FAIL action.",
    "Cannot provide an Error for SUCCEED action.",
    "Inconsistent operation type.",  # they compare with what is recorded, not within a request
    "Inconsistent operation subtype.",
    "Inconsistent operation name.",
    "Inconsistent parent operation id.",
}


class Theirs:
    """The emulator's execution, without its threads and its server."""

    def __init__(self):
        start = StartDurableExecutionInput(
            account_id="123456789012",
            function_name="orders",
            function_qualifier="7",
            execution_name="order-42",
            execution_timeout_seconds=60,
            execution_retention_period_days=1,
            invocation_id="0a1b",
            input="{}",
        )
        self.execution = Execution.new(start)
        self.execution.start(NOON)
        self._dispatcher = CheckpointRequestDispatcher()

    def send(self, batch, now):
        updates = [TheirUpdate.from_dict(to_wire(one)) for one in batch]
        CheckpointCore.apply(self.execution, "token", updates, None, self._dispatcher, now)

    def records(self):
        return [plain(operation.to_json_dict()) for operation in self.execution.operations]


def ours(bench):
    return [plain(to_wire(record)) for record in bench.execution.operations.values()]


def plain(record):
    """Without what chance decides, and without what only one side writes though it says nothing."""
    record = {key: value for key, value in record.items() if value is not None and not key.endswith("Details")} | {
        key: {name: part for name, part in value.items() if part not in (None, False) and name != "CallbackId"}
        for key, value in record.items()
        if key.endswith("Details") and value is not None
    }
    if record["Type"] == "WAIT":
        record.pop("EndTimestamp", None)  # ours ended when it was due, theirs when somebody looked
    if record["Status"] == "CANCELLED":
        record.pop("WaitDetails", None)  # theirs forgets when it was due
    return {key: value for key, value in record.items() if value != {}}


# -- what is asked ------------------------------------------------------------------------------------------------

RARELY = st.integers(0, 24).map(lambda n: n == 7)
TEXTS = st.sampled_from([None, "1", "\u00e9"])  # theirs loses an empty text
ERRORS = st.sampled_from([None, ErrorObject(error_type="E", stack_trace=("a",))])
SECONDS = st.sampled_from([1, 3, 3, 3, 3, 3, 0])
TIMEOUTS = st.sampled_from([0, 1000, 1000, 1000, -1])  # theirs times out on a thread
TARGETS = st.sampled_from(["pay", "pay:7", "function:pay", "a b", "arn:aws:lambda:function:pay"])
TENANTS = st.sampled_from([None, None, "t 1", "a#b"])


@st.composite
def asked(draw, known):
    """An update that mostly suits what is *known*, with a fault now and then."""
    key, kind = draw(st.sampled_from(WAYS))
    record = known.get(key)
    status = record.status if record else None
    can = [action for action, (statuses, _) in NEXT.get(kind, {}).items() if status in statuses]
    action = draw(st.sampled_from(A if draw(RARELY) or not can else can))
    made = with_options(draw, key if kind is not T.EXECUTION else "execution-result-1", kind, action)
    has_payload, has_error = action in (A.SUCCEED, A.RETRY), action in (A.FAIL, A.RETRY)
    payload = draw(TEXTS) if has_payload or (action is not A.START and draw(RARELY)) else None
    error = draw(ERRORS) if (has_error and payload is None) or (action is not A.START and draw(RARELY)) else None
    parent = record.parent_id if record else draw(st.sampled_from([None, *(key for key in "xy" if key in known)]))
    return replace(
        made,
        payload=payload,
        error=error,
        name=draw(st.sampled_from(["other", "caf\u00e9", None])) if draw(RARELY) else "n",
        sub_type="Other" if draw(RARELY) else "Sub",
        parent_id=draw(st.sampled_from([None, "x", "y", "s", "nobody"])) if draw(RARELY) else parent,
    )


def with_options(draw, key, kind, action):
    if draw(RARELY):
        return OperationUpdate(id=key, type=kind, action=action)
    match kind, action:
        case T.WAIT, A.START:
            return wait(key, draw(SECONDS))
        case T.CALLBACK, A.START:
            return callback(key, draw(TIMEOUTS))
        case T.STEP, A.RETRY:
            return retry(key, draw(SECONDS))
        case T.CHAINED_INVOKE, A.START:
            options = ChainedInvokeOptions(function_name=draw(TARGETS), tenant_id=draw(TENANTS))
            return update(kind, action, key, chained_invoke_options=options)
        case T.CONTEXT, A.SUCCEED:
            return update(kind, action, key, context_options=ContextOptions(replay_children=draw(st.booleans())))
        case _:
            return update(kind, action, key)


def refusal_of(send, *arguments):
    try:
        send(*arguments)
    except (ServiceRefusal, InvalidParameterValueException) as refused:
        return str(refused).partition(" (")[0]
    return None


def is_stricter(bench, batch, words):
    known = bench.execution.operations
    return words in ALWAYS_STRICTER or (
        words in STRICTER_WITHOUT_A_RECORD and any(one.id not in known for one in batch)
    )


@pytest.mark.sized
@settings(max_examples=tenth(150), deadline=None)
@given(st.data())
def test_both_take_and_refuse_the_same_and_make_the_same_of_it(data):
    bench, theirs = Bench(), Theirs()
    for _ in range(data.draw(st.integers(1, 12), "requests")):
        bench.wait(data.draw(st.sampled_from([0, 1, 3]), "seconds"))
        theirs.execution.complete_due_operations(bench.now)
        batch = data.draw(st.lists(asked(bench.execution.operations), min_size=1, max_size=3), "batch")
        words = refusal_of(bench.send, *batch)
        if words is None:
            theirs.send(batch, bench.now)
        elif not is_stricter(bench, batch, words):
            said = refusal_of(theirs.send, batch, bench.now)
            assert said == words if len(batch) == 1 else said is not None
        if bench.execution.is_terminal:
            return
        assert ours(bench) == theirs.records()


# -- the same, one by one ------------------------------------------------------------------------------------------

LIFE = [
    [update(T.CONTEXT, A.START, "x", name="n", sub_type="Sub"), update(T.STEP, A.START, "s", parent_id="x")],
    [retry("s", 3, parent_id="x", error=ErrorObject(error_type="E"))],
    3,
    [update(T.STEP, A.START, "s", parent_id="x"), wait("w", 3), callback("c", 9)],
    [update(T.STEP, A.SUCCEED, "s", parent_id="x", payload='"\u00e9"')],
    [update(T.CONTEXT, A.SUCCEED, "x", name="n", sub_type="Sub", context_options=ContextOptions(replay_children=True))],
    3,
    [],
    [update(T.CHAINED_INVOKE, A.START, "i")],
]


def test_a_life_is_the_same_in_both():
    bench, theirs = Bench(), Theirs()
    for happens in LIFE:
        if isinstance(happens, int):
            bench.wait(happens)
            theirs.execution.complete_due_operations(bench.now)
        else:
            bench.send(*happens)
            theirs.send(happens, bench.now)
        assert ours(bench) == theirs.records()
    assert bench.statuses() == {"x": S.SUCCEEDED, "s": S.SUCCEEDED, "w": S.SUCCEEDED, "c": S.STARTED, "i": S.STARTED}


@pytest.mark.parametrize(
    "batch",
    [
        [update(T.EXECUTION, A.SUCCEED, "e"), update(T.STEP, A.START, "s")],
        [update(T.EXECUTION, A.SUCCEED, "e"), update(T.EXECUTION, A.SUCCEED, "f")],
        [update(T.EXECUTION, A.SUCCEED, "e", error=OOPS)],
        [update(T.EXECUTION, A.FAIL, "e", payload="")],
        [update(T.STEP, A.START, "s"), update(T.STEP, A.FAIL, "s", error=ErrorObject(error_message="x" * 32_768))],
        [update(T.CHAINED_INVOKE, A.START, "i", payload="x" * (1024 * 1024 + 1))],
        [update(T.STEP, A.START, "s", parent_id="0a1b")],
        [update(T.STEP, A.SUCCEED, "0a1b")],
    ],
)
def test_both_refuse_with_the_same_words(batch):
    bench, theirs = Bench(), Theirs()
    words = bench.refused(*batch)
    assert refusal_of(theirs.send, batch, NOON) == words
