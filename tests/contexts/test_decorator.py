"""`durable`: its two forms, what it makes, what it refuses, and the order of its work."""

from __future__ import annotations

import copy
import functools
import inspect
import json
from dataclasses import dataclass, field
from pathlib import Path
from types import FunctionType

import pytest
from pydantic import BaseModel, TypeAdapter, field_validator

from powertools_durable import AsyncDurableContext, DurableConfig, DurableContext, Retry, durable
from powertools_durable._functions import innermost
from powertools_durable._hosting import durable_inside, is_durable
from powertools_durable._protocol.result import CheckpointResponse, StatePage
from powertools_durable._protocol.wire import to_wire
from powertools_durable.backends import lambda_
from powertools_durable.decorator import DurableFunction
from powertools_durable.errors import (
    BackendError,
    DecoratorOrderError,
    DurableConfigError,
    NotADurableInvocationError,
    PayloadModelChangedError,
)
from powertools_durable.serdes.base import PlainJson
from powertools_durable.testing import Simulator
from tests.kit import ARN, S, step_record


def event(payload, *records, marker=None):
    execution = {
        "Id": "0a1b",
        "Type": "EXECUTION",
        "Status": "STARTED",
        "ExecutionDetails": {"InputPayload": json.dumps(payload)},
    }
    operations = [execution, *map(to_wire, records)]
    return {
        "DurableExecutionArn": ARN,
        "CheckpointToken": "t0",
        "InitialExecutionState": {"Operations": operations, "NextMarker": marker},
    }


@dataclass
class Service:
    """Answers as a service that is well, and tells *notes* what it was asked."""

    notes: list[str] = field(default_factory=list)
    pages: dict[str, object] = field(default_factory=dict)

    def checkpoint(self, arn, checkpoint_token, updates, client_token):
        self.notes.append("checkpoint")
        return CheckpointResponse(checkpoint_token=checkpoint_token + "1")

    def get_execution_state(self, arn, checkpoint_token, marker, max_items):
        self.notes.append(f"page {marker}")
        page = self.pages[marker]
        if isinstance(page, Exception):
            raise page
        return page


# -- what it makes --------------------------------------------------------------------------------------------


def double(n: int, ctx: DurableContext) -> int:
    """Twice."""
    return ctx.step(lambda: n * 2, name="double")


MADE = {
    "@durable": durable(double),
    "@durable()": durable()(double),
    "@durable(option)": durable(retry=Retry.none())(double),
    "durable(func)": durable(double),
    "of a partial": durable(functools.partial(double)),
}


@pytest.mark.parametrize("handler", MADE.values(), ids=MADE)
def test_each_form_makes_the_same_handler(handler):
    assert isinstance(handler, DurableFunction)
    assert Simulator(handler).start(21).result == 42
    assert (handler.__name__, handler.__qualname__, handler.__doc__) == ("double", "double", "Twice.")
    assert handler.__module__ == __name__


@pytest.mark.parametrize("handler", MADE.values(), ids=MADE)
def test_it_is_a_function(handler):
    assert type(handler) is FunctionType
    assert innermost(handler) is double
    assert inspect.signature(handler) == inspect.signature(double)
    assert handler.__durable__.handler is handler
    assert Simulator(copy.copy(handler)).start(21).result == 42


def test_a_decorator_above_that_copies_its_attributes_is_not_durable_itself():
    handler = durable(double)

    @functools.wraps(handler)
    def above(raw, context):
        raise LookupError(raw)

    assert above.__durable__ is handler.__durable__
    assert (is_durable(above), is_durable(handler)) == (False, True)
    assert durable_inside(above).handler is handler
    with pytest.raises(LookupError):
        above(event(21), None)


def test_a_partial_of_it_is_durable_too():
    handler = functools.partial(durable(double))
    assert Simulator(handler).start(21).result == 42


def test_the_function_stays_within_reach_for_tests_of_its_own():
    @durable
    def handler(payload, ctx):
        return [payload, ctx]

    assert handler.__wrapped__("payload", "context") == ["payload", "context"]


