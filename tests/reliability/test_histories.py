"""Records that come in odd order, in odd form, or broken: docs/reliability.md#fault-rows, rows 34 to 49."""

from __future__ import annotations

import copy
import json
import logging
from dataclasses import replace

import pytest
from pydantic import BaseModel

from powertools_durable import DurableConfig, DurableContext, Polling, Retry, durable
from powertools_durable._protocol.operation import OperationType
from powertools_durable._protocol.result import CheckpointResponse, StatePage
from powertools_durable._protocol.wire import to_wire
from powertools_durable.errors import OperationError
from tests.kit import ARN, FIRST
from tests.reliability.rig import Run

# -- the same execution, however its records come --------------------------------------------------------------


class Varied:
    """An execution with a record of every kind, suspended at a wait; then its records come as *event* says."""

    def __init__(self, *, page_items=1000, callback=True):
        self.ran = []
        self.replaying = []

        def step(ctx, name, **options):
            return ctx.step(lambda: self.ran.append(name) or name, name=name, **options)

        def fails():
            self.ran.append("fails")
            raise ValueError

        @durable
        def handler(event, ctx: DurableContext):
            self.replaying.append(ctx.is_replaying)
            found = [step(ctx, "a")]
            ctx.wait(5, name="short")
            found.append(ctx.run_in_child_context(lambda child: step(child, "inner"), name="child"))
            found.append(ctx.parallel([lambda c: step(c, "left"), lambda c: step(c, "right")], name="both").results)
            try:
                ctx.step(fails, name="fails", retry=Retry.none())
            except OperationError as error:
                found.append(error.error_type)
            if callback:
                answer = ctx.create_callback(name="answer")
                found.append(answer.result())
            ctx.wait(60, name="long")
            return [*found, step(ctx, "z")]

        self.run = Run(handler, {"n": 1}, page_items=page_items)
        self.result = ["a", "inner", ["left", "right"], "ValueError", *(['"yes"'] if callback else []), "z"]

    def until_the_long_wait(self):
        self.run.settle()
        self.run.step()
        if self.run.open_callbacks:
            self.run.callback("answer").succeed("yes")
        assert [record.name for record in self.run.waiting_for] == ["long"]
        return self.run

    def assert_unharmed(self):
        self.run.finish()
        assert (self.run.status, self.run.result) == ("SUCCEEDED", self.result), self.run.error
        assert sorted(self.ran) == sorted(["a", "inner", "left", "right", "fails", "z"])  # each body once


def operations(raw):
    return raw["InitialExecutionState"]["Operations"]


def with_operations(raw, records):
    return {**raw, "InitialExecutionState": {**raw["InitialExecutionState"], "Operations": records}}


def reversed_order(raw):
    return with_operations(raw, operations(raw)[::-1])


def children_before_parents(raw):
    return with_operations(raw, sorted(operations(raw), key=lambda record: "ParentId" not in record))


def twice(raw):
    return with_operations(raw, [*operations(raw), *copy.deepcopy(operations(raw))])


def older(record):
    """The record as it was when its operation had just started."""
    if record["Type"] == "EXECUTION":
        return record
    return {key: value for key, value in record.items() if not key.endswith("Details")} | {"Status": "STARTED"}


def older_ones_later(raw):
    return with_operations(raw, [*operations(raw), *map(older, operations(raw))])


def older_ones_before(raw):
    return with_operations(raw, [*map(older, operations(raw)), *operations(raw)])


def no_updates_named(raw):
    return {key: value for key, value in raw.items() if key != "UpdatedOperationIds"}


def unknown_fields(value):
    match value:
        case dict():
            return {key: unknown_fields(part) for key, part in value.items()} | {"Novel": {"Deep": [1, None]}}
        case list():
            return [unknown_fields(part) for part in value]
        case _:
            return value


