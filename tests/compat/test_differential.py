"""The same handlers on the official SDK and on ours: status, result, error and history are equal.

Then with the two SDKs taking turns: each invocation of an execution is made by the other one.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
from pathlib import Path

import pytest

from e2e.local.histories import differences, told
from powertools_durable._protocol.operation import ErrorObject
from tests.compat import twin
from tests.histories.record_official import RECORDINGS

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("aws_durable_execution_sdk_python") is None,
    reason="the official SDK is not installed (dependency group e2e)",
)
HERE = Path(__file__).parent
SOURCES = {"official_handlers": HERE.parent / "histories" / "official_handlers.py", "handlers": HERE / "handlers.py"}
EVENTS = {name: recording.event for name, recording in RECORDINGS.items()} | {"about_itself": {"a": [1, "ü"]}}
DIES = {"step_interrupted", "step_running"}  # these need a process of their own: e2e
COUNTS = {"logged"}  # what each SDK logs is counted apart
STILL_RUNNING = {"mapped_large_early"}
REFUSED = ErrorObject(error_type="Refused", error_message="not approved", error_data="7")
ANSWERS = {
    "callback": '{"approved": true}',
    "callback_failed": REFUSED,
    "callback_fields": REFUSED,
    "callback_options": '{"by": "ada"}',
    "asked": "yes",
    "asked_unnamed": '"yes"',
    "asked_decorated": '{"by": "ada"}',
    "asked_and_refused": REFUSED,
    "order_flow": "yes",
}
NAMES = [("official_handlers", name) for name in RECORDINGS if name not in DIES] + [
    ("handlers", match)
    for match in re.findall(
        r"^@durable_execution\ndef (\w+)", SOURCES["handlers"].read_text(encoding="utf-8"), re.MULTILINE
    )
    if match != "stock"
]
_FIXED = {  # texts of ours that say the same in other words, and the one line that says where an error was raised
    re.compile(r'\\?,"StackTrace":\{"t":"l","v":\[\{"t":"s","v":"[^"]*"\}\]\}'): "",
}


def end_of(name, source, *sdks):
    modules = [twin.load(SOURCES[source], official=sdk == "official") for sdk in sdks]
    run = twin.run(name, modules, EVENTS.get(name), functions=["stock"])
    if name in ANSWERS:
        answer = ANSWERS[name]
        callback = next(record for record in run.operations if record.callback_details is not None)
        with run.host.changing(run.arn) as execution:
            given = {"result": answer} if isinstance(answer, str) else {"error": answer}
            execution.complete_callback(callback.callback_details.callback_id, run.now, **given)
        run.settle()
    if "time" in name:
        run.advance(5)
    if not name.endswith("_running") and name not in STILL_RUNNING:
        run.finish()
    error = run.error
    shown = None if error is None else (error.error_type, error.error_message, error.error_data)
    return run.status, run.result if run.status == "SUCCEEDED" else None, shown, normal(told(run.history()))


def normal(history):
    for events in history.values():
        for event in events:
            text = event[-1].get("Result")
            if isinstance(text, str):
                for pattern, replacement in _FIXED.items():
                    text = pattern.sub(replacement, text)
                event[-1]["Result"] = text
    return history


def test_there_are_at_least_sixty():
    assert len(set(NAMES)) == len(NAMES) >= 100


@pytest.fixture(autouse=True)
def _no_files_are_left():
    yield
    shutil.rmtree(twin.load(SOURCES["handlers"], official=False).MOUNT, ignore_errors=True)


@pytest.mark.parametrize(("source", "name"), NAMES, ids=[name for _, name in NAMES])
@pytest.mark.parametrize("turns", [("ours",), ("ours", "official"), ("official", "ours")], ids="-".join)
def test_both_sdks_come_to_the_same_end(source, name, turns):
    if name in COUNTS and len(turns) > 1:
        turns = turns[:1]
    status, result, error, history = end_of(name, source, "official")
    assert (status, result, error) == (actual := end_of(name, source, *turns))[:3]
    assert not list(differences(actual[3], history))
