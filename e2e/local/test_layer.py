"""The layer that `make layer` builds: the same whenever it is built, and all of the package that a function needs."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from e2e.local.function import ROOT, Function

DEPLOY = ROOT / "examples" / "deploy"
EVENT = json.loads((DEPLOY / "event.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def layers(tmp_path_factory):
    """Build the layer twice."""
    folder = tmp_path_factory.mktemp("layer")
    layers = [folder / "first.zip", folder / "second.zip"]
    for layer in layers:
        subprocess.run(
            ["make", "--silent", "layer", f"VENV={sys.prefix}", f"LAYER={layer}"],
            cwd=ROOT,
            check=True,
            env={name: value for name, value in os.environ.items() if not name.startswith("MAKE")},
        )
    return layers


def test_two_builds_are_the_same(layers):
    first, second = (hashlib.sha256(layer.read_bytes()).hexdigest() for layer in layers)
    assert first == second


def test_it_holds_the_package_and_nothing_else(layers):
    with zipfile.ZipFile(layers[0]) as layer:
        names = layer.namelist()
        entries = {Path(name).parts[:2] for name in names}
    assert {folder for folder, _ in entries} == {"python"}
    assert sorted(name.partition("-")[0] for _, name in entries) == ["powertools_durable", "powertools_durable"]
    package = ROOT / "powertools_durable"
    files = {f"python/{path.relative_to(ROOT)}" for path in package.rglob("*") if path.suffix in {".py", ".typed"}}
    assert files <= set(names)


def test_a_function_with_the_layer_finishes_an_execution_on_lambdas_own_runtime(layers, emulator, tmp_path):
    task, opt = tmp_path / "task", tmp_path / "opt"
    shutil.copytree(DEPLOY / "src", task)
    (task / "entry.py").write_text(
        "import powertools_durable\nfrom app import handler\nprint('imported', powertools_durable.__file__)\n"
    )
    with zipfile.ZipFile(layers[0]) as layer:
        layer.extractall(opt)
    function = Function(
        "orders",
        task,
        "entry.handler",
        PYTHONPATH=str(opt / "python"),  # where Lambda puts layers on the path; nothing of this repository is on it
        AWS_ENDPOINT_URL_LAMBDA=emulator.url,
        POWERTOOLS_TRACE_DISABLED="true",
    )
    try:
        arn = emulator.start(function, EVENT, "layer-42")
        emulator.executions.answer(arn, json.dumps({"approved": True, "by": "ada"}))
        execution = emulator.executions.end(arn)
    finally:
        function.close()
    assert execution["Status"] == "SUCCEEDED", function.log
    assert json.loads(execution["Result"])["parcel"] == "parcel-42"
    assert f"imported {opt}/python/powertools_durable/__init__.py" in function.log
