"""``doctor`` knows what the first invocation knows, and ``run`` what keeps an invocation from @durable."""

from __future__ import annotations

import json
from textwrap import dedent

import pytest
from typer.testing import CliRunner

from powertools_durable.cli.app import app

HEAD = """
from aws_lambda_powertools.utilities.parser import event_parser
from aws_lambda_powertools.utilities.validation import validator
from aws_lambda_powertools.utilities.idempotency import idempotent
from examples.powertools.in_memory import MemoryPersistence
from pydantic import BaseModel
from powertools_durable import DurableContext, durable

class Order(BaseModel):
    id: str

async def later(order_id: str) -> str: ...
def charge(order_id: str) -> str: ...
def maker(order_id: str) -> object: ...
"""


def command(tmp_path, number, *words):
    (tmp_path / f"m7_{number}.py").write_text(HEAD + dedent(words[-1]))
    return CliRunner().invoke(
        app, [words[0], f"{tmp_path}/m7_{number}.py:handler", *words[1:-1]], env={"COLUMNS": "300"}
    )


FATAL = {
    "event_parser": ("@event_parser(model=Order)", "@event_parser stands above @durable: there the event is Lambda's"),
    "validator": ("@validator(inbound_schema={})", "@validator stands above @durable"),
    "idempotent": ("@idempotent(persistence_store=MemoryPersistence())", "@idempotent stands above @durable"),
}


@pytest.mark.parametrize(("above", "words"), FATAL.values(), ids=FATAL)
def test_run_refuses_what_fails_before_durable_is_reached(tmp_path, above, words):
    text = f"{above}\n@durable\ndef handler(event, ctx):\n    return 1\n"
    number = next(key for key, case in FATAL.items() if case[0] == above)
    done = command(tmp_path, number, "run", "--event", "{}", "--store", f"{tmp_path}/store.sqlite", text)
    assert done.exit_code == 2, done.output
    assert words in done.output
    assert "put it below @durable" in done.output
    assert not (tmp_path / "store.sqlite").exists()


LINES = {
    "async": ("ctx.step(later, 'x')", "calls later(), which is async"),
    "keyword": ("ctx.step(charge, order_id='x')", "has no option 'order_id'"),
    "called": ("ctx.step(charge('x'))", "gets what charge() returns, not the function"),
    "called in map": ("ctx.map(charge('x'), [1])", "gets what charge() returns, not the function"),
    "lambda's name": ("ctx.get_remaining_time_in_millis()", "a DurableContext has no 'get_remaining_time_in_millis'"),
}


@pytest.mark.parametrize(("line", "words"), LINES.values(), ids=LINES)
def test_doctor_finds_what_the_first_invocation_would(tmp_path, line, words):
    name = next(key for key, case in LINES.items() if case[0] == line).replace(" ", "_").replace("'", "")
    done = command(tmp_path, f"doctor_{name}", "doctor", "--json", f"@durable\ndef handler(event, ctx):\n    {line}\n")
    found = [json.loads(text) for text in done.stdout.splitlines()]
    errors = [one["message"] for one in found if one.get("level") == "error" and one["subject"] == "calls"]
    assert len(errors) == 1, errors
    assert words in errors[0]
    assert done.exit_code == 1


@pytest.mark.parametrize(
    "line", ["ctx.step(maker('x'))", "ctx.step(charge, 'x', name='c')", "ctx.step(lambda: 1, name='l')"]
)
def test_doctor_leaves_alone_what_may_be_right(tmp_path, line):
    number = abs(hash(line))
    done = command(tmp_path, f"well_{number}", "doctor", "--json", f"@durable\ndef handler(event, ctx):\n    {line}\n")
    found = [json.loads(text) for text in done.stdout.splitlines()]
    assert [one for one in found if one.get("subject") == "calls" and one["level"] == "error"] == []


@pytest.mark.parametrize("line", ["def handler(ctx, event):", "def handler(ctx: DurableContext, order: Order):"])
def test_doctor_tells_of_swapped_parameters(tmp_path, line):
    number = "named" if "event" in line else "annotated"
    done = command(tmp_path, f"swapped_{number}", "doctor", f"@durable\n{line}\n    return 1\n")
    assert done.exit_code == 1
    assert "has its parameters swapped: (ctx, " in " ".join(done.output.split())
