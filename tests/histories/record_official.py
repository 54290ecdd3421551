"""Records what the official SDK's handlers do on its emulator: ``python -m tests.histories.record_official [NAME]...``.

Needs the dependency group ``e2e`` (the emulator brings the SDK with it), takes a minute, and writes what is not there
yet. Waits are real, so handlers whose histories still run are left where they wait.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from e2e.local.emulator import Emulator
from e2e.local.function import Function, Server
from tests.histories.record import write

HERE = Path(__file__).parent
HANDLERS = HERE / "official_handlers.py"
SECONDS = 60

Answer = Callable[[Any, str], object]


@dataclass(frozen=True)
class Recording:
    """What a handler is given, who answers its callback, and when its history is taken."""

    event: Any = None
    answer: Answer | None = None
    until: str = "Execution"  # the beginning of the last event's type

    def is_over(self, history: list[dict[str, Any]]) -> bool:
        last = history[-1]["EventType"] if history else ""
        return last.startswith(self.until) and last != "ExecutionStarted"


def says(text: str) -> Answer:
    return lambda client, callback_id: client.send_durable_execution_callback_success(
        CallbackId=callback_id, Result=text
    )


def refuses(client: Any, callback_id: str) -> object:
    error = {"ErrorType": "Refused", "ErrorMessage": "not approved"}
    return client.send_durable_execution_callback_failure(CallbackId=callback_id, Error=error)


ORDER = {"id": 7, "total": 30}
RUNNING = "InvocationCompleted"

RECORDINGS = {
    "steps": Recording(ORDER),
    "step_values": Recording(),
    "step_retried": Recording(),
    "step_retry_running": Recording(until=RUNNING),
    "step_running": Recording(until="StepStarted"),
    "step_failed_and_caught": Recording(),
    "execution_failed": Recording(ORDER),
    "step_at_most_once": Recording(),
    "step_interrupted": Recording(),
    "waits": Recording(),
    "wait_running": Recording(ORDER, until=RUNNING),
    "condition": Recording(),
    "condition_exhausted": Recording(),
    "condition_running": Recording(until=RUNNING),
    "callback": Recording(answer=says('{"approved": true}')),
    "callback_failed": Recording(answer=refuses),
    "callback_timed_out": Recording(),
    "callback_running": Recording(until=RUNNING),
    "asked": Recording(answer=says("yes")),
    "asked_unnamed": Recording(answer=says('"yes"')),
    "asked_in_vain": Recording(),
    "asked_running": Recording(until=RUNNING),
    "invoke": Recording({"n": 4}),
    "invoke_failed": Recording(),
    "invoke_of_nothing": Recording(),
    "invoke_running": Recording(until=RUNNING),
    "child": Recording(),
    "child_nested": Recording(),
    "child_failed": Recording(),
    "child_running": Recording(until=RUNNING),
    "child_large": Recording(),
    "child_large_running": Recording(until=RUNNING),
    "child_virtual": Recording(),
    "retried_together": Recording(),
    "mapped": Recording([0, 1, 2]),
    "mapped_flat": Recording([0, 1, 2]),
    "mapped_early": Recording([1, 0, 2, 3]),
    "mapped_with_failures": Recording([0, 1, 2]),
    "mapped_in_vain": Recording([1, 0, 2]),
    "mapped_large": Recording([1, 2, 3]),
    "mapped_large_early": Recording([1, 0, 2], until=RUNNING),
    "mapped_nothing": Recording(),
    "mapped_in_map": Recording([[0, 1], [0]]),
    "parallel": Recording(),
    "parallel_first": Recording(),
    "parallel_running": Recording(until=RUNNING),
    "order_flow": Recording(ORDER, answer=says("yes")),
}
FUNCTIONS = {"stock": {"DurableConfig": {}}}


class Account(Server):
    """The functions of an account; those that others invoke are found by their name."""

    def __init__(self, emulator: Emulator, folder: Path) -> None:
        super().__init__()
        self._emulator, self._folder = emulator, folder
        self._functions: dict[str, Function] = {}

    def function(self, name: str) -> Function:
        if name not in self._functions:
            folder = self._folder / name
            folder.mkdir()
            shutil.copy(HANDLERS, folder)
            handler = f"{HANDLERS.stem}.{name}"
            self._functions[name] = Function(name, folder, handler, AWS_ENDPOINT_URL_LAMBDA=self._emulator.url)
        return self._functions[name]

    def answer(self, path: str, body: bytes, headers: Any) -> tuple[int, dict[str, str], bytes]:
        target = re.search(r"/functions/([\w-]+)", path)
        assert target is not None
        return self.function(target[1]).answer(path, body, headers)

    def close(self) -> None:
        for function in self._functions.values():
            function.close()
        super().close()


@contextmanager
def running(functions: dict[str, Any]) -> Iterator[tuple[Emulator, Account]]:
    with tempfile.TemporaryDirectory() as folder:
        emulator = Emulator(Path(folder) / "emulator.log", functions=functions)
        account = Account(emulator, Path(folder))
        emulator.invoke_at(account.address)
        try:
            yield emulator, account
        finally:
            account.close()
            emulator.close()


def record(emulator: Emulator, account: Account, name: str) -> list[dict[str, Any]]:
    recording = RECORDINGS[name]
    function = account.function(name)
    arn = emulator.start(function, recording.event, name=name.replace("_", "-"))
    if recording.answer is not None:
        emulator.executions.answer(arn, recording.answer)
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        history = emulator.executions.history(arn)
        if recording.is_over(history):
            if recording.until != RUNNING:
                return history
            time.sleep(1.5)  # nothing more comes
            if emulator.executions.history(arn) == history:
                return history
        time.sleep(0.2)
    raise TimeoutError(f"{name} has not come to {recording.until} after {SECONDS} s")


def as_printed(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what ``aws lambda get-durable-execution-history`` prints."""

    def text(value: object) -> str:
        assert isinstance(value, datetime)
        return value.isoformat()

    printed: list[dict[str, Any]] = json.loads(json.dumps(events, default=text))
    return printed


def main(names: list[str]) -> None:
    todo = [
        name
        for name in RECORDINGS
        if name in names or (not names and not (HERE / "official" / f"{name}.json").exists())
    ]
    with running(FUNCTIONS) as (emulator, account):
        for name in todo:
            events = as_printed(record(emulator, account, name))
            arn = (
                f"arn:aws:lambda:us-west-2:123456789012:function:{name}:1/durable-execution/{name.replace('_', '-')}/0"
            )
            write("official", name, arn, events)
            print(f"{name}: {len(events)} events, {events[-1]['EventType']}")  # noqa: T201 - what the command is for


if __name__ == "__main__":
    main(sys.argv[1:])
