"""Each example by the command line, with nothing but its file and its event: as its first lines say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from powertools_durable.cli.app import app

EXAMPLES = Path(__file__).parents[2] / "examples"

RUNS = [
    ("five_lines.py:handler", '"order-42"', [], 0, "order-42 is on its way, paid by payment-of-order-42"),
    (
        "five_lines.py:async_handler",
        '"order-42"',
        [],
        0,
        "parcel-of-order-42 is on its way, paid by payment-of-order-42",
    ),
    ("order.py:handler", "@order.json", ['approval={"approved": true, "by": "ada"}'], 0, "ada"),
    ("saga.py:handler", "@saga.json", [], 0, "parcel-of-42"),
    ("saga.py:handler", '{"id": "42", "sku": "piano", "price": "51"}', [], 0, "courier-of-42"),
    (
        "saga.py:handler",
        '{"id": "42", "sku": "piano", "price": "51", "insure_for": "900"}',
        [],
        1,
        "the post carries no pianos",
    ),
    ("documents.py:handler", '{"folder": "letters"}', [], 0, ["letters/0250"]),
    ("approval.py:handler", "@approval.json", ['approval={"approved": true, "by": "ada"}'], 0, "ada"),
    ("approval.py:handler", "@approval.json", [], 0, "the deadline"),
    ("polling.py:handler", '{"film": "metropolis"}', [], 0, "render-metropolis.mp4"),
    ("polling.py:handler", '{"film": "dracula"}', [], 1, "render-dracula failed at 50 percent"),
    ("agent.py:handler", '{"task": "book a table"}', ['person="yes"'], 0, "booked Luigi's; that is all"),
    (
        "invoices.py:handler",
        "@invoices.json",
        ['approval={"approved": true, "by": "ada"}'],
        0,
        ["payment-a-17", "payment-a-18"],
    ),
    (
        "invoices.py:async_handler",
        "@invoices.json",
        ['approval={"approved": true, "by": "ada"}'],
        0,
        ["payment-a-17", "payment-a-18"],
    ),
    ("order_async.py:handler", "@order.json", ['approval={"approved": true, "by": "ada"}'], 0, "ada"),
    ("documents_async.py:gathered", '{"folder": "letters"}', [], 0, ["letters/0250"]),
    ("documents_async.py:mapped", '{"folder": "letters"}', [], 0, ["letters/0250"]),
    ("agent_async.py:handler", '{"task": "a table"}', ['person="Thai"'], 0, "Luigi's has a table; it will rain; Thai"),
    ("nightly_import.py:handler", '{"month": "2026-11"}', ["approval=true"], 0, "27 files are published"),
    ("payment_deadline.py:handler", '{"id": "42", "amount": "51.00"}', [], 0, "order 42 is cancelled"),
    ("warm_client.py:handler", '["EUR", "CHF"]', [], 0, ["0.00", "0.00"]),
    ("patched.py:version_1", "@patched.json", ['packed="12 kg"'], 0, "42, 12 kg, goes by road"),
    ("patched.py:version_2", "@patched.json", ['packed="12 kg"'], 0, "42, 12 kg, goes by flight-of-42"),
]


@pytest.fixture
def cli(tmp_path):
    def call(*words):
        return CliRunner().invoke(app, [*words, "--store", str(tmp_path / "store.sqlite")])

    return call


def ended(done):
    """What the last line says: the result, or the error's message."""
    told = json.loads(done.stdout.splitlines()[-1])
    return told["result"] if "result" in told else told["error"]["message"]


@pytest.mark.sampled(1)
@pytest.mark.parametrize(("target", "event", "answers", "code", "tells"), RUNS)
def test_an_example_runs_by_the_command_line(cli, target, event, answers, code, tells):
    event = f"@{EXAMPLES}/{event[1:]}" if event.startswith("@") else event
    options = [word for answer in answers for word in ("--answer", answer)]
    done = cli("run", f"{EXAMPLES}/{target}", "--event", event, "--skip-time", *options)
    assert done.exit_code == code, done.output
    result = ended(done)
    assert tells in (result.values() if isinstance(result, dict) else [result])


def test_an_order_goes_on_with_the_code_of_a_later_deploy(cli):
    started = cli("run", f"{EXAMPLES}/patched.py:version_1", "--event", '{"id": "42"}', "--name", "old", "--no-wait")
    assert started.exit_code == 3, started.output
    assert cli("callback", "packed", "succeed", '"12 kg"').exit_code == 0
    done = cli("resume", "old", "--target", f"{EXAMPLES}/patched.py:version_2")
    assert done.exit_code == 0, done.output
    assert ended(done) == "42, 12 kg, goes by road"


def test_whether_a_later_deploy_can_go_on_with_it_is_known_before(cli, tmp_path):
    cli("run", f"{EXAMPLES}/patched.py:version_1", "--event", '{"id": "42"}', "--name", "old", "--no-wait")
    history = tmp_path / "old.json"
    history.write_text(cli("export", "old").stdout)
    replayed = CliRunner().invoke(app, ["replay", f"{EXAMPLES}/patched.py:version_2", str(history)])
    assert (replayed.exit_code, replayed.stdout[:6]) == (0, "SAFE  ")

    careless = tmp_path / "careless.py"
    guard = 'if ctx.patched("ship-by-air"):'
    source = (EXAMPLES / "patched.py").read_text()
    assert guard in source
    careless.write_text(source.replace(guard, "if True:"))
    line = source.split("way = ctx.step(book_flight")[0].count("\n") + 1
    replayed = CliRunner().invoke(app, ["replay", f"{careless}:version_2", str(history)])
    assert replayed.exit_code == 1
    assert f"step 'book_flight' (#2) at {careless}:{line}: " in replayed.stdout


def test_every_example_is_run_here():
    assert {path.name for path in EXAMPLES.glob("*.py")} == {target.partition(":")[0] for target, *_ in RUNS}