def a_record_of_a_kind_nobody_knows(raw):
    novel = {"Id": "novel", "Type": "TELEPATHY", "Status": "DREAMING", "TelepathyDetails": {"Result": "1"}}
    return with_operations(raw, [*operations(raw), novel])


@pytest.mark.parametrize(
    "odd",
    [
        pytest.param(reversed_order, id="row 38: reversed"),
        pytest.param(children_before_parents, id="row 38: children before parents"),
        pytest.param(twice, id="row 36: everything twice"),
        pytest.param(older_ones_later, id="row 37: older views later"),
        pytest.param(older_ones_before, id="row 36: older views before"),
        pytest.param(a_record_of_a_kind_nobody_knows, id="row 42: an unknown kind"),
        pytest.param(unknown_fields, id="row 43: unknown fields everywhere"),
        pytest.param(no_updates_named, id="no UpdatedOperationIds"),
    ],
)
def test_rows_36_to_43_records_in_odd_order_or_with_more_than_we_know_change_nothing(odd):
    varied = Varied()
    varied.run.event = odd
    varied.until_the_long_wait()
    varied.assert_unharmed()


PAGES = {
    "row 38: each page reversed": lambda page: replace(page, operations=page.operations[::-1]),
    "row 36: each record twice": lambda page: replace(page, operations=page.operations * 2),
    "row 39: an empty marker at the end": lambda page: replace(page, next_marker=page.next_marker or ""),
    "row 39: none at the end": lambda page: replace(page, next_marker=page.next_marker or None),
}


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("odd", PAGES.values(), ids=PAGES)
def test_rows_36_to_39_so_do_pages(odd, size):
    varied = Varied(page_items=size)
    varied.run.between.page = odd
    varied.until_the_long_wait()
    varied.assert_unharmed()
    assert varied.run.between.pages > 3


@pytest.mark.parametrize("marker", ["", None, ...], ids=["empty", "null", "missing"])
def test_row_39_no_marker_in_the_event_is_the_end_of_the_pages(marker):
    def with_marker(raw):
        state = {"Operations": operations(raw)} | ({} if marker is ... else {"NextMarker": marker})
        return {**raw, "InitialExecutionState": state}

    varied = Varied()
    varied.run.event = with_marker
    varied.until_the_long_wait()
    varied.assert_unharmed()
    assert varied.run.between.pages == 0


def test_row_37_an_older_view_on_a_later_page_is_ignored():
    varied = Varied(page_items=2)
    seen = {}

    def older_later(page):
        """Repeat, on each page, what the pages before it held, as it was long ago."""
        again = tuple(replace(record, status=type(record.status)("STARTED")) for record in seen.values())
        seen.update({r.id: r for r in page.operations if r.type is not OperationType.EXECUTION})
        return replace(page, operations=(*page.operations, *again))

    varied.run.between.page = older_later
    varied.until_the_long_wait()
    varied.assert_unharmed()
    assert seen


def test_row_40_the_same_marker_for_ever_is_an_error_at_once():
    varied = Varied(page_items=2)
    varied.until_the_long_wait()
    before = varied.run.between.pages
    first = []
    varied.run.event = lambda raw: (first.append(raw["InitialExecutionState"]["NextMarker"]), raw)[1]
    varied.run.between.page = lambda page: replace(page, next_marker=first[0])
    varied.run.step()
    assert varied.run.answers[-1] == "BackendError"
    assert varied.run.between.pages - before == 1  # it is the one that led here


def test_row_40_so_are_new_markers_for_ever():
    varied = Varied(page_items=2)
    varied.until_the_long_wait()
    before, real = varied.run.between.pages, varied.run.between.get_execution_state
    asked = []

    def endless(arn, token, marker, max_items):
        asked.append(marker)
        return StatePage(operations=(), next_marker=f"marker-{len(asked)}")

    varied.run.between.get_execution_state = endless
    varied.run.step()
    assert varied.run.answers[-1] == "BackendError"
    assert len(asked) == 1_000
    varied.run.between.get_execution_state = real
    varied.assert_unharmed()
    assert varied.run.between.pages > before


