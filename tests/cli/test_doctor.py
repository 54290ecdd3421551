"""``doctor``: what it finds in a handler, around it and in the environment, and what it does not mind."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from aws_lambda_powertools.logging import correlation_paths as originals
from typer.testing import CliRunner

from powertools_durable.cli.app import app
from powertools_durable.integrations import correlation_paths
from tests.cli.test_sarif import is_valid

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
ILL = HERE / "ill.py"


def doctor(*words):
    return CliRunner().invoke(app, ["doctor", *(str(word) for word in words)], env={"COLUMNS": "200"})


def told(target):
    """Every finding as ``level subject: words``, and the policy."""
    done = doctor(target, "--json")
    *findings, last = map(json.loads, done.stdout.splitlines())
    assert last["event"] == "Diagnosed"
    return [f"{one['level']} {one['subject']}: {one['message']}" for one in findings], last["policy"], findings


def place(text):
    return f"ill.py:{ILL.read_text().split(text)[0].count(chr(10)) + 1}"


# -- the handler -----------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_handler_that_is_well_ends_with_0_and_says_what_was_looked_at():
    # In a process of its own: in this one there are loggers of other tests.
    command = "from powertools_durable.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", command, "doctor", f"{ROOT}/examples/order.py:handler"],
        env={**os.environ, "COLUMNS": "200", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert any(re.match(r"ok +payload +input Order, result Receipt", line) for line in lines)
    assert any(re.match(r"ok +results +typed by annotation: charge", line) for line in lines)
    assert any(re.match(r"ok +decorators +@durable", line) for line in lines)
    assert lines[-1] == "no errors, no warnings"


@pytest.mark.parametrize("example", ["saga", "approval", "polling", "documents", "patched", "powertools/logger"])
def test_the_examples_are_well(example):
    file = ROOT / "examples" / f"{example}.py"
    name = re.search(r"@durable.*?\ndef (\w+)", file.read_text(), re.DOTALL)[1]
    assert doctor(f"{file}:{name}").exit_code == 0


UNFIT = ", which it does not take"
TWINS = ": a replay can't tell them apart"
CONTEXTS = f"{place('ctx.run_in_child_context(ship, 1')}, {place('ctx.child_context(lambda')}"
FINDINGS = [
    f"warning code: print() at {place('print(')} prints again at each replay",
    f"warning code: uuid4() at {place('token = uuid4()')} returns something else at each replay",
    f"warning code: datetime.now() at {place('datetime.now()')} returns something else at each replay",
    f"warning code: random.random() at {place('random.random()')} returns something else at each replay",
    f"warning code: time.sleep() at {place('time.sleep(0)')} sleeps again at each replay, at your cost",
    f"warning code: 'except BaseException:' at {place('except BaseException:  # noqa')} catches suspensions too",
    f"warning code: 'finally:' at {place('ctx.stp(')} makes durable calls, also when the handler suspends",
    f"error calls: ctx.stp() at {place('ctx.stp(')}: a DurableContext has no 'stp'",
    f"error calls: ctx.map() at {place('ctx.map([1], ship)')} has the function second",
    f"error calls: ctx.parallel() at {place('ctx.parallel(')} calls pack() with the child context{UNFIT}",
    f"error calls: ctx.parallel() at {place('ctx.parallel(')} calls ship() with the child context{UNFIT}",
    f"error calls: ctx.step() at {place('ctx.step(pack, 1)')} calls pack() with your argument{UNFIT}",
    f"warning calls: several operations of kind wait have no name, at {place('ctx.wait(1)')}{TWINS}",
    f"warning calls: several operations of kind step have no name, at {place('ctx.step(lambda: 1)')}{TWINS}",
    f"warning calls: several operations of kind context have no name, at {CONTEXTS}{TWINS}",
    "error decorators: @event_parser stands above @durable: there the event is Lambda's, not yours",
    "warning decorators: @metrics.log_metrics stands below @durable: it flushes at each suspension",
    "warning results: price() -> Decimal: the annotation can't be resolved, so its result is written without it",
    "ok results: typed by annotation: pack, ship",
    "warning metrics: the module has metrics, which @durable was not given: metrics are counted again at each replay",
    "warning logger: the Powertools Logger has no service name: its lines have service 'service_undefined'",
]


@pytest.fixture(scope="module")
def ill():
    return told(f"{ILL}:handler")[0]


@pytest.mark.parametrize("finding", FINDINGS)
def test_what_is_ill_is_found(ill, finding):
    assert finding in ill


@pytest.mark.parametrize("subject", [" code: ", " calls: "])
def test_nothing_else_is_found_in_its_lines(ill, subject):
    assert sorted(one for one in ill if subject in one) == sorted(one for one in FINDINGS if subject in one)


def test_a_model_whose_defaults_change_is_warned_of(ill):
    assert any(one.startswith("warning handler: Order.nonce: the default is made anew") for one in ill)


def test_an_error_ends_with_1_and_every_fault_says_what_to_do():
    done = doctor(f"{ILL}:handler", "--json")
    assert done.exit_code == 1
    *findings, last = map(json.loads, done.stdout.splitlines())
    assert last["errors"] == sum(one.startswith("error") for one in FINDINGS)
    assert [one for one in findings if one["level"] == "error" and not one.get("advice")] == []


def test_what_lets_a_suspension_pass_is_well():
    findings, _, _ = told(f"{ILL}:well")
    assert "ok code: nothing found that differs at a replay; durable calls: step" in findings


def test_a_partial_and_an_object_that_is_called_are_read_too():
    shaped, _, _ = told(f"{ILL}:shaped")
    last_line = ILL.read_text().split('return f"{prefix}')[0].count("\n") + 1
    assert f"warning code: datetime.now() at ill.py:{last_line} returns something else at each replay" in shaped
    assert any(one.startswith("warning calls: several operations of kind wait have no name") for one in shaped)
    called, _, _ = told(f"{ILL}:called")
    assert any("a DurableContext has no 'stp'" in one for one in called)


def test_the_table_says_what_to_do_below_what_was_found():
    lines = doctor(f"{ILL}:handler").stdout.splitlines()
    found = next(i for i, line in enumerate(lines) if "a DurableContext has no 'stp'" in line)
    assert lines[found].startswith("error")
    assert lines[found + 1].strip() == "-> did you mean 'step'?"
    assert re.fullmatch(r"6 errors, \d+ warnings", lines[-1])


# -- decorators ------------------------------------------------------------------------------------------------

STACKS = [
    ("@logger.inject_lambda_context\n@durable", "ok", "@logger.inject_lambda_context > @durable"),
    ("@metrics.log_metrics\n@durable(metrics=metrics)", "ok", "@metrics.log_metrics > @durable"),
    ("@durable\n@logger.inject_lambda_context", "ok", "@durable > @logger.inject_lambda_context"),
    ("@mine\n@durable", "ok", "@mine > @durable"),
    ("@idempotent(persistence_store=None)\n@durable", "error", "@idempotent stands above @durable"),
    ("@validator\n@durable", "error", "@validator stands above @durable: there the event is Lambda's"),
    ("@event_source(data_class=SQSEvent)\n@durable", "warning", "@event_source stands above @durable"),
    ("@durable\n@event_source(data_class=SQSEvent)", "ok", "@durable > @event_source"),
]
STACK = """
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.middleware_factory import lambda_handler_decorator
from aws_lambda_powertools.utilities.data_classes import SQSEvent, event_source
from aws_lambda_powertools.utilities.idempotency import idempotent
from aws_lambda_powertools.utilities.validation import validator
from powertools_durable import durable