class Doubler:
    """Twice."""

    def __call__(self, n: int, ctx: DurableContext) -> int:
        return double(n, ctx)

    def method(self, n: int, ctx: DurableContext) -> int:
        return double(n, ctx)


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (Doubler(), "Doubler"),
        (Doubler().method, "method"),
        (lambda n, ctx: double(n, ctx=ctx), "<lambda>"),
        (lambda n, *more: double(n, more[0]), "<lambda>"),
        (lambda n, ctx, scale=1: double(n, ctx) * scale, "<lambda>"),
        (functools.partial(lambda scale, n, ctx: double(n, ctx) * scale, 1), "<lambda>"),
    ],
    ids=["callable object", "method", "lambda", "*args", "third with default", "partial"],
)
def test_whatever_takes_an_event_and_a_context_can_be_a_handler(function, name):
    handler = durable(function)
    assert Simulator(handler).start(21).result == 42
    assert handler.__name__ == name
    assert name in repr(handler)


def test_lambda_calls_it_with_event_and_context():
    notes = []
    handler = durable(backend=Service(notes))(double)
    assert handler(event(21), None) == {"Status": "SUCCEEDED", "Result": "42"}
    assert notes == ["checkpoint"]


def test_another_host_brings_its_backend():
    notes = []
    assert durable(double).invoke(event(21), None, backend=Service(notes))["Result"] == "42"
    assert notes == ["checkpoint"]


def test_keywords_from_decorators_above_reach_the_function():
    def above(function):
        @functools.wraps(function)
        def outer(raw, context):
            return function(raw, context, tenant="acme")

        return outer

    @above
    @durable
    def handler(payload, ctx, *, tenant=None):
        return tenant

    assert Simulator(handler).start().result == "acme"


# -- what it refuses ------------------------------------------------------------------------------------------


def no_parameter():
    """Miss both."""


def one_parameter(payload):
    """Miss the context."""


def three_parameters(payload, ctx, third):
    """Ask for one too many."""


def keywords_only(*, payload, ctx):
    """Take nothing by position."""


def generator(payload, ctx):
    yield 1


async def async_generator(payload, ctx):
    yield 1


class AsyncCall:
    async def __call__(self, payload, ctx):
        return 1


def unresolved(payload: Nowhere, ctx):  # noqa: F821
    """Name a class that is not there."""


def unresolved_result(payload, ctx) -> Nowhere:  # noqa: F821
    """Name a class that is not there."""


class Opaque:
    """Have no schema."""

    def method(self, event, ctx):
        pass


class Model(BaseModel):
    id: int


@dataclass
class Record:
    id: int


def schemaless(payload: Opaque, ctx):
    """Ask for a class that pydantic can't build."""


def fine(payload, ctx):
    return None


def swapped_names(ctx, event):
    pass


def swapped_annotation(ctx: DurableContext, order: dict):
    pass


def swapped_class(context, payload):
    pass


swapped_class.__annotations__["context"] = DurableContext  # as without `from __future__ import annotations`


async def blocking_context(order: dict, ctx: DurableContext):
    pass


def awaiting_context(order: dict, ctx: AsyncDurableContext):
    pass


async def blocking_class(order, ctx):
    pass


blocking_class.__annotations__["ctx"] = DurableContext


class SwappedMethod:
    def __call__(self, durable_context, event):
        pass


