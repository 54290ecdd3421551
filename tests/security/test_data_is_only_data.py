"""Nothing is imported, unpickled, evaluated or started because of data (G10).

See docs/reliability.md#security-list, item 3.

In a process of its own, because an audit hook can't be taken away: the same handler runs once over harmless records,
so that whatever is loaded when it is needed is loaded; then over hostile ones, while every import, unpickling,
execution of code, start of a process, opening of a file and connection is noted.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

PROGRAM = """
import base64, json, os, sys
sys.path.insert(0, {root!r})
import dataclasses
from pydantic import BaseModel
from powertools_durable import BatchResult, DurableConfig, Polling, Retry, durable
from powertools_durable._protocol.result import CheckpointResponse
from powertools_durable.errors import DurableError, OperationError
from tests.kit import ARN
from tests.reliability.test_histories import CALLS, DETAILS, FIRST

NOTED, ARMED = [], []
WATCHED = ("import", "pickle.find_class", "marshal.loads", "marshal.load", "exec", "compile", "os.system", "os.exec",
           "os.posix_spawn", "os.spawn", "subprocess.Popen", "socket.connect", "socket.getaddrinfo", "open",
           "ctypes.dlopen", "code.__new__", "sys.addaudithook")

def hook(event, args):
    if event == "compile" and args[1] == "<unknown>":  # ast.parse, of a builtin's signature; nothing runs it
        return
    if ARMED and event in WATCHED:
        NOTED.append((event, str(args)[:200]))

sys.addaudithook(hook)

class Model(BaseModel):
    a: int = 0

class Well:
    def checkpoint(self, arn, token, updates, client_token):
        return CheckpointResponse(checkpoint_token="t")
    def get_execution_state(self, *_):
        raise AssertionError

@durable(config=DurableConfig(log_failures=False))  # a traceback opens and parses the lines that it shows
def handler(event, ctx):
    asks = ASKS[0]
    try:
        result = asks(ctx)
    except OperationError as error:
        error.__cause__, error.data, error.error_type, repr(error), str(error)
        try:
            error.data_as(Model)
        except DurableError:
            pass
        raise
    if isinstance(result, BatchResult):
        for item in result:
            item.error, item.result
    return repr(result)

ASKS = []

def invoke(call, status, details, payload="{{}}"):
    sub_type, asks = CALLS[call]
    ASKS[:] = [asks]
    kind = {{"CONDITION": "STEP", "PARALLEL": "CONTEXT"}}.get(call, call)
    record = {{"Id": FIRST, "Type": kind, "Status": status, "SubType": sub_type, "Name": "op", DETAILS[call]: details}}
    details = {{"InputPayload": payload}}
    execution = {{"Id": "0a1b", "Type": "EXECUTION", "Status": "STARTED", "ExecutionDetails": details}}
    event = {{"DurableExecutionArn": ARN, "CheckpointToken": "t0",
             "InitialExecutionState": {{"Operations": [execution, record], "NextMarker": ""}}}}
    try:
        return handler.invoke(event, None, backend=Well())
    except DurableError as error:
        return error

def everything(results, errors, payloads):
    for call in CALLS:
        for result in results:
            invoke(call, "SUCCEEDED", {{"Result": result, "CallbackId": "cb", "ReplayChildren": False}})
            invoke(call, "STARTED", {{"Result": result, "CallbackId": "cb"}})
            if call in ("CONTEXT", "PARALLEL"):
                invoke(call, "SUCCEEDED", {{"Result": result, "ReplayChildren": True}})
        for error in errors:
            invoke(call, "FAILED", {{"Error": error, "CallbackId": "cb"}})
    for payload in payloads:
        invoke("STEP", "SUCCEEDED", {{"Result": "1"}}, payload)

