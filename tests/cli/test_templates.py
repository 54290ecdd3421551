"""``doctor --template``: what keeps a function of a SAM or CloudFormation template from being durable."""

from __future__ import annotations

import json
import re
from pathlib import Path
from textwrap import dedent, indent

import pytest
from typer.testing import CliRunner

from powertools_durable.cli.app import app
from powertools_durable.cli.diagnosis.templates.checks import check_template

ROOT = Path(__file__).parents[2]
MANAGED = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicDurableExecutionRolePolicy"

SAM = """\
Transform: AWS::Serverless-2016-10-31
Globals:
  Function:
    Runtime: python3.13
Resources:
  Orders:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.handler
      Timeout: 60
      DurableConfig:
        ExecutionTimeout: 600
      AutoPublishAlias: live
      Role: !GetAtt Role.Arn
  Role:
    Type: AWS::IAM::Role
    Properties:
      Policies:
        - PolicyDocument:
            Statement:
              - Effect: Allow
                Action: [lambda:CheckpointDurableExecution, lambda:GetDurableExecutionState]
                Resource: !Sub "arn:aws:lambda:${AWS::Region}:${AWS::AccountId}:function:orders:*"
"""
PLAIN = f"""\
Resources:
  Orders:
    Type: AWS::Lambda::Function
    Properties:
      Handler: app.handler
      Runtime: python3.13
      Timeout: 60
      DurableConfig:
        ExecutionTimeout: 600
      Role: !GetAtt Role.Arn
  Version:
    Type: AWS::Lambda::Version
    DeletionPolicy: Retain
    UpdateReplacePolicy: Retain
    Properties: {{FunctionName: !Ref Orders}}
  Live:
    Type: AWS::Lambda::Alias
    Properties: {{FunctionName: !Ref Orders, FunctionVersion: !GetAtt Version.Version, Name: live}}
  Role:
    Type: AWS::IAM::Role
    Properties:
      ManagedPolicyArns: ["{MANAGED}"]
"""


def doctor(*words):
    return CliRunner().invoke(app, ["doctor", *map(str, words)], env={"COLUMNS": "400"})


def diagnosed(path, *args):
    """Return findings that are not ok, as ``level subject: message``, and all of them as they are."""
    findings = check_template(path, *args)
    return [f"{one.level} {one.subject}: {one.message}" for one in findings if one.level != "ok"], findings


