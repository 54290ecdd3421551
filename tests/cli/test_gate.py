"""``gate``: what the new code means for the executions that run now, by real HTTP and real botocore."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from powertools_durable.cli.app import app
from powertools_durable.cli.gating.history_sources import HistorySource, read_ahead
from powertools_durable.testing import Simulator
from tests.cli.account import Refusal
from tests.cli.history_account import HistoryAccount
from tests.cli.test_sarif import is_valid
from tests.histories.changes import History

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "histories" / "ours"
RUNNING = ("--aws", "--function", "orders")

CODE = """
from powertools_durable import durable

def reserve(order):
    return "r-1"

def charge(order):
    return {"paid": True}

@durable
def handler(order, ctx):
    ctx.step(reserve, order)
    ctx.step(charge, order)
    ctx.wait(86_400, name="cool")
    ctx.step(lambda: None, name="ship")
"""


def cli(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def lines(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def orders(tmp_path, monkeypatch):
    """Write the code of the function, and leave the folder."""
    monkeypatch.chdir(tmp_path)

    def write(*changes, code=CODE):
        for before, after in changes:
            assert before in code
            code = code.replace(before, after)
        (tmp_path / "orders.py").write_text(code)
        sys.modules.pop("orders", None)
        return "orders.py:handler"

    return write


def waiting(code=CODE, event=None):
    """Return the history of an execution that waits."""
    names: dict = {"__name__": "orders_as_they_were"}
    exec(compile(code, "orders_as_they_were.py", "exec"), names)
    run = Simulator(names["handler"]).start({"id": "42"} if event is None else event, name="order")
    return as_told(run.history())


def as_told(events):
    """Return events as the API sends them: moments in seconds."""
    return json.loads(json.dumps(events), object_hook=_seconds)


def _seconds(part):
    return {
        key: value / 1000 if key.endswith("Timestamp") and isinstance(value, int) else value
        for key, value in part.items()
    }


@pytest.fixture
def account(monkeypatch):
    monkeypatch.setattr("powertools_durable.cli.gating.history_sources._ATTEMPTS", 2)  # a refusal of 5xx is tried again
    servers = []

    def serve(histories, **options):
        server = HistoryAccount(histories, **options).__enter__()
        servers.append(server)
        monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", server.url)
        return server

    yield serve
    for server in servers:
        server.__exit__()


# -- the verdict -----------------------------------------------------------------------------------------------


def test_code_that_did_not_change_is_safe(orders, account):
    account({f"order-{number}": waiting() for number in range(5)}, page=2)
    done = cli("gate", orders(), *RUNNING)
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout == "safe 5, broken 0, unknown 0: 5 running executions of orders\n"


def test_what_breaks_is_grouped_by_its_cause(orders, account):
    history = waiting()
    cut = history[: next(n for n, event in enumerate(history) if event.get("Name") == "cool")]
    account({f"order-{number}": cut if number < 2 else history for number in range(9)})
    done = cli("gate", orders(('name="cool"', 'name="rest"')), *RUNNING)
    assert done.exit_code == 1
    cause, differs, advice, names, counts = done.stdout.splitlines()
    assert cause == "BROKEN  7 executions: wait 'rest' (#3) at orders.py:14"
    assert differs.strip() == "recorded name 'cool', asked name 'rest'"
    assert 'orders.py:14 under `if ctx.patched("...")`' in advice
    assert names.strip() == "order-2, order-3, order-4, order-5, order-6 and 2 more"
    assert counts == "safe 2, broken 7, unknown 0: 9 running executions of orders"


def test_a_change_that_is_patched_is_safe(orders, account):
    account({"order": waiting()})
    guarded = 'ctx.wait(86_400, name="rest" if ctx.patched("rest") else "cool")'
    assert cli("gate", orders(('ctx.wait(86_400, name="cool")', guarded)), *RUNNING).exit_code == 0


CHANGES = [
    ("ctx.step(charge, order)", "pass", "recorded type 'STEP', asked type 'WAIT'", "orders.py:14"),
    ("ctx.step(reserve, order)", 'ctx.step(reserve, order, name="hold")', "recorded name 'reserve'", "orders.py:12"),
    (
        "ctx.step(charge, order)",
        "ctx.wait(1, name='charge')",
        "recorded type 'STEP', asked type 'WAIT'",
        "orders.py:13",
    ),
    ('ctx.wait(86_400, name="cool")', "return", "Keep the call of wait 'cool'", "orders.py:13"),
]


@pytest.mark.parametrize(("before", "after", "says", "where"), CHANGES, ids=["dropped", "renamed", "kind", "returns"])
def test_a_change_is_told_with_its_place_and_what_to_do(orders, account, before, after, says, where):
    account({"order": waiting()})
    done = cli("gate", orders((before, after)), *RUNNING)
    assert done.exit_code == 1
    assert says in done.stdout
    assert where in done.stdout
    assert "ctx.patched" in done.stdout


def test_an_execution_that_ended_meanwhile_is_not_judged(orders, account):
    history = waiting()
    ended = [*history, {"EventType": "ExecutionStopped", "EventId": len(history) + 1, "EventTimestamp": 1.0}]
    account({"order-1": history, "order-2": ended})
    done = cli("gate", orders(), *RUNNING)
    assert (done.exit_code, done.stdout) == (
        0,
        "safe 1, broken 0, unknown 0: 1 running execution of orders; 1 ended meanwhile\n",
    )


def test_programs_read_a_line_for_each_execution_and_one_for_all(orders, account):
    account({"order-1": waiting(), "order-2": waiting()[:3]}, version="7")
    done = cli("gate", orders(("step(charge, order)", "step(charge, order, name='pay')")), *RUNNING, "--json")
    one, other, all_ = lines(done)
    assert (one["name"], one["verdict"], one["version"], one["location"]) == ("order-1", "broken", "7", "orders.py:13")
    assert (one["recorded"], one["asked"]) == ({"name": "charge"}, {"name": "pay"})
    assert (other["name"], other["verdict"]) == ("order-2", "safe")
    assert {key: all_[key] for key in ("event", "safe", "broken", "unknown", "ended")} == {
        "event": "Gate",
        "safe": 1,
        "broken": 1,
        "unknown": 0,
        "ended": 0,
    }
    assert all_["causes"][0]["executions"] == 1
    assert "ctx.patched" in all_["causes"][0]["advice"]


def test_executions_of_numbered_versions_stay_on_them_and_it_says_so(orders, account):
    account({"order": waiting()}, version="7")
    done = cli("gate", orders(('name="cool"', 'name="rest"')), *RUNNING)
    assert "1 execution started on a numbered version and stay" in done.stdout


def test_without_executions_there_is_nothing_to_break(orders, account):
    account({})
    done = cli("gate", orders(), *RUNNING)
    assert (done.exit_code, done.stdout) == (0, "safe 0, broken 0, unknown 0: 0 running executions of orders\n")


# -- what is not known -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("refusal", "says"),
    [
        (Refusal(403, "AccessDeniedException", "no"), "your role needs lambda:GetDurableExecutionHistory"),
        (Refusal(502, "KMSAccessDeniedException", "no"), "the function's KMS key can't be used"),
        (Refusal(404, "ResourceNotFoundException", "no"), "there is no execution"),
    ],
    ids=["denied", "kms", "gone"],
)
def test_a_history_that_can_not_be_read_is_unknown_never_safe(orders, account, refusal, says):
    server = account({"order-1": waiting(), "order-2": waiting()})
    server.refusals["order-2"] = refusal
    done = cli("gate", orders(), *RUNNING)
    assert done.exit_code == 2
    assert done.stdout.startswith("UNKNOWN 1 execution: ")
    assert says in done.stdout
    assert "safe 1, broken 0, unknown 1" in done.stdout


def test_a_history_with_a_hole_is_unknown(orders, account):
    history = waiting()
    account({"order": history[:2] + history[3:]})
    done = cli("gate", orders(), *RUNNING)
    assert done.exit_code == 2
    assert "event 3 is missing" in done.stdout


def test_a_broken_execution_counts_more_than_an_unknown_one(orders, account):
    server = account({"order-1": waiting(), "order-2": waiting()})
    server.refusals["order-2"] = Refusal(403, "AccessDeniedException", "no")
    assert cli("gate", orders(('name="cool"', 'name="rest"')), *RUNNING).exit_code == 1


def test_code_that_leaves_the_process_is_unknown_with_its_line(orders, account):
    account({"order": waiting()})
    code = orders(("    ctx.step(reserve, order)\n", "    raise SystemExit('canary')\n"))
    done = cli("gate", code, *RUNNING)
    assert done.exit_code != 0
    assert "canary" not in done.output


def test_a_handler_that_raises_where_the_history_goes_on_is_broken(orders, account):
    account({"order": waiting()})
    done = cli("gate", orders(("    ctx.step(charge, order)\n", "    raise KeyError('canary')\n")), *RUNNING)
    assert done.exit_code == 1
    assert "orders.py:13" in done.stdout
    assert "canary" not in done.output


def test_code_that_raises_where_a_history_ends_is_not_safe(orders, account):
    events = waiting()
    at = next(number for number, event in enumerate(events) if event["EventType"] == "WaitStarted")
    account({"order": events[:at]})
    assert cli("gate", orders(), *RUNNING).exit_code == 0
    for kind in ("def", "async def"):
        code = CODE.replace("def handler", f"{kind} handler")
        code = code.replace("ctx.step", "await ctx.step") if kind == "async def" else code
        code = code[: code.index("    ctx.wait")] + "    raise KeyError('canary')\n"
        done = cli("gate", orders(code=code), *RUNNING)
        assert done.exit_code == 2, done.output
        assert "where the history ends, the code raises KeyError at orders.py:14" in done.stdout
        assert "canary" not in done.output


def test_code_that_waits_for_no_operation_is_unknown_and_says_so(orders, account):
    account({"order": waiting()})
    code = CODE.replace("def handler", "async def handler").replace("ctx.step(reserve", "await ctx.step(reserve")
    code = code[: code.index("    ctx.step(charge")] + "    import asyncio\n    await asyncio.Event().wait()\n"
    done = cli("gate", orders(code=code), *RUNNING)
    assert done.exit_code == 2, done.output
    assert "the code waits for something that is not a durable operation" in " ".join(done.stdout.split())


def test_a_changed_type_is_not_taken_for_another_handler(orders, account):
    code = "from pydantic import BaseModel\nclass Paid(BaseModel):\n    paid: int\n" + CODE
    before = code.replace("def reserve(order):", "def reserve(order) -> dict:").replace('"r-1"', '{"paid": "yes"}')
    account({"order": waiting(before)})
    after = before.replace("-> dict:", "-> Paid:")
    done = cli("gate", orders(code=after), *RUNNING)
    assert done.exit_code == 1, done.output
    assert "another handler" not in done.output


# -- how histories are read ------------------------------------------------------------------------------------


def test_a_throttled_request_is_sent_again(orders, account):
    server = account({f"order-{number}": waiting() for number in range(4)})
    server.throttled = 1
    done = cli("gate", orders(), *RUNNING)
    assert done.exit_code == 0, done.output
    assert sum(call == "history" for call, _ in server.asked) == 5


@pytest.mark.parametrize("parallel", [1, 3])
def test_no_more_histories_are_read_at_once_than_wanted(orders, account, parallel):
    server = account({f"order-{number}": waiting() for number in range(12)})
    assert cli("gate", orders(), *RUNNING, "--parallel", parallel).exit_code == 0
    assert server.most_at_once <= parallel


def test_a_few_histories_are_in_memory_however_many_executions_run():
    read, replayed = [], []
    sources = [HistorySource(str(n), "", lambda n=n: read.append(n)) for n in range(60)]
    for source, _ in read_ahead(sources, threads=2):
        replayed.append(source.name)
        assert len(read) - len(replayed) <= 6
    assert replayed == [source.name for source in sources]


# -- no false safe ---------------------------------------------------------------------------------------------

FLOW = History(json.loads((GOLDEN / "order_flow.json").read_text())["Events"])
PROGRAM = f"{ROOT / 'tests' / 'histories' / 'programs.py'}:order_flow"


def beginnings(events):
    """Return the execution as it was at each moment of its life, but for its end."""
    last = len(events) - 1
    return [as_told(events[:length]) for length in range(1, last + 1)]


def changed():
    """Yield the history of other code, the operation that it calls otherwise, and the first event of that."""
    for key, place in FLOW.places.items():
        if key in FLOW.unseen():
            continue
        for fields in ({"Name": "was"}, {"SubType": "Was"}):
            events = FLOW.with_fields(key, **fields)
            first = next(n for n, (one, other) in enumerate(zip(events, FLOW.events, strict=True)) if one != other)
            yield f"{'-'.join(map(str, place))}-{next(iter(fields))}", key, events, first


def test_two_hundred_executions_under_changes_of_code_are_safe_only_before_the_change(account):
    histories, expected = {}, {}
    for name, operation, events, first in changed():
        for length in range(1, len(events)):
            key = f"{name}-{length}"
            histories[key] = as_told(events[:length])
            unseen = operation in History(FLOW.events[:length]).unseen()
            expected[key] = length <= first or unseen  # a context that has ended is not entered again
    histories = dict(list(histories.items())[:: max(1, len(histories) // 200)])
    assert len(histories) >= 200
    account(histories)
    done = cli("gate", PROGRAM, *RUNNING, "--json")
    *verdicts, all_ = lines(done)
    false_safe = [one["name"] for one in verdicts if one["verdict"] == "safe" and not expected[one["name"]]]
    false_broken = [one["name"] for one in verdicts if one["verdict"] == "broken" and expected[one["name"]]]
    assert (false_safe, false_broken, all_["unknown"]) == ([], [], 0)
    assert (done.exit_code, all_["safe"] + all_["broken"]) == (1, len(histories))


def test_an_execution_is_safe_at_each_moment_of_its_life(account):
    account({f"at-{length}": events for length, events in enumerate(beginnings(FLOW.events))})
    done = cli("gate", PROGRAM, *RUNNING)
    assert done.exit_code == 0, done.output


# -- no payload ------------------------------------------------------------------------------------------------

TALKS = """
import logging, os, subprocess, sys
from aws_lambda_powertools import Logger
from pydantic import BaseModel
from powertools_durable import durable

logger = Logger(service="orders", level="DEBUG")
logging.basicConfig(level="DEBUG")

class Receipt(BaseModel):
    number: int

def reserve(order):
    return "canary-result"

def charge(order) -> CHARGED:
    return {"number": "canary-typed"}

@durable(logger=logger)
def handler(order, ctx):
    text = str(order)
    print(text, flush=True)
    print(text, file=sys.stderr, flush=True)
    os.write(1, text.encode()); os.write(2, text.encode())
    subprocess.run(["echo", text], check=True)
    logging.getLogger("orders").warning(text)
    logger.info(text, order=order)
    result = ctx.step(reserve, order)
    logger.exception(result)
    paid = ctx.step(charge, order)
    END
    ctx.create_callback(name="approval").result()
"""
ENDS = {
    "as it was": "pass",
    "renamed": "ctx.wait(5, name='new')",
    "raises": "raise ValueError(text, result)",
    "exits": "raise SystemExit(text)",
}
OWN_FORMAT = """
class Tells:
    def serialize(self, value, context):
        return value

    def deserialize(self, text, context):
        raise SerDesError(f"cannot read {text}")

"""


def variant(*, charged="dict", end="pass", code=TALKS):
    return code.replace("CHARGED", charged).replace("    END\n", f"    {end}\n")


@pytest.fixture(scope="module")
def talked():
    code = variant()
    started = code[code.index("@durable") :].replace("logger=logger", "")
    for line in ("print(", "os.write", "subprocess", "logging.", "logger."):
        started = "\n".join(part for part in started.splitlines() if f"    {line}" not in part)
    imports = (
        code[code.index("from pydantic") : code.index("logger = ")] + code[code.index("class Receipt") :].split("@")[0]
    )
    return waiting(imports + started, {"id": "canary-input"})


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    "output", [(), ("--json", "--sarif", "out.sarif"), ("--github",)], ids=["text", "json", "github"]
)
@pytest.mark.parametrize(
    "code",
    [
        *({"end": end} for end in ENDS.values()),
        {"charged": "Receipt"},
        {
            "code": TALKS.replace(
                "@durable", f"from powertools_durable.errors import SerDesError\n{OWN_FORMAT}@durable"
            ).replace("ctx.step(reserve, order)", "ctx.step(reserve, order, serdes=Tells())")
        },
        {"code": TALKS.replace("(order, ctx)", "(order: Receipt, ctx)")},
    ],
    ids=[*ENDS, "another type", "another format", "another model"],
)
def test_no_payload_is_printed_logged_or_written(orders, account, talked, output, code, tmp_path):
    assert "canary-input" in json.dumps(talked)
    account({"order": talked})
    target = orders(code=variant(**code))
    command = [sys.executable, "-m", "powertools_durable", "gate", target, *RUNNING, *output]
    done = subprocess.run(
        command, check=False, cwd=tmp_path, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    assert re.search(r"safe|broken|Gate", done.stdout), done.stderr
    assert done.returncode == (0 if code == {"end": "pass"} else 1) or code == {"end": ENDS["exits"]}
    assert "canary" not in done.stdout + done.stderr
    callback_ids = [
        event["CallbackStartedDetails"]["CallbackId"] for event in talked if "CallbackStartedDetails" in event
    ]
    assert callback_ids
    assert not any(identifier in done.stdout + done.stderr for identifier in callback_ids)
    written = [file for file in tmp_path.rglob("*") if file.is_file() and file.name != "orders.py"]
    assert not any(b"canary-input" in file.read_bytes() for file in written if "__pycache__" not in str(file))


# -- GitHub ----------------------------------------------------------------------------------------------------

# https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
ANNOTATION = re.compile(r"::(error|warning) (file=[^:,\r\n]+,line=\d+,)?title=[^:,\r\n]+::[^\r\n]+")


def test_annotations_for_github_name_the_file_from_the_repository_on(orders, account, monkeypatch, tmp_path):
    (tmp_path / "a,b").mkdir()
    orders(('name="cool"', 'name="re:st, 100%"'))
    (tmp_path / "orders.py").rename(tmp_path / "a,b" / "orders.py")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path))
    monkeypatch.chdir(tmp_path / "a,b")
    server = account({"order-1": waiting(), "order-2": waiting(), "order-3": waiting()})
    server.refusals["order-3"] = Refusal(403, "AccessDeniedException", "no")
    done = cli("gate", "orders.py:handler", *RUNNING, "--github")
    error, warning, *_ = done.stdout.splitlines()
    assert ANNOTATION.fullmatch(error), error
    assert ANNOTATION.fullmatch(warning), warning
    assert error.startswith(
        "::error file=a%2Cb/orders.py,line=14,title=broken%3A 2 executions::wait 're:st, 100%25' (#3)"
    )
    assert "recorded name 'cool', asked name 're:st, 100%25'" in error
    assert warning.startswith("::warning title=unknown%3A 1 execution::you are not allowed")


# -- SARIF -----------------------------------------------------------------------------------------------------


def test_a_sarif_log_fits_the_published_schema_and_names_each_cause(orders, account):
    server = account({"order-1": waiting(), "order-2": waiting(), "order-3": waiting()})
    server.refusals["order-3"] = Refusal(403, "AccessDeniedException", "no")
    done = cli("gate", orders(('name="cool"', 'name="rest"')), *RUNNING, "--sarif", "out.sarif")
    assert done.exit_code == 1
    log = json.loads(Path("out.sarif").read_text())
    assert is_valid(log)
    broken, unknown = log["runs"][0]["results"]
    assert (broken["ruleId"], broken["level"]) == ("replay-breaks", "error")
    assert broken["message"]["text"].startswith("broken: 2 executions. wait 'rest' (#3): recorded name 'cool'")
    place = broken["locations"][0]["physicalLocation"]
    assert (place["artifactLocation"]["uri"], place["region"]["startLine"]) == ("orders.py", 14)
    assert (unknown["ruleId"], unknown["level"]) == ("replay-unknown", "warning")
    assert "locations" not in unknown


def test_a_sarif_log_that_can_not_be_written_is_an_error(orders, account):
    account({"order": waiting()})
    done = cli("gate", orders(), *RUNNING, "--sarif", "nowhere/out.sarif")
    assert done.exit_code == 2
    assert "--sarif" in done.stderr


# -- wrong calls -----------------------------------------------------------------------------------------------


def test_histories_in_a_folder_are_judged_too(orders):
    Path("histories").mkdir()
    Path("histories/one.json").write_text(json.dumps({"Events": waiting()}))
    Path("histories/two.json").write_text("canary")
    Path("histories/notes.txt").write_text("canary")
    done = cli("gate", orders(), "histories")
    assert done.exit_code == 2
    assert done.stdout.splitlines() == [
        "UNKNOWN 1 execution: the history is no JSON at line 1",
        "        histories/two.json",
        "safe 1, broken 0, unknown 1: 2 histories in histories",
    ]


def test_executions_of_another_handler_are_suspected(orders, account):
    account({"order": waiting()})
    code = orders(("    ctx.step(reserve, order)\n", "    ctx.wait(5)\n"))
    assert "are these executions of another handler?" in cli("gate", code, *RUNNING).stdout


WRONG = [
    (["orders.py:handler"], "gate needs the histories to check: --aws --function NAME"),
    (["orders.py:handler", "--aws"], "gate needs the histories to check: --aws --function NAME"),
    (["orders.py:handler", "--function", "orders"], "--function names a function of an AWS account: add --aws"),
    (["orders.py:handler", "h", *RUNNING], "gate takes a FOLDER of histories, or --aws --function NAME, not both"),
    (["orders.py:handler", "missing"], "missing does not exist: name a folder of exported histories"),
    (["orders.py:handler", "orders.py"], "orders.py is not a folder; to check a single history"),
    (["orders.py:handler", "empty"], "empty contains no history: `powertools-durable export ID > empty/ID.json`"),
    (["orders.py:handler", *RUNNING, "--github", "--json"], "--github and --json print to the same output"),
    (["orders.py:reserve", *RUNNING], "'reserve' in orders.py is not durable"),
    (["orders.py:nothing", *RUNNING], "orders.py has no 'nothing'; its durable functions: handler"),
    (["shop.py:handler", *RUNNING], "there is no file shop.py"),
    (["orders.py:handler", "--aws", "--function", "a:b:c"], "--function takes a Lambda function: NAME"),
]


@pytest.mark.parametrize(("words", "says"), WRONG, ids=lambda part: " ".join(part) if isinstance(part, list) else "")
def test_a_wrong_call_says_what_to_do(orders, account, words, says):
    orders()
    account({})
    Path("empty").mkdir()
    done = cli("gate", *words)
    assert (done.exit_code, done.stdout) == (2, "")
    assert says in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_missing_permission_is_named(orders, account):
    account({"order": waiting()}).refusals["list"] = Refusal(403, "AccessDeniedException", "no")
    done = cli("gate", orders(), *RUNNING)
    assert done.exit_code == 2
    assert "your role needs lambda:ListDurableExecutionsByFunction" in done.stderr