# Once with what is well formed, and once with what is not: whatever is loaded on the way to an error is loaded.
HARMLESS = json.loads({harmless!r})
HOSTILE = json.loads({hostile!r})
everything(*HARMLESS)
ARMED.append(1)
everything(*HOSTILE)
ARMED.clear()
os.write(1, json.dumps([NOTED, [os.path.exists(p) for p in {markers!r}]]).encode())
"""

HARMLESS = (
    ["1", '{"t": "m", "v": {}}', '{"t": "zz", "v": 1}', "{no", '{"t": "dt", "v": "x"}', '{"t": "u", "v": "x"}',
     '{"t": "d", "v": "x"}', '{"t": "B", "v": "??"}', '{"t": "br", "v": {"t": "m", "v": {}}}', "[" * 5000,
     '{"t": "xt", "v": "x"}', '{"t": "D", "v": "x"}', '{"t": "xtd", "v": "x"}', '{"t": "xe", "v": "x"}',
     '{"t":"dt","v":"2026-01-01T00:00:00+00:00"}', '{"t":"u","v":"00000000-0000-0000-0000-000000000000"}'],
    [{"ErrorType": "ValueError", "ErrorMessage": "m", "ErrorData": "{}"},
     {"ErrorType": "StepError", "ErrorMessage": "m", "ErrorData": "no JSON"}],
    ["{}", "no JSON", "[1]"],
)  # fmt: skip


def hostile(folder):
    """What would load, call or start something, for a reader that believes what it reads."""
    marker = str(folder / "owned")
    command = f"touch {marker}"
    pickled = "gASVHgAAAAAAAACMBXBvc2l4lIwGc3lzdGVtlJOUjAV0b3VjaJSFlFKULg=="  # posix.system("touch"), protocol 4
    types = [
        "os.system", "posix.system", "builtins.eval", "builtins.exec", "subprocess.Popen", "importlib.import_module",
        "antigravity", "this", "tests.security.trap.Trap", "powertools_durable.cli.main.main", "__main__.hook",
        "aws_durable_execution_sdk_python.os.system", "aws_durable_execution_sdk_python.exceptions.eval",
        "powertools_durable.errors.SuspendExecution", "SystemExit", "KeyboardInterrupt", "BackendError", "__class__",
        "../../etc/passwd", "StepError\x00os.system", "a" * 5000,
    ]  # fmt: skip
    tags = [
        "pickle", "py/object", "py/reduce", "__reduce__", "__class__", "eval", "model", "dataclass", "enum", "object",
        "xm", "xo", "ref", "file", "s3", "$type", "tests.security.trap.Trap",
    ]  # fmt: skip
    results = [json.dumps({"t": tag, "v": value}) for tag in tags for value in (command, [command], {"a": command})]
    results += [
        json.dumps({"__reduce__": ["os.system", [command]]}),
        json.dumps({"py/object": "os.system", "py/newargs": [command]}),
        json.dumps({"py/reduce": [{"py/function": "os.system"}, {"py/tuple": [command]}]}),
        json.dumps({"$type": "os.system", "args": [command]}),
        json.dumps({"file": "/etc/passwd"}),
        json.dumps({"s3": "s3://bucket/key"}),
        json.dumps({"t": "B", "v": pickled}),
        json.dumps({"t": "br", "v": {"all": {"t": "l", "v": [{"t": "py/object", "v": "os.system"}]}}}),
        json.dumps(
            {"t": "br", "v": {"all": {"t": "l", "v": [{"t": "m", "v": {
                "index": {"t": "i", "v": 0}, "status": {"t": "s", "v": "FAILED"},
                "error": {"t": "m", "v": {"ErrorType": {"t": "s", "v": "os.system"},
                                          "ErrorMessage": {"t": "s", "v": command}}}}}]}}}
        ),
        f"cos\nsystem\n(S'{command}'\ntR.",
        f"!!python/object/apply:os.system ['{command}']",
        pickled,
        f"__import__('os').system('{command}')",
        json.dumps({"type": "ParallelResult", "totalCount": 10**9, "completionReason": "os.system"}),
        json.dumps({"t": "xk", "v": [[{"t": "xfs", "v": [{"t": "s", "v": command}]}, {"t": "n", "v": None}]]}),
        json.dumps({"t": "d", "v": "1E+999999999"}),
    ]  # fmt: skip
    errors = [
        {"ErrorType": kind, "ErrorMessage": command, "ErrorData": data, "StackTrace": [command, 'File "/etc/passwd"']}
        for kind in types
        for data in (command, json.dumps({"__reduce__": ["os.system", [command]]}), pickled)
    ]
    return (results, errors, results), [marker]


@pytest.mark.slow
def test_hostile_histories_import_unpickle_start_and_open_nothing(tmp_path):
    told, markers = hostile(tmp_path)
    code = textwrap.dedent(PROGRAM).format(
        root=str(ROOT), harmless=json.dumps(HARMLESS), hostile=json.dumps(told), markers=markers
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    noted, owned = json.loads(done.stdout)
    assert noted == []
    assert owned == [False]


@pytest.mark.slow
def test_that_hook_sees_an_import_and_an_unpickling(tmp_path):
    """The test above would fail: a reader that believed such a type would be seen."""
    told, markers = hostile(tmp_path)
    code = textwrap.dedent(PROGRAM).format(
        root=str(ROOT), harmless=json.dumps(HARMLESS), hostile=json.dumps(told), markers=markers
    )
    evil = "gASVHAAAAAAAAACMCGJ1aWx0aW5zlIwDbGVulJOUjAFhlIWUUpQu"  # builtins.len("a")
    believer = f"import base64, pickle, xmlrpc.client\npickle.loads(base64.b64decode({evil!r}))"
    code = code.replace("everything(*HOSTILE)", f"everything(*HOSTILE)\n{believer}")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    noted, _ = json.loads(done.stdout)
    assert {"import", "pickle.find_class"} <= {event for event, _ in noted}


@pytest.mark.parametrize("module", ["pickle", "marshal", "shelve", "yaml", "dill", "cloudpickle", "jsonpickle"])
def test_no_file_of_ours_loads_what_could_unpickle(module):
    for file in (ROOT / "powertools_durable").rglob("*.py"):
        if (module, file.name) == ("marshal", "module_globals.py"):
            continue  # copies in memory, which the test kit has written itself; nothing of them is kept or received
        if (module, file.name) == ("yaml", "reading.py"):
            assert re.findall(r"yaml\.(?:\w*load\w*|Unsafe\w+|Full\w+|Loader)", file.read_text(encoding="utf-8")) == []
            continue  # it composes nodes of a deployment template, with the safe loader, and makes no objects
        text = file.read_text(encoding="utf-8")
        assert f"import {module}" not in text, file
        assert f"from {module}" not in text, file
