"""``powertools-durable gate`` on 200 executions of the official emulator: none is falsely safe."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from e2e.local.function import DUMMY_ACCOUNT, ROOT

HERE = Path(__file__).parent
CODE = (HERE / "gated.py").read_text(encoding="utf-8")
COUNT, STAGES = 200, 6

# A change of code, and the stages whose executions have recorded something else. Others can go on.
NOBODY = range(0)


def since(stage):
    return range(stage, STAGES + 1)


CHANGES = {
    "none": ("", "", NOBODY),
    "first step renamed": ("ctx.step(reserve, order)", 'ctx.step(reserve, order, name="book")', since(1)),
    "step renamed": ("ctx.step(charge, order)", 'ctx.step(charge, order, name="pay")', since(2)),
    "step left out": ("    ctx.step(charge, order)\n", "", since(2)),
    "step became a wait": ("ctx.step(charge, order)", 'ctx.wait(5, name="charge")', since(2)),
    "steps changed places": (
        "    ctx.step(reserve, order)\n    hold(1)\n    ctx.step(charge, order)\n",
        "    ctx.step(charge, order)\n    hold(1)\n    ctx.step(reserve, order)\n",
        since(1),
    ),
    "step added": ("    hold(3)\n", "    ctx.step(box, order)\n    hold(3)\n", since(3)),
    "context left out": ("ctx.run_in_child_context(pack, order)", "ctx.step(pack, order)", since(3)),
    "map renamed": ('name="parts"', 'name="pieces"', since(4)),
    "map became flat": ('[1, 2], name="parts"', '[1, 2], name="parts", nesting="FLAT"', NOBODY),
    "parallel left out": ('name="labels")\n', 'name="labels") if not order else None\n', since(5)),
    "wait renamed": ('name="hold"', 'name="rest"', range(1, STAGES)),
    "callback renamed": ('name="approval"', 'name="consent"', since(6)),
    "ended context changed": ("ctx.step(box, order)\n\n", 'ctx.step(box, order, name="carton")\n\n', NOBODY),
    "body changed": ('"paid": order["stop"]', '"paid": 0', NOBODY),
    "patched": (
        "ctx.step(charge, order)",
        'ctx.step(charge, order, name="pay" if ctx.patched("pay") else "charge")',
        NOBODY,
    ),
}


def stage(name):
    return int(name.partition("-")[2]) % STAGES + 1


@pytest.fixture(scope="module")
def waiting(tmp_path_factory):
    """Leave 200 executions where they wait, and yield the emulator's address."""
    from e2e.local.emulator import Emulator
    from e2e.local.function import Function

    folder = tmp_path_factory.mktemp("gated")
    (folder / "gated.py").write_text(CODE, encoding="utf-8")
    emulator = Emulator(folder / "emulator.log")
    function = Function("order", folder, "gated.handler", AWS_ENDPOINT_URL_LAMBDA=emulator.url)
    try:
        arns = [
            emulator.start(function, {"stop": stage(f"order-{number}")}, name=f"order-{number}", seconds=3600)
            for number in range(COUNT)
        ]
        deadline = time.monotonic() + 240
        for arn in arns:
            emulator.executions.suspended(arn, max(1, deadline - time.monotonic()))
        yield emulator.url
    finally:
        function.close()
        emulator.close()


@pytest.mark.parametrize("change", CHANGES)
def test_only_executions_that_passed_the_change_are_broken(waiting, change, tmp_path):
    before, after, broken = CHANGES[change]
    assert before in CODE
    (tmp_path / "gated.py").write_text(CODE.replace(before, after, 1) if before else CODE, encoding="utf-8")
    environment = DUMMY_ACCOUNT | {
        "AWS_ENDPOINT_URL_LAMBDA": waiting,
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
    }
    words = ["gate", "gated.py:handler", "--aws", "--function", "order", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "powertools_durable", *words],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.stdout, done.stderr
    *verdicts, all_ = map(json.loads, done.stdout.splitlines())
    expected = {
        f"order-{number}": "broken" if stage(f"order-{number}") in broken else "safe" for number in range(COUNT)
    }
    assert {one["name"]: one["verdict"] for one in verdicts} == expected
    assert (all_["unknown"], all_["ended"]) == (0, 0)
    assert done.returncode == (1 if broken else 0)