def test_row_41_the_input_on_the_last_page_is_found_and_replaying_is_told_rightly():
    varied = Varied(page_items=1)

    def emptied(raw):  # what the first page held comes with the others
        return with_operations(raw, []) if raw["InitialExecutionState"]["NextMarker"] else raw

    varied.run.event = emptied

    def all_of_it(_page):
        records = [*varied.run._execution.operations.values()]  # noqa: SLF001
        return StatePage(operations=tuple(records[::-1]), next_marker="")

    varied.run.between.page = all_of_it
    varied.until_the_long_wait()
    varied.assert_unharmed()
    assert varied.replaying[1:] == [True] * (len(varied.replaying) - 1)


STATES = {
    "null": lambda state: None,
    "empty": lambda state: {},
    "no Operations": lambda state: {"NextMarker": ""},
    "Operations null": lambda state: {"Operations": None, "NextMarker": None},
    "no record": lambda state: {**state, "Operations": []},
    "all records but the execution's": lambda state: {
        **state,
        "Operations": [record for record in state["Operations"] if record["Type"] != "EXECUTION"],
    },
}


@pytest.mark.parametrize("invocation", [0, 1, 2])
@pytest.mark.parametrize("odd", STATES.values(), ids=STATES)
def test_row_74_a_state_without_the_execution_s_record_is_no_new_execution(odd, invocation):
    varied = Varied(callback=False)

    def half(raw):
        at = len(varied.run.invocations)
        return {**raw, "InitialExecutionState": odd(raw["InitialExecutionState"])} if at == invocation else raw

    varied.run.event = half
    sent = {}
    varied.run.between.before = lambda number, _told: sent.setdefault(len(varied.run.invocations), number)
    varied.assert_unharmed()
    assert varied.run.answers[invocation] == "BackendError"
    assert invocation not in sent  # no checkpoint
    assert varied.run.answers.count("BackendError") == 1


def test_row_74_nor_is_one_whose_pages_end_without_it():
    varied = Varied(page_items=1)
    varied.until_the_long_wait()
    real, ran = varied.run.between.page, list(varied.ran)
    varied.run.event = lambda raw: with_operations(raw, [])
    varied.run.between.page = lambda page: replace(page, operations=())
    varied.run.step()
    assert varied.run.answers[-1] == "BackendError"
    assert varied.ran == ran
    varied.run.event, varied.run.between.page = lambda raw: raw, real
    varied.assert_unharmed()


def test_row_74_an_event_without_the_key_may_be_new():
    seen = []

    @durable
    def handler(event, ctx: DurableContext):
        seen.append((event, ctx.is_replaying))
        return ctx.step(lambda: "done", name="s")

    run = Run(handler)
    run.event = lambda raw: {key: value for key, value in raw.items() if key != "InitialExecutionState"}
    run.settle()
    assert (run.status, run.result, seen) == ("SUCCEEDED", "done", [({}, False)])


def without_records(response):
    return CheckpointResponse(checkpoint_token=response.checkpoint_token)


def empty(response):
    return replace(response, new_execution_state=StatePage(operations=()))


def every_second(response):
    state = response.new_execution_state
    return replace(response, new_execution_state=replace(state, operations=state.operations[::2]))


def only_what_was_sent_last(response):
    state = response.new_execution_state
    return replace(response, new_execution_state=replace(state, operations=state.operations[-1:]))


def as_it_was_before(response):
    """An answer from a replica that lags behind: what has just ended is shown as started."""
    state = response.new_execution_state
    ended = (OperationType.STEP, OperationType.CONTEXT)
    older = tuple(
        replace(record, status=type(record.status)("STARTED"), end_timestamp=None)
        if record.type in ended and record.status.is_terminal
        else record
        for record in state.operations
    )
    return replace(response, new_execution_state=replace(state, operations=older))