REFUSED = [
    (swapped_names, {}, "parameters swapped: (ctx, event)"),
    (swapped_annotation, {}, "parameters swapped: (ctx, order)"),
    (swapped_class, {}, "parameters swapped: (context, payload)"),
    (SwappedMethod(), {}, "parameters swapped: (durable_context, event)"),
    (functools.partial(swapped_names), {}, "def handler(event, ctx)"),
    (blocking_context, {}, "an async def function, so its context is AsyncDurableContext: annotate it with that"),
    (blocking_class, {}, "annotate it with that instead of DurableContext"),
    (awaiting_context, {}, "a def function, so its context is DurableContext: annotate it with that"),
    (no_parameter, {}, "two positional parameters"),
    (one_parameter, {}, "def one_parameter(event, ctx)"),
    (three_parameters, {}, "two positional parameters"),
    (keywords_only, {}, "two positional parameters"),
    (functools.partial(one_parameter), {}, "two positional parameters"),
    (generator, {}, "a generator"),
    (functools.partial(generator), {}, "a generator"),
    (async_generator, {}, "a generator"),
    (unresolved, {}, "model="),
    (unresolved_result, {}, "output="),
    (schemaless, {}, "model Opaque can't be used"),
    (fine, {"model": Opaque}, "model Opaque can't be used"),
    (fine, {"output": Opaque}, "output Opaque can't be used"),
    (fine, {"envelope": dict}, "envelope"),
    (lambda: None, {}, "def handler(event, ctx)"),
    (Opaque.method, {}, "def method(event, ctx). Lambda calls a module-level function: move it out of its class, or "),
    (fine, {"retries": 3}, "no option 'retries'"),
    (fine, {"tracer": object()}, "tracer"),
    (fine, {"metrics": object()}, "metrics"),
    (fine, {"plugins": [object()]}, "plugins"),
    (fine, {"config": {"on_model_change": "fail"}}, "takes a DurableConfig, not a dict"),
    (fine, {"retry": 3}, "Retry(max_attempts=3)"),
    (fine, {"retry": Retry.none}, "Retry.none()"),
    (fine, {"serdes": PlainJson}, "the class PlainJson: pass an instance"),
]


@pytest.mark.parametrize(("cls", "is_model"), [(Opaque, False), (Model, True), (Record, True)])
def test_a_class_is_no_handler_but_may_be_the_model_of_its_input(cls, is_model):
    with pytest.raises(DurableConfigError) as caught:
        durable(cls)
    advice = f"; to declare the model of its input, write @durable(model={cls.__name__})" if is_model else ""
    assert str(caught.value) == f"@durable decorates a function, not the class {cls.__name__}{advice}"


@pytest.mark.parametrize(("function", "options", "words"), REFUSED)
def test_what_cannot_work_is_refused_when_the_module_loads_with_file_and_line(function, options, words):
    with pytest.raises(DurableConfigError) as caught:
        durable(**options)(function)
    assert words in str(caught.value)
    inner = getattr(function, "func", function)
    code = getattr(inner, "__code__", None) or type(inner).__call__.__code__
    assert f"{Path(__file__).name}:{code.co_firstlineno}" in str(caught.value)
    assert str(Path(__file__).parent) not in str(caught.value)


@pytest.mark.parametrize("value", ["handler", 7, {"a": 1}])
def test_what_is_no_function_is_refused(value):
    with pytest.raises(DurableConfigError, match=f"decorates a function, not an? {type(value).__name__}"):
        durable(value)


# -- options --------------------------------------------------------------------------------------------------


class Order(BaseModel):
    id: int


def test_the_first_parameter_s_annotation_is_the_model_and_the_result_s_the_output():
    @durable
    def handler(order: Order, ctx) -> list[Order]:
        return [order]

    assert Simulator(handler).start({"id": "7"}).result == [{"id": 7}]


@pytest.mark.parametrize("model", [Order, TypeAdapter(Order)], ids=["type", "adapter"])
def test_a_model_that_is_given_wins_over_the_annotation(model):
    @durable(model=model)
    def handler(order: dict, ctx):
        return type(order).__name__

    assert Simulator(handler).start({"id": 7}).result == "Order"


def test_an_output_that_is_given_wins_over_the_annotation():
    @durable(output=Order)
    def handler(payload, ctx) -> dict:
        return {"id": "7"}

    assert Simulator(handler).start().result == {"id": 7}


