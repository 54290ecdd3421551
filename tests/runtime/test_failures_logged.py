"""What is logged of a failure, and by which logger."""

from __future__ import annotations

import io
import json
import logging

import pytest
from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.buffer import LoggerBufferConfig
from pydantic import BaseModel

from powertools_durable import Completion, DurableConfig, Nesting, Polling, Retry, durable
from powertools_durable.errors import BackendError
from powertools_durable.testing import Simulator
from tests.integrations.lines import NUMBERS

ONCE = Retry.none()
MODULE = logging.getLogger(__name__)
UNIQUE = next(NUMBERS)  # a name is one logger for the life of a process


class Kept(logging.Handler):
    """Keeps what reaches the standard library's logger of this module."""

    def __init__(self):
        super().__init__(logging.DEBUG)
        self.lines = []

    def emit(self, record):
        self.lines.append(record)


@pytest.fixture
def lines():
    """The records of this module's logger: the handlers here have no Powertools logger."""
    kept = Kept()
    MODULE.addHandler(kept)
    yield kept.lines
    MODULE.removeHandler(kept)


def ends(function, event=None, **options):
    """Run a handler to its end, with its module's own logger."""
    return Simulator(durable(logger=MODULE, **options)(function)).start(event or {}).finish()


def shown(record):
    """Level, text, and the traceback's last line of code."""
    trace = logging.Formatter().formatException(record.exc_info) if record.exc_info else ""
    return record.levelname, record.getMessage(), trace


def fail(*_):
    raise KeyError("sku")


# -- a failed attempt, wherever user code is a step -----------------------------------------------------------------


def step(ctx):
    ctx.step(fail, name="it", retry=ONCE)


def timed_step(ctx):
    ctx.step(fail, name="it", retry=ONCE, timeout=60)


def at_most_once(ctx):
    ctx.step(fail, name="it", retry=ONCE, semantics="AT_MOST_ONCE")


def batched(ctx):
    with ctx.batch():
        ctx.step(fail, name="it", retry=ONCE)


def check(ctx):
    ctx.wait_for_condition(fail, initial=None, name="it", polling=Polling(until=bool))


def compensated_step(ctx):
    ctx.step_with_compensation(fail, compensate=fail, name="it", retry=ONCE)


def step_of_a_child(ctx):
    ctx.run_in_child_context(lambda child: child.step(fail, name="it", retry=ONCE))


def step_of_a_virtual_child(ctx):
    ctx.run_in_child_context(lambda child: child.step(fail, name="it", retry=ONCE), virtual=True)


def step_of_an_item(ctx):
    ctx.map(lambda child, item: child.step(fail, name="it", retry=ONCE), [1]).raise_if_failed()


def step_of_a_flat_item(ctx):
    items = ctx.map(lambda child, item: child.step(fail, name="it", retry=ONCE), [1], nesting=Nesting.FLAT)
    items.raise_if_failed()


def submitter(ctx):
    def it(callback_id):
        fail()

    ctx.wait_for_callback(it, retry=ONCE, name="it")


def child(ctx):
    ctx.run_in_child_context(fail, name="it")


def item(ctx):
    ctx.map(fail, [1], item_name=lambda value, index: "it").raise_if_failed()


def branch(ctx):
    ctx.parallel({"it": fail}).raise_if_failed()


def compensation(ctx):
    ctx.step_with_compensation(lambda: 1, compensate=fail, name="it")
    assert not ctx.run_compensations().all_succeeded
    raise ArithmeticError


def retried_calls(ctx):
    ctx.with_retry(fail, name="it", retry=ONCE)


def virtual_child(ctx):
    ctx.run_in_child_context(fail, virtual=True)


def flat_item(ctx):
    ctx.map(fail, [1], nesting=Nesting.FLAT).raise_if_failed()


STEPS = [step, timed_step, at_most_once, batched, check, compensated_step, step_of_a_child, step_of_a_virtual_child]
STEPS += [step_of_an_item, step_of_a_flat_item, submitter]
CONTEXTS = [child, item, branch, compensation, retried_calls, virtual_child, flat_item]


