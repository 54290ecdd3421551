"""``fork``: a recorded execution goes on here, from an operation on and with other code."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from powertools_durable._service.history_reader import rebuild_execution
from powertools_durable._timeline import read_events
from powertools_durable.cli.app import app
from powertools_durable.cli.fork import start_fork
from powertools_durable.cli.forked_history import fork_history
from powertools_durable.cli.run_difference import run_differences
from powertools_durable.local import LocalRunner, SqliteStore
from powertools_durable.testing.replays.addresses import addresses_in
from tests.histories import programs
from tests.testing.stops import handlers

HISTORIES = Path(programs.__file__).parent
FILES = sorted([*(HISTORIES / "ours").glob("*.json"), *(HISTORIES / "official").glob("*.json")])
both = pytest.mark.parametrize("kind", ["def", "async"])


def events_of(file):
    return json.loads(file.read_text(encoding="utf-8"))["Events"]


# -- every golden history, from every operation on -------------------------------------------------------------


def forked(file, kind, address, folder, edits=None):
    handler = handlers(file.parent.name, kind)[file.stem]
    functions = programs.PROGRAMS[file.stem].functions if file.parent.name == "ours" else {}
    history = fork_history(handler, file, address, edits or {}, file.name)
    store = SqliteStore(folder / "forks.sqlite")
    with store.transaction():
        one = start_fork(store, history)
    runner = LocalRunner(handler, store, functions=functions, skip_time=True)
    runner.resume(one.arn, wait=False)
    return history, one


@pytest.mark.sampled(6)
@both
@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_what_had_ended_is_served_and_does_not_run_again(file, kind, tmp_path):
    found = rebuild_execution(events_of(file))
    addresses = [address for address, _ in addresses_in(found.operations)]
    for number, address in enumerate(dict.fromkeys([addresses[0], addresses[len(addresses) // 2], addresses[-1]])):
        folder = tmp_path / str(number)
        folder.mkdir()
        history, one = forked(file, kind, address, folder)
        served = {record.id for record in history.records if record.status.is_terminal}
        after = one.history()[len(history.events) :]
        assert not served & {event.get("Id") for event in after}, address
        assert one.status in {"SUCCEEDED", "FAILED", "RUNNING"}
        if found.status == "SUCCEEDED" == one.status:
            assert one.result_text is not None


@both
@pytest.mark.parametrize(
    "name", ["steps", "child_context", "order_flow", "map_nested", "large_child", "saga", "parallel"]
)
def test_the_same_code_comes_to_the_same_end_from_the_last_operation_on(name, kind, tmp_path):
    file = HISTORIES / "ours" / f"{name}.json"
    events = events_of(file)
    *_, (address, _) = addresses_in(rebuild_execution(events).operations)
    _, one = forked(file, kind, address, tmp_path)
    ended = events[-1]["ExecutionSucceededDetails"]["Result"].get("Payload")
    assert (one.status, one.result_text) == ("SUCCEEDED", ended)
    assert run_differences(read_events(events, values=True), read_events(one.history(), values=True)) == []


# -- the command -----------------------------------------------------------------------------------------------

CODE = """
from powertools_durable import Retry, durable

def note(word):
    with open("ran", "a") as file:
        file.write(word + " ")

def charge(order):
    note("charge")
    return {"receipt": order["id"] * 2}

def pick(order):
    note("pick")
    raise ValueError("no stock")

def box(order):
    note("box")
    return order["id"] + 1

def pack(ctx, order):
    size = ctx.step(box, order)
    ctx.wait(1)
    return [size, ctx.step(pick, order, retry=Retry.none())]

@durable
def handler(order, ctx):
    paid = ctx.step(charge, order)
    approved = ctx.create_callback(name="ok").result()
    packed = ctx.run_in_child_context(pack, order, name="pack")
    return [paid["receipt"], approved, *packed, str(ctx.uuid4())]
