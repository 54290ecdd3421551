"""An execution that one SDK has begun is gone on with by the other: ours after the official one, and the other way.

Whoever runs which part of it, the result and the history are the same.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from e2e.local.histories import differences, told

HERE = Path(__file__).parent
FILES = [HERE / name for name in ("moved_business.py", "moved_theirs.py", "moved_ours.py")]
ORDER = {"id": 7, "total": "29.90"}
RECEIPT = [
    ["str", "Decimal", "datetime"],
    "30.90",
    "2026-01-02T00:00:00+00:00",
    [["CUP", "cup", None], ["POT", "pot", "on its way"], ["LID", "lid", None]],
    "no jug left",
    2,
]
MOVES = [("theirs", "ours"), ("ours", "theirs"), ("theirs", "theirs"), ("ours", "ours")]


@pytest.fixture(scope="module")
def moved(emulator, tmp_path_factory):
    """Every move's execution at its end, and its history; all run at the same time."""
    from e2e.local.function import Function

    functions, arns = [], {}
    for begun, ended in MOVES:
        folder = tmp_path_factory.mktemp("moved")
        for file in FILES:
            shutil.copy(file, folder)
        handler = f"moved_{begun}.handler"
        functions.append(Function(f"{begun}-{ended}", folder, handler, AWS_ENDPOINT_URL_LAMBDA=emulator.url))
        arns[begun, ended] = emulator.start(functions[-1], ORDER, name=f"{begun}-{ended}")
    try:
        for (_, ended), function, arn in zip(MOVES, functions, arns.values(), strict=True):
            emulator.executions.suspended(arn)
            function.deploy(f"moved_{ended}.handler")
            emulator.executions.answer(arn, "on its way")
        yield {move: (emulator.executions.end(arn), emulator.executions.history(arn)) for move, arn in arns.items()}
    finally:
        for function in functions:
            function.close()


@pytest.mark.parametrize(("begun", "ended"), MOVES)
def test_an_execution_goes_on_in_the_other_sdk_to_the_same_end(moved, begun, ended):
    execution, history = moved[begun, ended]
    assert execution["Status"] == "SUCCEEDED", execution
    assert json.loads(execution["Result"]) == RECEIPT
    _, whole = moved["theirs", "theirs"]
    ours, theirs = told(history), told(whole)
    del ours["execution"], theirs["execution"]  # the name; and JSON text with and without spaces
    assert not list(differences(ours, theirs))
