"""Each kind of deployment turned into what it deploys."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

NODE = Path(sys.prefix) / "node_modules" / ".bin"


def sam(template: Path) -> dict[str, Any]:
    """Return the CloudFormation template that SAM makes of *template*."""
    from samtranslator.translator.managed_policy_translator import ManagedPolicyLoader
    from samtranslator.translator.transform import transform
    from samtranslator.yaml_helper import yaml_parse

    source = yaml_parse(template.read_text(encoding="utf-8"))
    for resource in source["Resources"].values():  # what `sam package` writes after an upload
        for name in {"CodeUri", "ContentUri"} & set(resource["Properties"]):
            resource["Properties"][name] = "s3://bucket/key"
    loader = ManagedPolicyLoader(iam_client=None)
    loader._policy_map = {}  # noqa: SLF001 - no template names one, and AWS is not asked for them
    translated: dict[str, Any] = transform(source, {}, loader)
    return translated


def cdk(folder: Path) -> Path:
    """Return the file with the template that the CDK app writes; by the CDK's command line if npm had it."""
    output = folder / "cdk.out"
    environment = os.environ | {
        "CDK_OUTDIR": str(output),
        "JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION": "1",
        "JSII_SILENCE_WARNING_DEPRECATED_NODE_VERSION": "1",
        "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "1",
    }
    command = [sys.executable, "app.py"]
    if (NODE / "cdk").exists():
        app = f"{sys.executable} app.py"
        command = [str(NODE / "cdk"), "synth", "--quiet", "--no-notices", "--app", app, "--output", str(output)]
    subprocess.run(command, cwd=folder, check=True, env=environment)
    (template,) = output.glob("*.template.json")
    return template


def terraform(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the blocks of main.tf: ``resource aws_lambda_function.orders`` and its body, and so on."""
    import hcl2

    with (folder / "main.tf").open(encoding="utf-8") as file:
        source = hcl2.load(file)
    blocks = {}
    for kind in ("resource", "data"):
        for block in source[kind]:
            for type_, named in _own(block):
                for name, body in _own(named):
                    blocks[f"{kind} {type_}.{name}"] = dict(_own(body))
    return blocks


def plain(value: Any) -> Any:
    """Return a value of Terraform without quotes, and a block that may be repeated as itself if it is there once."""
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict):
        return {name: plain(one) for name, one in _own(value[0])}
    if isinstance(value, list):
        return [plain(one) for one in value]
    return value.strip('"') if isinstance(value, str) else value


def _own(block: dict[str, Any]) -> list[tuple[str, Any]]:
    """Return the entries of a block without those that the parser adds: its lines and comments."""
    return [(name.strip('"'), value) for name, value in block.items() if not name.startswith("__")]


def commands(script: Path, folder: Path) -> list[list[str]]:
    """Run a script with an ``aws`` that does nothing but write down its arguments; return those."""
    log = folder / f"{script.stem}.jsonl"
    tool = folder / "aws"
    tool.write_text(
        f"#!{sys.executable}\nimport json, sys\n"
        f"with open({str(log)!r}, 'a') as log:\n    print(json.dumps(sys.argv[1:]), file=log)\n"
        "print('arn:aws:iam::123456789012:role/orders' if 'Role.Arn' in sys.argv else '123456789012')\n"
    )
    tool.chmod(0o755)
    path = f"{folder}:{os.environ['PATH']}"
    environment = {"PATH": path, "AWS_REGION": "eu-west-1", "ROLE_DELAY": "0"}
    subprocess.run([str(script)], check=True, env=environment, capture_output=True)
    return [json.loads(line) for line in log.read_text().splitlines()]