def test_a_model_of_the_surrounding_function_is_found():
    class Local(BaseModel):
        id: int

    @durable
    def bare(order: Local, ctx) -> Local:
        return order

    @durable(retry=None)
    def with_options(order: Local, ctx) -> Local:
        return order

    assert Simulator(bare).start({"id": "7"}).result == Simulator(with_options).start({"id": "7"}).result == {"id": 7}


def test_its_retry_is_that_of_steps_that_give_none():
    attempts = {"default": 0, "own": 0}

    def body(which):
        attempts[which] += 1
        raise ValueError

    @durable(retry=Retry.none())
    def handler(payload, ctx):
        for which, retry in (("default", None), ("own", Retry(max_attempts=2, initial_delay=1))):
            try:
                ctx.step(body, which, retry=retry, name=which)
            except Exception:  # noqa: BLE001
                pass

    Simulator(handler).start().finish()
    assert attempts == {"default": 1, "own": 2}


class Shouting:
    """Writes JSON in a way of its own."""

    def serialize(self, value, context):
        return "!" + json.dumps(value)

    def deserialize(self, text, context):
        return json.loads(text[1:])


def test_its_serdes_takes_the_place_of_the_tagged_format_only():
    def annotated() -> Order:
        return Order(id=7)

    @durable(serdes=Shouting())
    def handler(payload, ctx):
        ctx.step(lambda: {"a": 1}, name="plain")
        ctx.step(annotated)
        ctx.step(lambda: {"a": 1}, name="own", serdes=PlainJson())
        return ctx.create_callback(name="callback").result()

    run = Simulator(handler).start()
    assert run.callback("callback").succeed("raw").result == '"raw"'
    texts = {op.name: op.result for op in run.operations}
    assert texts == {"plain": '!{"a": 1}', "annotated": '{"id":7}', "own": '{"a": 1}', "callback": '"raw"'}


def test_in_lambda_the_client_is_made_when_the_module_loads_and_elsewhere_when_it_is_needed(monkeypatch):
    clients = []
    monkeypatch.setattr(lambda_, "_shared", clients)
    durable(double)
    assert clients == []
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "orders")
    durable(double)
    durable(double)
    assert [client.meta.service_model.service_name for _, client in clients] == ["lambda"]


# -- the order of work before user code -----------------------------------------------------------------------

NOTES: list[str] = []


class Noted(BaseModel):
    n: int

    @field_validator("n", mode="before")
    @classmethod
    def note(cls, value):
        NOTES.append("payload")
        return value


ONE_MORE = {"m": StatePage(operations=(step_record(S.SUCCEEDED, id="x", result="1"),))}
GONE = {"m": BackendError("refused", retryable=False)}
WORK = {
    "all is well": (event({"n": 1}, marker="m"), ONE_MORE, ["page m", "payload", "handler", "checkpoint"]),
    "two pages": (
        event({"n": 1}, marker="l"),
        {"l": StatePage(operations=(), next_marker="m"), **ONE_MORE},
        ["page l", "page m", "payload", "handler", "checkpoint"],
    ),
    "the event is malformed": ({**event({"n": 1}, marker="m"), "CheckpointToken": None}, ONE_MORE, []),
    "the event is an ordinary one": ({"n": 1}, {}, []),
    "a page is refused": (event({"n": 1}, marker="m"), GONE, ["page m"]),
    "the payload is malformed": (event({"n": "x"}), {}, ["payload"]),
    "the payload is malformed and there is a page": (event({"n": "x"}, marker="m"), ONE_MORE, ["page m", "payload"]),
}


@pytest.mark.parametrize(("raw", "pages", "order"), WORK.values(), ids=WORK)
def test_the_order_of_work(raw, pages, order):
    NOTES.clear()

    @durable(backend=Service(NOTES, pages))
    def handler(payload: Noted, ctx: DurableContext):
        NOTES.append("handler")
        ctx.step(lambda: 1, name="s")

    try:
        answer = handler(raw, None)
    except (NotADurableInvocationError, PayloadModelChangedError):
        answer = None
    assert order == NOTES
    assert (answer or {}).get("Status") == ("SUCCEEDED" if "handler" in order else "FAILED" if answer else None)