logger, metrics = Logger(service="stack"), Metrics(namespace="Shop", service="stack")

@lambda_handler_decorator
def mine(handler, event, context):
    return handler(event, context)

{stack}
def handler(event, ctx):
    return None
"""


@pytest.mark.parametrize(("stack", "level", "words"), STACKS, ids=[stack for stack, _, _ in STACKS])
def test_decorators_are_told_by_what_they_leave(tmp_path, stack, level, words):
    file = tmp_path / "stack.py"
    file.write_text(STACK.format(stack=stack))
    (found,) = [one for one in told(f"{file}:handler")[2] if one["subject"] == "decorators"]
    assert found["level"] == level
    assert found["message"].startswith(words)


TRACED = """
from aws_lambda_powertools import Tracer
from powertools_durable import durable

tracer = Tracer(service="traced", auto_patch=False)

@tracer.capture_lambda_handler
@durable{options}
def handler(event, ctx):
    return None
"""


@pytest.mark.xray
def test_a_tracer_that_captures_the_answer_and_is_not_known_is_warned_of(tmp_path):
    file = tmp_path / "traced.py"
    file.write_text(TRACED.format(options=""))
    findings, policy, _ = told(f"{file}:handler")
    capture = "@tracer.capture_lambda_handler captures each answer to the service: PENDING at a suspension"
    assert any(line.startswith(f"warning decorators: {capture}") for line in findings)
    assert "warning tracer: the module has tracer, which @durable was not given: traces show no operations" in findings
    assert "xray:" not in json.dumps(policy)


@pytest.mark.xray
def test_a_tracer_needs_permissions_too(tmp_path):
    file = tmp_path / "traced.py"
    file.write_text(TRACED.format(options="(tracer=tracer)"))
    findings, policy, _ = told(f"{file}:handler")
    assert "ok tracer: passed to @durable: Tracer" in findings
    assert "xray:PutTraceSegments" in json.dumps(policy)


# -- the policy ------------------------------------------------------------------------------------------------


def test_the_policy_holds_what_the_handler_asks_for():
    _, policy, _ = told(f"{ILL}:handler")
    actions = {action: statement["Resource"] for statement in policy["Statement"] for action in statement["Action"]}
    assert actions["lambda:CheckpointDurableExecution"] == ["arn:aws:lambda:REGION:ACCOUNT:function:NAME:*"]
    assert actions["lambda:GetDurableExecutionState"] == actions["lambda:CheckpointDurableExecution"]
    assert actions["lambda:InvokeFunction"] == ["arn:aws:lambda:REGION:ACCOUNT:function:payments:1"]
    assert not any(action.startswith("xray:") for action in actions)


def test_what_it_does_not_do_it_need_not_be_allowed():
    _, policy, _ = told(f"{ILL}:well")
    assert "lambda:InvokeFunction" not in json.dumps(policy)


def test_callbacks_need_permissions_of_others():
    assert "lambda:SendDurableExecutionCallbackHeartbeat" in doctor(f"{ILL}:handler").stdout
    assert "lambda:SendDurableExecutionCallback" not in doctor(f"{ILL}:well").stdout


# -- the environment -------------------------------------------------------------------------------------------


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Make a distribution of that name and version to be found first."""

    def make(name, version, *requires, entry_points=""):
        folder = tmp_path / f"{name.replace('-', '_')}-{version}.dist-info"
        folder.mkdir()
        lines = [
            "Metadata-Version: 2.1",
            f"Name: {name}",
            f"Version: {version}",
            *(f"Requires-Dist: {one}" for one in requires),
        ]
        (folder / "METADATA").write_text("\n".join(lines))
        (folder / "entry_points.txt").write_text(entry_points)

    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    return make


