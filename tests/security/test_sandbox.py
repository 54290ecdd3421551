"""What this package reaches of the machine: no network, files for their owner only, nothing that a variable turns on.

Source: docs/reliability.md#security-list, items 4, 6, 9, 10, 11, 12 and 13.
"""

from __future__ import annotations

import ast
import json
import os
import random
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from powertools_durable import durable
from powertools_durable.errors import ValidationError
from powertools_durable.local import LocalRunner, SqliteStore
from powertools_durable.local.lock import running
from powertools_durable.local.store import SystemIds
from powertools_durable.testing import Simulator

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "powertools_durable"


def in_process(code, **environment):
    """Run code in a process of its own; return what it printed as JSON."""
    whole = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{textwrap.dedent(code)}"
    done = subprocess.run(
        [sys.executable, "-c", whole],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={"PATH": os.environ.get("PATH", ""), "AWS_DEFAULT_REGION": "eu-west-1", **environment},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


# -- no network --------------------------------------------------------------------------------------------------

HOOKED = """
    import json, os
    NOTED = []
    def hook(event, args):
        if event.startswith("socket.") and event not in ("socket.__new__", "socket.gethostname"):
            NOTED.append([event, str(args[1:])])
    sys.addaudithook(hook)
"""
STORY = """
    from powertools_durable import durable
    @durable
    def handler(event, ctx):
        ctx.step(lambda: 1)
        ctx.wait(5)
        ctx.map(lambda child, n: child.step(lambda: n), [1, 2, 3])
        return ctx.create_callback(name="c").result()
"""


@pytest.mark.slow
def test_importing_everything_opens_no_connection():
    code = """
    import importlib, pkgutil, powertools_durable
    for module in pkgutil.walk_packages(powertools_durable.__path__, "powertools_durable."):
        try:
            importlib.import_module(module.name)
        except ModuleNotFoundError as missing:
            if not missing.name.startswith("aws_xray_sdk"):  # an extra
                raise
    print(json.dumps(NOTED))
    """
    noted = in_process(textwrap.dedent(HOOKED) + textwrap.dedent(code))
    # urllib3, which botocore brings, looks whether this machine has IPv6 by binding to it.
    assert [told for told in noted if told[0] != "socket.bind" or "'::1'" not in told[1]] == []


def test_the_simulator_the_runner_and_the_command_open_no_connection(tmp_path):
    code = f"""
    from powertools_durable.testing import Simulator
    from powertools_durable.local import LocalRunner
    run = Simulator(handler).start()
    run.finish()
    assert run.callback("c").succeed(1).status == "SUCCEEDED"
    runner = LocalRunner(handler, {str(tmp_path / "s.sqlite")!r}, skip_time=True)
    assert runner.run(None, answers={{"c": 1}}).status == "SUCCEEDED"
    from powertools_durable.cli.main import main
    path = {str(tmp_path / "h.py")!r}
    open(path, "w").write({textwrap.dedent(STORY)!r})
    sys.argv = ["x", "run", path + ":handler", "--store", {str(tmp_path / "t.sqlite")!r}, "--skip-time",
                "--answer", "c=1", "--json"]
    try:
        main()
    except SystemExit as end:
        assert not end.code, end.code
    print(json.dumps(NOTED))
    """
    assert in_process(textwrap.dedent(HOOKED) + textwrap.dedent(STORY) + textwrap.dedent(code)) == []


def test_the_hook_above_sees_a_connection():
    code = """
    import socket
    try:
        socket.create_connection(("127.0.0.1", 9), timeout=1)
    except OSError:
        pass
    print(json.dumps(NOTED))
    """
    assert [event for event, _ in in_process(textwrap.dedent(HOOKED) + textwrap.dedent(code))][-1] == "socket.connect"


# -- files -------------------------------------------------------------------------------------------------------


def modes(folder):
    return {file.name: oct(stat.S_IMODE(file.stat().st_mode)) for file in folder.rglob("*") if file.is_file()}


@pytest.fixture
def open_umask():
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("open_umask")
def test_store_log_index_and_lock_are_their_owner_s_whatever_the_umask(tmp_path):
    path = tmp_path / "kept" / "store.sqlite"
    seen = {}

    @durable
    def handler(event, ctx):
        ctx.step(lambda: seen.update(modes(path.parent)))
        return 1

    runner = LocalRunner(handler, path, skip_time=True)
    runner.run(None)
    assert any(name.endswith("-wal") for name in seen)
    assert any(name.endswith("-shm") for name in seen)
    assert any(name.endswith(".lock") for name in seen)
    assert set(seen.values()) == {"0o600"}, seen
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


HOSTILE_NAMES = ["../../owned", "..", "/etc/passwd", "a/b", "a\x00b", "a\nb", "C:\\owned", "~", "$HOME", "*", ""]


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_a_name_is_no_path(tmp_path, name):
    folder = tmp_path / "in" / "here"
    runner = LocalRunner(durable(lambda event, ctx: 1), folder / "store.sqlite")
    with pytest.raises(ValidationError):
        runner.start(None, name=name)
    assert {path.name for path in tmp_path.rglob("*")} <= {"in", "here", *(p.name for p in folder.iterdir())}


@pytest.mark.parametrize("name", [*HOSTILE_NAMES, "x" * 5000])
def test_an_arn_of_any_kind_leads_to_no_file_outside_the_store_s_folder(tmp_path, name):
    folder = tmp_path / "in" / "here"
    kept = SqliteStore(folder / "store.sqlite")
    arn = f"arn:aws:lambda:us-east-1:000000000000:function:f:1/durable-execution/{name}/{name}"
    with running(kept, arn):
        files = [path for path in tmp_path.rglob("*") if path.is_file()]
    kept.close()
    assert all(path.parent == folder for path in files)
    assert all(path.name.startswith("store.sqlite") for path in files)


# -- what a variable can turn on ----------------------------------------------------------------------------------

# Every variable that code of this package reads, and what for. The test kit and the command line are not among them.
VARIABLES = {
    "AWS_",  # backends/lambda_: whether botocore's settings are still those that the client was made with
    "AWS_LAMBDA_FUNCTION_NAME",  # decorator: make the client in the init phase
    "POWERTOOLS_DEV",  # instrumentation: print instead of warn
    "POWERTOOLS_DURABLE_COMPAT",  # whose names are redirected here
    "POWERTOOLS_DURABLE_PLUGINS",  # entry points that other packages offer, by name; empty by default
}
BY_NAME = {"config.py": "POWERTOOLS_DURABLE_"}  # its table of settings


def test_no_other_variable_is_read():
    found = set()
    for file in PACKAGE.rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        if "environ" not in text or file.is_relative_to(PACKAGE / "testing") or file.is_relative_to(PACKAGE / "cli"):
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.isupper():
                found |= {node.value} if node.value.startswith(("AWS_", "POWERTOOLS_")) else set()
    assert found <= VARIABLES | {"POWERTOOLS_DURABLE_"}


@pytest.mark.slow
def test_the_test_kit_and_the_runner_are_not_to_be_had_by_any_variable():
    settings = {f"POWERTOOLS_DURABLE_{name}": value for name, value in SWITCHES.items()}
    code = """
    import json
    from powertools_durable import durable
    from powertools_durable._protocol.result import CheckpointResponse
    @durable
    def handler(event, ctx):
        return ctx.step(lambda: 1)
    kinds = type(handler.__durable__._backend).__name__
    class Well:
        def checkpoint(self, *_): return CheckpointResponse(checkpoint_token="t")
    execution = {"Id": "e", "Type": "EXECUTION", "Status": "STARTED", "ExecutionDetails": {"InputPayload": "{}"}}
    event = {"DurableExecutionArn": "arn/e", "CheckpointToken": "t",
             "InitialExecutionState": {"Operations": [execution], "NextMarker": ""}}
    answer = handler.invoke(event, None, backend=Well())
    loaded = [name for name in sys.modules if name.startswith(("powertools_durable.testing", "powertools_durable.local",
              "powertools_durable.cli", "pytest"))]
    print(json.dumps([kinds, answer, loaded]))
    """
    kind, answer, loaded = in_process(code, AWS_LAMBDA_FUNCTION_NAME="f", **settings)
    assert kind == "LambdaBackend"
    assert answer == {"Status": "SUCCEEDED", "Result": "1"}
    assert loaded == []


SWITCHES = {
    **dict.fromkeys(
        ["TESTING", "TEST", "SIMULATOR", "LOCAL", "BACKEND", "STORE", "HOST", "RUNNER", "MODE", "DEV"], "1"
    ),
    "LOG_REPLAYS": "1",
    "METRICS": "",
    "ON_UNCONSUMED": "ignore",
}


# -- secrets and chance ------------------------------------------------------------------------------------------


def test_tokens_and_callback_ids_of_the_runner_have_more_than_128_bits_whatever_a_test_patches(monkeypatch):
    for source in ("secrets.token_hex", "os.urandom", "uuid.uuid4", "random.getrandbits"):
        monkeypatch.setattr(source, lambda *_: pytest.fail("a name that tests patch"))
    ids = [make() for _ in range(500) for make in (SystemIds().token, SystemIds().callback_id)]
    assert all(8 * len(bytes.fromhex(text)) >= 128 for text in ids)
    assert len(set(ids)) == 1000


def test_no_two_are_the_same():
    ids = SystemIds()
    assert len({ids.callback_id() for _ in range(1000)} | {ids.token() for _ in range(1000)}) == 2000


def test_client_tokens_come_from_the_system_s_randomness():
    from powertools_durable._runtime.environment import Environment

    assert isinstance(Environment().random, random.SystemRandom)


def test_nothing_reseeds_or_draws_from_the_global_random():
    random.seed(7)
    before = random.getstate()

    @durable
    def handler(event, ctx):
        ctx.random.random()
        ctx.uuid4()
        ctx.step(ctx.random.random)
        ctx.wait(1)

    Simulator(handler, seed=3).start().finish()
    assert random.getstate() == before


# -- one sandbox, many executions -----------------------------------------------------------------------------------


def test_two_executions_of_one_name_share_nothing():
    @durable
    def handler(event, ctx):
        return ctx.step(lambda: event, name="same")

    simulator = Simulator(handler)
    first, second = simulator.start({"tenant": "a"}, name="same"), simulator.start({"tenant": "b"}, name="same")
    assert [first.result, second.result] == [{"tenant": "a"}, {"tenant": "b"}]