@pytest.mark.parametrize("place", [*STEPS, *CONTEXTS], ids=lambda place: place.__name__)
def test_a_failure_has_one_line_with_its_traceback_and_the_end_another_live_only(place, lines):
    @durable(logger=MODULE)
    def handler(event, ctx):
        try:
            place(ctx)
        except Exception:
            ctx.wait(5)
            ctx.wait(5)
            raise

    run = Simulator(handler).start({}).finish()
    assert run.status == "FAILED"
    (level, text, trace), *others = map(shown, lines)
    assert level == "WARNING"
    assert "KeyError: 'sku'" in text
    assert place in {virtual_child, flat_item} or "it" in text
    assert "in fail" in trace
    assert 'raise KeyError("sku")' in trace
    assert "powertools_durable/" not in trace
    assert [(level, text.partition(":")[0]) for level, text, _ in others] == [("ERROR", "the execution failed")]
    if place is not compensation:
        assert others[0][2] == ""  # the first line had it


@pytest.mark.parametrize("place", STEPS, ids=lambda place: place.__name__)
def test_the_line_of_a_step_shows_the_user_s_call_and_not_ours(place, lines):
    ends(lambda event, ctx: place(ctx))
    assert not any("powertools_durable" in record.pathname for record in lines[:1])


def test_a_failed_attempt_tells_its_name_its_number_and_the_delay_and_has_no_traceback(lines):
    ends(lambda event, ctx: ctx.step(fail, name="charge", retry=Retry(max_attempts=3, initial_delay=2, jitter="none")))
    assert [shown(record) for record in lines[:2]] == [
        ("WARNING", "attempt 1 of step 'charge' failed, the next one is in 2 s: KeyError: 'sku'", ""),
        ("WARNING", "attempt 2 of step 'charge' failed, the next one is in 4 s: KeyError: 'sku'", ""),
    ]
    assert shown(lines[2])[1] == "step 'charge' failed after 3 attempts: KeyError: 'sku'"
    assert [record.attempt for record in lines[:3]] == [1, 2, 3]
    assert {record.operationName for record in lines[:3]} == {"charge"}
    assert shown(lines[3]) == (
        "ERROR",
        "the execution failed: step 'charge' failed after 3 attempts: KeyError: 'sku'",
        "",
    )


def test_what_a_suspension_made_code_raise_is_no_failed_attempt(lines):
    def turns_it_into_an_error(ctx):
        try:
            ctx.wait(60)
        except BaseException as signal:
            raise ValueError("not a failure") from signal

    run = Simulator(durable(lambda event, ctx: ctx.with_retry(turns_it_into_an_error, retry=Retry()))).start().finish()
    assert (run.status, len(run.invocations)) == ("SUCCEEDED", 2)
    assert not [line for line in run.logs if "attempt 1" in line.getMessage()]


def test_with_retry_tells_of_each_attempt_once(lines):
    policy = Retry(max_attempts=3, initial_delay=2, jitter="none")
    ends(lambda event, ctx: ctx.with_retry(fail, name="book", retry=policy))
    assert [shown(record)[1] for record in lines] == [
        "attempt 1 of 'book' failed, the next one is in 2 s: KeyError: 'sku'",
        "attempt 2 of 'book' failed, the next one is in 4 s: KeyError: 'sku'",
        "child context 'book' failed: KeyError: 'sku'",
        "the execution failed: child context 'book' failed: KeyError: 'sku'",
    ]


# -- the execution's own end ----------------------------------------------------------------------------------------


class Order(BaseModel):
    id: int


def not_serializable(event, ctx):
    return object()


def by_mistake(event, ctx):
    ctx.step("no function")


def in_the_handler(event, ctx):
    raise LookupError("no such order")


def by_a_callback(event, ctx):
    ctx.create_callback(name="ask", timeout=5).result()


def too_deep(event, ctx):
    too_deep(event, ctx)


def of_a_deferred_call(event, ctx):
    ctx.defer(fail)


def by_a_changed_path(event, ctx):
    RUNS.append(1)
    ctx.step(lambda: 1, name=f"run-{len(RUNS)}")
    ctx.wait(5)


def by_its_input(event: Order, ctx):
    raise AssertionError


RUNS = []
CAUSES = [not_serializable, by_mistake, in_the_handler, by_a_callback, too_deep, of_a_deferred_call, by_its_input]
CAUSES += [by_a_changed_path]


@pytest.mark.parametrize("function", CAUSES, ids=lambda function: function.__name__)
def test_the_answer_is_logged_once_whatever_its_cause(function, lines):
    RUNS.clear()
    options = {"retry": ONCE}
    run = ends(function, **options)
    if run.status != "FAILED":
        run.advance(6).finish()
    assert run.status == "FAILED"
    errors = [shown(record) for record in lines if record.levelno == logging.ERROR]
    assert len(errors) == 1
    _, text, trace = errors[0]
    assert text.startswith("the execution failed: ")
    assert run.error.error_message in text
    assert "powertools_durable/" not in trace
    if function in {by_mistake, in_the_handler, by_a_callback, too_deep, by_a_changed_path}:
        assert f"in {function.__name__}" in trace


class Refuses:
    """A service that denies the first checkpoint for good."""

    def checkpoint_durable_execution(self, *_):
        raise BackendError("denied", retryable=False)


def test_nothing_is_logged_when_it_is_not_wanted(lines):
    ends(lambda event, ctx: step(ctx), config=DurableConfig(log_failures=False))
    ends(in_the_handler, config=DurableConfig(log_failures=False))
    assert lines == []


def test_a_success_logs_nothing(lines):
    ends(lambda event, ctx: ctx.step(lambda: 1))
    assert lines == []


# -- fan-outs -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("nesting", [Nesting.NESTED, Nesting.FLAT])
def test_a_fan_out_has_twenty_lines_and_a_count(nesting, nested, lines):
    def each(child, item):
        if nested:
            child.map(lambda lower, value: fail(), range(5), completion=Completion.all_completed(), name="lower")
        else:
            fail()

    def handler(event, ctx):
        rows = range(15 if nested else 50)
        ctx.map(each, rows, name="rows", completion=Completion.all_completed(), nesting=nesting)
        step(ctx)

    ends(handler)
    texts = [shown(record)[1] for record in lines]
    total = 75 if nested else 50
    assert len(texts) == 20 + 1 + 2
    assert texts[20] == f"{total - 20} more failures in 'rows' are not logged, after the first 20"
    assert texts[21] == "step 'it' failed: KeyError: 'sku'"  # after the fan-out, all are logged again


# -- the user's logger ----------------------------------------------------------------------------------------------


def lines_of(stream):
    return [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.mark.parametrize("given", [True, False])
def test_powertools_logger_is_used_with_its_keys(given):
    stream = io.StringIO()
    powertools = Logger(service=f"failures-{UNIQUE}-{given}", stream=stream)
    powertools.append_keys(tenant="t1")

    def handler(event, ctx):
        powertools.name  # noqa: B018 - found as a name of the function
        step(ctx)

    Simulator(durable(logger=powertools if given else None)(handler)).start({}).finish()
    warning, error = lines_of(stream)
    assert warning["message"] == "step 'it' failed: KeyError: 'sku'"
    assert (warning["tenant"], warning["operationName"], warning["attempt"]) == ("t1", "it", 1)
    assert warning["exception_name"] == "KeyError"
    assert "in fail" in warning["exception"]
    assert error["level"] == "ERROR"
    assert error["executionArn"] == warning["executionArn"]
    assert "exception" not in error
    assert warning["location"].startswith("step:")


def test_its_buffer_is_neither_filled_nor_flushed():
    stream = io.StringIO()
    powertools = Logger(
        service=f"failures-{UNIQUE}-buffer", level="DEBUG", stream=stream, buffer_config=LoggerBufferConfig()
    )

    def handler(event, ctx):
        powertools.debug("buffered")
        step(ctx)

    Simulator(durable(logger=powertools)(handler)).start({}).finish()
    assert [line["level"] for line in lines_of(stream)] == ["WARNING", "ERROR"]


def test_logger_false_leaves_powertools_alone(lines):
    stream = io.StringIO()
    powertools = Logger(service=f"failures-{UNIQUE}-alone", stream=stream)

    def handler(event, ctx):
        powertools.name  # noqa: B018
        step(ctx)

    Simulator(durable(logger=False)(handler)).start({}).finish()
    assert stream.getvalue() == ""
    assert [record.levelname for record in lines] == ["WARNING", "ERROR"]


def test_a_logger_that_breaks_changes_no_answer(caplog):
    class Broken(logging.Logger):
        def log(self, *args, **options):
            raise RuntimeError("secret")

        makeRecord = log  # noqa: N815 - what is called for a line that is not on the stack

    run = Simulator(durable(logger=Broken("broken"))(in_the_handler)).start({}).finish()
    assert (run.status, run.error.error_message) == ("FAILED", "no such order")
    assert "a failure could not be logged: the logger raised RuntimeError" in caplog.text
    assert "secret" not in caplog.text


def surrogate(*_):
    raise ValueError("\ud800")


@pytest.mark.parametrize(
    "function", [lambda _, ctx: ctx.step(surrogate, retry=ONCE), surrogate], ids=["step", "handler"]
)
def test_a_text_that_has_no_utf_8_is_logged_as_one_that_has(function, lines):
    ends(function)
    assert lines
    for line in lines:
        assert "ValueError" in logging.Formatter().format(line).encode().decode()


# -- odd exceptions, and values that pydantic refused ----------------------------------------------------------------


class RaisingData(Exception):  # noqa: N818
    @property
    def data(self):
        raise RuntimeError("secret")


class RaisingCause(Exception):  # noqa: N818
    @property
    def __cause__(self):
        raise RuntimeError


class RaisingText(Exception):  # noqa: N818
    def __str__(self):
        raise RuntimeError


class HugeText(Exception):  # noqa: N818
    def __str__(self):
        return "x" * 2_000_000


class HugeData(Exception):  # noqa: N818
    data = "x" * 2_000_000


ODD = {
    RaisingData: "its data (reading 'data' raised RuntimeError)",
    HugeData: "its data (2,000,002 characters, 16,384 fit)",
    HugeText: "the end of its message (2,000,000 characters)",
    RaisingText: "its message (__str__ raised RuntimeError)",
    RaisingCause: None,
}


@pytest.mark.parametrize("with_powertools", [False, True])
@pytest.mark.parametrize(("cls", "lost"), ODD.items(), ids=lambda part: getattr(part, "__name__", ""))
def test_an_odd_exception_is_logged_too_and_what_is_not_kept_is_named(cls, lost, with_powertools, lines, caplog):
    stream = io.StringIO()
    powertools = Logger(service=f"failures-{UNIQUE}-odd-{cls.__name__}-{with_powertools}", stream=stream)

    def breaks():
        raise cls("words")

    def handler(event, ctx):
        ctx.step(breaks, name="it", retry=ONCE)

    def by_itself(event, ctx):
        breaks()

    for function, level in ((handler, "WARNING"), (by_itself, "ERROR")):
        Simulator(durable(logger=powertools if with_powertools else MODULE)(function)).start({}).finish()
        if with_powertools:
            trace = [line for line in lines_of(stream) if line["level"] == level][-1]["exception"]
        else:
            trace = [shown(record)[2] for record in lines if record.levelname == level][-1]
        assert "in breaks" in trace
        assert len(trace) < 20_000
    if lost is not None:
        warnings = [record.getMessage() for record in caplog.records if record.name.startswith("powertools_durable")]
        assert warnings == [
            f"the failure of step 'it' is recorded without {lost}",
            f"the failure of the execution is returned without {lost}",
        ]


SENT = "secret-" + "4711"


class Contact(BaseModel):
    name: str
    age: int


def refuses(*_):
    Contact(name="jo", age=SENT)


def refuses_as_a_cause(*_):
    try:
        refuses()
    except ValueError as error:
        raise LookupError("bad contact") from error


def refuses_as_a_context(*_):
    try:
        refuses()
    except ValueError:
        raise LookupError("bad contact")  # noqa: B904 - what is tested


def refuses_in_a_group(*_):
    try:
        refuses()
    except ValueError as error:
        raise ExceptionGroup("several", [error, LookupError("another")])  # noqa: B904


WAYS = [refuses, refuses_as_a_cause, refuses_as_a_context, refuses_in_a_group]


@pytest.mark.parametrize("included", [False, True])
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_v10_what_pydantic_refused_is_in_no_line(way, included, lines):
    config = DurableConfig(include_validation_input=included)
    ends(lambda event, ctx: ctx.step(way, name="it", retry=ONCE), config=config)
    ends(lambda event, ctx: way(), config=config)
    texts = [shown(record) for record in lines]
    assert len(texts) == 3
    for _, text, trace in (texts[0], texts[2]):
        assert (SENT in text + trace) is included
        assert "in refuses" in trace
        assert "ValidationError" in trace
