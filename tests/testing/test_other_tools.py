"""The kit in somebody's suite: spread over processes by pytest-xdist, and measured by coverage with branches.

One project is run plainly and in each of the other ways. Every test of it notes what it came to, and coverage what it
saw of the handler: on branches' threads, in invocations that are killed, and after an exploration.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

SHOP = """
import logging
from powertools_durable import Retry, current_step, durable

log = logging.getLogger("shop")

def charge(order):
    if current_step().attempt == 1:
        raise ConnectionError("declined once")
    return order

def pack(child, item):
    if item == "gift":
        return child.step(str.upper, item, name="wrap")
    child.wait(5, name="fetch")
    return child.step(lambda: item, name="pack")

@durable
def handler(order, ctx):
    paid = ctx.step(charge, order, retry=Retry(max_attempts=2))
    log.warning("paid")
    packed = ctx.map(pack, ["gift", "book"], name="items").results
    decision = ctx.create_callback(name="approval").result()
    ctx.wait(60, name="cooling-off")
    return [paid, packed, decision]

CHARGES = 0

@durable
def careless(order, ctx):
    global CHARGES
    CHARGES += 1
    if CHARGES > 1:
        order += "again"
    ctx.wait(60, name="cooling-off")
    return ctx.step(lambda: order, name="charge")

@durable
def changed(order, ctx):
    return ctx.step(charge, order, name="collect")

def lines_after(number):
    if number:
        return 1
    return 0
"""

TESTS = """
import json, os
from pathlib import Path

import pytest
import shop
from powertools_durable.testing import Simulator, explore, replay

FOLDER = Path(os.environ["NOTES"])

@pytest.fixture
def note(request):
    def write(*seen):
        (FOLDER / f"{request.node.name}.json").write_text(json.dumps(seen, default=str))
    yield write
    assert (FOLDER / f"{request.node.name}.json").exists()

def finished(simulator, order):
    run = simulator.start(order).finish()
    return run.callback("approval").succeed("yes").finish()

def facts(run):
    names = [(one.name, one.status.value, one.attempts) for one in run.operations]
    return [run.status, run.result, run.trace_hash, len(run.invocations), names]

@pytest.mark.parametrize("order", ["a", "b"])
def test_simulator(note, order):
    note(*facts(finished(Simulator(shop.handler, seed=3), order)))

def test_simulator_fixture(note, durable_simulator):
    note(*facts(finished(durable_simulator(shop.handler, seed=3), "c")))

def test_logs_fixture(note, captured_logs):
    run = finished(Simulator(shop.handler), "d")
    note(captured_logs.messages, [line["level"] for line in captured_logs], [one.getMessage() for one in run.logs])

def test_traces_fixture(note, xray_segments):
    from aws_lambda_powertools import Tracer
    from powertools_durable import durable
    tracer = Tracer(service="shop", auto_patch=False)
    handler = tracer.capture_lambda_handler(capture_response=False)(durable(tracer=tracer)(shop.handler.__wrapped__))
    run = finished(Simulator(handler), "e")
    note(run.status, sorted(document["name"] for document in xray_segments))

@pytest.mark.parametrize("handler", ["handler", "careless"])
def test_explore(note, handler):
    found = explore(getattr(shop, handler), "f", callbacks={"approval": "yes"}, most=8)
    note(found.runs, [str(point) for point in found.crash_points], bool(found.failures), found.report())

def test_after_an_exploration(note):
    explore(shop.careless, "g")
    note([shop.lines_after(number) for number in (0, 1)])

@pytest.mark.parametrize("handler", ["handler", "changed"])
def test_replay(note, handler):
    history = {"Events": json.loads(json.dumps(finished(Simulator(shop.handler), "h").history(), default=str))}
    verdict = replay(getattr(shop, handler), history)
    note(verdict.status, verdict.replayed, verdict.operation, verdict.reason)
"""

COVERAGE = ["--cov=shop", "--cov-branch", "--cov-report=json"]
AROUND = ["coverage", "run", "--branch", "--include=*/shop.py", "-m"]
WAYS = {
    "xdist": ([], ["-n", "2"]),
    "coverage": ([], COVERAGE),
    "coverage in Python": ([], COVERAGE),
    "coverage under xdist": ([], ["-n", "2", *COVERAGE]),
    "coverage around pytest": (AROUND, []),
}


def run_project(folder, way, before=(), options=()):
    """Run the project in one way; return what its tests noted."""
    notes = folder / "notes"
    notes.mkdir()
    (folder / "shop.py").write_text(SHOP)
    (folder / "test_shop.py").write_text(TESTS)
    plugins = "-p powertools_durable.testing.pytest_plugin -p xdist -p pytest_cov"
    outer = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV"))}
    environment = outer | {
        "COVERAGE_CORE": "pytrace" if way == "coverage in Python" else "ctrace",
        "NOTES": str(notes),
        "PYTHONPATH": f"{ROOT}:{folder}",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTEST_ADDOPTS": f"{plugins} -W error --rootdir={folder} -c {os.devnull}",
    }
    line = [sys.executable, "-m", *before, "pytest", *options]
    ran = subprocess.run(line, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert "10 passed" in ran.stdout, ran
    return {path.stem: json.loads(path.read_text().replace(str(folder), ".")) for path in notes.iterdir()}


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return run_project(tmp_path_factory.mktemp("plainly"), "plainly")


@pytest.mark.slow
@pytest.mark.xray
def test_the_project_tries_what_it_is_meant_to_try(plain):
    assert plain["test_simulator[a]"][:2] == ["SUCCEEDED", ["a", ["GIFT", "book"], '"yes"']]
    assert plain["test_logs_fixture"][0][1:] == ["paid"]
    assert "## step charge" in plain["test_traces_fixture"][1]
    assert [plain[f"test_explore[{one}]"][2] for one in ("handler", "careless")] == [False, True]
    assert [plain[f"test_replay[{one}]"][0] for one in ("handler", "changed")] == ["SAFE", "BREAKS"]


@pytest.mark.slow
@pytest.mark.xray
@pytest.mark.parametrize("way", WAYS)
def test_the_kit_comes_to_the_same_in_each_way_to_run_a_suite(plain, tmp_path, way):
    assert run_project(tmp_path, way, *WAYS[way]) == plain
    if way == "xdist":
        return
    if way == "coverage around pytest":
        subprocess.run([sys.executable, "-m", "coverage", "json"], cwd=tmp_path, check=True, timeout=60)
    (measured,) = json.loads((tmp_path / "coverage.json").read_text())["files"].values()
    assert (measured["missing_lines"], measured["missing_branches"]) == ([], [])
    assert measured["summary"]["covered_branches"] == 8
