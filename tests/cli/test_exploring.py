"""``powertools-durable explore``: what it prints, and how it ends."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from powertools_durable.cli.app import app

ROOT = Path(__file__).parents[2]
SHOP = Path(__file__).parent / "shop.py"
CORPUS = ROOT / "tests" / "testing" / "corpus"
EXAMPLES = ROOT / "examples"


def cli(*words):
    return CliRunner().invoke(app, ["explore", *(str(word) for word in words)])


def test_a_handler_that_survives_ends_with_0():
    done = cli(f"{EXAMPLES}/five_lines.py:handler", "--event", '"order-42"')
    assert done.exit_code == 0
    assert re.fullmatch(r"handler survives: \d+ runs, \d+ crash points\n", done.stdout)


@pytest.mark.slow
def test_callbacks_are_answered_and_files_read():
    answer = 'approval={"approved": true, "by": "ada"}'
    done = cli(f"{EXAMPLES}/order.py:handler", "--event", f"@{EXAMPLES}/order.json", "--answer", answer)
    assert done.exit_code == 0, done.output


def test_a_handler_that_does_not_survive_ends_with_1_and_says_where_how_and_when():
    done = cli(f"{CORPUS}/step_charges_twice.py:handler", "--event", '{"id": "42"}', "--ledger", "ledger")
    assert done.exit_code == 1
    first, _, what, why, crash = done.stdout.splitlines()
    assert first.startswith("handler does not survive: 1 failure in ")
    assert what.startswith("1. step 'charge' (#1)")
    assert what.endswith("step_charges_twice.py:15")
    assert "effect 'charge' happens 2 times in place of once" in why
    assert crash.strip() == "crash: killed after the effect 'charge' in step 'charge' (#1) (and 4 more)"


def test_a_failure_is_written_to_an_html_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ("--event", '{"id": "42"}', "--ledger", "ledger", "--html", "a.html")
    done = cli(f"{CORPUS}/step_charges_twice.py:handler", *words)
    assert done.exit_code == 1
    assert done.stdout.splitlines()[-1] == "report of failure 1: a.html"
    page = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert "Without a crash" in page
    assert "With the crash" in page


def test_a_report_that_cannot_be_written_is_an_error(tmp_path):
    words = ("--event", '{"id": "42"}', "--ledger", "ledger", "--html", tmp_path / "no" / "a.html")
    done = cli(f"{CORPUS}/step_charges_twice.py:handler", *words)
    assert done.exit_code == 2
    assert "can't be written: No such file or directory" in " ".join(done.output.split())


def test_places_are_relative_to_the_current_folder(monkeypatch):
    monkeypatch.chdir(CORPUS)
    done = cli("clock_in_a_branch.py:handler", "--event", '{"id": "42"}')
    assert "  clock_in_a_branch.py:19\n" in done.stdout
    assert "outside of steps: datetime.now() at clock_in_a_branch.py:17\n" in done.stdout


@pytest.mark.slow
def test_programs_read_one_json_object_a_line():
    done = cli(f"{CORPUS}/clock_in_a_branch.py:handler", "--event", '{"id": "42"}', "--json")
    failure, verdict = map(json.loads, done.stdout.splitlines())
    assert set(failure) == {"event", "crash_point", "operation", "location", "differed"}
    assert (verdict["event"], verdict["survives"]) == ("Explored", False)
    assert verdict["runs"] > verdict["crash_points"] > 8


def test_a_warning_is_a_line_too():
    warning, verdict = map(json.loads, cli(f"{SHOP}:fails", "--json").stdout.splitlines())
    assert warning == {
        "event": "Warning",
        "message": "without a crash the execution is FAILED with StepError; is that meant?",
    }
    assert verdict["survives"]


@pytest.mark.slow
def test_two_crashes_in_one_run():
    one = cli(f"{EXAMPLES}/five_lines.py:handler", "--event", '"order-42"', "--json")
    two = cli(f"{EXAMPLES}/five_lines.py:handler", "--event", '"order-42"', "--json", "--crashes", "2")
    assert json.loads(two.stdout)["runs"] > json.loads(one.stdout)["runs"]


def test_what_the_handler_prints_is_not_in_the_way():
    assert cli(f"{SHOP}:greets", "--event", '"ada"').stdout.count("\n") == 1


def test_invoked_functions_are_given_by_name():
    done = cli(f"{SHOP}:buys", "--event", '"ada"', "--function", f"greeter={SHOP}:greeter")
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([f"{SHOP}:plain"], "is not durable"),
        ([f"{SHOP}:handler", "--event", "{"], "--event is not JSON"),
        ([f"{EXAMPLES}/agent.py:handler", "--event", '{"task": "book"}'], "waits for callback"),
        ([f"{SHOP}:greets", "--ledger", "effects"], "--ledger: shop has no Ledger 'effects'; it has none"),
        ([f"{CORPUS}/step_charges_twice.py:handler", "--ledger", "effects"], "its ledgers: ledger"),
    ],
)
def test_a_wrong_call_ends_with_2_and_one_line(words, says):
    done = cli(*words)
    assert done.exit_code == 2
    assert says in done.stderr
    assert done.stderr.count("\n") == 1