"""
FIXED = ('    raise ValueError("no stock")', '    return "picked"')


def as_async(code):
    code = re.sub(r"def (handler|pack)", r"async def \1", code)
    code = re.sub(r"(ctx\.(step|wait|run_in_child_context)\()", r"await \1", code)
    return code.replace(
        'ctx.create_callback(name="ok").result()', 'await (await ctx.create_callback(name="ok")).result()'
    )


def cli(*words):
    sys.modules.pop("orders", None)
    return CliRunner().invoke(app, [str(word) for word in words])


def lines(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def orders(kind, tmp_path, monkeypatch):
    """Leave the history of an order that failed when it was packed; the code is what changes."""
    monkeypatch.chdir(tmp_path)
    code = CODE if kind == "def" else as_async(CODE)
    (tmp_path / "orders.py").write_text(code)
    done = cli(
        "run", "orders.py:handler", "--event", '{"id": 21}', "--name", "order-1", "--skip-time", "--answer", "ok=1"
    )
    assert done.exit_code == 1, done.output
    (tmp_path / "order-1.json").write_text(cli("export", "order-1").stdout)
    (tmp_path / "ran").unlink()
    (tmp_path / "orders.py").write_text(code.replace(*FIXED))
    return tmp_path


def fork(*words):
    return cli("fork", "orders.py:handler", "order-1.json", "--store", "forks.sqlite", "--no-wait", *words)


def ran(folder):
    file = folder / "ran"
    return file.read_text().split() if file.exists() else []


@both
def test_a_failed_execution_is_finished_with_corrected_code(orders):
    done = fork("--from", "pack > pick")
    assert done.exit_code == 0, done.output
    assert ran(orders) == ["pick"]
    ended = next(line for line in lines(done) if line.get("status"))
    assert ended["result"][:4] == [42, "1", 22, "picked"]
    assert lines(done)[-3:] == [
        {"event": "Difference", "operation": "pack", "before": "FAILED ValueError", "after": "SUCCEEDED"},
        {"event": "Difference", "operation": "pack > pick", "before": "FAILED ValueError", "after": "SUCCEEDED"},
        {
            "event": "Difference",
            "operation": "the execution",
            "before": "FAILED ChildContextError",
            "after": "SUCCEEDED",
        },
    ]


@both
def test_a_fork_from_earlier_on_runs_more_again(orders):
    done = fork("--from", "pack", "--skip-time")
    assert done.exit_code == 0, done.output
    assert ran(orders) == ["box", "pick"]


@both
def test_what_if_a_result_had_been_another(orders):
    done = fork("--from", "pack > pick", "--edit", 'charge={"receipt": 7}', "--edit", "pack > box=99")
    assert done.exit_code == 0, done.output
    assert ran(orders) == ["pick"]
    ended = next(line for line in lines(done) if line.get("status"))
    assert ended["result"][:4] == [7, "1", 99, "picked"]
    differing = {line["operation"]: line["after"] for line in lines(done) if line.get("event") == "Difference"}
    assert differing["charge"] == differing["pack > box"] == "SUCCEEDED with another result"


@both
def test_a_callback_that_was_open_is_asked_again_and_its_answer_may_be_another(orders):
    done = fork("--from", "ok", "--skip-time", "--answer", "ok=2")
    assert done.exit_code == 0, done.output
    ended = next(line for line in lines(done) if line.get("status"))
    assert ended["result"][:2] == [42, "2"]
    assert ran(orders) == ["box", "pick"]


@both
def test_the_fork_draws_the_random_values_of_the_original(orders):
    first = fork("--from", "pack > pick")
    arn = json.loads(Path("order-1.json").read_text())["DurableExecutionArn"]
    assert SqliteStore("forks.sqlite").named(arn) == arn
    again = fork("--from", "pack > pick")
    names = [next(line["execution"] for line in lines(done) if line.get("status")) for done in (first, again)]
    assert names == ["order-1", "order-1-fork-1"]


@both
def test_the_history_of_a_fork_replays_and_forks_again(orders):
    assert fork("--from", "pack > pick").exit_code == 0
    Path("forked.json").write_text(cli("export", "order-1", "--store", "forks.sqlite").stdout)
    assert cli("replay", "orders.py:handler", "forked.json").exit_code == 0
    done = cli("fork", "orders.py:handler", "forked.json", "--from", "pack > pick", "--store", "again.sqlite")
    assert done.exit_code == 0
    assert not [line for line in lines(done) if line.get("event") == "Difference"]


@both
def test_a_fork_that_was_interrupted_can_be_resumed(orders):
    done = fork("--from", "ok", "--skip-time")
    assert done.exit_code == 3
    done = cli("resume", "order-1", "--store", "forks.sqlite", "--answer", "ok=1", "--skip-time")
    assert done.exit_code == 0
    assert ran(orders) == ["box", "pick"]


@both
def test_both_runs_are_in_one_html_file_side_by_side(orders):
    done = fork("--from", "pack > pick", "--edit", 'charge={"receipt": "canary"}', "--html", "fork.html")
    assert done.exit_code == 0, done.output
    text = Path("fork.html").read_text(encoding="utf-8")
    page = json.loads(re.search(r'<script type="application/json"[^>]*>(.*?)</script>', text, re.DOTALL)[1])
    assert [run["heading"] for run in page["runs"]] == ["As it was recorded", "The fork"]
    assert "charge: SUCCEEDED -> SUCCEEDED with another result" in page["crash"]["differences"]
    assert len(page["differs"]) == 3
    assert "canary" not in text


@both
def test_no_payload_is_shown_in_what_differs(orders):
    done = fork("--from", "pack > pick", "--edit", 'charge={"receipt": "canary"}')
    assert not any("canary" in line for line in done.stdout.splitlines() if "Difference" in line)


WRONG = [
    (["--from", "pock"], "order-1.json has no operation 'pock'; write PATH or PATH#N, of: charge, ok, pack"),
    (["--from", "ok", "--edit", "pack=1"], "--edit pack: it had not ended when ok started, so it runs again"),
    (["--from", "pack", "--edit", "charge"], "--edit takes OPERATION=JSON"),
    (["--from", "pack", "--edit", "charge={"], "--edit charge= is not JSON"),
    (["--from", "pack", "--edit", "chargo=1"], "order-1.json has no operation 'chargo'"),
    (["--from", "pack > pick", "--edit", "pack > wait #1=1"], "--edit pack > wait #1: a wait has no result"),
]


@both
@pytest.mark.parametrize(("words", "says"), WRONG, ids=lambda part: " ".join(part) if isinstance(part, list) else "")
def test_a_wrong_fork_says_what_to_do(orders, words, says):
    done = fork(*words)
    assert (done.exit_code, done.stdout) == (2, "")
    assert says in done.stderr
    assert ran(orders) == []


@both
def test_code_that_does_not_fit_what_is_served_is_refused_before_anything_runs(orders):
    file = orders / "orders.py"
    file.write_text(file.read_text().replace("ctx.step(charge, order)", 'ctx.step(charge, order, name="pay")'))
    done = fork("--from", "pack > pick")
    assert (done.exit_code, done.stdout, ran(orders)) == (2, "", [])
    assert "the code can't go on from pack > pick of order-1.json: step 'pay' (#1) at orders.py:" in done.stderr
    assert not Path("forks.sqlite").exists() or not list(SqliteStore("forks.sqlite"))


@both
@pytest.mark.parametrize(
    ("content", "says"),
    [("canary", "is no JSON"), ('{"Operations": []}', "what GetDurableExecutionState answers"), ("[]", "begins with")],
)
def test_what_is_no_history_is_refused(orders, content, says):
    Path("order-1.json").write_text(content)
    done = fork("--from", "pack")
    assert (done.exit_code, done.stdout) == (2, "")
    assert says in done.stderr
    assert "canary" not in done.output