LIMITS = [
    "aws-lambda-powertools<4,>=3.25",
    "boto3<2,>=1.42.1",
    "nowhere>=1",
    'aws-xray-sdk<3,>=2.15; extra == "tracer"',
]


def test_versions_are_compared_with_what_the_package_asks_for(install):
    install("powertools-durable", "0.1.0", *LIMITS)
    install("aws-lambda-powertools", "3.9.0")
    install("boto3", "2.0")
    install("aws-xray-sdk", "2.15.1")
    findings = told(f"{ILL}:well")[0]
    assert "error aws-lambda-powertools: 3.9.0 is older than 3.25" in findings
    assert "warning boto3: 2.0 is newer than the versions that powertools-durable was tested with" in findings
    assert "error nowhere: is not installed" in findings
    assert "ok aws-xray-sdk: 2.15.1 (<3,>=2.15)" in findings


def test_versions_that_fit_are_told_with_their_limits(install):
    install("powertools-durable", "0.1.0", *LIMITS[:2])
    install("aws-lambda-powertools", "3.25")
    install("boto3", "1.42.1")
    findings = told(f"{ILL}:well")[0]
    assert "ok aws-lambda-powertools: 3.25 (<4,>=3.25)" in findings
    assert "ok boto3: 1.42.1 (<2,>=1.42.1)" in findings


def test_a_botocore_without_durable_executions_is_an_error(tmp_path, monkeypatch):
    folder = tmp_path / "lambda" / "2099-01-01"
    folder.mkdir(parents=True)
    model = {"version": "2.0", "metadata": {"serviceId": "Lambda", "protocol": "rest-json"}, "operations": {}}
    (folder / "service-2.json").write_text(json.dumps(model | {"shapes": {}}))
    monkeypatch.setenv("AWS_DATA_PATH", str(tmp_path))
    findings = told(f"{ILL}:well")[0]
    assert (
        "error Lambda API: botocore does not know CheckpointDurableExecution and GetDurableExecutionState" in findings
    )


