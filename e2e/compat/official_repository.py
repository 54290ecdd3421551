"""Runs the handlers and the tests of the official SDK's repository on `compat`.

Usage: ``python -m e2e.compat.official_repository REPOSITORY HARNESS [--suite NAME]... [--only conformance|examples]``

REPOSITORY is a checkout of ``aws/aws-durable-execution-sdk-python``, or its git directory; nothing of it is kept.
HARNESS is the conformance harness that ``make conformance`` uses.

The conformance handlers run unchanged on the official emulator: their imports are redirected by `compat.install`. The
example tests run with the official test runner, once on the official SDK and once with the examples' imports changed by
``python -m powertools_durable.compat``; a test that fails on both is no difference.
"""

from __future__ import annotations

import argparse
import io
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from powertools_durable.compat.__main__ import main as move

ROOT = Path(__file__).parents[2]
CONFORMANCE = "packages/aws-durable-execution-sdk-python-conformance-tests"
EXAMPLES = "packages/aws-durable-execution-sdk-python-examples"
SUITES = [
    *("step", "wait", "child", "callback", "invoke", "wait_for_callback", "wait_for_condition"),
    *("parallel", "map", "plugin"),
]
_TARGET = re.compile(r"\$\{(\w+)(?:\.Arn)?\}(?::\$LATEST)?")


class Template(yaml.SafeLoader):
    """Reads CloudFormation: of its functions only the text is wanted."""


Template.add_multi_constructor("!", lambda loader, _suffix, node: _plain(loader, node))


def _plain(loader: yaml.SafeLoader, node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return f"${{{node.value}}}" if node.tag in {"!Ref", "!GetAtt"} else node.value
    return loader.construct_object(node, deep=True)


def unpacked(repository: Path, folder: Path) -> Path:
    """Return a folder with the files of *repository*."""
    git = repository / "HEAD"
    if not git.exists() and not (repository / ".git").exists():
        return repository
    archive = subprocess.run(
        ["git", "-C", repository, "archive", "HEAD", CONFORMANCE, EXAMPLES], capture_output=True, check=True
    ).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(folder, filter="data")
    return folder


# -- conformance -----------------------------------------------------------------------------------------------------


def mapping_of(package: Path, preload: Path) -> dict[str, Any]:
    """Return the harness's mapping, read from the repository's templates."""
    targets: dict[str, Any] = {}
    requirements: dict[str, Any] = {}
    for template in sorted(package.glob("template_*.yaml")):
        for name, function in _functions(template):
            properties = function["Properties"]
            module, _, attribute = properties["Handler"].rpartition(".")
            entry: dict[str, Any] = {"handler": f"{module}:{attribute}"}
            variables = (properties.get("Environment") or {}).get("Variables") or {}
            if variables:
                entry["env"] = {key: _TARGET.sub(r"${target:\1}", str(value)) for key, value in variables.items()}
            covered = (function.get("TestingMetadata") or {}).get("TestDescription")
            if covered is None:
                targets[name] = entry if "DurableConfig" in properties else entry | {"durable": False}
            for requirement in covered or ():
                requirements[requirement] = entry
    return {
        "pythonpath": [str(package / "handlers"), str(preload.parent), str(ROOT)],
        "preload": [preload.stem],
        "targets": targets,
        "requirements": requirements,
    }


def _functions(template: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    resources = yaml.load(template.read_text(encoding="utf-8"), Template)["Resources"]
    return ((name, each) for name, each in resources.items() if each["Type"] == "AWS::Serverless::Function")


def run_conformance(checkout: Path, harness: Path, folder: Path, suites: list[str]) -> int:
    """Run the conformance handlers; print the harness's report."""
    preload = folder / "redirected.py"
    preload.write_text("import powertools_durable.compat\n\npowertools_durable.compat.install()\n", encoding="utf-8")
    mapping = folder / "mapping.yaml"
    covered = mapping_of(checkout / CONFORMANCE, preload)
    known = {file.stem for file in (harness / "requirements").rglob("*.yaml")}
    unknown = sorted(covered["requirements"].keys() - known)
    for requirement in unknown:
        del covered["requirements"][requirement]
    print(f"{len(covered['requirements'])} handlers; the harness has no requirement for {', '.join(unknown) or 'none'}")
    mapping.write_text(yaml.safe_dump(covered), encoding="utf-8")
    command = [sys.executable, "-m", "conformance", str(mapping), *(f"--suite={suite}" for suite in suites)]
    return subprocess.run(command, env=os.environ | {"PYTHONPATH": str(harness)}, check=False).returncode


# -- the example tests -----------------------------------------------------------------------------------------------


def run_examples(checkout: Path, folder: Path) -> None:
    """Run the example tests on both SDKs, and print what differs."""
    package = checkout / EXAMPLES
    official = _outcomes(package, folder)
    move([str(package / "src"), "--write"])
    ours = _outcomes(package, folder)
    for name, outcomes in (("official", official), ("compat", ours)):
        passed = sum(outcome == "PASSED" for outcome in outcomes.values())
        print(f"example tests on {name}: {passed} of {len(outcomes)} pass")
    for test in sorted(official):
        if official[test] != ours.get(test):
            print(f"  {test}: {official[test]} on the official SDK, {ours.get(test)} on compat")


def _outcomes(package: Path, folder: Path) -> dict[str, str]:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:randomly", "-q", "-rA", "--tb=line"]
    command.append("--continue-on-collection-errors")  # some need packages that are not here
    environment = os.environ | {"PYTHONPATH": f"{package}:{package / 'src'}:{ROOT}", "AWS_DEFAULT_REGION": "us-west-2"}
    run = subprocess.run(
        [*command, "--rootdir", str(package), str(package / "test")],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.findall(r"^(PASSED|FAILED|ERROR|XFAIL|XPASS) (\S+)", run.stdout, re.MULTILINE)
    return {test: outcome for outcome, test in found}


def main() -> int:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("repository", type=Path)
    parser.add_argument("harness", type=Path)
    parser.add_argument("--suite", action="append", choices=SUITES)
    parser.add_argument("--only", choices=["conformance", "examples"])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        checkout = unpacked(options.repository.resolve(), folder / "checkout")
        code = 0
        if options.only != "examples":
            code = run_conformance(checkout, options.harness.resolve(), folder, options.suite or SUITES)
        if options.only != "conformance":
            run_examples(checkout, folder)
    return code


if __name__ == "__main__":
    sys.exit(main())
