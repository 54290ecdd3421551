"""Each handler that docs/operations/invoke.md quotes."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from typer.testing import CliRunner

from examples.operations import invoke as example
from powertools_durable.cli.app import app
from powertools_durable.testing import Simulator

EVENT = {"id": "42", "total": "51.00"}


# --8<-- [start:functions]
def test_place_order_is_paid_by_another_function():
    def payments(order):
        return {"order_id": order["id"], "amount": order["total"]}

    simulator = Simulator(example.place_order, functions={"payments:1": payments})
    run = simulator.start({"id": "42", "total": "51.00"})
    assert run.result == {"order_id": "42", "amount": "51.00"}


def test_place_order_waits_for_a_durable_function():
    functions = {"payments:1": example.payments}
    simulator = Simulator(example.place_order, functions=functions)
    run = simulator.start({"id": "42", "total": "51.00"})
    assert run.status == "RUNNING"
    run.advance(timedelta(hours=1))
    assert run.status == "SUCCEEDED"


# --8<-- [end:functions]


def test_the_invoke_has_one_record_and_what_is_invoked_has_its_own_history():
    run = Simulator(example.place_order, functions={"payments:1": example.payments}).start(EVENT).finish()
    assert [(record.type, record.name) for record in run.operations] == [("CHAINED_INVOKE", "pay")]
    assert len(run.invocations) == 2


def test_place_order_somehow_goes_on_with_what_was_paid():
    run = Simulator(example.place_order_somehow, functions={"payments:1": example.payments}).start(EVENT).finish()
    assert (run.status, run.result) == ("SUCCEEDED", "paid 51.00")


def test_place_order_somehow_tells_what_the_other_function_said():
    def payments(order):
        raise PermissionError("the card was declined")

    run = Simulator(example.place_order_somehow, functions={"payments:1": payments}).start(EVENT).finish()
    assert run.result == "pay at the desk: PermissionError, the card was declined"


def test_place_order_somehow_tells_that_there_is_no_such_function():
    run = Simulator(example.place_order_somehow).start(EVENT).finish()
    assert run.result == "pay at the desk: ResourceNotFoundException, Function not found: payments:1."


def test_the_command_line_runs_both_functions(tmp_path):
    file = Path(example.__file__)
    words = ["run", f"{file}:place_order", "--event", '{"id": "42", "total": "51.00"}', "--skip-time"]
    options = ["--function", f"payments:1={file}:payments", "--store", str(tmp_path / "store.sqlite")]
    done = CliRunner().invoke(app, [*words, *options])
    assert done.exit_code == 0, done.output
    assert '"result": {"order_id": "42", "amount": "51.00"}' in done.stdout