@pytest.mark.parametrize(
    "odd", [without_records, empty, every_second, only_what_was_sent_last, as_it_was_before], ids=lambda f: f.__name__
)
def test_rows_34_and_35_an_answer_that_tells_little_is_made_up_for_by_what_was_sent(odd):
    varied = Varied(callback=False)  # a callback's id is nowhere else
    varied.run.between.answer = odd
    varied.until_the_long_wait()
    varied.assert_unharmed()


def test_row_34_a_callback_whose_id_nobody_told_is_a_typed_error():
    varied = Varied()
    varied.run.between.answer = empty
    varied.run.settle()
    varied.run.finish()
    assert (varied.run.status, varied.run.error.error_type) == ("FAILED", "CallbackError")


# -- one record, broken ----------------------------------------------------------------------------------------


class Quiet:
    """A service that nobody may call: what is recorded is enough."""

    def __init__(self, *, quiet=True):
        self.quiet = quiet
        self.sent = []

    def checkpoint(self, arn, checkpoint_token, updates, client_token):
        self.sent += [f"{u.action.value} {u.type.value}" for u in updates]
        assert not self.quiet, self.sent
        return CheckpointResponse(checkpoint_token=f"t{len(self.sent)}")

    def get_execution_state(self, *_):
        raise AssertionError


RAN = []


def ran(*_):
    RAN.append(1)
    return 1


CALLS = {
    "STEP": ("Step", lambda ctx: ctx.step(ran, name="op")),
    "CONDITION": (
        "WaitForCondition",
        lambda ctx: ctx.wait_for_condition(ran, initial=0, polling=Polling(until=bool), name="op"),
    ),
    "WAIT": ("Wait", lambda ctx: ctx.wait(60, name="op")),
    "CALLBACK": ("Callback", lambda ctx: ctx.create_callback(name="op").result()),
    "CHAINED_INVOKE": ("ChainedInvoke", lambda ctx: ctx.invoke("other:1", {}, name="op")),
    "CONTEXT": ("RunInChildContext", lambda ctx: ctx.run_in_child_context(ran, name="op")),
    "PARALLEL": ("Parallel", lambda ctx: ctx.parallel([ran], name="op").success_count),
}
DETAILS = {
    "STEP": "StepDetails",
    "CONDITION": "StepDetails",
    "WAIT": "WaitDetails",
    "CALLBACK": "CallbackDetails",
    "CHAINED_INVOKE": "ChainedInvokeDetails",
    "CONTEXT": "ContextDetails",
    "PARALLEL": "ContextDetails",
}


def answered(call, status, details=..., *, quiet=True, **fields):
    """Invoke a handler whose only operation has this record; return its answer."""
    RAN.clear()
    sub_type, asks = CALLS[call]
    kind = {"CONDITION": "STEP", "PARALLEL": "CONTEXT"}.get(call, call)
    record = {"Id": FIRST, "Type": kind, "Status": status, "SubType": sub_type, "Name": "op", **fields}
    if details is not ...:
        record[DETAILS[call]] = details

    @durable
    def handler(event, ctx):
        return asks(ctx)

    execution = {"Id": "0a1b", "Type": "EXECUTION", "Status": "STARTED", "ExecutionDetails": {"InputPayload": "{}"}}
    event = {
        "DurableExecutionArn": ARN,
        "CheckpointToken": "t0",
        "InitialExecutionState": {"Operations": [execution, record], "NextMarker": ""},
    }
    return handler.invoke(event, None, backend=Quiet(quiet=quiet))


def outcome(answer):
    return answer["Error"]["ErrorType"] if answer["Status"] == "FAILED" else answer.get("Result", answer["Status"])


