"""The same programs on our twin and on the official emulator: the same status, result and history.

The emulator runs in real time behind HTTP, our twin in this process in no time. What a history may differ in: moments,
callback ids, how often the function was invoked, in which order side by side branches come, and the facts that the
stock emulator leaves out.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from e2e.local.histories import differences, told
from powertools_durable._protocol.operation import ErrorObject
from powertools_durable.testing import Simulator

PROGRAMS = Path(__file__).with_name("programs.py")
SEEDS = range(24)
End = tuple[dict[str, Any], list[dict[str, Any]]]
_STANDS_STILL = 15  # seconds; no program waits so long


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
    function, echo = (
        Function(name, folder, f"programs.{handler}", AWS_ENDPOINT_URL_LAMBDA=emulator.url)
        for name, handler in (("programs", "handler"), ("echo", "echo"))
    )
    emulator.invoke_at(echo.address)
    try:
        yield Outside(emulator, function).ends()
    finally:
        function.close()
        echo.close()


class Outside:
    """Somebody who starts the programs, answers what they ask, and waits for their ends.

    The stock emulator loses a wake-up when a timer fires just as an invocation ends. The execution then stands still
    for ever; it is begun anew.
    """

    def __init__(self, emulator: Any, function: Any) -> None:
        self._emulator, self._function = emulator, function
        self._answered: set[str] = set()
        self._arns: dict[int, str] = {}
        self._seen: dict[int, tuple[int, float]] = {}  # how many events, since when

    def ends(self, seconds: float = 90) -> dict[int, End]:
        """Return every execution at its end, and its history."""
        ended: dict[int, End] = {}
        deadline = time.monotonic() + seconds
        for seed in SEEDS:
            self._start(seed)
        while len(ended) < len(self._arns) and time.monotonic() < deadline:
            ended |= {seed: end for seed in self._arns.keys() - ended.keys() if (end := self._look(seed)) is not None}
            time.sleep(0.5)
        return ended

    def _start(self, seed: int) -> None:
        event = programs.Maker(seed).event()
        self._arns[seed] = self._emulator.start(self._function, event, name=f"program-{seed}")
        self._seen[seed] = 0, time.monotonic()

    def _look(self, seed: int) -> End | None:
        execution = self._emulator.executions.get(self._arns[seed])
        history = self._emulator.executions.history(self._arns[seed])
        if execution["Status"] != "RUNNING":
            return execution, history
        for event in history:
            if event["EventType"] == "CallbackStarted" and _asks(event["Name"]):
                self._answer(event["Name"], event["CallbackStartedDetails"]["CallbackId"])
        events, since = self._seen[seed]
        if len(history) != events:
            self._seen[seed] = len(history), time.monotonic()
        elif time.monotonic() - since > _STANDS_STILL:
            self._start(seed)
        return None

    def _answer(self, name: str, callback_id: str) -> None:
        if callback_id in self._answered:
            return
        self._answered.add(callback_id)
        client = self._emulator.executions.client
        if " yes" in name:
            client.send_durable_execution_callback_success(CallbackId=callback_id, Result=json.dumps("by all means"))
        else:
            error = {"ErrorType": "Refused", "ErrorMessage": "by no means"}
            client.send_durable_execution_callback_failure(CallbackId=callback_id, Error=error)


def _asks(name: str) -> bool:
    return name.startswith("ask ")


@pytest.mark.parametrize("seed", SEEDS)
def test_a_program_ends_the_same_on_our_twin_and_on_the_official_emulator(official, seed):
    event = programs.Maker(seed).event()
    simulator = Simulator(programs.handler, seed=seed, functions={"echo:1": programs.echo})
    run = simulator.start(event, name=f"program-{seed}")
    while run.status == "RUNNING":
        names = [record.name for record in run.operations if record.type == "CALLBACK" and record.status == "STARTED"]
        asked = next((run.callback(name) for name in names if name and _asks(name)), None)
        if asked is None:
            run.step()
        elif " yes" in repr(asked):
            asked.succeed("by all means")
        else:
            asked.fail(ErrorObject(error_type="Refused", error_message="by no means"))
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
