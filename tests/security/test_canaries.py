"""No payload, token or callback id in any log line, message, metric or trace.

See docs/reliability.md#security-list, items 1, 2 and 6.

Each scenario is an execution that says a secret at every place where a user may, in the simulator and over real HTTP,
along every way that an invocation can end. Everything that anybody could then read is searched for it.
"""

from __future__ import annotations

import io
import json
import logging
import traceback

import pytest
from aws_lambda_powertools import Logger, Metrics, Tracer
from pydantic import BaseModel

from powertools_durable import DurableConfig, DurableContext, Polling, Retry, durable
from powertools_durable._protocol.operation import CallbackDetails
from powertools_durable.errors import CallbackError, OperationError
from powertools_durable.plugins import Plugin
from tests.reliability.rig import Run
from tests.reliability.wire import Fault, wired

SECRET = "CANARY"
WORDS = "words of the user's own"  # of exceptions: X-Ray and the history show them, logs don't
ONCE = Retry.none()


class Lost(Exception):  # noqa: N818
    """A failure of the user's whose data are secret."""

    def __init__(self):
        super().__init__(WORDS)
        self.data = {"card": SECRET}


def fails(*_):
    raise Lost


class Model(BaseModel):
    card: str


class StrictModel(BaseModel):
    card: int


class Mumbles:
    """A serializer whose errors show the value."""

    def __init__(self, *, reads=True):
        self.reads = reads

    def serialize(self, value, context):
        if not self.reads:
            return json.dumps(value)
        raise ValueError(SECRET)

    def deserialize(self, text, context):
        raise ValueError(text)


class BreaksDown(Plugin):
    """A plug-in that shows what it was told."""

    def on_operation_end(self, info):
        raise ValueError(f"{SECRET} {info}")

    def on_invocation_start(self, info):
        raise ValueError(f"{SECRET} {info}")


# -- what executions do ------------------------------------------------------------------------------------------


def everything(event, ctx: DurableContext):
    card = event["card"]
    ctx.step(lambda: card, name="step")
    ctx.step(lambda: Model(card=card), name="model", returns=Model)
    ctx.wait(5, name="wait")
    ctx.run_in_child_context(lambda child: child.step(lambda: card), name="child")
    ctx.map(lambda child, item: child.step(lambda: item), [card, card], name="map")
    ctx.parallel({"left": lambda child: card, "right": fails}, completion=None, name="parallel")
    ctx.wait_for_condition(lambda state: [card], initial=[], polling=Polling(until=bool), name="condition")
    try:
        ctx.step(fails, name="fails", retry=Retry(max_attempts=2, initial_delay=1))
    except OperationError:
        pass
    try:
        ctx.invoke("nobody:1", {"card": card}, name="invoke")
    except OperationError:
        pass
    with ctx.batch():
        ctx.step(lambda: card, name="batched")
    ctx.step_with_compensation(lambda: card, undo=lambda value: value, name="undone")
    ctx.run_compensations()
    answer = ctx.wait_for_callback(lambda callback_id: {"sent": callback_id}, name="approval")
    try:
        ctx.create_callback(name="refused").result()
    except CallbackError:
        pass
    return {"card": card, "answer": answer}


def raises(event, ctx):
    ctx.step(lambda: event, name="step")
    raise KeyError(event["n"])


def grows_too_large(event, ctx):
    return ctx.step(lambda: SECRET * 200_000, name="large", retry=ONCE)


def invokes_with_too_much(event, ctx):
    return ctx.invoke("nobody:1", SECRET * 200_000, name="large")


def answers_too_much(event, ctx):
    return SECRET * 1_200_000


def cannot_be_written(event, ctx):
    return ctx.step(lambda: SECRET, serdes=Mumbles(), name="mumbles", retry=ONCE)


def cannot_be_read(event, ctx):
    return ctx.step(lambda: SECRET, serdes=Mumbles(reads=False), name="mumbles", retry=ONCE)


def is_no_json(event, ctx):
    return {SECRET: object()}


def records_no_json(event, ctx):
    return ctx.step(lambda: {SECRET: object()}, name="object", retry=ONCE)


def misfits(event, ctx):
    return ctx.step(lambda: {"card": SECRET}, name="misfit", returns=StrictModel, retry=ONCE)


def names_differ(event, ctx):
    ctx.step(lambda: SECRET, name=f"run-{len(RUNS)}")
    RUNS.append(1)
    ctx.wait(5)
    return SECRET


def leaves_something(event, ctx):
    RUNS.append(1)
    if len(RUNS) == 1:
        ctx.step(lambda: SECRET, name="gone")
        ctx.wait(5)
    return SECRET


def is_misused(event, ctx):
    return ctx.step(lambda: ctx.step(lambda: SECRET), name="outer")


def asks_wrongly(event, ctx):
    return ctx.step(SECRET)


def defers_failures(event, ctx):
    ctx.defer(fails)
    ctx.defer(fails)
    return SECRET


def has_a_bad_policy(event, ctx):
    def policy(error, attempt):
        raise ValueError(f"{SECRET} {error}")

    return ctx.step(fails, retry=policy, name="policy")


def has_a_callback_without_id(event, ctx):
    return ctx.create_callback(name="refused").result()


RUNS: list[int] = []
HANDLERS = [
    everything,
    raises,
    grows_too_large,
    invokes_with_too_much,
    answers_too_much,
    cannot_be_written,
    cannot_be_read,
    is_no_json,
    records_no_json,
    misfits,
    names_differ,
    leaves_something,
    is_misused,
    defers_failures,
    has_a_bad_policy,
    has_a_callback_without_id,
]
FAULTS = {
    "none": [],
    "a reset": [Fault(reset=True)],
    "a refusal that repeats the request": [Fault(400, "InvalidParameterValueException", "Value", echo=True)],
    "too large, repeating the request": [Fault(413, "RequestTooLargeException", "Request", echo=True)],
    "a denial that repeats the request": [Fault(403, "AccessDeniedException", "User", echo=True)],
    "an outage that repeats the request": [Fault(500, "ServiceException", "Oops", echo=True)] * 4,
    "a stale token, repeating the request": [
        Fault(400, "InvalidParameterValueException", "Invalid checkpoint token", echo=True)
    ],
    "an answer that can't be read": [Fault(body=json.dumps({"NewExecutionState": [SECRET]}))] * 4,
    "an answer with odd records": [
        Fault(body=json.dumps({"CheckpointToken": "t", "NewExecutionState": {"Operations": [{"Id": [SECRET]}]}}))
    ]
    * 4,
    "no JSON": [Fault(body=f"<{SECRET}>")] * 4,
}


class Watched:
    """One execution, and everything that anybody could read of it."""

    def __init__(self, code, event, capsys, *, wire=None, typed=None, page_items=1000, daemon=None):
        RUNS.clear()
        self.daemon = daemon
        self.lines = io.StringIO()
        self.raised = []
        self.capsys = capsys
        powertools = Logger(service=f"canaries-{id(self)}", level="DEBUG", stream=self.lines)
        metrics = Metrics(namespace="canaries", service="orders")
        config = DurableConfig(
            engine_metrics=True,
            on_unconsumed="warn",
            stack_traces=True,
            trace_operations="all",
            trace_backend_calls=True,
            trace_max_subsegments=1000,
        )
        tracer = Tracer(service="canaries", auto_patch=False) if daemon is not None else None

        def handler(event, ctx):
            powertools.info("begun")
            powertools.debug("details")
            metrics.add_metric(name="begun", unit="Count", value=1)
            return code(event, ctx)

        handler.__annotations__["event"] = typed or dict
        made = durable(
            logger=powertools,
            metrics=metrics,
            tracer=tracer,
            config=config,
            plugins=[BreaksDown()],
            retry=Retry(max_attempts=2),
        )(handler)
        logged = powertools.inject_lambda_context(made, log_event=True)
        outermost = metrics.log_metrics(capture_cold_start_metric=False)(logged)
        self.run = Run(outermost, event, over=wire, page_items=page_items)
        inner = self.run.invoker

        def invoker(raw, context):
            if daemon is not None:
                daemon.next_invocation()
            try:
                return inner(raw, context)
            except BaseException as error:
                self.raised.append("".join(traceback.format_exception(error)) + repr(error))
                raise

        self.run._family._invoker = invoker  # noqa: SLF001 - what Lambda would log of it
        self.records = []

    def drive(self):
        """Run it to its end, answering what it waits for."""
        handler = _Keep(self.records)
        names = ["powertools_durable", "tests", ""]
        for name in names:
            logging.getLogger(name).setLevel(logging.DEBUG)
        logging.getLogger("powertools_durable").addHandler(handler)
        try:
            self.run.finish()
            for callback, given in (("approval", {"card": SECRET}), ("refused", None)):
                if any(record.name == callback or "create" in record.name for record in self.run.open_callbacks):
                    open_one = self.run.callback(callback)
                    open_one.fail(Lost()) if given is None else open_one.succeed(given)
                    self.run.finish()
        finally:
            logging.getLogger("powertools_durable").removeHandler(handler)
            for name in names:
                logging.getLogger(name).setLevel(logging.NOTSET if name else logging.WARNING)
        return self

    def secrets(self):
        """The canary, every token of every invocation, every callback id."""
        yield SECRET
        for invocation in self.run.invocations:
            yield invocation.event["CheckpointToken"]
        for token, client_token, _ in self.run.between.sent:
            yield from (token, client_token)
        for record in self.run.operations:
            if isinstance(record.callback_details, CallbackDetails) and record.callback_details.callback_id:
                yield record.callback_details.callback_id

    def told(self):
        """Every text that leaves an invocation, but for the execution's own result and its user's own errors."""
        yield from self.records
        yield self.lines.getvalue()
        printed = self.capsys.readouterr()
        yield printed.out + printed.err
        yield from self.raised
        if (error := self.run.error) is not None:
            yield json.dumps([error.error_message, error.error_type, *(error.stack_trace or ())])
            yield (error.error_data or "") * (error.error_message != WORDS)  # those data the user attached
        yield repr(self.run) + repr(self.run.open_callbacks)
        if self.daemon is not None:
            yield json.dumps(self.daemon.documents)

    def assert_silent(self):
        told = "\n".join(self.told())
        assert "begun" in told  # it is listened to
        for secret in self.secrets():
            assert secret not in told, told[max(0, told.index(secret) - 300) :][:600]
        assert WORDS not in "".join(self.records)


class _Keep(logging.Handler):
    def __init__(self, records):
        super().__init__(logging.DEBUG)
        self.setFormatter(logging.Formatter("%(name)s %(message)s %(args)s"))
        self.records = records

    def emit(self, record):
        self.records.append(self.format(record) + repr({k: v for k, v in record.__dict__.items() if k != "exc_info"}))


EVENT = {"card": SECRET, "n": 7}


@pytest.mark.parametrize("page_items", [1000, 2], ids=["one page", "many pages"])
@pytest.mark.parametrize("code", HANDLERS, ids=lambda code: code.__name__)
def test_in_the_simulator_no_secret_is_told(code, page_items, capsys):
    Watched(code, EVENT, capsys, page_items=page_items).drive().assert_silent()


@pytest.mark.parametrize("code", HANDLERS, ids=lambda code: code.__name__)
def test_in_x_ray_no_secret_is_shown(code, capsys, xray_segments):
    watched = Watched(code, EVENT, capsys, daemon=xray_segments).drive()
    assert len(xray_segments) > 0
    watched.assert_silent()


@pytest.mark.sampled(5)
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("call", ["checkpoint", "state"])
def test_over_http_no_secret_is_told_whatever_the_service_answers(call, fault, capsys):
    with wired() as wire:
        watched = Watched(everything, EVENT, capsys, wire=wire, page_items=3)
        wire.server.fail(call, *fault)
        watched.drive()
        watched.assert_silent()
        tokens = [request["CheckpointToken"] for _, request in wire.server.requests]
        assert tokens
        assert not [token for token in tokens if token in "".join(watched.records)]


BAD_INPUTS = {
    "of another type": {"card": SECRET},
    "with more": {"card": 1, "deep": {SECRET: [SECRET]}},
    "a list": [SECRET],
    "text": SECRET,
}


@pytest.mark.filterwarnings("ignore:No application metrics")
@pytest.mark.parametrize("event", BAD_INPUTS.values(), ids=BAD_INPUTS)
def test_an_input_that_does_not_fit_is_not_shown(event, capsys):
    class Closed(BaseModel, extra="forbid"):
        card: int

    def handler(event, ctx):
        raise AssertionError

    watched = Watched(handler, event, capsys, typed=Closed).drive()
    assert watched.run.error.error_type == "PayloadValidationError"
    told = "\n".join(watched.told())
    if isinstance(event, dict) and "deep" in event:  # names of fields are places: they are shown
        assert SECRET not in told.replace(f'"{SECRET}"', "")
    else:
        assert SECRET not in told


OF_OURS = [cannot_be_written, cannot_be_read, grows_too_large, is_no_json, records_no_json, misfits, answers_too_much]
OF_OURS += [invokes_with_too_much, is_misused, asks_wrongly, has_a_bad_policy]


@pytest.mark.parametrize("code", OF_OURS, ids=lambda code: code.__name__)
def test_words_of_an_exception_are_its_author_s_and_ours_hold_no_value(code, capsys):
    """A value in an error that ours was made of would be shown by the traceback: ours are raised from None."""
    watched = Watched(code, EVENT, capsys).drive()
    watched.assert_silent()
    assert watched.run.status in {"FAILED", "SUCCEEDED"}
    lines = [json.loads(line) for line in watched.lines.getvalue().splitlines()]
    failed = [line for line in lines if str(line["message"]).startswith("the execution failed")]
    assert len(failed) == (watched.run.status == "FAILED")
    assert SECRET not in json.dumps(failed)


def test_the_words_and_the_data_of_a_failed_step_are_told_as_such(capsys):
    watched = Watched(lambda event, ctx: ctx.step(fails, retry=ONCE, name="fails"), EVENT, capsys).drive()
    watched.assert_silent()
    lines = watched.lines.getvalue()
    assert f"step 'fails' failed: {__name__}.Lost: {WORDS}" in lines  # its message, and not its data


def test_errors_of_ours_show_no_secret_in_repr_or_in_their_arguments(capsys):
    seen = []

    def handler(event, ctx):
        for asks in (cannot_be_written, grows_too_large, records_no_json, misfits, invokes_with_too_much):
            try:
                asks(event, ctx)
            except Exception as error:  # noqa: BLE001
                seen.append(f"{error!r} {error.args} {vars(error)} {error.__cause__!r} {error.__context__!r}")
        return "done"

    Watched(handler, EVENT, capsys).drive()
    assert len(seen) == 5
    assert SECRET not in "".join(seen)
