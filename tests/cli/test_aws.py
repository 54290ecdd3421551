"""``--aws``: the same commands, for executions of an account."""

from __future__ import annotations

import json
import re
from pathlib import Path

import boto3
import pytest
from typer.testing import CliRunner

from powertools_durable.cli.app import app
from powertools_durable.local import LocalExecutions, SqliteStore
from tests.cli.account import LambdaAccount, Refusal

SHOP = Path(__file__).parent / "shop.py"
ORDERS = ("--aws", "--function", "orders")


def cli(*words, **options):
    return CliRunner().invoke(app, [str(word) for word in words], **options)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def account(folder, monkeypatch):
    """Two executions have ended, one waits for its approval."""
    cli("run", f"{SHOP}:greets", "--event", '"ada"', "--name", "greeting")
    cli("run", f"{SHOP}:fails", "--name", "declined")
    cli("run", f"{SHOP}:handler", "--event", '{"id": "42"}', "--name", "order-42", "--skip-time", "--no-wait")
    store = SqliteStore(folder / ".powertools-durable" / "executions.sqlite")
    (folder / ".powertools-durable").rename(folder / "far-away")  # nobody but the account knows it from here
    with LambdaAccount(LocalExecutions(store)) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", server.url)
        yield server


@pytest.fixture
def order(account):
    return account.executions.find("order-42")


@pytest.fixture
def anew(monkeypatch):
    """What boto3 found out about this environment is forgotten."""
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)


def lines(result):
    return [json.loads(line) for line in result.stdout.splitlines()]


# -- list, show, export ----------------------------------------------------------------------------------------


def test_list_tells_every_page_the_newest_last(account):
    done = cli("list", *ORDERS)
    assert (done.exit_code, done.stderr) == (0, "")
    assert [row.split()[1:3] for row in done.stdout.splitlines()[1:]] == [
        ["greeting", "SUCCEEDED"],
        ["declined", "FAILED"],
        ["order-42", "RUNNING"],
    ]
    assert [line["name"] for line in lines(cli("list", *ORDERS, "--json"))] == ["order-42", "declined", "greeting"]


def test_list_shows_a_hundred_at_most_and_says_so(account, monkeypatch):
    monkeypatch.setattr("powertools_durable.cli.inspection._ROWS", 2)
    done = cli("list", *ORDERS)
    assert [row.split()[1] for row in done.stdout.splitlines()[1:]] == ["declined", "order-42"]
    assert "only the newest 2 executions are listed; --json lists all of them" in done.stderr


def test_a_qualifier_is_passed_on(account):
    assert cli("list", "--aws", "--function", "orders:live").exit_code == 0
    assert {query["Qualifier"] for query in account.asked("durable-executions")} == {"live"}


def test_list_asks_for_no_payload(account):
    cli("list", *ORDERS)
    assert {call for call, _ in account.requests} == {"durable-executions"}


@pytest.mark.sampled(1)
@pytest.mark.parametrize("by", ["name", "id", "beginning", "arn"])
def test_show_tells_what_happened_and_how_to_answer(account, order, by):
    which = {"name": "order-42", "id": order.id, "beginning": order.id[:8], "arn": order.arn}[by]
    done = cli("show", which, "--aws", *(() if by == "arn" else ORDERS))
    assert done.exit_code == 0, done.output
    assert "✓ reserve" in done.stdout
    assert "cool waited 30 s" in done.stdout
    assert "RUNNING  after 2 invocations; waits for approval" in done.stdout
    answer = f"answer with: powertools-durable callback approval succeed '{{}}' --aws --execution '{order.arn}'"
    assert answer in done.stdout


@pytest.mark.parametrize("name", ["greeting", "declined", "order-42"])
def test_show_as_json_says_the_same_as_of_this_machine(account, folder, name):
    (there,) = lines(cli("show", name, *ORDERS, "--json"))
    (here,) = lines(cli("show", name, "--store", folder / "far-away" / "executions.sqlite", "--json"))
    for record in [*here["operations"], *there["operations"]]:  # the order of a history's keys is not told
        for key in ("StartTimestamp", "EndTimestamp"):
            record.pop(key, None)
    del here["target"]
    assert there == here


def test_show_says_that_the_handler_runs_when_nothing_is_waited_for(account):
    account.changes["greeting"] = {"Status": "RUNNING"}
    assert "RUNNING  after 1 invocation; its handler runs" in cli("show", "greeting", *ORDERS).stdout


