"""examples/powertools/tracer.py, each time in a process of its own: a Tracer patches the process it is made in."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAIN = "from powertools_durable.cli.main import main; main()"


@pytest.fixture
def run(tmp_path):
    """Run a handler of the example as its first lines say, and return the names that X-Ray is sent, by invocation."""

    def runs(handler):
        words = ["run", f"examples/powertools/tracer.py:{handler}", "--event", '{"id": "42"}', "--skip-time", "--trace"]
        done = subprocess.run(
            [sys.executable, "-c", MAIN, *words, "--store", str(tmp_path / "store.sqlite")],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        told = [json.loads(line) for line in done.stdout.splitlines()]
        assert told[-1]["status"] == "SUCCEEDED"
        return [
            {document["name"]: document for document in line["documents"]}
            for line in told
            if line.get("event") == "Trace"
        ]

    return runs


@pytest.mark.slow
def test_each_invocation_of_the_order_has_a_tree_of_its_own(run):
    first, second, third = run("handler")
    above = {"## handler", "## durable"}
    method = "## tracer.charge"
    assert first.keys() == above | {"## step charge", method, "## wait cooling-off"}
    assert first[method]["annotations"] == {"OrderId": "42"}
    assert first[method]["parent_id"] == first["## step charge"]["id"]
    deliver = {"## replay", "## parallel deliver"}
    parcel, letter = "## context parcel", "## context letter"
    assert second.keys() == above | deliver | {parcel, letter, "## step hand-over", "## wait business-hours"}
    assert third.keys() == above | deliver | {letter, "## step send"}
    assert not any(one.get("fault") or one.get("error") for tree in (first, second, third) for one in tree.values())


@pytest.mark.slow
def test_a_summary_has_the_invocation_and_what_the_handler_traces_itself(run):
    first, second = run("frugal")
    assert first.keys() == second.keys() == {"## durable", "## approval"}
    assert first["## approval"]["metadata"] == {"powertools_durable": {"suspended": True}}


@pytest.mark.slow
def test_the_test_that_is_shown_passes():
    plugin = "powertools_durable.testing.pytest_plugin"  # the entry point may not be installed
    words = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", plugin, "examples/powertools/test_tracer.py"]
    done = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout
