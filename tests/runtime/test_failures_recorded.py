"""What is recorded of a failure, wherever it happens."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest
from pydantic import BaseModel

from powertools_durable import (
    CallbackExternalError,
    CallbackSubmitterError,
    CallbackTimeoutError,
    Completion,
    DurableConfig,
    Nesting,
    Polling,
    Retry,
    durable,
)
from powertools_durable.testing import Simulator

ONCE = Retry.none()
HERE = f"{__name__}."


class OutOfStock(Exception):  # noqa: N818
    """A user's own."""


# -- the places where user code fails --------------------------------------------------------------------------


def in_a_step(ctx, fail):
    ctx.step(fail, name="it", retry=ONCE)


def in_a_step_s_last_attempt(ctx, fail):
    ctx.step(fail, name="it", retry=Retry(max_attempts=3))


def in_a_timed_step(ctx, fail):
    ctx.step(fail, name="it", retry=ONCE, timeout=60)


def in_a_check(ctx, fail):
    ctx.wait_for_condition(lambda state: fail(), initial=None, name="it", polling=Polling(until=bool))


def in_a_child(ctx, fail):
    ctx.run_in_child_context(lambda child: fail(), name="it")


def in_a_step_of_a_child(ctx, fail):
    ctx.run_in_child_context(lambda child: child.step(fail, retry=ONCE), name="it")


def in_a_step_two_children_down(ctx, fail):
    def inner(child):
        child.run_in_child_context(lambda deeper: deeper.step(fail, retry=ONCE))

    ctx.run_in_child_context(inner, name="it")


def in_a_virtual_child(ctx, fail):
    ctx.run_in_child_context(lambda child: child.step(fail, retry=ONCE), name="it", virtual=True)


def in_with_retry(ctx, fail):
    ctx.with_retry(lambda child: child.step(fail, retry=ONCE), name="it", retry=Retry(max_attempts=2))


def in_an_item(ctx, fail):
    ctx.map(lambda child, item: fail(), [1], name="it").raise_if_failed()


def in_an_item_s_step(ctx, fail):
    ctx.map(lambda child, item: child.step(fail, retry=ONCE), [1], name="it").raise_if_failed()


def in_a_flat_item_s_step(ctx, fail):
    done = ctx.map(lambda child, item: child.step(fail, retry=ONCE), [1], name="it", nesting=Nesting.FLAT)
    done.raise_if_failed()


def in_a_branch_s_step(ctx, fail):
    ctx.parallel({"it": lambda child: child.step(fail, retry=ONCE)}, completion=Completion()).raise_if_failed()


def in_a_submitter(ctx, fail):
    ctx.wait_for_callback(lambda callback_id: fail(), name="it", retry=ONCE)


def in_a_saga(ctx, fail):
    def compensate(value):
        raise ValueError("undoing failed")

    with ctx.saga():
        ctx.step_with_compensation(lambda: 1, compensate=compensate, name="done")
        ctx.step(fail, name="it", retry=ONCE)


PLACES = [value for name, value in list(globals().items()) if name.startswith("in_")]
everywhere = pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)


def told(place, fail, config=None):
    """What the handler sees of the failure on the first run and on a replay, and what the execution ends with."""
    seen = []

    @durable(config=config)
    def handler(event, ctx):
        try:
            place(ctx, fail)
        except Exception as error:
            seen.append((type(error).__name__, str(error), error.error_type, error.data, error.describe()))
            ctx.wait(60)
            ctx.wait(60)
            raise
        return "no error"

    run = Simulator(handler).start({}).finish()
    return seen, run


@everywhere
def test_f2_the_class_that_was_raised_is_told_live_and_on_each_replay(place):
    def fail():
        raise OutOfStock("no blue ones")

    seen, run = told(place, fail)
    assert len(seen) >= 3
    assert len(set(seen)) == 1, seen
    _, message, error_type, _, described = seen[0]
    assert error_type == f"{HERE}OutOfStock"
    if place is not in_a_saga:
        assert message == "no blue ones"
        assert described.endswith(f"{HERE}OutOfStock: no blue ones")
    assert run.error.error_type == seen[0][0]  # the execution's own end has the bare class


