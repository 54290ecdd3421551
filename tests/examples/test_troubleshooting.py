"""docs/troubleshooting: every error class, code and finding has its place, and the messages are the real ones."""

from __future__ import annotations

import ast
import asyncio
import json
import re
import types
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import boto3
import pytest
from botocore.stub import Stubber
from pydantic import BaseModel

from examples.troubleshooting import parcels, parcels_fixed
from powertools_durable import (
    AsyncDurableContext,
    DurableConfig,
    DurableContext,
    Polling,
    Retry,
    StepSemantics,
    current_step,
    durable,
    errors,
)
from powertools_durable._analysis.code_finding import RULES
from powertools_durable.backends import LambdaBackend, refusals
from powertools_durable.errors import DurableError, RetryableSerDesError, RetryInvocation, SuspendExecution
from powertools_durable.serdes import PlainJson
from powertools_durable.testing import Simulator, explore

PAGES = Path(__file__).parents[2] / "docs" / "troubleshooting"
ERRORS = (PAGES / "errors.md").read_text()
PLACE = re.compile(r"(?:[\w./-]*/)?[\w-]+\.py:\d+")
BLOCK = re.compile(r"^```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)

# ------------------------------------------------------------------------------- what readers do, and what it says

MESSAGES: list[tuple[str, Callable[[], str]]] = []
once = Retry.none()


class Order(BaseModel):
    id: str
    price: int = 0


class Connection:
    """What can't be recorded."""


def message_of(section):
    """Register a function that returns or raises a message of that section."""

    def register(function):
        MESSAGES.append((section, function))
        return function

    return register


def failure(handler, event=None, functions=None, meanwhile=None, **options):
    """Run a handler to its end, and return the execution's error as the command line prints it."""
    run = Simulator(durable(**options)(handler), functions=functions).start(event or {"id": "42"})
    if meanwhile:
        meanwhile(run)
    run.finish()
    return f"{run.error.error_type}: {run.error.error_message}"


def charge(order):
    raise KeyError("sku")


def reserved():
    return "reserved"


@message_of("StepError")
def _():
    return failure(lambda order, ctx: ctx.step(charge, order, retry=once))


@message_of("StepTimeoutError")
def _():
    async def charge():
        await asyncio.sleep(60)

    async def handler(order: Order, ctx: AsyncDurableContext):
        return await ctx.step(charge, retry=once, timeout=30)

    return failure(handler)


@message_of("StepInterruptedError")
def _():
    attempts = []

    def dies():
        if not attempts.append(None) and len(attempts) == 1:
            raise MemoryError

    def handler(order: Order, ctx: DurableContext):
        return ctx.step(dies, name="charge", retry=once, semantics=StepSemantics.AT_MOST_ONCE)

    return failure(handler)


def approved(order: Order, ctx: DurableContext):
    return ctx.create_callback(name="approval", timeout=timedelta(days=2)).result()


@message_of("CallbackExternalError")
def _():
    return failure(approved, meanwhile=lambda run: run.callback("approval").fail("card declined"))


@message_of("CallbackTimeoutError")
def _():
    return failure(approved, meanwhile=lambda run: run.advance(timedelta(days=2)))


@message_of("CallbackTimeoutError")
def _():
    def handler(order: Order, ctx: DurableContext):
        return ctx.create_callback(name="approval", heartbeat_timeout=timedelta(hours=1)).result()

    return failure(handler, meanwhile=lambda run: run.advance(timedelta(hours=1)))


@message_of("CallbackSubmitterError")
def _():
    def ask(callback_id):
        raise ConnectionError("the mail server is down")

    return failure(lambda order, ctx: ctx.wait_for_callback(ask, name="approval", retry=once))


@message_of("InvokeError")
def _():
    def pay(event):
        raise ValueError("no such customer")

    return failure(lambda order, ctx: ctx.invoke("payments:live", {}), functions={"payments:live": pay})


@message_of("ChildContextError")
def _():
    def ship(child, order):
        raise ValueError("no address")

    return failure(lambda order, ctx: ctx.run_in_child_context(ship, order))


@message_of("WaitForConditionError")
def _():
    polling = Polling.every(2, lambda state: state == "done", max_attempts=3)
    return failure(
        lambda order, ctx: ctx.wait_for_condition(lambda state: state, initial="busy", polling=polling, name="render")
    )


@message_of("BatchError")
def _():
    def reserve(child, item):
        if item == "piano":
            raise ValueError("no stock")
        return item

    return failure(lambda order, ctx: ctx.map(reserve, ["lamp", "piano"]).results)


@message_of("CompensationError")
def _():
    def refund(payment):
        raise ConnectionError("the bank is down")

    def handler(order: Order, ctx: DurableContext):
        with ctx.saga():
            ctx.step_with_compensation(reserved, compensate=refund, name="charge")
            raise ValueError("no stock")

    return failure(handler, retry=once)


@message_of("OperationCancelledError")
def _():
    async def handler(order: Order, ctx: AsyncDurableContext):
        async def slow():
            await asyncio.sleep(60)

        async def quick():
            return "quick"

        slow_one = ctx.step(slow)
        await ctx.race([slow_one, ctx.step(quick)], cancel=True)
        loser = next(record for record in ctx.state.operations.values() if record.name == "slow")
        return f"{loser.error.error_type}: {loser.error.error_message}"

    return Simulator(durable(handler)).start({"id": "42"}).finish().result


# -- ValidationError -------------------------------------------------------------------------------------------


@message_of("ValidationError")
def _():
    return failure(lambda order, ctx: ctx.step(reserved(), order))


@message_of("ValidationError")
def _():
    def handler(order: Order, ctx: DurableContext):
        def charge():
            return ctx.step(reserved)

        return ctx.step(charge)

    return failure(handler)


@message_of("ValidationError")
def _():
    def handler(order: Order, ctx: DurableContext):
        return ctx.parallel([lambda child: ctx.step(reserved)]).results

    return failure(handler)


@message_of("ValidationError")
def _():
    def handler(order: Order, ctx: DurableContext):
        with ThreadPoolExecutor() as pool:
            pool.submit(lambda: ctx.step(reserved)).exception()

    return failure(handler)


@message_of("ValidationError")
def _():
    return failure(lambda order, ctx: ctx.step(charge))


@message_of("ValidationError")
def _():
    async def charge():
        return "paid"

    return failure(lambda order, ctx: ctx.step(charge))


@message_of("ValidationError")
def _():
    return failure(lambda order, ctx: ctx.map(reserved, {"lamp", "piano"}))


@message_of("ValidationError")
def _():
    current_step()


# -- values ----------------------------------------------------------------------------------------------------


@message_of("SerDesError")
def _():
    def price(order) -> int:
        return "12"

    return failure(lambda order, ctx: ctx.step(price, order))


@message_of("SerDesError")
def _():
    def load():
        return Order(id="42")

    return failure(lambda order, ctx: ctx.step(load))


@message_of("SerDesError")
def _():
    return failure(lambda order, ctx: ctx.step(lambda: {"db": Connection()}, name="open"))


@message_of("SerDesError")
def _():
    return failure(lambda order, ctx: {"db": Connection()})


@message_of("RetryableSerDesError")
def _():
    class Away(PlainJson):
        def serialize(self, value, context):
            raise RetryableSerDesError("the bucket can't be reached")

    run = Simulator(durable(lambda order, ctx: ctx.step(reserved, serdes=Away()))).start({"id": "42"})
    return run.invocations[0].answer.error_message


@message_of("RetryInvocation")
def _():
    def handler(order, ctx):
        raise RetryInvocation("the token has expired, and a new sandbox gets another")

    run = Simulator(durable(handler)).start({"id": "42"})
    return run.invocations[0].answer.error_message


@message_of("PayloadTooLargeError")
def _():
    return failure(lambda order, ctx: ctx.step(lambda: "x" * 2_000_000, name="load"))


# -- the event -------------------------------------------------------------------------------------------------


@message_of("PayloadValidationError")
def _():
    def handler(order: Order, ctx: DurableContext):
        return order.id

    return failure(handler, {"price": "cheap"})


@message_of("PayloadModelChangedError")
def _():
    def first(order: dict, ctx: DurableContext):
        ctx.wait(60)

    def then(order: Order, ctx: DurableContext):
        ctx.wait(60)

    run = Simulator(durable(first)).start({"id": "42"})
    durable(then)(running(run.invocations[0].event, {"price": "cheap"}), types.SimpleNamespace())


def running(event, payload):
    """Return the event of an execution that has history, with another payload."""
    state = json.loads(json.dumps(event, default=str))
    records = state["InitialExecutionState"]["Operations"]
    records[0]["ExecutionDetails"] = {"InputPayload": json.dumps(payload)}
    records.append(
        {"Id": "a", "Type": "WAIT", "Status": "STARTED", "StartTimestamp": records[0]["StartTimestamp"], "Name": "w"}
    )
    return state


@message_of("NotADurableInvocationError")
def _():
    durable(approved)({"id": "42"}, types.SimpleNamespace())


@message_of("DecoratorOrderError")
def _():
    durable(approved)(Order(id="42"), types.SimpleNamespace())


# -- setup -----------------------------------------------------------------------------------------------------


@message_of("DurableConfigError")
def _():
    def handler(ctx: DurableContext, order: Order):
        return order.id

    durable(handler)


@message_of("DurableConfigError")
def _():
    def handler(order: Order, ctx: DurableContext):
        return order.id

    durable(modle=Order)(handler)


@message_of("NonDeterminismError")
def _():
    weekend = [True]

    def pack():
        return "packed"

    def ship():
        return "shipped"

    def handler(order: Order, ctx: DurableContext):
        ctx.step(pack if weekend[0] else ship)
        ctx.wait(60)

    return failure(handler, meanwhile=lambda run: weekend.append(weekend.pop() and False))


@message_of("NonDeterminismError")
def _():
    first = [True]

    def handler(order: Order, ctx: DurableContext):
        if first[0]:
            ctx.step(reserved)
            ctx.wait(60)

    return failure(
        handler, meanwhile=lambda run: first.append(first.pop() and False), config=DurableConfig(on_unconsumed="fail")
    )


@message_of("BackendError")
def _():
    client = boto3.client("lambda", region_name="eu-central-1", aws_access_key_id="a", aws_secret_access_key="b")
    with Stubber(client) as service:
        service.add_client_error("checkpoint_durable_execution", "AccessDeniedException", "not authorized", 403)
        LambdaBackend(client).checkpoint("arn:aws:lambda:a:1:function:b:1/durable-execution/c/d", "token", [], "e")


@message_of("SuspendExecution")
def _():
    raise SuspendExecution


# ------------------------------------------------------------------------------------------ the page on debugging


@pytest.mark.parametrize(
    ("handler", "end"), [(parcels.handler, "NonDeterminismError"), (parcels_fixed.handler, "42 shipped")]
)
def test_a_variable_that_changes_while_it_waits(monkeypatch, handler, end):
    monkeypatch.delenv("EXPRESS", raising=False)
    run = Simulator(handler).start("42").finish()
    monkeypatch.setenv("EXPRESS", "yes")
    run.callback("packed").succeed()
    run.finish()
    assert (run.error.error_type if run.error else run.result) == end


@pytest.mark.parametrize(("handler", "survives"), [(parcels.handler, False), (parcels_fixed.handler, True)])
def test_explore_would_have_found_it_before(handler, survives):
    found = explore(handler, "42", callbacks={"packed": True})
    assert (not found.failures) is survives
    shown = (PAGES / "debugging.md").read_text()
    assert found.report().splitlines()[0] in shown


# ------------------------------------------------------------------------------------------------- what is there


def section(title, text=ERRORS):
    _, found, rest = text.partition(f"\n### {title}\n")
    assert found, f"docs/troubleshooting/errors.md has no section {title}"
    return re.split(r"^#{2,3} ", rest, maxsplit=1, flags=re.MULTILINE)[0]


CLASSES = [getattr(errors, name) for name in errors.__all__]


@pytest.mark.parametrize("error", CLASSES, ids=lambda error: error.__name__)
def test_every_public_error_has_its_section_with_its_code_why_and_what_to_do(error):
    text = section(error.__name__)
    if issubclass(error, DurableError):
        assert f"`{error.code}`" in text
    is_base = f"`{error.code}`. The base class" in text if issubclass(error, DurableError) else False
    assert is_base or ("**Why:**" in text and "**What to do:**" in text)


def test_no_section_is_about_a_class_that_is_not_there():
    assert {*re.findall(r"^### (\w+)$", ERRORS, re.MULTILINE)} == {*errors.__all__}


def normal(message):
    """Leave out what differs from file to file: the place, and the names of what is defined in a test."""
    text = re.sub(r"(\w|<|>|\.)*<locals>\.", "", PLACE.sub("orders.py:12", message))
    return text.replace(f"{Connection.__module__}.", "orders.").strip()


def joined(block):
    """Undo the line breaks of a page."""
    return " ".join(block.split())


def said(produce):
    try:
        return produce()
    except (DurableError, SuspendExecution) as error:
        return f"{type(error).__name__}: {error}"


@pytest.mark.parametrize(
    ("title", "produce"), MESSAGES, ids=[f"{title}-{number}" for number, (title, _) in enumerate(MESSAGES)]
)
def test_a_message_of_the_page_is_what_the_code_says(title, produce):
    shown = [joined(block) for block in BLOCK.findall(section(title))]
    assert normal(said(produce)) in shown


def test_every_message_of_the_page_is_produced_here():
    shown = [(title, joined(block)) for title in errors.__all__ for block in BLOCK.findall(section(title))]
    assert len(shown) == len(MESSAGES)


# --------------------------------------------------------------------------------------- AWS's codes and doctor's


def test_every_code_of_the_service_that_is_told_apart_has_a_line():
    page = (PAGES / "aws-errors.md").read_text()
    assert [code for code in refusals.BY_CODE if f"`{code}`" not in page] == []


CLI = Path(__file__).parents[2] / "powertools_durable" / "cli"
ANALYSIS = CLI.parent / "_analysis"
DIAGNOSES = [CLI / "doctor.py", *sorted((CLI / "diagnosis").rglob("*.py")), ANALYSIS / "code_finding.py"]


def fixed_text(node):
    """The longest part of a message that no place or name of the user's is in."""
    parts = [part.value for part in ast.walk(node) if isinstance(part, ast.Constant) and isinstance(part.value, str)]
    return max((part.strip(" :;,.()") for part in parts), key=len, default="")


def findings(tree):
    for node in ast.walk(tree):
        match node:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id="Finding"), attr="warning" | "error"), args=[_, message, *_]
            ):
                yield fixed_text(message)
            case ast.Assign(targets=[ast.Name(id="message")], value=message):
                yield fixed_text(message)
            case _:
                pass


def test_every_finding_of_doctor_has_a_line():
    page = " ".join((PAGES / "doctor.md").read_text().split())
    texts = {text for file in DIAGNOSES for text in findings(ast.parse(file.read_text())) if len(text) > len("has no")}
    assert len(texts) > 40
    assert sorted(text for text in texts if text not in page) == []


def test_every_rule_of_the_analysis_has_a_line():
    page = (PAGES / "doctor.md").read_text()
    assert [rule for rule in RULES if f"`{rule}`" not in page] == []