@pytest.fixture
def write(tmp_path):
    def write(text, name="template.yaml"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


def line(text, part):
    return text[: text.index(part)].count("\n") + 1


def without(text, pattern):
    changed = re.sub(pattern, "", text, flags=re.MULTILINE)
    assert changed != text
    return changed


def with_resource(text, resource):
    return text + indent(dedent(resource).strip("\n"), "  ") + "\n"


# -- templates that are well -----------------------------------------------------------------------------------

EXAMPLES = [ROOT / "examples" / "deploy" / "sam" / "template.yaml", ROOT / "e2e" / "aws" / "template.yaml"]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_templates_of_the_examples_are_well(path):
    problems, findings = diagnosed(path)
    assert problems == []
    assert [one.level for one in findings] == ["ok"] * len(findings)


@pytest.mark.parametrize("text", [SAM, PLAIN], ids=["sam", "plain"])
def test_a_template_with_everything_is_well(write, text):
    problems, findings = diagnosed(write(text))
    assert problems == []
    assert [one.message for one in findings] == [
        f"template.yaml:{line(text, 'Orders:')}: is durable and can be invoked"
    ]


def test_a_template_as_json_is_read_with_its_lines(write):
    text = json.dumps(
        {
            "Resources": {
                "Orders": {
                    "Type": "AWS::Lambda::Function",
                    "Properties": {
                        "Timeout": 60,
                        "Role": {"Fn::GetAtt": ["Role", "Arn"]},
                        "DurableConfig": {"ExecutionTimeout": 0},
                    },
                },
                "Live": {"Type": "AWS::Lambda::Alias", "Properties": {"FunctionName": {"Ref": "Orders"}}},
                "Role": {
                    "Type": "AWS::IAM::Role",
                    "Properties": {
                        "ManagedPolicyArns": [
                            {"Fn::Join": ["", ["arn:", {"Ref": "AWS::Partition"}, MANAGED.removeprefix("arn:aws")]]}
                        ]
                    },
                },
            }
        },
        indent="\t",
    )
    problems, _ = diagnosed(write(text, "stack.template.json"))
    assert problems == [f"error Orders: stack.template.json:{line(text, 'ExecutionTimeout')}: ExecutionTimeout is 0"]


# -- the five mistakes -----------------------------------------------------------------------------------------

NO_CONFIG = r"^ +DurableConfig:\n +ExecutionTimeout: 600\n"
NOT_DURABLE = "has no DurableConfig, so Lambda runs it as an ordinary function"
ROLE_LACKS = [f"its role Role does not allow {name}" for name in ("lambda:CheckpointDurableExecution", "lambda:GetDur")]
BARE_ARN = "is allowed on the function's unqualified ARN, which never matches"
MAPPING = """
Queue:
  Type: AWS::Lambda::EventSourceMapping
  Properties: {FunctionName: %s}
"""
MISTAKES = {
    "sam without DurableConfig": (without(SAM, NO_CONFIG), "Orders:", [NOT_DURABLE]),
    "plain without DurableConfig": (without(PLAIN, NO_CONFIG), "Orders:", [NOT_DURABLE]),
    "sam without alias": (
        without(SAM, r"^ +AutoPublishAlias: live\n"),
        "Orders:",
        ["has no version or alias"],
    ),
    "plain without alias": (
        PLAIN[: PLAIN.index("  Version:")] + PLAIN[PLAIN.index("  Role:\n") :],
        "Orders:",
        ["has no version or alias"],
    ),
    "sam without permission": (SAM.replace("lambda:", "s3:"), "Role:\n    Type", ROLE_LACKS),
    "plain without permission": (PLAIN.replace("DurableExecutionRole", "ExecutionRole"), "Role:\n    Type", ROLE_LACKS),
    "a permission that does not exist": (
        SAM.replace("lambda:CheckpointDurableExecution", "lambda:CheckpointDurableExecutions"),
        "Role:\n    Type",
        ["it allows lambda:CheckpointDurableExecutions, which does not exist"],
    ),
    "a permission on the bare ARN": (
        SAM.replace("function:orders:*", "function:${Orders}"),
        "Resource:",
        [f"lambda:CheckpointDurableExecution {BARE_ARN}", f"lambda:GetDurableExecutionState {BARE_ARN}"],
    ),
    "sam without Timeout": (
        without(SAM, r"^ +Timeout: 60\n"),
        "Orders:",
        ["has no Timeout, and Lambda's default is 3 seconds"],
    ),
    "plain with a short Timeout": (PLAIN.replace("Timeout: 60\n", "Timeout: 30\n"), "Timeout: 30", ["Timeout is 30"]),
    "sam with too long an execution": (
        SAM.replace("ExecutionTimeout: 600", "ExecutionTimeout: 31622401"),
        "ExecutionTimeout",
        ["ExecutionTimeout is 31622401"],
    ),
    "plain with no time at all": (
        PLAIN.replace("ExecutionTimeout: 600", "ExecutionTimeout: never"),
        "ExecutionTimeout",
        ["ExecutionTimeout is never"],
    ),
    "without ExecutionTimeout": (
        PLAIN.replace("ExecutionTimeout: 600", "RetentionPeriodInDays: 7"),
        "DurableConfig",
        ["DurableConfig has no ExecutionTimeout, which Lambda requires"],
    ),
    "kept too long": (
        SAM.replace("ExecutionTimeout: 600", "ExecutionTimeout: 600\n        RetentionPeriodInDays: 91"),
        "RetentionPeriod",
        ["RetentionPeriodInDays is 91"],
    ),
    "sam with an unqualified caller": (
        with_resource(SAM, MAPPING % "!Ref Orders"),
        "FunctionName: !Ref Orders",
        ["FunctionName of Queue (AWS::Lambda::EventSourceMapping) names the function without a version or an alias"],
    ),
    "plain with an unqualified caller": (
        with_resource(PLAIN, MAPPING % "!GetAtt Orders.Arn"),
        "FunctionName: !GetAtt Orders.Arn",
        ["FunctionName of Queue (AWS::Lambda::EventSourceMapping) names the function without a version or an alias"],
    ),
    "an execution that outlasts its caller": (
        with_resource(PLAIN.replace("ExecutionTimeout: 600", "ExecutionTimeout: 86400"), MAPPING % "!Ref Live"),
        "ExecutionTimeout",
        ["is an event source mapping, which waits for the whole execution and allows 900"],
    ),
    "a runtime without durable functions": (
        SAM.replace("python3.13", "python3.12"),
        "Runtime",
        ["python3.12 has no durable functions"],
    ),
    "a version that is deleted": (
        without(PLAIN, r"^ +DeletionPolicy: Retain\n"),
        "Version:",
        ["the version Version is deleted when a new one replaces it"],
    ),
}


@pytest.mark.parametrize(("text", "where", "messages"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_found_with_its_line_and_what_to_write(write, text, where, messages):
    problems, findings = diagnosed(write(text))
    assert len(problems) == len(messages), problems
    for problem, message in zip(problems, messages, strict=True):
        assert message in problem
        assert f"template.yaml:{line(text, where)}:" in problem
    assert all(one.advice for one in findings if one.level != "ok")


CALLERS = {
    "permission": "{Type: AWS::Lambda::Permission, Properties: {FunctionName: TARGET}}",
    "rule": "{Type: AWS::Events::Rule, Properties: {Targets: [{Id: '1', Arn: TARGET}]}}",
    "schedule": "{Type: AWS::Scheduler::Schedule, Properties: {Target: {Arn: TARGET}}}",
    "topic": "{Type: AWS::SNS::Subscription, Properties: {Endpoint: TARGET}}",
    "url": "{Type: AWS::Lambda::Url, Properties: {TargetFunctionArn: TARGET}}",
    "pipe": "{Type: AWS::Pipes::Pipe, Properties: {Target: TARGET}}",
    "log": "{Type: AWS::Logs::SubscriptionFilter, Properties: {DestinationArn: TARGET}}",
}
BARE = [
    "!GetAtt Orders.Arn",
    "!Ref Orders",
    "!Sub '${Orders.Arn}'",
    "!Sub 'arn:aws:lambda:eu-west-1:1:function:${Orders}'",
]
QUALIFIED = [
    "!Ref Live",
    "!Sub '${Orders.Arn}:live'",
    "!Sub '${Orders}:live'",
    "!Join [':', [!GetAtt Orders.Arn, live]]",
]


def called(caller, targets):
    """Return a template in which each of *targets* is named by a resource of the kind of *caller*."""
    text = PLAIN
    for number, target in enumerate(targets):
        text = with_resource(text, f"Caller{number}: {caller.replace('TARGET', target)}")
    return text


@pytest.mark.parametrize("caller", CALLERS.values(), ids=CALLERS)
def test_whatever_names_the_function_without_an_alias_is_found(write, caller):
    problems, _ = diagnosed(write(called(caller, BARE)))
    assert ["names the function without a version or an alias" in one for one in problems] == [True] * len(BARE)


@pytest.mark.parametrize("caller", CALLERS.values(), ids=CALLERS)
def test_what_names_the_alias_is_well(write, caller):
    assert diagnosed(write(called(caller, QUALIFIED)))[0] == []


@pytest.mark.parametrize(("target", "errors"), [("${Orders.Arn}", 1), ("${Orders.Arn}:live", 0), ("${Live}", 0)])
def test_the_uri_of_an_api_may_hold_the_unqualified_arn(write, target, errors):
    uri = f"arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/{target}/invocations"
    method = f"{{Type: AWS::ApiGateway::Method, Properties: {{Integration: {{Uri: !Sub '{uri}'}}}}}}"
    assert len(diagnosed(write(with_resource(PLAIN, f"Get: {method}")))[0]) == errors


def test_only_the_alias_of_sam_is_called_by_its_events(write):
    text = without(SAM, r"^ +AutoPublishAlias: live\n").replace(
        "      Handler:", "      Events:\n        Poll: {Type: Schedule}\n      Handler:"
    )
    text = with_resource(text, "Live: {Type: AWS::Lambda::Alias, Properties: {FunctionName: !Ref Orders}}")
    problems, _ = diagnosed(write(text))
    assert ["the event Poll (Schedule) invokes the function without an alias" in one for one in problems] == [True]


def test_a_variable_of_another_function_that_names_it_bare_is_a_warning(write):
    other = """
    Starter:
      Type: AWS::Lambda::Function
      Properties:
        Environment: {Variables: {ORDERS: %s}}
    """
    problems, _ = diagnosed(write(with_resource(PLAIN, other % "!Ref Orders")))
    assert problems[0].startswith("warning Orders: template.yaml:")
    assert "the variable ORDERS of Starter names the function without a version or an alias" in problems[0]
    assert diagnosed(write(with_resource(PLAIN, other % "!Ref Live")))[0] == []


@pytest.mark.parametrize(("resource", "errors"), [("!GetAtt Orders.Arn", 1), ("!Sub '${Orders.Arn}:*'", 0), ("'*'", 0)])
def test_a_policy_to_invoke_it_needs_a_version(write, resource, errors):
    policy = f"""
    Policy:
      Type: AWS::IAM::ManagedPolicy
      Properties:
        PolicyDocument: {{Statement: {{Effect: Allow, Action: lambda:InvokeFunction, Resource: {resource}}}}}
    """
    problems, _ = diagnosed(write(with_resource(PLAIN, policy)))
    assert len(problems) == errors


ATTACHED = {
    "policy": "{Type: AWS::IAM::Policy, Properties: {Roles: [!Ref Role], PolicyDocument: DOCUMENT}}",
    "role policy": "{Type: AWS::IAM::RolePolicy, Properties: {RoleName: !Ref Role, PolicyDocument: DOCUMENT}}",
}


@pytest.mark.parametrize("kind", ATTACHED.values(), ids=ATTACHED)
@pytest.mark.parametrize("action", ["'lambda:*'", "['lambda:Checkpoint*', 'lambda:GetDurable*']", "'*'"])
def test_a_policy_beside_the_role_counts(write, kind, action):
    document = f"{{Statement: [{{Effect: Allow, Action: {action}, Resource: '*'}}]}}"
    text = PLAIN.replace("DurableExecutionRole", "ExecutionRole")
    assert diagnosed(write(with_resource(text, f"Policy: {kind.replace('DOCUMENT', document)}")))[0] == []


def test_a_role_from_elsewhere_is_said_not_to_be_checked(write):
    problems, findings = diagnosed(write(PLAIN.replace("!GetAtt Role.Arn", "!ImportValue role")))
    assert problems == []
    assert any("its role is not part of the template" in one.message for one in findings)


def test_the_role_that_sam_makes_is_well(write):
    assert diagnosed(write(without(SAM, r"^ +Role: .*\n")))[0] == []


def test_what_globals_say_counts_for_each_function(write):
    text = without(SAM, NO_CONFIG).replace("python3.13", "python3.13\n    DurableConfig: {ExecutionTimeout: 0}")
    assert [line(text, "DurableConfig")] == [int(one.split(":")[2]) for one in diagnosed(write(text))[0]]


def test_a_number_may_be_a_text_or_the_default_of_a_parameter(write):
    text = PLAIN.replace("Timeout: 60\n", 'Timeout: "60"\n').replace(
        "ExecutionTimeout: 600", "ExecutionTimeout: !Ref Long"
    )
    text = "Parameters:\n  Long: {Type: Number, Default: 0}\n" + text
    assert [one.endswith("ExecutionTimeout is 0") for one in diagnosed(write(text))[0]] == [True]


# -- together with the handler ---------------------------------------------------------------------------------

HANDLER = """
from datetime import timedelta
from powertools_durable import durable

def work(): ...

@durable
def handler(event, ctx):
    ctx.step(work, timeout=timedelta(minutes=2))
"""


def test_with_the_handler_its_function_must_be_the_durable_one_and_have_time_for_its_steps(write):
    target = f"{write(HANDLER, 'app.py')}:handler"

    def diagnosed(path):
        done = doctor(target, "--template", path, "--json")
        assert done.exit_code == 1
        findings = [json.loads(line) for line in done.stdout.splitlines()[:-1]]
        ours = [one for one in findings if one["subject"] in {"Orders", "App"}]
        return [f"{one['level']} {one['subject']}: {one['message']}" for one in ours]

    text = with_resource(SAM, "Other: {Type: AWS::Serverless::Function, Properties: {Handler: other.handler}}")
    assert diagnosed(write(text)) == [
        (
            f"error Orders: template.yaml:{line(text, 'Timeout')}: Timeout is 60 seconds, but the step at app.py:9 may "
            "take 120: Lambda ends the invocation before the step can"
        )
    ]
    other = SAM.replace("app.handler", "other.handler")
    other = with_resource(other, "App: {Type: AWS::Serverless::Function, Properties: {Handler: src/app.handler}}")
    assert any("App: " in one and NOT_DURABLE in one for one in diagnosed(write(other)))


def test_the_command_prints_what_is_wrong_and_what_to_write(write):
    done = doctor("--template", write(without(SAM, NO_CONFIG)))
    assert done.exit_code == 1
    first, advice, *_, last = done.stdout.splitlines()
    assert first.startswith("error")
    assert first.rstrip().endswith(NOT_DURABLE)
    assert advice.strip().startswith("-> write DurableConfig: {ExecutionTimeout: 86400")
    assert last == "1 error, no warnings"
    assert "lambda:" not in done.stdout  # the policy is that of a handler


# -- what is no template ---------------------------------------------------------------------------------------

MALFORMED = {
    "yaml": ("Resources:\n  A: [1\n", "t.yaml", r"t\.yaml:3: is not YAML: .*, column \d+"),
    "tab": ("Resources:\n\tA: 1\n", "t.yaml", r"t\.yaml:2: is not YAML: .*"),
    "json": ('{"Resources": {\n"A": 1,}}', "t.json", r"t\.json:2: is not JSON: .*, column \d+"),
    "empty": ("", "t.yaml", "is not a SAM or CloudFormation template: it has no mapping 'Resources'"),
    "a list": ("- 1\n", "t.yaml", "is not a SAM or CloudFormation template"),
    "no resources": ("Outputs: {}\n", "t.yaml", "is not a SAM or CloudFormation template"),
    "resources of another kind": ("Resources: [1]\n", "t.yaml", "is not a SAM or CloudFormation template"),
    "no function": ("Resources:\n  A: {Type: AWS::S3::Bucket}\n", "t.yaml", "has no Lambda function"),
    "a loop": ("Resources: &a\n  A: *a\n", "t.yaml", r"t\.yaml:1: an alias contains itself"),
}


@pytest.mark.parametrize(("text", "name", "message"), MALFORMED.values(), ids=MALFORMED)
def test_what_is_no_template_is_an_error_of_usage(write, text, name, message):
    done = doctor("--template", write(text, name))
    assert (done.exit_code, done.stdout) == (2, "")
    assert re.search(message, done.stderr.replace("\n", " "))


def test_a_file_that_is_not_there_and_bytes_that_are_no_text(tmp_path):
    done = doctor("--template", tmp_path / "none.yaml")
    assert done.exit_code == 2
    assert "can't be read: No such file" in done.stderr
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
    assert "it is not UTF-8 text" in doctor("--template", tmp_path / "bytes").stderr


def test_doctor_needs_something_to_look_at():
    done = doctor()
    assert done.exit_code == 2
    assert "give a TARGET" in done.stderr


def test_every_function_of_a_template_whose_parts_are_odd_is_looked_at(write):
    text = """
    Resources:
      A: {Type: AWS::Lambda::Function, Properties: [1]}
      B: {Type: AWS::Lambda::Function}
      C: 1
      D: {Type: AWS::Lambda::Function, Properties: {DurableConfig: !If [X, {ExecutionTimeout: 60}, !Ref AWS::NoValue],
         Timeout: !If [X, 60, 90], Role: !Sub ['${A}', {A: 1}]}}
      E: {Type: AWS::Lambda::Alias, Properties: 7}
      F: {Type: AWS::Events::Rule, Properties: {Targets: {Arn: [1, {a: !GetAtt [D, Arn]}]}}}
      G: {Type: AWS::IAM::Role, Properties: {Policies: !Split [',', a], ManagedPolicyArns: !Ref X}}
    """
    problems, _ = diagnosed(write(dedent(text)))
    assert [one.partition(": ")[0] for one in problems] == ["error D"]  # no version