@everywhere
def test_f2_the_error_says_which_operation_it_is_of(place):
    def fail():
        raise KeyError("sku")

    seen, _ = told(place, fail)
    if place is not in_a_saga:
        name = {in_an_item: "map-item-0", in_an_item_s_step: "map-item-0", in_a_flat_item_s_step: None}.get(place, "it")
        assert name is None or repr(name) in seen[0][4]


def test_f2_the_note_of_a_traceback_tells_the_attempts():
    notes = []

    def fail():
        raise KeyError("sku")

    @durable
    def handler(event, ctx):
        try:
            ctx.step(fail, name="charge", retry=Retry(max_attempts=3))
        except Exception as error:
            notes.extend(error.__notes__)
            raise

    Simulator(handler).start({}).finish()
    assert notes == ["step 'charge' failed after 3 attempts: KeyError: 'sku'"]


CALLS = {
    "create_callback": lambda ctx: ctx.create_callback(name="ask", timeout=30).result(),
    "wait_for_callback": lambda ctx: ctx.wait_for_callback(lambda callback_id: None, name="ask", timeout=30),
    "below a child": lambda ctx: ctx.run_in_child_context(
        lambda child: child.wait_for_callback(lambda callback_id: None, name="ask", timeout=30)
    ),
}


@pytest.mark.parametrize("answer", [OutOfStock("no"), KeyError("sku"), "text only", None], ids=repr)
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_f2_every_way_to_ask_tells_the_same_of_the_answer(call, answer):
    seen = []

    @durable
    def handler(event, ctx):
        try:
            call(ctx)
        except Exception as error:
            seen.append((error.error_type, error.message))
            raise

    run = Simulator(handler).start({}).advance(0)
    if answer is None:
        run.advance(31)
    else:
        run.callback("ask").fail(answer)
    run.finish()
    expected = {
        "OutOfStock('no')": (f"{HERE}OutOfStock", "no"),
        "KeyError('sku')": ("KeyError", "'sku'"),
        "'text only'": ("CallbackExternalError", "text only"),
    }
    if answer is not None:
        assert set(seen) == {expected[repr(answer)]}
    else:
        reference, _ = seen[0]
        assert "Timeout" in reference
    assert run.error.error_type in {"CallbackExternalError", "CallbackTimeoutError", "ChildContextError"}


@pytest.mark.parametrize(
    ("ends", "cls"),
    [
        (lambda run: run.callback("ask").fail(OutOfStock("no")), CallbackExternalError),
        (lambda run: run.advance(31), CallbackTimeoutError),
    ],
)
@pytest.mark.parametrize("call", ["create_callback", "wait_for_callback"])
def test_f2_the_classes_stay_what_they_were(call, ends, cls):
    @durable
    def handler(event, ctx):
        with pytest.raises(cls):
            CALLS[call](ctx)

    run = Simulator(handler).start({}).advance(0)
    ends(run)
    assert run.finish().status == "SUCCEEDED"


def test_f2_so_does_that_of_a_submitter_s_failure():
    @durable
    def handler(event, ctx):
        with pytest.raises(CallbackSubmitterError) as caught:
            in_a_submitter(ctx, lambda: 1 / 0)
        return caught.value.error_type

    assert Simulator(handler).start({}).finish().result == "ZeroDivisionError"


# -- odd exceptions --------------------------------------------------------------------------------------------


class Base(Exception):  # noqa: N818
    def __init__(self):
        super().__init__("502 from the bank")


class RaisingData(Base):
    @property
    def data(self):
        raise RuntimeError("the response was not read")


class HugeData(Base):
    data = "x" * 2_000_000


class CircularData(Base):
    data: list = []  # noqa: RUF012
    data.append(data)


class ObjectData(Base):
    data = object()


