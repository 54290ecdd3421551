"""The examples of `async def` handlers: an order, documents, an agent, a deadline and a client that stays open."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from examples import agent_async, documents_async, order, order_async, payment_deadline, warm_client
from powertools_durable.local import LocalRunner
from powertools_durable.testing import Simulator, explore

ROOT = Path(__file__).parents[2]
ORDER = json.loads((ROOT / "examples" / "order.json").read_text())
PAYMENT = {"id": "p-1", "amount": "51.00"}
# Kept: their connections are tasks, and asyncio complains of a task that is collected.
CLIENT, LOCAL_CLIENT = warm_client.RatesClient(), warm_client.RatesClient()


def ended(run, approval):
    run.finish().callback("approval").succeed(approval)
    return run.finish()


@pytest.mark.parametrize("approval", [{"approved": True, "by": "ada"}, {"approved": False, "by": "bob"}])
def test_an_order_comes_out_as_that_of_the_def_handler(approval):
    expected, run = (ended(Simulator(module.handler).start(ORDER), approval) for module in (order, order_async))
    assert (run.status, run.result) == (expected.status, expected.result)
    assert (run.error and run.error.error_message) == (expected.error and expected.error.error_message)
    assert {record.id for record in run.operations} == {record.id for record in expected.operations}


def test_goods_are_reserved_while_the_card_network_is_busy():
    run = Simulator(order_async.handler).start(ORDER)
    assert run.operation("reserve").status == "SUCCEEDED"
    assert run.operation("charge").status == "PENDING"


@pytest.mark.parametrize("handler", [documents_async.gathered, documents_async.mapped])
def test_all_documents_but_the_damaged_one_are_read(handler):
    run = Simulator(handler).start({"folder": "letters"}).finish()
    assert run.result == {"read": 499, "words": 499 * 112, "put_aside": ["letters/0250"]}


def test_a_gather_leaves_one_record_for_each_document():
    run = Simulator(documents_async.gathered).start({"folder": "letters", "documents": 20}).finish()
    assert len(run.operations) == 1 + 20


@pytest.mark.parametrize("handler", [documents_async.gathered, documents_async.mapped])
def test_after_a_crash_only_the_documents_that_were_not_read_are_read(handler, monkeypatch):
    reads = []

    async def read(document: str) -> documents_async.Document:
        reads.append(document)
        if document.endswith("/0040") and reads.count(document) == 1:
            raise MemoryError
        return await original(document)

    original = documents_async.read
    monkeypatch.setattr(documents_async, "read", read)
    run = Simulator(handler).start({"folder": "letters", "documents": 50}).finish()
    assert (run.status, run.result["read"]) == ("SUCCEEDED", 50)
    assert reads.count("letters/0040") == 2
    assert len(reads) <= 50 + 50


@pytest.mark.parametrize(
    ("handler", "event", "callbacks"),
    [
        (order_async.handler, ORDER, {"approval": {"approved": True, "by": "ada"}}),
        (documents_async.gathered, {"folder": "letters", "documents": 3}, {}),
        (agent_async.handler, {"task": "a table"}, {"person": "Thai"}),
        (payment_deadline.handler, {"id": "42", "amount": "51.00"}, {}),
    ],
    ids=["order", "documents", "agent", "deadline"],
)
def test_it_comes_out_the_same_wherever_lambda_dies(handler, event, callbacks):
    explore(handler, event, callbacks=callbacks).assert_survives()


def test_tools_that_do_not_wait_for_a_person_have_ended_when_one_does():
    run = Simulator(agent_async.handler).start({"task": "a table"})
    assert {record.name for record in run.operations if record.sub_type == "RunInChildContext"} == {
        "call-1",
        "call-2",
        "call-3",
    }
    assert [run.operation(f"call-{number}").status for number in (1, 2, 3)] == ["SUCCEEDED", "SUCCEEDED", "STARTED"]
    run.callback("person").succeed("Thai")
    assert (run.status, run.result) == ("SUCCEEDED", "Luigi's has a table; it will rain; Thai")


def test_the_agent_goes_on_without_the_person_after_a_week():
    run = Simulator(agent_async.handler).start({"task": "a table"})
    run.advance(timedelta(days=7))
    assert (run.status, run.result) == ("SUCCEEDED", "Luigi's has a table; it will rain; nobody answered")


def reminders(run):
    return [record.name for record in run.operations if (record.name or "").startswith("reminder")]


def test_who_pays_in_time_has_paid():
    run = Simulator(payment_deadline.handler).start({"id": "42", "amount": "51.00"})
    run.advance(timedelta(days=1))
    run.callback("paid").succeed(PAYMENT)
    assert (run.status, run.result) == ("SUCCEEDED", "order 42 is paid by p-1")
    assert reminders(run) == ["reminder-1"]


def test_after_three_days_the_goods_are_released():
    run = Simulator(payment_deadline.handler).start({"id": "42", "amount": "51.00"}).finish()
    assert (run.status, run.result) == ("SUCCEEDED", "order 42 is cancelled")
    assert reminders(run) == ["reminder-1", "reminder-2"]


def test_a_payment_that_fails_wins_too():
    run = Simulator(payment_deadline.handler).start({"id": "42", "amount": "51.00"})
    run.callback("paid").fail("no money")
    assert run.result == "the payment failed: no money"


def test_a_client_is_opened_once_for_all_invocations_of_a_process(monkeypatch):
    monkeypatch.setattr(warm_client, "client", CLIENT)
    run = Simulator(warm_client.handler).start(["EUR", "CHF"]).finish()
    assert (run.status, len(run.invocations), CLIENT.opened) == ("SUCCEEDED", 2, 1)


def test_a_client_outlives_an_execution_that_fails(monkeypatch, tmp_path):
    monkeypatch.setattr(warm_client, "client", LOCAL_CLIENT)
    runner = LocalRunner(warm_client.handler, tmp_path / "store.sqlite", skip_time=True)
    for currencies, status in ((["EUR"], "SUCCEEDED"), (["X"], "FAILED"), (["CHF"], "SUCCEEDED")):
        assert runner.run(currencies).status == status
    assert LOCAL_CLIENT.opened == 1


@pytest.mark.slow
def test_a_process_whose_client_is_still_open_ends_in_silence(tmp_path):
    words = ["-m", "powertools_durable", "run", "examples/warm_client.py:handler", "--event", '["EUR"]', "--skip-time"]
    done = subprocess.run(
        [sys.executable, *words, "--store", str(tmp_path / "store.sqlite")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "pending" not in done.stderr