ERRORS = {
    "STEP": "StepError",
    "CONDITION": "WaitForConditionError",
    "WAIT": "OperationError",
    "CALLBACK": "CallbackExternalError",
    "CHAINED_INVOKE": "InvokeError",
    "CONTEXT": "ChildContextError",
    "PARALLEL": "ChildContextError",
}
ENDS = ["FAILED", "CANCELLED", "STOPPED", "TIMED_OUT"]
GIVEN = {"CALLBACK": {"CallbackId": "cb-1"}}


@pytest.mark.parametrize("status", ENDS)
@pytest.mark.parametrize("call", CALLS)
def test_row_46_every_end_of_every_operation_is_its_typed_error_and_a_cancelled_wait_returns(call, status):
    expected = ERRORS[call]
    if (call, status) == ("WAIT", "CANCELLED"):
        expected = "null"
    if (call, status) == ("CALLBACK", "TIMED_OUT"):
        expected = "CallbackTimeoutError"
    assert outcome(answered(call, status, GIVEN.get(call, ...))) == expected
    assert RAN == []


# Type, status: what no details, null details and empty details come to.
BARE = {
    ("STEP", "SUCCEEDED"): "null",
    ("CONDITION", "SUCCEEDED"): "null",
    ("WAIT", "SUCCEEDED"): "null",
    ("CALLBACK", "SUCCEEDED"): "CallbackError",  # nobody can answer a callback without its id
    ("CHAINED_INVOKE", "SUCCEEDED"): "null",
    ("CONTEXT", "SUCCEEDED"): "null",
    ("STEP", "PENDING"): "PENDING",
    ("CONDITION", "PENDING"): "PENDING",
    ("WAIT", "STARTED"): "PENDING",
    ("CALLBACK", "STARTED"): "CallbackError",
    ("CHAINED_INVOKE", "STARTED"): "PENDING",
    ("STEP", "FAILED"): "StepError",
    ("CONTEXT", "FAILED"): "ChildContextError",
}


@pytest.mark.parametrize("details", [..., None, {}], ids=["missing", "null", "empty"])
@pytest.mark.parametrize(("call", "status"), BARE, ids=[f"{call} {status}" for call, status in BARE])
def test_row_44_a_record_without_details_has_a_default_or_is_a_typed_error(call, status, details):
    assert outcome(answered(call, status, details)) == BARE[call, status]
    assert RAN == []


def test_row_44_an_interrupted_step_without_details_runs_its_first_attempt():
    assert outcome(answered("STEP", "STARTED", quiet=False)) == "1"
    assert RAN == [1]


@pytest.mark.parametrize("call", ["STEP", "CONDITION", "CONTEXT", "PARALLEL", "CHAINED_INVOKE"])
@pytest.mark.parametrize(
    "text",
    ["{canary", '{"t": "pickle", "v": "canary"}', '{"a": "canary"}', "[" * 100_000, '"\\ud800', "NaN canary"],
    ids=["no JSON", "an unknown tag", "no envelope", "nested too deeply", "cut off", "junk"],
)
def test_row_45_a_result_that_cannot_be_read_is_a_typed_error_and_no_body_runs_for_it(call, text):
    answer = answered(call, "SUCCEEDED", {"Result": text})
    if call == "CHAINED_INVOKE" and text.startswith("{") and '"' in text:
        assert json.loads(answer["Result"]) == json.loads(text)  # plain JSON: no envelope is looked for
        return
    assert outcome(answer) == "SerDesError"
    assert "canary" not in json.dumps(answer)
    assert RAN == []


@pytest.mark.parametrize("call", CALLS)
def test_row_42_a_status_that_nobody_knows_is_a_typed_error_where_it_is_needed(call):
    answer = answered(call, "DREAMING", GIVEN.get(call, ...))
    assert outcome(answer) == "InvalidStateError"
    assert "DREAMING" in answer["Error"]["ErrorMessage"]
    assert RAN == []


def test_row_42_a_kind_that_nobody_knows_in_the_place_of_an_operation_is_changed_code():
    assert outcome(answered("STEP", "SUCCEEDED", Type="TELEPATHY")) == "NonDeterminismError"