def test_a_paused_execution_still_waits(account):
    account.changes["order-42"] = {"Status": "PAUSED"}
    shown = cli("show", "order-42", *ORDERS).stdout
    assert "PAUSED  after 2 invocations" in shown
    assert "answer with: " in shown


def test_an_exported_history_replays(account, folder, order):
    done = cli("export", order.arn, "--aws")
    (folder / "history.json").write_text(done.stdout)
    assert cli("replay", f"{SHOP}:handler", "history.json").exit_code == 0
    here = cli("export", "order-42", "--store", "far-away/executions.sqlite")
    assert json.loads(done.stdout) == json.loads(here.stdout)


# -- callback, stop --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["function", "execution", "arn"])
def test_a_callback_is_answered_by_its_name(account, order, where):
    options = {"function": [], "execution": ["--execution", "order-42"], "arn": ["--execution", order.arn]}[where]
    done = cli("callback", "approval", "succeed", '{"by": "bob"}', *(["--aws"] if where == "arn" else ORDERS), *options)
    assert (done.exit_code, done.stdout) == (0, "approval of order-42: succeed sent\n")
    assert order.operation("approval").result == '{"by": "bob"}'
    assert {query["IncludeExecutionData"] for query in account.asked("history")} == {"false"}


def test_a_callback_is_answered_by_its_id_alone(account, order):
    done = cli("callback", order.operation("approval").callback_details.callback_id, "heartbeat", "--aws")
    assert (done.exit_code, done.stdout) == (0, "callback: heartbeat sent\n")
    assert {call for call, _ in account.requests} == {"heartbeat"}


def test_a_callback_can_fail(account, order):
    assert cli("callback", "approval", "fail", '"not today"', *ORDERS).exit_code == 0
    assert order.operation("approval").error.error_message == "not today"


def test_an_answer_without_a_result_is_none(account, order):
    assert cli("callback", "approval", "succeed", *ORDERS).exit_code == 0
    assert order.operation("approval").result is None


def test_a_name_that_several_executions_wait_for_is_not_guessed(account, folder):
    store = folder / "far-away" / "executions.sqlite"
    cli("run", f"{SHOP}:handler", "--event", "{}", "--name", "order-43", "--skip-time", "--no-wait", "--store", store)
    done = cli("callback", "approval", "succeed", *ORDERS)
    assert done.exit_code == 2
    assert "2 callbacks are named 'approval'; add --execution ID, of one of these: order-43, order-42" in done.stderr


def test_too_many_running_executions_are_not_searched(account, monkeypatch):
    monkeypatch.setattr("powertools_durable.cli.remote._MOST_SEARCHED", 0)
    done = cli("callback", "approval", "succeed", *ORDERS)
    assert done.exit_code == 2
    assert "more than 0 executions are running; name one: --execution ID" in done.stderr


def test_stop_ends_an_execution(account, order):
    assert cli("stop", "order-42", *ORDERS).stdout == "order-42 is stopped\n"
    assert order.status == "STOPPED"
    done = cli("stop", "order-42", *ORDERS)
    assert (done.exit_code, done.stderr) == (2, "error: order-42 has already ended: STOPPED\n")


# -- clear errors ----------------------------------------------------------------------------------------------

CALLS = [
    (["list", "--aws"], "--aws needs the function whose executions to list: --function NAME"),
    (["list", "--function", "orders"], "--function names a function of an AWS account: add --aws"),
    (["list", "--aws", "--function", "a:b:c"], "--function takes a Lambda function: NAME, NAME:QUALIFIER or an ARN"),
    (["list", "--aws", "--function", "bills"], "there is no function 'bills' in this account and region"),
    (["show", "order-42", "--aws"], "--aws needs --function NAME to find an execution, or use its full ARN"),
    (["show", "order-43", *ORDERS], "no execution of orders has the id or name 'order-43'; the last ones are: order"),
    (["export", "arn:aws:lambda:eu-west-1:1:function:f:1/durable-execution/a/b", "--aws"], "there is no execution 'b'"),
    (["stop", "", *ORDERS], "no execution of orders has the id or name ''"),
    (["callback", "consent", "succeed", *ORDERS], "open: 'approval' of order-42"),
    (["callback", "approval", "succeed", "--aws"], "no open callback has that id: it is unknown, or was answered"),
    (["callback", "approval", "heartbeat", "{}", *ORDERS], "a heartbeat takes no JSON"),
]


