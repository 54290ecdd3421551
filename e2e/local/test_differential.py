"""The same programs on our twin and on the official emulator: the same status, result and history.

The emulator runs in real time behind HTTP, our twin in this process in no time. What a history may differ in: moments,
callback ids, how often the function was invoked, in which order side by side branches come, and the facts that the
stock emulator leaves out.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from e2e.local.histories import differences, told
from powertools_durable.testing import Simulator

PROGRAMS = Path(__file__).with_name("programs.py")
SEEDS = range(24)


def _as_deployed() -> ModuleType:
    """Import the programs under the name they have where they are deployed: it is part of what errors are told as."""
    spec = importlib.util.spec_from_file_location("programs", PROGRAMS)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["programs"] = module
    spec.loader.exec_module(module)
    return module


programs = _as_deployed()


@pytest.fixture(scope="module")
def official(emulator, tmp_path_factory):
    """Every program's end on the emulator; all run at the same time."""
    from e2e.local.function import Function

    folder = tmp_path_factory.mktemp("programs")
    (folder / PROGRAMS.name).write_text(PROGRAMS.read_text(encoding="utf-8"), encoding="utf-8")
    function = Function("programs", folder, "programs.handler", AWS_ENDPOINT_URL_LAMBDA=emulator.url)
    try:
        arns = {seed: emulator.start(function, programs.Maker(seed).event(), name=f"program-{seed}") for seed in SEEDS}
        yield {
            seed: (emulator.executions.end(arn, seconds=100), emulator.executions.history(arn))
            for seed, arn in arns.items()
        }
    finally:
        function.close()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_program_ends_the_same_on_our_twin_and_on_the_official_emulator(official, seed):
    event = programs.Maker(seed).event()
    run = Simulator(programs.handler, seed=seed).start(event, name=f"program-{seed}").finish()
    while run.status == "RUNNING":  # a callback times out
        run.step()
    execution, history = official[seed]
    assert (run.status, run.result) == (execution["Status"], json.loads(execution.get("Result") or "null"))
    ours, theirs = told(run.history()), told(history)
    assert not list(differences(ours, theirs))


def test_the_programs_contain_every_operation():
    used = {kind for seed in SEEDS for kind in _kinds(programs.Maker(seed).event()["program"])}
    assert used == set(programs._OPERATIONS)  # noqa: SLF001 - its own table


def _kinds(program: list[dict[str, Any]]) -> set[str]:
    found: set[str] = set()
    for operation in program:
        found.add(operation["do"])
        for inner in [operation.get("body") or [], *operation.get("branches", [])]:
            found |= _kinds(inner)
    return found
