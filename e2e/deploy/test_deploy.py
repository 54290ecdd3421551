"""Each way to deploy says what AWS takes, passes its own tools, and deploys the same function."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from e2e.deploy.kinds import cdk, commands, plain, sam, terraform
from powertools_durable.cli.diagnosis.templates.checks import check_template

SAME = {
    "handler": "app.handler",
    "runtime": "python3.13",
    "architecture": "arm64",
    "memory": 512,
    "timeout": 60,
    "execution": 259_200,
    "retention": 14,
    "tracing": "Active",
    "logs": {"format": "JSON", "application": "INFO", "system": "INFO"},
    "variables": {"POWERTOOLS_SERVICE_NAME": "orders"},
    "layers": 2,
}


@pytest.fixture(scope="session")
def cdk_template(deploy):
    return cdk(deploy / "cdk")


@pytest.fixture(scope="session")
def created(deploy, tmp_path_factory):
    return commands(deploy / "cli" / "create.sh", tmp_path_factory.mktemp("aws"))


def lint(*arguments):
    command = "import sys; from cfnlint.runner import main; sys.argv[0] = 'cfn-lint'; main()"
    done = subprocess.run([sys.executable, "-c", command, *arguments], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def of_cloudformation(template, parameters):
    (function,) = [
        one["Properties"]
        for one in template["Resources"].values()
        if one["Type"] == "AWS::Lambda::Function" and "DurableConfig" in one["Properties"]
    ]
    (architecture,) = function["Architectures"]
    logs = function["LoggingConfig"]
    return {
        "handler": function["Handler"],
        "runtime": function["Runtime"],
        "architecture": parameters.get(architecture["Ref"]) if isinstance(architecture, dict) else architecture,
        "memory": function["MemorySize"],
        "timeout": function["Timeout"],
        "execution": function["DurableConfig"]["ExecutionTimeout"],
        "retention": function["DurableConfig"]["RetentionPeriodInDays"],
        "tracing": function["TracingConfig"]["Mode"],
        "logs": {
            "format": logs["LogFormat"],
            "application": logs["ApplicationLogLevel"],
            "system": logs["SystemLogLevel"],
        },
        "variables": function["Environment"]["Variables"],
        "layers": len(function["Layers"]),
    }


def resources(template, kind):
    return [one for one in template["Resources"].values() if one["Type"] == kind]


# -- SAM -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["sam", "events"])
def test_cfn_lint_has_nothing_to_say_of_the_sam_templates(deploy, name):
    lint(str(deploy / name / "template.yaml"))


def test_sam_makes_a_version_that_stays_and_an_alias(deploy):
    template = sam(deploy / "sam" / "template.yaml")
    assert of_cloudformation(template, {"Architecture": "arm64"}) == SAME
    assert [one["Properties"]["Name"] for one in resources(template, "AWS::Lambda::Alias")] == ["live"]
    assert [one["DeletionPolicy"] for one in resources(template, "AWS::Lambda::Version")] == ["Retain"]


def test_doctor_finds_nothing_in_what_sam_makes(deploy, tmp_path):
    made = tmp_path / "made.json"
    made.write_text(json.dumps(sam(deploy / "sam" / "template.yaml"), indent=1))
    found = [one.message for one in check_template(made) if one.level != "ok"]
    assert [one for one in found if "is deleted when a new one replaces it" not in one] == []


# -- CDK -------------------------------------------------------------------------------------------------------


def test_cfn_lint_and_doctor_have_nothing_to_say_of_the_cdk_template(cdk_template):
    lint("--ignore-checks", "W3005", "--", str(cdk_template))  # W3005: the CDK repeats dependencies
    assert [one.message for one in check_template(cdk_template) if one.level != "ok"] == []


def test_the_cdk_makes_a_version_that_stays_and_an_alias(cdk_template):
    template = json.loads(cdk_template.read_text(encoding="utf-8"))
    assert of_cloudformation(template, {}) == SAME
    assert [one["Properties"]["Name"] for one in resources(template, "AWS::Lambda::Alias")] == ["live"]
    (version,) = resources(template, "AWS::Lambda::Version")
    assert (version["DeletionPolicy"], version["UpdateReplacePolicy"]) == ("Retain", "Retain")
    (role,) = resources(template, "AWS::IAM::Role")
    assert "ManagedPolicyArns" not in role["Properties"]  # nothing but what it needs


# -- Terraform -------------------------------------------------------------------------------------------------

# Arguments of the provider hashicorp/aws 6 and hashicorp/archive 2 that the example may use, by its documentation
# as of November 2026: https://registry.terraform.io/providers/hashicorp/aws/latest/docs
DOCUMENTED = {
    "aws_caller_identity": set(),
    "aws_partition": set(),
    "aws_region": {"name", "region"},
    "archive_file": {"type", "source_dir", "source_file", "output_path", "excludes", "output_file_mode"},
    "aws_lambda_layer_version": {
        *("layer_name", "filename", "s3_bucket", "s3_key", "s3_object_version", "source_code_hash", "skip_destroy"),
        *("compatible_architectures", "compatible_runtimes", "description", "license_info", "region"),
    },
    "aws_lambda_function": {
        *("architectures", "capacity_provider_config", "code_sha256", "code_signing_config_arn", "dead_letter_config"),
        *("description", "durable_config", "environment", "ephemeral_storage", "file_system_config", "filename"),
        *("function_name", "handler", "image_config", "image_uri", "kms_key_arn", "layers", "logging_config"),
        *("memory_size", "package_type", "publish", "publish_to", "region", "replace_security_groups_on_destroy"),
        *("replacement_security_group_ids", "reserved_concurrent_executions", "role", "runtime", "s3_bucket", "s3_key"),
        *("s3_object_version", "skip_destroy", "snap_start", "source_code_hash", "source_kms_key_arn", "tags"),
        *("tenancy_config", "timeout", "tracing_config", "vpc_config"),
    },
    "aws_lambda_function.durable_config": {"execution_timeout", "retention_period"},
    "aws_lambda_function.environment": {"variables"},
    "aws_lambda_function.logging_config": {"application_log_level", "log_format", "log_group", "system_log_level"},
    "aws_lambda_function.tracing_config": {"mode"},
    "aws_lambda_alias": {"name", "description", "function_name", "function_version", "routing_config", "region"},
    "aws_cloudwatch_log_group": {
        *(
            "name",
            "name_prefix",
            "skip_destroy",
            "log_group_class",
            "retention_in_days",
            "kms_key_id",
            "tags",
            "region",
        ),
        "deletion_protection_enabled",
    },
    "aws_iam_policy_document": {
        *("override_policy_documents", "policy_id", "source_policy_documents", "statement", "version")
    },
    "aws_iam_policy_document.statement": {
        *("actions", "condition", "effect", "not_actions", "not_principals", "not_resources", "principals"),
        *("resources", "sid"),
    },
    "aws_iam_policy_document.statement.principals": {"type", "identifiers"},
    "aws_iam_role": {
        *("assume_role_policy", "description", "force_detach_policies", "max_session_duration", "name", "name_prefix"),
        *("path", "permissions_boundary", "tags"),
    },
    "aws_iam_role_policy": {"name", "name_prefix", "policy", "role"},
}
META = {"count", "depends_on", "for_each", "lifecycle", "provider"}


def undocumented(path, body):
    yield from (f"{path}.{name}" for name in set(body) - DOCUMENTED[path] - META)
    for name, value in body.items():
        for block in value if isinstance(value, list) else []:
            if isinstance(block, dict):
                own = {key.strip('"'): one for key, one in block.items() if not key.startswith("__")}
                yield from undocumented(f"{path}.{name}", own)


def test_terraform_uses_documented_arguments_only(deploy):
    blocks = terraform(deploy / "terraform")
    wrong = [one for name, body in blocks.items() for one in undocumented(name.split()[1].partition(".")[0], body)]
    assert wrong == []
    assert [*undocumented("aws_lambda_function", {"durable_configuration": []})] != []  # the check can fail


def test_terraform_deploys_the_same(deploy):
    blocks = terraform(deploy / "terraform")
    function = {name: plain(value) for name, value in blocks["resource aws_lambda_function.orders"].items()}
    logs = function["logging_config"]
    assert {
        "handler": function["handler"],
        "runtime": function["runtime"],
        "architecture": "arm64" if "var.architecture" in str(function["architectures"]) else "",
        "memory": function["memory_size"],
        "timeout": function["timeout"],
        "execution": function["durable_config"]["execution_timeout"],
        "retention": function["durable_config"]["retention_period"],
        "tracing": function["tracing_config"]["mode"],
        "logs": {
            "format": logs["log_format"],
            "application": logs["application_log_level"],
            "system": logs["system_log_level"],
        },
        "variables": {name: plain(value) for name, value in function["environment"]["variables"].items()},
        "layers": len(function["layers"]),
    } == SAME
    assert function["publish"] is True
    assert plain(blocks["resource aws_lambda_alias.live"]["name"]) == "live"
    policy = str(blocks["data aws_iam_policy_document.orders"])
    assert "lambda:CheckpointDurableExecution" in policy
    assert "${local.function}:*" in policy


def test_terraform_formats_it_so(deploy):
    if shutil.which("terraform") is None:
        pytest.skip("terraform is not installed")
    folder = deploy / "terraform"
    done = subprocess.run(["terraform", "fmt", "-check", "-diff", str(folder)], check=False, capture_output=True)
    assert done.returncode == 0, done.stdout.decode()


# -- AWS CLI ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("script", ["create", "update", "delete"])
def test_the_aws_cli_takes_every_command(deploy, script, tmp_path, monkeypatch, capsys):
    from awscli.clidriver import create_clidriver

    folder = deploy / "cli"
    ran = commands(folder / f"{script}.sh", tmp_path)
    monkeypatch.chdir(folder)
    for command in ran:
        if command[1] == "wait":
            assert command[2] in {"function-active-v2", "function-updated-v2"}
            continue
        driver = create_clidriver()
        # Parsed, checked against the service's model, and then answered here instead of sent.
        driver.session.register("before-call", lambda **_: (SimpleNamespace(status_code=200), {}))
        assert driver.main(command) == 0, (command, capsys.readouterr().err)
    assert len(ran) >= 4


def test_the_aws_cli_deploys_the_same(created):
    (create,) = [command for command in created if command[:2] == ["lambda", "create-function"]]
    options = {}
    for word in create[2:]:
        if word.startswith("--"):
            name = word
            options[name] = []
        else:
            options[name].append(word)
    durable, logs = (
        dict(part.split("=") for part in options[name][0].split(","))
        for name in ("--durable-config", "--logging-config")
    )
    assert {
        "handler": options["--handler"][0],
        "runtime": options["--runtime"][0],
        "architecture": options["--architectures"][0],
        "memory": int(options["--memory-size"][0]),
        "timeout": int(options["--timeout"][0]),
        "execution": int(durable["ExecutionTimeout"]),
        "retention": int(durable["RetentionPeriodInDays"]),
        "tracing": options["--tracing-config"][0].partition("=")[2],
        "logs": {
            "format": logs["LogFormat"],
            "application": logs["ApplicationLogLevel"],
            "system": logs["SystemLogLevel"],
        },
        "variables": dict([options["--environment"][0].removeprefix("Variables={").removesuffix("}").split("=")]),
        "layers": len(options["--layers"]),
    } == SAME
    assert ["lambda", "create-alias"] in [command[:2] for command in created]


def test_the_policy_of_the_aws_cli_is_filled_in(created):
    (put,) = [command for command in created if command[:2] == ["iam", "put-role-policy"]]
    document = json.loads(put[put.index("--policy-document") + 1])
    first = document["Statement"][0]
    assert first["Resource"] == "arn:aws:lambda:eu-west-1:123456789012:function:durable-orders:*"
    assert first["Action"] == ["lambda:CheckpointDurableExecution", "lambda:GetDurableExecutionState"]
    assert not any(word in json.dumps(document) for word in ("REGION", "ACCOUNT", "NAME"))


def test_every_kind_is_here(deploy):
    kinds = {path.name for path in Path(deploy).iterdir() if path.is_dir()}
    assert kinds == {"cdk", "cli", "events", "sam", "src", "terraform"}