@pytest.mark.sampled(2)
@pytest.mark.parametrize(("words", "says"), CALLS, ids=lambda part: " ".join(part) if isinstance(part, list) else "")
def test_a_wrong_call_is_named(account, words, says):
    done = cli(*words)
    assert done.exit_code == 2, done.output
    assert says in done.stderr
    assert done.stderr.count("\n") == 1


DENIED = "User: arn:aws:iam::123456789012:user/ada is not authorized to perform: lambda:X on resource: Y"
REFUSALS = [
    ("durable-executions", 403, "AccessDeniedException", "your role needs lambda:ListDurableExecutionsByFunction"),
    (
        "history",
        403,
        "AccessDeniedException",
        "your role needs lambda:GetDurableExecutionHistory on the function's ARN",
    ),
    ("get", 429, "TooManyRequestsException", "AWS throttles GetDurableExecution (TooManyRequestsException)"),
    ("get", 403, "ExpiredTokenException", "AWS refuses these credentials (ExpiredTokenException): sign in"),
    ("get", 502, "KMSAccessDeniedException", "the function's KMS key can't be used (KMSAccessDeniedException)"),
    ("get", 500, "ServiceException", "GetDurableExecution was refused: ServiceException, HTTP 500. AWS says: User"),
]


@pytest.mark.sampled(2)
@pytest.mark.parametrize(("call", "status", "code", "says"), REFUSALS)
def test_a_refusal_says_what_to_do(account, monkeypatch, call, status, code, says):
    monkeypatch.setattr("powertools_durable.cli.aws._ATTEMPTS", 1)
    account.refusals[call] = Refusal(status, code, DENIED)
    done = cli("show", "order-42", *ORDERS)
    assert done.exit_code == 2
    assert says in done.stderr
    assert done.stderr.count("\n") == 1


def test_what_aws_repeats_of_an_answer_is_not_shown(account, order):
    callback_id = order.operation("approval").callback_details.callback_id
    words = f"Value 'canary-canary' at 'Result'; of callback {callback_id}; canary-result"
    account.refusals["succeed"] = Refusal(400, "InvalidParameterValueException", words)
    done = cli("callback", "approval", "succeed", '"canary-result"', *ORDERS)
    assert done.exit_code == 2
    assert "InvalidParameterValueException" in done.stderr
    assert "canary" not in done.output
    assert callback_id not in done.output


@pytest.mark.sampled(2)
@pytest.mark.parametrize("call", ["list", "show", "export", "stop", "callback"])
def test_no_callback_id_and_no_payload_is_told_where_nobody_asked_for_it(account, order, call):
    words = {"list": [], "callback": ["approval", "heartbeat"]}.get(call, ["order-42"])
    done = cli(call, *words, *ORDERS)
    assert done.exit_code == 0, done.output
    callback_id = order.operation("approval").callback_details.callback_id
    assert (callback_id in done.output) == (call == "export")


def test_without_credentials_it_says_how_to_get_some(account, anew, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    done = cli("list", *ORDERS)
    assert done.exit_code == 2
    assert (
        "no AWS credentials were found (NoCredentialsError): sign in (`aws sso login`), or set AWS_PROFILE"
        in done.stderr
    )


def test_without_a_region_it_says_how_to_name_one(account, anew, monkeypatch):
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    assert "no AWS region is set: set AWS_REGION, or use a full ARN" in cli("list", *ORDERS).stderr


@pytest.mark.parametrize("name", ["AWS_REGION", "AWS_DEFAULT_REGION"])
def test_either_variable_names_the_region(account, anew, monkeypatch, name):
    monkeypatch.delenv({"AWS_REGION": "AWS_DEFAULT_REGION", "AWS_DEFAULT_REGION": "AWS_REGION"}[name])
    assert cli("list", *ORDERS).exit_code == 0


def test_the_region_of_an_arn_is_used(account, anew, monkeypatch):
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    arn = "arn:aws:lambda:eu-west-1:123456789012:function:orders"
    done = cli("list", "--aws", "--function", arn)
    assert re.search(r"there is no function '.*:orders'", done.stderr), done.output  # it was asked for


def test_a_profile_that_is_not_there_is_named(account, anew, monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    assert "(nobody) could not be found: set AWS_PROFILE to" in cli("list", *ORDERS).stderr


def test_where_no_answer_comes_it_says_so(account, monkeypatch):
    monkeypatch.setattr("powertools_durable.cli.aws._ATTEMPTS", 1)
    monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", "http://127.0.0.1:9")
    assert "got no response (EndpointConnectionError)" in cli("list", *ORDERS).stderr