@pytest.mark.parametrize("policy", ["warn", "fail"])
def test_row_42_a_kind_that_nobody_knows_is_not_taken_for_what_changed_code_left_out(policy, caplog):
    @durable(config=DurableConfig(on_unconsumed=policy))
    def handler(event, ctx):
        return ctx.step(lambda: "told", name="told")

    run = Run(handler)
    run.event = a_record_of_a_kind_nobody_knows
    assert (run.finish().status, run.result, caplog.records) == ("SUCCEEDED", "told", [])


MOMENTS = [
    1767225600000,
    1767225600.5,
    "2026-01-01T00:00:00Z",
    "2026-01-01T00:00:00.123+01:00",
    "2026-01-01T00:00:00",
    0,
    "",
    None,
]


@pytest.mark.parametrize("moment", MOMENTS, ids=repr)
@pytest.mark.parametrize(
    ("call", "status", "field"),
    [("STEP", "PENDING", "NextAttemptTimestamp"), ("WAIT", "STARTED", "ScheduledEndTimestamp")],
)
def test_row_47_a_moment_may_come_in_any_form_or_not_at_all(call, status, field, moment):
    answer = answered(call, status, {field: moment}, StartTimestamp=moment, EndTimestamp=moment)
    assert outcome(answer) == "PENDING"


# -- the customer's input --------------------------------------------------------------------------------------

INPUTS = {
    "no JSON": "{canary",
    "cut off": '{"amount": "canary"',
    "deep": "[" * 200_000 + '"canary"' + "]" * 200_000,
    "a huge number": '{"amount": "canary", "n": ' + "9" * 5000 + "}",
    "not a number": '{"amount": ["canary", NaN]}',
    "infinite": '["canary", -Infinity]',
    "a bare word": "canary",
}


@pytest.mark.parametrize("text", INPUTS.values(), ids=INPUTS)
@pytest.mark.parametrize("annotation", [dict, "model"], ids=["plain", "model"])
def test_row_49_an_input_that_cannot_be_read_fails_once_with_no_call_and_is_nowhere_shown(text, annotation, caplog):
    class Model(BaseModel):
        amount: int

    caplog.set_level(logging.DEBUG)

    def handler(event, ctx):
        raise AssertionError

    handler.__annotations__["event"] = Model if annotation == "model" else dict
    run = Run(durable(handler))

    def with_text(raw):  # no client of ours would send such an input
        changed = copy.deepcopy(raw)
        changed["InitialExecutionState"]["Operations"][0]["ExecutionDetails"]["InputPayload"] = text
        return changed

    run.event = with_text
    run.settle()
    assert (run.status, len(run.invocations)) == ("FAILED", 1)
    assert run.error.error_type == "PayloadValidationError"
    assert "canary" not in json.dumps(to_wire(run.error)) + caplog.text
    assert run.between.sent == []


def test_row_49_a_deep_or_huge_input_that_can_be_read_is_read():
    @durable
    def handler(event, ctx):
        return [len(str(event["n"])), isinstance(event["deep"], list)]

    deep: list = []
    for _ in range(300):
        deep = [deep]
    assert Run(handler, {"n": 10**4000, "deep": deep}).finish().result == [4001, True]


# -- the event ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("token", ["", None, ..., 7, " " * 2049], ids=["empty", "null", "missing", "number", "long"])
def test_row_25_an_event_without_a_token_is_a_typed_error_and_makes_no_call(token):
    @durable
    def handler(event, ctx):
        raise AssertionError

    run = Run(handler)
    run.event = lambda raw: (
        {key: value for key, value in raw.items() if key != "CheckpointToken"}
        if token is ...
        else {**raw, "CheckpointToken": token}
    )
    run.settle()
    assert run.answers == ["NotADurableInvocationError"]
    assert (run.between.sent, run.between.pages) == ([], 0)