class SurrogateData(Base):
    data = "a\ud800b"


class BrokenModel(BaseModel):
    value: int = 1

    def model_dump_json(self, **options):
        raise ValueError("secret")


class ModelData(Base):
    data = BrokenModel()


class NoTextModel:
    def model_dump_json(self):
        return object()


class NoTextData(Base):
    data = NoTextModel()


@dataclass
class Holder:
    inner: object

    def __deepcopy__(self, memo):
        raise ValueError


class DataclassData(Base):
    data = Holder(Holder(1))


class NoTraceback(Base):
    @property
    def __traceback__(self):
        raise RuntimeError


class RaisingCause(Base):
    @property
    def __cause__(self):
        raise RuntimeError

    @property
    def __context__(self):
        raise RuntimeError

    @property
    def __notes__(self):
        raise RuntimeError


class RaisingText(Exception):  # noqa: N818
    def __str__(self):
        raise RuntimeError


class NoText(Exception):  # noqa: N818
    def __str__(self):
        return 7  # noqa: PLE0307


class HugeText(Exception):  # noqa: N818
    def __str__(self):
        return "x" * 2_000_000


class OddText(str):
    __slots__ = ()

    def encode(self, *args):
        raise RuntimeError

    def __len__(self):
        raise RuntimeError


class OddlyTexted(Exception):  # noqa: N818
    def __str__(self):
        return OddText("odd")


KEPT = [RaisingData, HugeData, CircularData, ObjectData, SurrogateData, ModelData, NoTextData, DataclassData]
KEPT += [NoTraceback, RaisingCause]
ODD = [*KEPT, RaisingText, NoText, HugeText, OddlyTexted]


@pytest.mark.sampled(60)
@pytest.mark.parametrize("cls", ODD, ids=lambda cls: cls.__name__)
@everywhere
def test_f3_a_failure_is_recorded_whatever_its_exception_does_when_it_is_read(place, cls):
    runs = []

    def fail():
        runs.append(1)
        raise cls

    seen, run = told(place, fail)
    assert len(set(seen)) == 1
    assert run.status == "FAILED"
    attempts = {in_a_step_s_last_attempt: 3, in_with_retry: 2}.get(place, 1)
    if place not in {in_a_child, in_an_item}:  # whose code runs again until it is over
        assert len(runs) == attempts
    if cls in KEPT and place is not in_a_saga:
        assert seen[0][1] == "502 from the bank"
    assert seen[0][2] == f"{HERE}{cls.__name__}"


@pytest.mark.parametrize("cls", ODD, ids=lambda cls: cls.__name__)
def test_f3_the_execution_s_own_failure_is_answered_at_once(cls):
    @durable
    def handler(event, ctx):
        raise cls

    run = Simulator(handler).start({}).finish()
    assert (run.status, len(run.invocations)) == ("FAILED", 1)
    assert run.error.error_type == f"{HERE}{cls.__name__}"


# -- pydantic's errors -----------------------------------------------------------------------------------------


class Contact(BaseModel):
    name: str
    age: int


def refuses():
    Contact(name="jo", age="secret-4711")


@everywhere
def test_v10_what_was_refused_is_in_no_record(place):
    seen, run = told(place, refuses)
    history = json.dumps([seen, repr(run.error), [repr(event) for event in run.history()]])
    assert "secret-4711" not in history
    if place is not in_a_saga:
        assert seen[0][1] == "1 validation error for Contact: age (int_parsing)"


@everywhere
def test_v10_unless_it_is_wanted(place):
    seen, _ = told(place, refuses, DurableConfig(include_validation_input=True))
    assert place is in_a_saga or "secret-4711" in seen[0][1]


@pytest.mark.parametrize("included", [False, True])
def test_v10_nor_in_the_execution_s_answer(included):
    @durable(config=DurableConfig(include_validation_input=included))
    def handler(event, ctx):
        refuses()

    run = Simulator(handler).start({}).finish()
    assert ("secret-4711" in run.error.error_message) is included
