"""Writes the histories of programs that have none yet; run by hand: ``python -m tests.asynchronous.record``.

What is in ``histories.json`` was recorded on Python 3.11, and stays as it is: executions that run have such histories.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.asynchronous.place_programs import PROGRAMS, history_of
from tests.properties.events import Began
from tests.properties.trace import observe

FILE = Path(__file__).parent / "histories.json"


def recorded(name: str) -> dict[str, Any]:
    """Return all records of an execution that has done everything but answer, and its result."""
    whole = observe(PROGRAMS[name], {})
    trace = observe(PROGRAMS[name], {}, kills=[len(whole.moments) - 1])  # all of it is done again
    last = [event for event in trace.events if type(event) is Began][-1]
    result = json.loads(trace.result or "null")
    return {"arn": last.arn, "result": result, "operations": last.operations, "records": history_of(name)[1]}


def main() -> None:
    histories = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
    for name in PROGRAMS:
        if name not in histories:
            histories[name] = recorded(name)
    FILE.write_text(json.dumps(histories, indent=1, default=str) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