def test_a_variable_that_means_nothing_is_named_with_the_one_that_was_meant(monkeypatch):
    monkeypatch.setenv("POWERTOOLS_DURABLE_LOG_REPLAY", "true")
    monkeypatch.setenv("POWERTOOLS_DURABLE_ON_UNCONSUMED", "fail")
    monkeypatch.setenv("POWERTOOLS_DEV", "false")
    findings, _, all_of_it = told(f"{ILL}:well")
    assert "warning environment: POWERTOOLS_DURABLE_LOG_REPLAY is not a variable of powertools-durable" in findings
    assert "did you mean POWERTOOLS_DURABLE_LOG_REPLAYS?" in {one.get("advice") for one in all_of_it}
    assert "ok environment: POWERTOOLS_DURABLE_ON_UNCONSUMED=fail" in findings
    assert "ok environment: POWERTOOLS_DEV=false" in findings


def test_plugins_are_told_apart_by_whether_they_are_on(install, monkeypatch):
    install("stuff", "1", entry_points="[powertools_durable.plugins]\ncount = powertools_durable.plugins:Plugin\n")
    assert "ok plugins: on: none; off: count" in told(f"{ILL}:well")[0]
    monkeypatch.setenv("POWERTOOLS_DURABLE_PLUGINS", "count, weigh")
    findings = told(f"{ILL}:well")[0]
    assert "ok plugins: on: count; off: none" in findings
    assert "error plugins: POWERTOOLS_DURABLE_PLUGINS names 'weigh', which no installed package offers" in findings
    assert any(one.startswith("error handler: importing") for one in findings)


# -- what can't be looked at -----------------------------------------------------------------------------------

BROKEN = [
    ("import nothing_of_that_name", "importing broken.py failed: ModuleNotFoundError"),
    ("from powertools_durable import durable\n@durable\ndef handler(event: 'Odrer', ctx): ...", "can't be resolved"),
    ("def handler(event, ctx): ...", "'handler' in broken.py is not durable"),
    ("handler = 1", "is not durable, its type is int"),
]


@pytest.mark.parametrize(("source", "says"), BROKEN)
def test_a_handler_that_can_not_be_had_is_an_error_and_the_environment_is_told(tmp_path, monkeypatch, source, says):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.py").write_text(source)
    done = doctor("broken.py:handler", "--json")
    assert done.exit_code == 1
    *findings, last = map(json.loads, done.stdout.splitlines())
    (found,) = [one for one in findings if one["level"] == "error"]
    assert says in found["message"]
    assert found["advice"]
    assert {"Python", "boto3", "Lambda API"} <= {one["subject"] for one in findings}
    assert last["policy"]["Statement"]


def test_a_word_that_names_no_handler_is_a_wrong_call():
    done = doctor("nothing")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "does not name a handler" in done.stderr


def test_a_function_that_is_handed_over_twice_is_told_of_once(tmp_path):
    file = tmp_path / "twice.py"
    file.write_text(
        "from powertools_durable import durable\n"
        "def price() -> 'Money': ...\n"
        "@durable\n"
        "def handler(event, ctx):\n"
        "    ctx.step(price, name='net')\n"
        "    ctx.step(price, name='gross')\n"
    )
    assert len([one for one in told(f"{file}:handler")[0] if one.startswith("warning results: price()")]) == 1


def test_a_handler_without_source_is_told_so(tmp_path):
    file = tmp_path / "made.py"
    file.write_text(
        "from powertools_durable import durable\n"
        "exec('def written(event, ctx):\\n    return print(1)')\n"
        "handler = durable(written)\n"
    )
    assert "ok code: its source is not available; nothing was checked" in told(f"{file}:handler")[0]


def test_what_its_module_prints_is_not_in_the_way(tmp_path):
    file = tmp_path / "loud.py"
    file.write_text("from powertools_durable import durable\nprint('loud')\n@durable\ndef handler(event, ctx): ...\n")
    done = doctor(f"{file}:handler")
    assert "loud\n" not in done.stdout
    assert done.stderr == "loud\n"


# -- SARIF and comments -----------------------------------------------------------------------------------------

CALLS = """
import time
from powertools_durable import durable

def deadline():
    return time.time() + 60{comment}

@durable
def handler(event, ctx):
    ctx.step(str, deadline())
    ctx.stp(str)
"""


def test_findings_are_written_as_sarif_with_rule_file_and_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("app.py").write_text(CALLS.format(comment=""))
    done = doctor("app.py:handler", "--sarif", "found.sarif")
    assert done.exit_code == 1
    log = json.loads(Path("found.sarif").read_text())
    assert is_valid(log)
    found = {one["ruleId"]: one for one in log["runs"][0]["results"]}
    places = {rule: one["locations"][0]["physicalLocation"] for rule, one in found.items() if "locations" in one}
    assert places["clock"]["artifactLocation"]["uri"] == "app.py"
    assert (places["clock"]["region"]["startLine"], places["no-such-method"]["region"]["startLine"]) == (6, 11)
    assert (found["clock"]["level"], found["no-such-method"]["level"]) == ("warning", "error")
    assert "use ctx.now()" in found["clock"]["message"]["text"]


def test_findings_of_a_template_are_written_with_its_lines(tmp_path):
    template = tmp_path / "template.yaml"
    template.write_text(
        "Resources:\n  Orders:\n    Type: AWS::Serverless::Function\n    Properties: {Handler: app.handler, "
        "Runtime: python3.13}\n"
    )
    doctor("--template", template, "--sarif", tmp_path / "found.sarif")
    log = json.loads((tmp_path / "found.sarif").read_text())
    assert is_valid(log)
    (first, *_) = log["runs"][0]["results"]
    assert first["locations"][0]["physicalLocation"]["region"] == {"startLine": 2}


@pytest.mark.parametrize(("comment", "is_found"), [("[clock]", False), ("", False), ("[random]", True)])
def test_a_comment_hides_a_finding_of_its_rule(tmp_path, comment, is_found):
    file = tmp_path / "app.py"
    file.write_text(CALLS.format(comment=f"  # durable: ignore{comment}"))
    found = [one for one in told(f"{file}:handler")[0] if "time.time()" in one]
    assert bool(found) is is_found


def test_a_comment_hides_an_error_of_a_durable_call_too(tmp_path):
    file = tmp_path / "app.py"
    file.write_text(CALLS.format(comment="").replace("ctx.stp(str)", "ctx.stp(str)  # durable: ignore[no-such-method]"))
    assert not [one for one in told(f"{file}:handler")[0] if "stp" in one]


# -- correlation paths -----------------------------------------------------------------------------------------


def correlated(path, above=True):
    from aws_lambda_powertools import Logger

    from powertools_durable import durable
    from powertools_durable.cli.diagnosis.decorations import decorators

    def body(event, ctx):
        return None

    decorate = Logger(service="doctor").inject_lambda_context(correlation_id_path=path)
    return [
        (finding.level, finding.message, finding.advice)
        for finding in decorators(decorate(durable(body)) if above else durable(decorate(body)))
    ]


@pytest.mark.parametrize("name", correlation_paths.__all__)
def test_a_correlation_path_of_powertools_is_named_with_ours_beside_it(name):
    ((level, words, advice),) = correlated(getattr(originals, name))
    assert level == "warning"
    assert "looks for Powertools' correlation_paths." in words
    assert f"correlation_paths.{name}" in advice
    assert "from powertools_durable.integrations import correlation_paths" in advice


def test_a_path_of_one_s_own_gets_the_way_to_the_input():
    ((_, words, advice),) = correlated("order.id")
    assert "correlation_id_path='order.id'" in words
    assert "InputPayload | powertools_json(@).order.id'" in advice


@pytest.mark.parametrize("path", [correlation_paths.EVENT_BRIDGE, "DurableExecutionArn", None])
def test_a_path_through_lambda_s_event_is_fine(path):
    assert [level for level, *_ in correlated(path)] == ["ok"]


def test_below_durable_it_is_the_other_way_round():
    assert [level for level, *_ in correlated(originals.EVENT_BRIDGE, above=False)] == ["ok"]
    ((level, words, _),) = correlated(correlation_paths.EVENT_BRIDGE, above=False)
    assert (level, "stands below @durable" in words) == ("error", True)


@pytest.mark.parametrize("decorator", ["@event_parser(model=Order)", "@idempotent(persistence_store=None)"])
def test_run_refuses_what_doctor_calls_an_error_before_anything_is_started(tmp_path, monkeypatch, decorator):
    monkeypatch.chdir(tmp_path)
    Path("wrong.py").write_text(f"""
from aws_lambda_powertools.utilities.idempotency import idempotent
from aws_lambda_powertools.utilities.parser import event_parser
from pydantic import BaseModel
from powertools_durable import durable
class Order(BaseModel): ...
{decorator}
@durable
def handler(event, ctx): ...
""")
    done = CliRunner().invoke(app, ["run", "wrong.py:handler"])
    assert done.exit_code == 2, done.output
    assert "stands above @durable" in done.stderr
    assert "put it below @durable" in done.stderr
    assert not Path(".powertools-durable").exists()
