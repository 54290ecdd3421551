"""``export`` and ``replay``: from an execution on this machine to a verdict in CI."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from powertools_durable.cli.app import app

SHOP = Path(__file__).parent / "shop.py"
GOLDEN = Path(__file__).parents[1] / "histories" / "ours"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def cli(*words, **options):
    return CliRunner().invoke(app, [str(word) for word in words], **options)


@pytest.fixture
def shop(folder):
    """The shop, to be changed."""
    file = folder / "shop.py"
    file.write_text(SHOP.read_text())
    return file


@pytest.fixture
def exported(folder, shop):
    """The history of an order that waits for its approval."""
    cli("run", f"{shop}:handler", "--event", '{"id": "42"}', "--name", "order-42", "--skip-time", "--no-wait")
    done = cli("export", "order-42")
    assert (done.exit_code, done.stderr) == (0, "")
    (folder / "order-42.json").write_text(done.stdout)
    return json.loads(done.stdout)


def change(file, before, after):
    text = file.read_text()
    assert before in text
    file.write_text(text.replace(before, after))


# -- export ----------------------------------------------------------------------------------------------------


def test_an_exported_history_is_what_the_service_would_answer(exported):
    assert exported["DurableExecutionArn"].endswith(exported["Events"][0]["Id"])
    assert [event["EventId"] for event in exported["Events"]] == list(range(1, len(exported["Events"]) + 1))
    assert exported["Events"][0]["ExecutionStartedDetails"]["Input"]["Payload"] == '{"id": "42"}'
    assert exported["Events"][-1]["EventType"] == "InvocationCompleted"


def test_its_moments_are_text_that_says_where_on_earth(exported):
    moments = [event["EventTimestamp"] for event in exported["Events"]]
    moments += [
        event["WaitStartedDetails"]["ScheduledEndTimestamp"]
        for event in exported["Events"]
        if event["EventType"] == "WaitStarted"
    ]
    assert len(moments) == len(exported["Events"]) + 1
    assert all(datetime.fromisoformat(moment).tzinfo for moment in moments)


def test_it_is_asked_for_by_the_beginning_of_its_id_and_from_another_store(folder, exported):
    (folder / ".powertools-durable").rename(folder / "kept")
    done = cli("export", exported["Events"][0]["Id"][:8], "--store", "kept/executions.sqlite")
    assert json.loads(done.stdout) == exported


def test_the_file_has_the_form_of_the_golden_histories(exported):
    golden = json.loads((GOLDEN / "callback.json").read_text())
    keys = {key for event in golden["Events"] for key in event}
    assert exported.keys() == golden.keys()
    assert {key for event in exported["Events"] for key in event} - keys <= {
        "StepStartedDetails",
        "StepSucceededDetails",
        "WaitStartedDetails",
        "WaitSucceededDetails",
    }


@pytest.mark.parametrize("words", [["export", "order-43"], ["export", "order-42", "--store", "none.sqlite"]])
def test_what_is_not_there_can_not_be_exported(exported, words):
    done = cli(*words)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")


# -- replay ----------------------------------------------------------------------------------------------------


def test_code_that_did_not_change_is_safe(shop, exported):
    done = cli("replay", f"{shop}:handler", "order-42.json")
    assert done.exit_code == 0
    assert done.stdout == "SAFE    order-42.json: 3 recorded operations asked for\n"


def test_code_that_changed_breaks_and_it_says_where_and_what_to_do(shop, exported):
    change(shop, 'name="cool"', 'name="rest"')
    done = cli("replay", f"{shop}:handler", "order-42.json")
    assert done.exit_code == 1
    verdict, advice = done.stdout.splitlines()
    line = shop.read_text().split('name="rest"')[0].count("\n") + 1
    assert verdict == f"BREAKS  order-42.json: wait 'rest' (#2) at shop.py:{line}: name: recorded 'cool', asked 'rest'"
    assert "ctx.patched(...)" in advice


def test_one_that_breaks_is_enough_and_all_are_told(folder, shop, exported):
    (folder / "other.json").write_text(json.dumps({"Events": exported["Events"][:1]}))
    change(shop, 'name="cool"', 'name="rest"')
    done = cli("replay", f"{shop}:handler", "order-42.json", "other.json")
    assert done.exit_code == 1
    assert [line.split()[:2] for line in done.stdout.splitlines()[:2]] == [
        ["BREAKS", "order-42.json:"],
        ["SAFE", "other.json:"],
    ]


def test_a_history_may_come_by_standard_input(shop, exported):
    done = cli("replay", f"{shop}:handler", "-", input=json.dumps(exported))
    assert (done.exit_code, done.stdout[:22]) == (0, "SAFE    standard input")


def test_programs_read_one_json_object_for_each_history(folder, shop, exported):
    (folder / "cut.json").write_text(json.dumps({"Events": exported["Events"], "NextMarker": "more"}))
    change(shop, 'name="cool"', 'name="rest"')
    done = cli("replay", f"{shop}:handler", "order-42.json", "cut.json", "--json")
    assert done.exit_code == 2
    broken, unreadable = map(json.loads, done.stdout.splitlines())
    assert broken["status"] == "BREAKS"
    assert broken["recorded"] == {"name": "cool"}
    assert broken["asked"] == {"name": "rest"}
    assert broken["location"].startswith("shop.py:")
    assert (unreadable["history"], unreadable["status"]) == ("cut.json", "UNREADABLE")
    assert "NextMarker" in unreadable["reason"]


def test_what_the_handler_prints_is_not_in_the_way(folder):
    cli("run", f"{SHOP}:greets", "--event", '"ada"', "--name", "greeting")
    (folder / "greeting.json").write_text(cli("export", "greeting").stdout)
    assert cli("replay", f"{SHOP}:greets", "greeting.json").stdout.count("\n") == 1


UNREADABLE = [
    ("missing.json", "error: the history missing.json can't be read: No such file or directory"),
    ("text.json", "error: text.json is no JSON at line 1"),
    ("number.json", "error: number.json is no history"),
    ("bare.json", "error: bare.json can't be replayed: this history has no payloads"),
]


@pytest.mark.parametrize(("name", "says"), UNREADABLE)
def test_a_history_that_can_not_be_read_is_named_and_the_others_are_told_all_the_same(
    folder, shop, exported, name, says
):
    bare = [{key: value for key, value in event.items() if "Details" not in key} for event in exported["Events"]]
    (folder / "text.json").write_text("canary")
    (folder / "number.json").write_text("42")
    (folder / "bare.json").write_text(json.dumps(bare))
    done = cli("replay", f"{shop}:handler", name, "order-42.json")
    assert done.exit_code == 2
    assert done.stderr.startswith(says)
    assert "canary" not in done.output
    assert done.stdout.startswith("SAFE    order-42.json")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["-", "-"], "standard input can be read once"),
        ([], "Missing argument"),
    ],
)
def test_a_wrong_call_ends_with_2(words, says):
    done = cli("replay", f"{SHOP}:handler", *words)
    assert done.exit_code == 2
    assert says in done.stderr


def test_a_handler_that_is_not_durable_is_named():
    done = cli("replay", f"{SHOP}:plain", "order-42.json")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "is not durable" in done.stderr