# -- a payload that does not fit ------------------------------------------------------------------------------


def strict(payload: Noted, ctx: DurableContext):
    raise AssertionError


RUNNING_ON_A_PAGE = {"m": StatePage(operations=(step_record(S.STARTED),))}
EMPTY_PAGE = {"m": StatePage(operations=())}


@pytest.mark.parametrize("marker", [None, "m"])
def test_on_the_first_invocation_it_fails_and_says_where_but_not_what(marker):
    answer = durable(backend=Service(pages=EMPTY_PAGE))(strict)(event({"n": "canary"}, marker=marker), None)
    assert (answer["Status"], answer["Error"]["ErrorType"]) == ("FAILED", "PayloadValidationError")
    details = json.loads(answer["Error"]["ErrorData"])
    assert "n" in json.dumps(details)
    assert "canary" not in json.dumps(answer)


def test_on_a_later_one_it_raises_so_that_lambda_tries_again_also_when_only_a_page_tells():
    handler = durable(backend=Service(pages=RUNNING_ON_A_PAGE))(strict)
    with pytest.raises(PayloadModelChangedError):
        handler(event({"n": "x"}, marker="m"), None)


@pytest.mark.parametrize("by", ["option", "environment"])
def test_a_deployment_may_have_it_fail_instead(by, monkeypatch):
    if by == "environment":
        monkeypatch.setenv("POWERTOOLS_DURABLE_ON_MODEL_CHANGE", "fail")
    config = DurableConfig(on_model_change="fail") if by == "option" else None
    handler = durable(config=config, backend=Service(pages=RUNNING_ON_A_PAGE))(strict)
    answer = handler(event({"n": "x"}, marker="m"), None)
    assert (answer["Status"], answer["Error"]["ErrorType"]) == ("FAILED", "PayloadValidationError")


# -- an event that is none of ours ----------------------------------------------------------------------------


def test_an_ordinary_invocation_says_what_to_configure():
    with pytest.raises(NotADurableInvocationError, match="DurableConfig"):
        durable(backend=Service())(double)({"order": 1}, None)


def test_a_decorator_above_that_replaced_the_event_is_named():
    def above(function):
        return lambda raw, context: function(Order(id=1), context)

    handler = above(durable(backend=Service())(double))
    with pytest.raises(DecoratorOrderError, match="Order"):
        handler(event(1), None)


@pytest.mark.parametrize(
    "function",
    [
        lambda event, ctx: None,
        lambda ctx, payload: None,  # an odd name, and nothing that says more
        lambda context, ctx: None,
        lambda *both: None,
    ],
)
def test_names_that_may_be_right_are_taken(function):
    durable(function)


def test_a_handler_that_is_durable_already_is_refused_also_below_another_decorator():
    @durable
    def handler(event, ctx):
        pass

    @functools.wraps(handler)
    def wrapped(event, context):
        return handler(event, context)

    for twice in (handler, wrapped):
        with pytest.raises(DurableConfigError, match=r"handler at .*test_decorator.py:\d+ is durable already"):
            durable(twice)


def test_no_source_is_read_for_the_checks(monkeypatch):
    def refuse(*_):
        raise AssertionError("read")

    for name in ("getsource", "getsourcelines", "getsourcefile", "findsource"):
        monkeypatch.setattr(inspect, name, refuse)
    durable(lambda event, ctx: None)
    with pytest.raises(DurableConfigError, match="swapped"):
        durable(swapped_names)


def test_the_context_s_class_may_be_imported_under_another_name():
    names = {"durable": durable}
    exec(
        "from __future__ import annotations\n"
        "from powertools_durable import AsyncDurableContext as DurableContext\n"
        "@durable\nasync def handler(event, ctx: DurableContext): ...",
        names,
    )
    assert callable(names["handler"])
